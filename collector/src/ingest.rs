//! Ingest: from a request's body to an acknowledgement.
//!
//! Promises: what is acknowledged as stored is on disk; a report speaks only for the host of its certificate; a repeat
//! is acknowledged and stored once; one bad report hurts no other in its envelope; every refusal is counted by reason.
//! Leaves to others: connections and certificates (`serve`), and everything that happens after the journal (`feed`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use agent_model::{HostId, Millis, Report, Schema, SchemaId};
use agent_wire::{Acknowledgement, Envelope, RawReport, ReportOutcome};
use collector_inventory::{Ledger, Verdict};
use collector_journal::{Journal, JournalError, Position};
use sha2::{Digest, Sha256};

use crate::feed::{Content, Decoded, Feed, Reported};
use crate::record::Record;
use crate::schemas::Schemas;
use crate::self_metrics::IngestMetrics;

/// What one host may do, and how far its clock may be off.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub series_per_host_max: usize,
    pub future_max_ms: Millis,
    pub past_max_ms: Millis,
}

/// The path of a report into the journal.
pub struct Ingest {
    journal: Journal,
    schemas: Schemas,
    ledger: Mutex<Ledger>,
    feed: Feed,
    limits: Limits,
    metrics: IngestMetrics,
    /// One envelope of a host at a time, so that a report sent twice at once is stored once.
    lanes: Mutex<HashMap<HostId, Arc<tokio::sync::Mutex<()>>>>,
}

/// A report that is checked and waits for the journal.
struct Accepted {
    record: Record,
    report: Report,
    schemas: Vec<(SchemaId, Arc<Schema>)>,
    hash: [u8; 32],
}

/// What became of a report before the journal.
enum Examined {
    Accept(Box<Accepted>),
    Duplicate,
    SchemasNeeded(Vec<SchemaId>),
    Refuse { reason: &'static str, text: String },
}

/// A report of the collector itself could not be stored.
#[derive(Debug, thiserror::Error)]
pub enum DerivedError {
    #[error("the collector's own report cannot be encoded")]
    Encode(#[from] agent_wire::WireError),
    #[error("the collector's own report cannot be stored")]
    Journal(#[from] JournalError),
}

impl Ingest {
    pub fn new(
        journal: Journal,
        schemas: Schemas,
        ledger: Ledger,
        feed: Feed,
        limits: Limits,
        metrics: IngestMetrics,
    ) -> Self {
        let (ledger, lanes) = (Mutex::new(ledger), Mutex::default());
        Self { journal, schemas, ledger, feed, limits, metrics, lanes }
    }

    /// Takes an envelope from a host whose certificate was verified. An error is the journal's: nothing
    /// was acknowledged, and the agent sends everything again.
    pub async fn accept(
        &self,
        host: &HostId,
        envelope: Envelope,
        received_ms: Millis,
    ) -> Result<Acknowledgement, JournalError> {
        let lane = self.lane(host);
        let _one_at_a_time = lane.lock().await;
        let mut results = Vec::with_capacity(envelope.reports.len());
        let mut schemas_needed = Vec::new();
        let mut accepted: Vec<Accepted> = Vec::new();
        for bytes in envelope.reports {
            let circumstances = Record {
                host: host.clone(),
                received_ms,
                clock_offset_ms: envelope.sent_ms.saturating_sub(received_ms),
                agent_version: envelope.agent_version.clone(),
                derived: false,
                report: bytes,
            };
            let outcome = match self.examine(circumstances, &accepted) {
                Examined::Accept(report) => {
                    accepted.push(*report);
                    ReportOutcome::Stored
                }
                Examined::SchemasNeeded(ids) => {
                    schemas_needed.extend(ids);
                    ReportOutcome::SchemaNeeded
                }
                Examined::Duplicate => {
                    self.metrics.duplicates.inc();
                    ReportOutcome::Duplicate
                }
                Examined::Refuse { reason, text } => {
                    self.metrics.refused.with_label_values(&[reason]).inc();
                    tracing::warn!(%host, reason, "a report was refused: {text}");
                    ReportOutcome::Refused { reason: text }
                }
            };
            results.push(outcome);
        }
        self.store(accepted).await?;
        schemas_needed.sort_unstable();
        schemas_needed.dedup();
        Ok(Acknowledgement { received_ms, results, schemas_needed })
    }

    /// Stores a report that the collector made itself; its series carry complete labels.
    pub async fn store_derived(
        &self,
        report: Report,
        received_ms: Millis,
    ) -> Result<(), DerivedError> {
        let bytes = agent_wire::encode_report(&report, &self.schemas)?;
        let schemas: Vec<_> =
            report.schemas.iter().map(|schema| (schema.id(), Arc::new(schema.clone()))).collect();
        let hash = Sha256::digest(&bytes).into();
        let record = Record {
            host: report.host.clone(),
            received_ms,
            clock_offset_ms: 0,
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            derived: true,
            report: bytes,
        };
        self.store(vec![Accepted { record, report, schemas, hash }]).await?;
        Ok(())
    }

    /// Checks one report against its certificate, the ledger and the limits, and decodes it.
    fn examine(&self, record: Record, accepted: &[Accepted]) -> Examined {
        let raw = match RawReport::decode(record.report.clone()) {
            Ok(raw) => raw,
            Err(error) => return refuse("malformed", crate::describe(&error)),
        };
        if raw.host() != &record.host {
            let (claimed, proven) = (raw.host(), &record.host);
            let text = format!(
                "the report speaks for {claimed}, the certificate for {proven}; a host that was \
                 enrolled under another name cannot deliver what it spooled under the old one"
            );
            return refuse("other_host", text);
        }
        let hash: [u8; 32] = Sha256::digest(&record.report).into();
        let (key, created_ms) = (raw.key(), raw.created_ms());
        if accepted.iter().any(|other| other.report.key == key) {
            return Examined::Duplicate;
        }
        let verdict = {
            let ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
            ledger.check(&record.host, key, &hash, created_ms)
        };
        match verdict {
            Verdict::New => {}
            Verdict::Duplicate => return Examined::Duplicate,
            Verdict::Conflict(conflict) => return refuse(conflict.name(), conflict.to_string()),
        }
        let schemas = raw.schemas().to_vec();
        let max = self.limits.series_per_host_max;
        let used = raw.used_schemas();
        if let Err(error) = self.schemas.check_series(&record.host, &schemas, &used, max) {
            return refuse("too_many_series", error.to_string());
        }
        if schemas.iter().any(|(_, schema)| speaks_of_being_up(schema)) {
            let text = "`up` of a host (job `node`) is the collector's to say";
            return refuse("reserved_series", text.to_owned());
        }
        // A schema may have come with an earlier report of the same envelope.
        let known = Beside { schemas: &self.schemas, accepted };
        let missing = raw.missing_schemas(&known);
        if !missing.is_empty() {
            return Examined::SchemasNeeded(missing);
        }
        let report = match raw.into_report(&known) {
            Ok(report) => report,
            Err(error) => return refuse("malformed", crate::describe(&error)),
        };
        if let Err(text) = self.check_times(&report, record.received_ms) {
            return refuse("time", text);
        }
        Examined::Accept(Box::new(Accepted { record, report, schemas, hash }))
    }

    /// Samples far in the future would hide the present; samples older than the store takes would be lost silently.
    fn check_times(&self, report: &Report, received_ms: Millis) -> Result<(), String> {
        let latest = received_ms.saturating_add(self.limits.future_max_ms);
        let earliest = received_ms.saturating_sub(self.limits.past_max_ms);
        for column in &report.columns {
            let seconds = |ms: Millis| ms / 1_000;
            if column.timestamp_ms > latest {
                let ahead = seconds(column.timestamp_ms.saturating_sub(received_ms));
                return Err(format!(
                    "samples are {ahead} s ahead of the collector's clock (agents.future_max); set the \
                     host's clock"
                ));
            }
            if column.timestamp_ms < earliest {
                let behind = seconds(received_ms.saturating_sub(column.timestamp_ms));
                return Err(format!("samples are {behind} s old, more than agents.past_max"));
            }
        }
        Ok(())
    }

    /// Writes accepted reports, waits for the disk, and hands them on. The ledger and the schemas learn of them
    /// only now, so a failed write leaves no trace.
    async fn store(&self, accepted: Vec<Accepted>) -> Result<(), JournalError> {
        if accepted.is_empty() {
            return Ok(());
        }
        let records: Vec<_> = accepted.iter().map(|report| report.record.encode()).collect();
        let count = records.len() as u64;
        let Position(last) = self.journal.append(records).await?;
        let mut position = last - count;
        for Accepted { record, report, schemas, hash } in accepted {
            position += 1;
            let used: Vec<_> = report.columns.iter().map(|column| column.schema).collect();
            self.schemas.add(&record.host, &schemas, &used);
            self.remember(&record, &report, &hash);
            self.metrics.reports.with_label_values(&[report.key.stream.name()]).inc();
            self.metrics.samples.inc_by(report.sample_count() as u64);
            self.metrics.events.inc_by(report.events.len() as u64);
            let position = Position(position);
            let content = Content::Report(Box::new(Reported { record, report, hash }));
            self.feed.publish(&Arc::new(Decoded { position, content }));
        }
        Ok(())
    }

    fn remember(&self, record: &Record, report: &Report, hash: &[u8; 32]) {
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        let (host, now_ms) = (&record.host, record.received_ms);
        ledger.record(host, report.key, hash, report.created_ms, now_ms);
        for gap in &report.gaps {
            ledger.explain(host, gap, now_ms);
        }
    }

    fn lane(&self, host: &HostId) -> Arc<tokio::sync::Mutex<()>> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(lanes.entry(host.clone()).or_default())
    }
}

/// The stored schemas, and those of reports that are about to be stored.
struct Beside<'a> {
    schemas: &'a Schemas,
    accepted: &'a [Accepted],
}

impl agent_wire::SchemaSource for Beside<'_> {
    fn schema(&self, id: &SchemaId) -> Option<Arc<Schema>> {
        self.schemas.schema(id).or_else(|| {
            let mut attached = self.accepted.iter().flat_map(|report| &report.schemas);
            attached.find(|(own, _)| own == id).map(|(_, schema)| Arc::clone(schema))
        })
    }
}

/// Whether a schema would say of the host itself what only the collector can know.
fn speaks_of_being_up(schema: &Schema) -> bool {
    schema.job == "node" && schema.series.iter().any(|series| series.metric_name() == "up")
}

fn refuse(reason: &'static str, text: String) -> Examined {
    Examined::Refuse { reason, text }
}
