//! The events view: security events become searchable.
//! Promises: an event is found within some seconds of its arrival; a crash before a commit repeats the events
//! from the journal, and none is found twice.

use std::sync::Arc;
use std::time::Duration;

use agent_model::{EventId, HostEvent};
use collector_event_store::{Arrived, EventStore, EventStoreError};
use tokio::sync::broadcast;

use crate::clock;
use crate::feed::{Decoded, FeedError, Follower, Reported};
use crate::self_metrics::SelfMetrics;
use crate::views::wait_after_failure;

/// A commit costs an fsync of the index; people look for events, so the events may wait this long for it.
const COMMIT_INTERVAL: Duration = Duration::from_secs(2);

/// Follows the feed into the event store.
pub async fn run(
    store: Arc<EventStore>,
    metrics: SelfMetrics,
    mut follower: Follower,
    arrived: broadcast::Sender<usize>,
) -> Result<(), FeedError> {
    let mut committed = clock::instant();
    let (mut waiting, mut stored) = (0, store.position());
    while let Some(batch) = follower.next_batch().await? {
        let events: Arc<Vec<Arrived>> =
            Arc::new(batch.iter().flat_map(|decoded| numbered(decoded)).collect());
        if !events.is_empty() {
            waiting += events.len();
            let append = |store: Arc<EventStore>| {
                let events = Arc::clone(&events);
                move || store.append(&events).map(drop)
            };
            until_done(&store, &metrics, append).await;
        }
        let position = follower.position().0;
        if committed.elapsed() >= COMMIT_INTERVAL && position > stored {
            until_done(&store, &metrics, |store| move || store.commit(position).map(drop)).await;
            (committed, stored) = (clock::instant(), position);
            if waiting > 0 {
                // Nobody listening is no failure: pages come and go.
                drop(arrived.send(std::mem::take(&mut waiting)));
            }
        }
    }
    Ok(())
}

/// Repeats what the disk refused until it succeeds; the other views go on meanwhile.
async fn until_done<F>(
    store: &Arc<EventStore>,
    metrics: &SelfMetrics,
    work: impl Fn(Arc<EventStore>) -> F,
) where
    F: FnOnce() -> Result<(), EventStoreError> + Send + 'static,
{
    loop {
        let done = tokio::task::spawn_blocking(work(Arc::clone(store))).await;
        match done.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic())) {
            Ok(()) => return,
            Err(error) => wait_after_failure("events", metrics, &error).await,
        }
    }
}

/// Events of one record that have a place of their own in the order of arrival: a report has at most 10,000
/// (`RECORDS_MAX` of the wire).
const EVENTS_OF_RECORD_BITS: u32 = 16;

/// The events of a record in their order: by the record's position in the journal, then by their place in the report.
fn numbered(decoded: &Decoded) -> impl Iterator<Item = Arrived> + '_ {
    let first = decoded.position.0 << EVENTS_OF_RECORD_BITS;
    (first..).zip(host_events(decoded)).map(|(arrival, event)| Arrived { arrival, event })
}

/// The events of a record as they are kept and judged.
pub fn host_events(decoded: &Decoded) -> impl Iterator<Item = HostEvent> + '_ {
    decoded.reported().into_iter().flat_map(|Reported { record, report, .. }| {
        report.events.iter().enumerate().map(move |(index, event)| HostEvent {
            id: EventId::new(&record.host, report.key, index),
            host: record.host.clone(),
            received_ms: record.received_ms,
            event: event.clone(),
        })
    })
}
