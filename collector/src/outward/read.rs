//! From the journal to what is sent: the same series and samples as the metrics view stores, with the same labels and the
//! same stale markers.
//!
//! Promises: bounded memory; a batch holds whole records, in their order, and the samples of a series in order of time.
//! Leaves to others: when records are dropped unread (`queue`), and sending them.

use std::collections::HashMap;
use std::sync::Arc;

use agent_model::{HostId, Labels, Millis, Sample, SchemaId, stale_marker};
use agent_wire::{RawReport, SchemaSource};
use bytes::Bytes;
use collector_journal::{Journal, JournalError, Position};
use collector_remote_write::OutwardSeries;

use super::config::Target;
use super::deliver::Piece;
use super::progress::{Dropped, Progress};
use crate::app::SILENT_AFTER_MS;
use crate::push::Owner;
use crate::record::{Entry, PushRecord, Record};
use crate::schemas::Schemas;
use crate::views::metrics::own_labels;
use crate::views::targets::{Ended, Reported, Targets};

/// Records of one batch; how much is sent again after a crash.
const BATCH_RECORDS_MAX: usize = 256;

/// Samples of one batch; the last record may reach over.
const BATCH_SAMPLES_MAX: usize = 50_000;

/// Bytes of labels and samples in one request before it is compressed: receivers take 32 MiB.
const REQUEST_BYTES_MAX: usize = 4 << 20;

/// Series whose labels are remembered; beyond it all are made anew.
const SERIES_KNOWN_MAX: usize = 1_000_000;

/// Whole records, ready to be sent.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// The last record that is in it, or that had nothing for it.
    pub(super) through: Position,
    /// The journal had no more.
    pub(super) level: bool,
    /// When the oldest of it was received.
    pub(super) received_ms: Option<Millis>,
    pub(super) samples: u64,
    /// Requests by shard.
    pub(super) shards: Vec<Vec<Piece>>,
}

/// A series as the target knows it.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Named {
    /// Of the labels: chooses the shard.
    hash: u64,
    labels: Labels,
    /// Whether `write_relabel` sends it.
    sent: bool,
}

/// Reads the journal for one target.
#[derive(Debug)]
pub(super) struct Reading {
    journal: Journal,
    schemas: Schemas,
    target: Arc<Target>,
    progress: Arc<Progress>,
    /// The next record.
    next: Position,
    /// The newest time of receipt: the clock of a reader that is behind.
    received_ms: Millis,
    targets: Targets<Arc<Named>>,
    columns: HashMap<(HostId, SchemaId), Arc<[Arc<Named>]>>,
    pushed: HashMap<Labels, HashMap<Box<[u8]>, Arc<Named>>>,
    known: usize,
}

/// Samples of a batch while it is read.
type Samples = Vec<(Arc<Named>, Sample)>;

impl Reading {
    pub(super) fn new(
        journal: Journal,
        schemas: Schemas,
        target: Arc<Target>,
        progress: Arc<Progress>,
    ) -> Self {
        let next = Position(progress.stored().0.saturating_add(1));
        Self {
            journal,
            schemas,
            target,
            progress,
            next,
            received_ms: 0,
            targets: Targets::default(),
            columns: HashMap::new(),
            pushed: HashMap::new(),
            known: 0,
        }
    }

    /// The position before the next record.
    pub(super) fn position(&self) -> Position {
        Position(self.next.0.saturating_sub(1))
    }

    /// Reads and sorts the next records; blocks on the disk.
    pub(super) fn next_batch(&mut self, now_ms: Millis) -> Result<Batch, JournalError> {
        if self.known > SERIES_KNOWN_MAX {
            (self.columns, self.pushed, self.known) = (HashMap::new(), HashMap::new(), 0);
        }
        let from = self.next;
        let mut reader = self.journal.read(from);
        let (mut batch, mut samples) = (Batch::default(), Samples::new());
        for _ in 0..BATCH_RECORDS_MAX {
            if samples.len() >= BATCH_SAMPLES_MAX {
                break;
            }
            match reader.next() {
                Ok(Some((position, bytes))) => {
                    self.next = Position(position.0 + 1);
                    self.take(position, bytes, now_ms, &mut batch, &mut samples);
                }
                Ok(None) => {
                    batch.level = true;
                    break;
                }
                Err(JournalError::Gap { first, last, cause }) => {
                    self.note_gap(first, last, &cause.to_string());
                }
                Err(error) if self.next == from => return Err(error),
                // What was read is sent first: it is counted, and its stale markers are made, once.
                Err(_) => break,
            }
        }
        let clock_ms = if batch.level { now_ms } else { self.received_ms };
        let silent = self.targets.silent(clock_ms, SILENT_AFTER_MS);
        self.end(silent, &mut samples);
        let all = samples.len();
        samples.retain(|(named, _)| named.sent);
        self.progress.note_kept_back((all - samples.len()) as u64);
        batch.through = self.position();
        batch.samples = samples.len() as u64;
        batch.shards = self.shards(samples);
        Ok(batch)
    }

    /// Steps over everything up to a position; how many samples that were. What cannot be read is counted as lost, and
    /// never kept for it: the bound holds on a broken disk too.
    pub(super) fn skip_through(&mut self, position: Position) -> u64 {
        let (mut samples, mut reader) = (0, self.journal.read(self.next));
        while self.next <= position {
            match reader.next() {
                Ok(Some((at, bytes))) => {
                    self.next = Position(at.0 + 1);
                    match count(bytes, &self.schemas) {
                        Ok(more) => samples += more,
                        Err(error) => self.note_wrong(at, &*error),
                    }
                }
                Ok(None) => break,
                Err(JournalError::Gap { first, last, cause }) => {
                    self.note_gap(first, last, &cause.to_string());
                }
                Err(error) => self.note_gap(self.next, position, &crate::describe(&error)),
            }
        }
        self.next = self.next.max(Position(position.0 + 1));
        samples
    }

    /// Records that will never come: goes on behind them.
    fn note_gap(&mut self, first: Position, last: Position, why: &str) {
        self.progress.note_lost((last.0 + 1).saturating_sub(first.0), why);
        self.next = Position(last.0 + 1).max(self.next);
    }

    fn note_wrong(&self, position: Position, error: &dyn std::error::Error) {
        self.progress.note_lost(1, &format!("record {position}: {}", crate::describe(error)));
    }

    fn take(
        &mut self,
        position: Position,
        bytes: Bytes,
        now_ms: Millis,
        batch: &mut Batch,
        samples: &mut Samples,
    ) {
        let entry = match Entry::decode(bytes.clone()) {
            Ok(entry) => entry,
            Err(error) => return self.note_wrong(position, &error),
        };
        let received_ms = match &entry {
            Entry::Report(record) => record.received_ms,
            Entry::Push(record) => record.received_ms,
        };
        if now_ms.saturating_sub(received_ms) > self.target.queue_age_max_ms {
            match count(bytes, &self.schemas) {
                Ok(samples) => self.progress.note_dropped(samples, Dropped::TooOld),
                Err(error) => self.note_wrong(position, &*error),
            }
            return;
        }
        self.received_ms = self.received_ms.max(received_ms);
        let before = samples.len();
        match entry {
            Entry::Push(record) => self.take_push(&record, samples),
            Entry::Report(record) => {
                if let Err(error) = self.take_report(record, samples) {
                    self.note_wrong(position, &error);
                }
            }
        }
        if samples.len() > before {
            let oldest_ms = batch.received_ms.unwrap_or(received_ms);
            batch.received_ms = Some(oldest_ms.min(received_ms));
        }
    }

    fn take_push(&mut self, record: &PushRecord, samples: &mut Samples) {
        for series in record.push.series() {
            let named = self.pushed_series(&record.owner, series.labels);
            samples.extend(series.samples.iter().map(|sample| (Arc::clone(&named), *sample)));
        }
    }

    fn pushed_series(&mut self, owner: &Owner, run: &[u8]) -> Arc<Named> {
        if let Some(named) = self.pushed.get(&owner.labels).and_then(|known| known.get(run)) {
            return Arc::clone(named);
        }
        // What is in the journal was judged before: it can be read.
        let brought = collector_remote_write::labels(run).unwrap_or_default();
        let named = Arc::new(Named::new(owner.own(&brought), &self.target));
        let known = self.pushed.entry(owner.labels.clone()).or_default();
        known.insert(run.into(), Arc::clone(&named));
        self.known += 1;
        named
    }

    fn take_report(
        &mut self,
        record: Record,
        samples: &mut Samples,
    ) -> Result<(), agent_wire::WireError> {
        let raw = RawReport::decode(record.report.clone())?;
        // Not noted as what the host reports in now: this may be old.
        let report = raw.into_report(&self.schemas)?;
        let mut columns = Vec::with_capacity(report.columns.len());
        for column in &report.columns {
            let schema = self.schemas.schema(&column.schema).or_else(|| {
                let attached = report.schemas.iter();
                attached.cloned().map(Arc::new).find(|schema| schema.id() == column.schema)
            });
            let Some(schema) = schema else {
                return Err(agent_wire::WireError::SchemaUnknown(column.schema));
            };
            let key = (record.host.clone(), column.schema);
            let series = match self.columns.get(&key) {
                Some(series) => Arc::clone(series),
                None => {
                    let own = own_labels(&record.host, &schema);
                    let named = schema.series.iter().map(|series| match record.derived {
                        true => series.clone(),
                        false => series.with_all(own.iter()),
                    });
                    let series: Arc<[_]> =
                        named.map(|labels| Arc::new(Named::new(labels, &self.target))).collect();
                    self.known += series.len();
                    self.columns.insert(key, Arc::clone(&series));
                    series
                }
            };
            let timestamp_ms = column.timestamp_ms;
            let pairs = series.iter().zip(&column.values);
            samples.extend(
                pairs.map(|(one, value)| (Arc::clone(one), Sample { timestamp_ms, value: *value })),
            );
            columns.push(Reported { schema, id: column.schema, timestamp_ms, series });
        }
        let ended = self.targets.note(&record.host, columns, record.received_ms);
        self.end(ended, samples);
        Ok(())
    }

    /// Makes the stale markers of series that ended, and forgets the schemas that had them.
    fn end(&mut self, ended: Vec<Ended<Arc<Named>>>, samples: &mut Samples) {
        for Ended { host, series, at_ms, schemas } in ended {
            let marker = Sample { timestamp_ms: at_ms, value: stale_marker() };
            samples.extend(series.into_iter().map(|named| (named, marker)));
            for id in schemas {
                if let Some(gone) = self.columns.remove(&(host.clone(), id)) {
                    self.known = self.known.saturating_sub(gone.len());
                }
            }
        }
    }

    /// Sorts samples by series and time, and cuts them into requests; a series is in one shard only.
    fn shards(&self, mut samples: Samples) -> Vec<Vec<Piece>> {
        let count = self.target.shards.max(1) as u64;
        // Stable: of one time the later record stays the later.
        samples.sort_by_key(|(named, sample)| (named.hash, sample.timestamp_ms));
        let mut shards = vec![Shard::default(); self.target.shards.max(1)];
        for (named, sample) in samples {
            let at = usize::try_from(named.hash % count).unwrap_or(0);
            shards[at].push(&named, sample, self.target.batch_samples_max);
        }
        shards.into_iter().map(|shard| shard.pieces).filter(|pieces| !pieces.is_empty()).collect()
    }
}

impl Named {
    fn new(labels: Labels, target: &Target) -> Self {
        let (labels, sent) = match target.write_relabel.as_slice() {
            [] => (labels, true),
            rules => relabelled(&labels, rules),
        };
        Self { hash: labels.fingerprint(), labels, sent }
    }
}

/// The labels after the rules, and whether the series is sent: one that has lost its name is not.
fn relabelled(labels: &Labels, rules: &[agent_relabel::Rule]) -> (Labels, bool) {
    let pair = |label: &agent_model::Label| (label.name.to_string(), label.value.to_string());
    let mut list: agent_relabel::LabelList = labels.iter().map(pair).collect();
    let kept = agent_relabel::apply(rules, &mut list);
    let labels = Labels::new(list);
    let named = !labels.metric_name().is_empty();
    (labels, kept && named)
}

/// The requests of one shard while they are filled.
#[derive(Clone, Debug, Default)]
struct Shard {
    pieces: Vec<Piece>,
    samples: usize,
    bytes: usize,
}

impl Shard {
    fn push(&mut self, named: &Named, sample: Sample, samples_max: usize) {
        let full = self.samples >= samples_max || self.bytes >= REQUEST_BYTES_MAX;
        if self.pieces.is_empty() || full {
            self.pieces.push(Piece::new());
            (self.samples, self.bytes) = (0, 0);
        }
        let Some(piece) = self.pieces.last_mut() else { return };
        self.samples += 1;
        self.bytes += 20;
        match piece.last_mut() {
            Some(last) if last.labels == named.labels => last.samples.push(sample),
            _ => {
                let label = |label: &agent_model::Label| label.name.len() + label.value.len() + 6;
                self.bytes += named.labels.iter().map(label).sum::<usize>();
                let labels = named.labels.clone();
                piece.push(OutwardSeries { labels, samples: vec![sample] });
            }
        }
    }
}

/// The samples of a record.
fn count(bytes: Bytes, schemas: &Schemas) -> Result<u64, Box<dyn std::error::Error>> {
    match Entry::decode(bytes)? {
        Entry::Push(record) => Ok(record.push.sample_count() as u64),
        Entry::Report(record) => {
            let report = RawReport::decode(record.report)?.into_report(schemas)?;
            Ok(report.columns.iter().map(|column| column.values.len() as u64).sum())
        }
    }
}
