//! Events in, searches out, and restarts in between; here is the small store that every case begins with.

mod crashes;
mod days;
mod search;

use std::collections::BTreeMap;

use agent_model::{
    Epoch, Event, EventClass, EventId, HostEvent, HostId, ReportKey, Severity, Stream,
};
use proptest::prelude::*;
use tempfile::{TempDir, tempdir};

use super::*;
use crate::day::DAY_MS;
use crate::{EventQuery, QueryError, fold};

/// 2026-11-21 00:00 UTC.
const TODAY_MS: Millis = 1_795_219_200_000;

fn open(directory: &TempDir) -> EventStore {
    EventStore::open(EventStoreConfig::new(directory.path().join("events"))).unwrap()
}

fn event(number: u64, received_ms: Millis, message: &str) -> HostEvent {
    let host =
        HostId::new(if number.is_multiple_of(2) { "dc1-srv01" } else { "bk-srv01" }).unwrap();
    let key = ReportKey { epoch: Epoch(1), stream: Stream::Evidence, sequence: number };
    HostEvent {
        id: EventId::new(&host, key, 0),
        host,
        received_ms,
        event: Event {
            time_ms: received_ms - 5,
            class: EventClass::Authentication,
            severity: Severity::Low,
            source: "auth_log".to_owned(),
            message: message.to_owned(),
            fields: BTreeMap::from([
                ("User".to_owned(), format!("user{}", number % 3)),
                ("SourceIp".to_owned(), "10.0.0.7".to_owned()),
            ]),
        },
    }
}

fn filled(events: &[HostEvent]) -> (TempDir, EventStore) {
    let directory = tempdir().unwrap();
    let store = open(&directory);
    append(&store, events).unwrap();
    store.commit(1).unwrap();
    (directory, store)
}

/// Their ids order them: no test but the one about arrival depends on it.
fn append(store: &EventStore, events: &[HostEvent]) -> Result<Appended, EventStoreError> {
    let first = |id: EventId| u64::from_be_bytes(std::array::from_fn(|at| id.0[at]));
    let arrived = |event: &HostEvent| Arrived { arrival: first(event.id), event: event.clone() };
    store.append(&events.iter().map(arrived).collect::<Vec<_>>())
}

fn text(text: &str) -> EventQuery {
    EventQuery { text: text.to_owned(), ..EventQuery::default() }
}

fn messages(store: &EventStore, query: &EventQuery) -> Vec<String> {
    let page = store.search(query).unwrap();
    assert_eq!(page.total, page.events.len() as u64);
    page.events.into_iter().map(|event| event.event.message).collect()
}
