//! The metrics view: columns and pushes become samples of series in the metric store.
//!
//! Promises: the collector sets `host`, `job` and `instance`, whatever labels an agent gives; a series that its target no
//! longer reports, and every series of a target that fell silent, ends with a stale marker right after its last sample.

use std::collections::HashMap;
use std::sync::Arc;

use agent_model::{Column, HostId, Labels, Millis, Schema, SchemaId, stale_marker};
use agent_wire::SchemaSource;
use collector_metric_store::{MetricStore, MetricStoreError, SeriesRef};
use collector_remote_write::Push;

use crate::clock;
use crate::feed::{Content, Decoded, Follower, Reported};
use crate::push::{Catalog, Pushed};
use crate::schemas::Schemas;
use crate::self_metrics::SelfMetrics;
use crate::views::targets::{self, Ended, Targets, is_recorded};
use crate::views::wait_after_failure;

/// Follows the feed into the metric store.
pub struct MetricsView {
    pub store: Arc<MetricStore>,
    pub schemas: Schemas,
    /// The places of pushed series.
    pub catalog: Arc<Catalog>,
    pub metrics: SelfMetrics,
    /// A host whose newest report is older than this has fallen silent.
    pub silent_after_ms: Millis,
    /// Told the time of receipt of the newest column or push, so that rules are evaluated when data arrives.
    pub arrived: tokio::sync::watch::Sender<Millis>,
    state: State,
}

#[derive(Default)]
struct State {
    references: HashMap<(HostId, SchemaId), Arc<[SeriesRef]>>,
    targets: Targets<SeriesRef>,
}

impl MetricsView {
    pub fn new(
        store: Arc<MetricStore>,
        schemas: Schemas,
        catalog: Arc<Catalog>,
        metrics: SelfMetrics,
        silent_after_ms: Millis,
        arrived: tokio::sync::watch::Sender<Millis>,
    ) -> Self {
        Self { store, schemas, catalog, metrics, silent_after_ms, arrived, state: State::default() }
    }

    /// Runs until the feed ends. A record that nobody can understand ends it too: the caller stops the collector then.
    pub async fn run(mut self, mut follower: Follower) -> Result<(), crate::feed::FeedError> {
        while let Some(batch) = follower.next_batch().await? {
            let mut newest = None;
            for decoded in &batch {
                // Appending again does no harm: the same sample has the same place.
                while let Err(error) = self.take(decoded) {
                    self.recover(&error).await;
                }
                newest = newest.max(self.arrival_ms(decoded));
                self.store.advance(decoded.position.0);
            }
            self.mark_silent(clock::now_ms());
            if let Some(received_ms) = newest {
                self.arrived.send_replace(received_ms);
            }
        }
        Ok(())
    }

    /// When new data arrived. Recorded series come from an evaluation and must not call for the next one.
    fn arrival_ms(&self, decoded: &Decoded) -> Option<Millis> {
        match &decoded.content {
            Content::Push(pushed) if pushed.record.push.is_empty() => None,
            Content::Push(pushed) => Some(pushed.record.received_ms),
            Content::Report(reported) => {
                let arrived = reported.report.columns.iter().any(|column| {
                    let schema = self.schemas.schema(&column.schema);
                    schema.is_some_and(|schema| !is_recorded(&schema.job))
                });
                arrived.then_some(reported.record.received_ms)
            }
        }
    }

    pub(crate) fn take(&mut self, decoded: &Decoded) -> Result<(), MetricStoreError> {
        match &decoded.content {
            Content::Push(pushed) => self.append_push(pushed),
            Content::Report(reported) => self.append_report(reported),
        }
    }

    fn append_push(&self, pushed: &Pushed) -> Result<(), MetricStoreError> {
        let Pushed { record, places, .. } = pushed;
        if !places.is_empty() {
            match self.append_at(&record.push, places) {
                Err(MetricStoreError::SeriesForgotten) => self.catalog.forget(),
                done => return done,
            }
        }
        let places = self.catalog.stored(&record.owner, &record.push, record.received_ms)?;
        self.append_at(&record.push, &places)
    }

    fn append_at(&self, push: &Push, places: &[SeriesRef]) -> Result<(), MetricStoreError> {
        let mut samples = Vec::with_capacity(push.sample_count());
        for (series, place) in push.series().zip(places) {
            samples.extend(series.samples.iter().map(|sample| (*place, *sample)));
        }
        self.store.append_samples(&samples)
    }

    fn append_report(&mut self, reported: &Reported) -> Result<(), MetricStoreError> {
        let host = &reported.record.host;
        let mut columns = Vec::with_capacity(reported.report.columns.len());
        for column in &reported.report.columns {
            let Some(schema) = self.schemas.schema(&column.schema) else {
                // Ingest checked it; only a damaged inventory can lead here.
                self.metrics.view_failures.with_label_values(&["metrics"]).inc();
                continue;
            };
            let series = self.append(reported, column, &schema)?;
            let (id, timestamp_ms) = (column.schema, column.timestamp_ms);
            columns.push(targets::Reported { schema, id, timestamp_ms, series });
        }
        let ended = self.state.targets.note(host, columns, reported.record.received_ms);
        self.end(ended);
        Ok(())
    }

    fn end(&mut self, ended: Vec<Ended<SeriesRef>>) {
        for Ended { host, series, at_ms, schemas } in ended {
            end(&self.store, &series.into(), at_ms);
            for id in schemas {
                self.state.references.remove(&(host.clone(), id));
            }
        }
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

    fn append(
        &mut self,
        reported: &Reported,
        column: &Column,
        schema: &Schema,
    ) -> Result<Arc<[SeriesRef]>, MetricStoreError> {
        let host = &reported.record.host;
        let key = (host.clone(), column.schema);
        let references = match self.state.references.get(&key) {
            Some(references) => Arc::clone(references),
            None => {
                let labels: Vec<Labels> = if reported.record.derived {
                    schema.series.clone()
                } else {
                    let own = own_labels(host, schema);
                    schema.series.iter().map(|series| series.with_all(own.iter())).collect()
                };
                let references = self.store.series_refs(&labels)?;
                // A refused series may find room later, so such a registration is not kept.
                if !references.iter().any(|one| one.is_refused()) {
                    self.state.references.insert(key, Arc::clone(&references));
                }
                references
            }
        };
        self.store.append(&references, column.timestamp_ms, &column.values)?;
        Ok(references)
    }

    fn mark_silent(&mut self, now_ms: Millis) {
        let ended = self.state.targets.silent(now_ms, self.silent_after_ms);
        self.end(ended);
    }
}

/// Writes stale markers. Without them the series end by themselves five minutes later, so a failure only tells later.
fn end(store: &MetricStore, series: &Arc<[SeriesRef]>, at_ms: Millis) {
    if let Err(error) = store.append(series, at_ms, &vec![stale_marker(); series.len()]) {
        tracing::warn!(error = %crate::describe(&error), "series that ended are not marked yet");
    }
}

/// The labels that the collector sets on every series of a target of a host.
pub(crate) fn own_labels(host: &HostId, schema: &Schema) -> Labels {
    let host = host.as_label_value();
    let instance = match schema.instance.as_str() {
        "" => Arc::clone(&host),
        instance => Arc::from(instance),
    };
    Labels::new([("host", host), ("instance", instance), ("job", Arc::from(schema.job.as_str()))])
}

#[cfg(test)]
mod tests;
