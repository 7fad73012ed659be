//! The events view: security events become searchable.
//! Promises: an event is found within some seconds of its arrival; a crash before a commit repeats the events
//! from the journal, and none is found twice.

use std::sync::Arc;
use std::time::Duration;

use agent_model::{EventId, HostEvent};
use collector_event_store::EventStore;

use crate::clock;
use crate::feed::{Decoded, FeedError, Follower};
use crate::self_metrics::SelfMetrics;
use crate::views::wait_after_failure;

/// A commit costs an fsync of the index; events are looked at by people, so they may wait this long for it.
const COMMIT_INTERVAL: Duration = Duration::from_secs(2);

/// Follows the feed into the event store.
pub async fn run(
    store: Arc<EventStore>,
    metrics: SelfMetrics,
    mut follower: Follower,
    arrived: tokio::sync::broadcast::Sender<usize>,
) -> Result<(), FeedError> {
    todo!()
}

/// The events of a record as they are kept and judged.
pub fn host_events(decoded: &Decoded) -> impl Iterator<Item = HostEvent> + '_ {
    let record = &decoded.record;
    decoded.report.events.iter().enumerate().map(move |(index, event)| HostEvent {
        id: EventId::new(&record.host, decoded.report.key, index),
        host: record.host.clone(),
        received_ms: record.received_ms,
        event: event.clone(),
    })
}
