//! Exporters beside the agent's own tick: their tasks, and the way of what they said into the spool.

use std::sync::Arc;

use agent_model::HostId;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::exporters;
use crate::source::{MetricSource, Teller};
use crate::spool::{MetricsReading, SpoolHandle};

/// Starts a task for each exporter; their counters become a metric source.
pub(super) fn start(
    config: &Config,
    host: HostId,
    shutdown: &CancellationToken,
    teller: Teller,
    metric_sources: &mut Vec<Box<dyn MetricSource>>,
    tasks: &mut JoinSet<()>,
) -> mpsc::Receiver<MetricsReading> {
    let (readings, scraped) = exporters::readings();
    let (tick, shutdown) = (config.interval, shutdown.clone());
    let context = exporters::Context { host, tick, readings, teller, shutdown };
    let group = exporters::sources(&config.exporters, &context);
    metric_sources.extend(group.metrics);
    group.tasks.into_iter().for_each(|task| drop(tasks.spawn(task)));
    scraped
}

/// Carries readings into the spool until nobody makes more.
pub(super) async fn carry(mut readings: mpsc::Receiver<MetricsReading>, spool: SpoolHandle) {
    while let Some(reading) = readings.recv().await {
        if spool.append_metrics(Arc::new(reading)).await.is_err() {
            return;
        }
    }
}
