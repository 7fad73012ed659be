//! What scraping an exporter came to, as the agent tells it about itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use agent_model::Millis;

use super::ScrapeError;
use crate::source::{MetricSource, Reading, SourceError};

/// Counters of one exporter.
#[derive(Debug, Default)]
pub(super) struct Health {
    pub(super) job: String,
    pub(super) instance: String,
    pub(super) scrapes: AtomicU64,
    /// One for each of [`ScrapeError::REASONS`].
    pub(super) failures: [AtomicU64; ScrapeError::REASONS.len()],
    /// Scrapes that were left out because the one before, or the spool, took too long.
    pub(super) skipped: AtomicU64,
    /// Samples of series that stood twice in a body.
    pub(super) duplicates: AtomicU64,
    /// Samples whose own time was not used.
    pub(super) timed: AtomicU64,
    /// Series in new schemas: what changing labels cost.
    pub(super) described: AtomicU64,
    /// Help texts that were cut, and lines about metrics beyond the bound.
    pub(super) undescribed: AtomicU64,
}

impl Health {
    pub(super) fn count(&self, error: &ScrapeError) {
        let at = ScrapeError::REASONS.iter().position(|reason| *reason == error.reason());
        if let Some(failures) = at.and_then(|at| self.failures.get(at)) {
            failures.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The counters of all exporters, in job `agent`.
pub(super) struct Metrics(pub(super) Vec<Arc<Health>>);

impl MetricSource for Metrics {
    fn name(&self) -> &'static str {
        "exporters"
    }

    fn job(&self) -> &'static str {
        "agent"
    }

    fn read(&mut self, _now_ms: Millis, out: &mut Reading) -> Result<(), SourceError> {
        for health in &self.0 {
            let exporter =
                [("exporter", health.instance.as_str()), ("exporter_job", health.job.as_str())];
            for (name, counter) in [
                ("haidang_agent_exporter_scrapes_total", &health.scrapes),
                ("haidang_agent_exporter_skipped_scrapes_total", &health.skipped),
                ("haidang_agent_exporter_duplicate_samples_total", &health.duplicates),
                ("haidang_agent_exporter_ignored_timestamps_total", &health.timed),
                ("haidang_agent_exporter_described_series_total", &health.described),
                ("haidang_agent_exporter_metadata_cut_total", &health.undescribed),
            ] {
                out.add(name, &exporter, number(counter));
            }
            for (reason, counter) in ScrapeError::REASONS.iter().zip(&health.failures) {
                let failures = number(counter);
                if failures > 0.0 {
                    let labels = [exporter[0], exporter[1], ("reason", reason)];
                    out.add("haidang_agent_exporter_failures_total", &labels, failures);
                }
            }
        }
        Ok(())
    }
}

#[allow(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn number(counter: &AtomicU64) -> f64 {
    counter.load(Ordering::Relaxed) as f64
}
