//! The metrics view: columns become samples of series in the metric store.
//!
//! Promises: the collector sets `host`, `job` and `instance`, whatever an agent says; a series that its host no longer
//! reports, and every series of a host that fell silent, ends with a stale marker right after its last sample.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use agent_model::{Column, HostId, Labels, Millis, SchemaId, stale_marker};
use agent_wire::SchemaSource;
use collector_metric_store::{MetricStore, MetricStoreError, SeriesRef};

use crate::clock;
use crate::evaluate::RECORDED_JOB;
use crate::feed::{Decoded, Follower};
use crate::schemas::Schemas;
use crate::self_metrics::SelfMetrics;
use crate::views::wait_after_failure;

/// Follows the feed into the metric store.
pub struct MetricsView {
    pub store: Arc<MetricStore>,
    pub schemas: Schemas,
    pub metrics: SelfMetrics,
    /// A host whose newest report is older than this has fallen silent.
    pub silent_after_ms: Millis,
    /// Told the time of receipt of the newest column, so that rules are evaluated when data arrives.
    pub arrived: tokio::sync::watch::Sender<Millis>,
    state: State,
}

#[derive(Default)]
struct State {
    references: HashMap<(HostId, SchemaId), Arc<[SeriesRef]>>,
    /// What each job of a host reports in now.
    current: HashMap<(HostId, String), Current>,
}

struct Current {
    schema: SchemaId,
    references: Arc<[SeriesRef]>,
    newest_ms: Millis,
    received_ms: Millis,
    /// A silent job has its stale markers already.
    silent: bool,
}

impl MetricsView {
    pub fn new(
        store: Arc<MetricStore>,
        schemas: Schemas,
        metrics: SelfMetrics,
        silent_after_ms: Millis,
        arrived: tokio::sync::watch::Sender<Millis>,
    ) -> Self {
        Self { store, schemas, metrics, silent_after_ms, arrived, state: State::default() }
    }

    /// Runs until the feed ends. The journal that cannot be read ends it too: the caller stops the collector then.
    pub async fn run(mut self, mut follower: Follower) -> Result<(), crate::feed::FeedError> {
        while let Some(batch) = follower.next_batch().await? {
            let mut newest = None;
            for decoded in &batch {
                // Appending again does no harm: the same sample has the same place.
                while let Err(error) = self.take(decoded) {
                    self.recover(&error).await;
                }
                if self.is_arrival(decoded) {
                    newest = newest.max(Some(decoded.record.received_ms));
                }
                self.store.advance(decoded.position.0);
            }
            self.mark_silent(clock::now_ms());
            if let Some(received_ms) = newest {
                self.arrived.send_replace(received_ms);
            }
        }
        Ok(())
    }

    /// Recorded series come from an evaluation and must not call for the next one.
    fn is_arrival(&self, decoded: &Decoded) -> bool {
        decoded.report.columns.iter().any(|column| {
            let schema = self.schemas.schema(&column.schema);
            schema.is_some_and(|schema| schema.job != RECORDED_JOB)
        })
    }

    fn take(&mut self, decoded: &Decoded) -> Result<(), MetricStoreError> {
        decoded.report.columns.iter().try_for_each(|column| self.append(decoded, column))
    }

    /// Makes room in memory or registers series again; a disk that refuses is waited for.
    async fn recover(&mut self, error: &MetricStoreError) {
        match error {
            MetricStoreError::SeriesForgotten => self.state.references.clear(),
            MetricStoreError::HeadFull { .. } => {
                let store = Arc::clone(&self.store);
                let cut = tokio::task::spawn_blocking(move || store.cut()).await;
                if let Ok(Err(error)) = cut {
                    wait_after_failure("metrics", &self.metrics, &error).await;
                }
            }
            other => wait_after_failure("metrics", &self.metrics, other).await,
        }
    }

    fn append(&mut self, decoded: &Decoded, column: &Column) -> Result<(), MetricStoreError> {
        let host = &decoded.record.host;
        let Some(schema) = self.schemas.schema(&column.schema) else {
            // Ingest checked it; only a damaged inventory can lead here.
            self.metrics.view_failures.with_label_values(&["metrics"]).inc();
            return Ok(());
        };
        let key = (host.clone(), column.schema);
        let references = match self.state.references.get(&key) {
            Some(references) => Arc::clone(references),
            None => {
                let labels: Vec<Labels> = if decoded.record.derived {
                    schema.series.clone()
                } else {
                    let own = own_labels(host, &schema.job);
                    schema.series.iter().map(|series| series.with_all(own.iter())).collect()
                };
                let references: Arc<[SeriesRef]> = self.store.series_refs(&labels)?.into();
                // A refused series may find room later, so such a registration is not kept.
                if !references.iter().any(|one| one.is_refused()) {
                    self.state.references.insert(key, Arc::clone(&references));
                }
                references
            }
        };
        self.store.append(&references, column.timestamp_ms, &column.values)?;
        self.note_current(decoded, column, &schema.job, references);
        Ok(())
    }

    /// A newer schema of a job replaces the older one; what only the older one had has ended.
    fn note_current(
        &mut self,
        decoded: &Decoded,
        column: &Column,
        job: &str,
        references: Arc<[SeriesRef]>,
    ) {
        let current = Current {
            schema: column.schema,
            references,
            newest_ms: column.timestamp_ms,
            received_ms: decoded.record.received_ms,
            silent: false,
        };
        let key = (decoded.record.host.clone(), job.to_owned());
        let Some(before) = self.state.current.get_mut(&key) else {
            self.state.current.insert(key, current);
            return;
        };
        // A backlog arrives after newer data and changes nothing about what is current.
        if column.timestamp_ms < before.newest_ms {
            return;
        }
        if before.schema != column.schema {
            let kept: HashSet<SeriesRef> = current.references.iter().copied().collect();
            let ended: Vec<SeriesRef> =
                before.references.iter().copied().filter(|one| !kept.contains(one)).collect();
            let after_ms = before.newest_ms.saturating_add(1);
            end(&self.store, &ended, after_ms);
            self.state.references.remove(&(key.0.clone(), before.schema));
        }
        *before = current;
    }

    fn mark_silent(&mut self, now_ms: Millis) {
        for current in self.state.current.values_mut() {
            let age = now_ms.saturating_sub(current.received_ms);
            if age > self.silent_after_ms && !current.silent {
                end(&self.store, &current.references, current.newest_ms.saturating_add(1));
                current.silent = true;
            }
        }
    }
}

/// Writes stale markers. Without them the series end by themselves five minutes later, so a failure only tells later.
fn end(store: &MetricStore, series: &[SeriesRef], at_ms: Millis) {
    if let Err(error) = store.append(series, at_ms, &vec![stale_marker(); series.len()]) {
        tracing::warn!(error = %crate::describe(&error), "series that ended are not marked yet");
    }
}

/// The labels that the collector sets on every series of a job of a host.
fn own_labels(host: &HostId, job: &str) -> Labels {
    let host = host.as_label_value();
    Labels::new([("host", Arc::clone(&host)), ("instance", host), ("job", Arc::from(job))])
}
