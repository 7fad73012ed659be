//! The views: what is made of the journal. Each is a task that follows the feed and owns one store.
//!
//! Promises: a view stores its position in one atomic write with its data; a store that fails is tried again with the same
//! records, and the other views go on; the journal is kept until the slowest view has stored it.

pub mod detections;
pub mod events;
pub mod metrics;
pub mod records;
pub(crate) mod targets;

use std::time::Duration;

/// A store that failed (a full disk, mostly) is tried again after this long.
pub const RETRY_INTERVAL: Duration = Duration::from_secs(2);

/// Reports that a view could not store something, and waits before the next try.
pub async fn wait_after_failure(
    view: &'static str,
    metrics: &crate::self_metrics::SelfMetrics,
    error: &(dyn std::error::Error + Send + Sync),
) {
    metrics.view_failures.with_label_values(&[view]).inc();
    tracing::error!(view, error = %crate::describe(error), "a view could not store; trying again");
    tokio::time::sleep(RETRY_INTERVAL).await;
}
