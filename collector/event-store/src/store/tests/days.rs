//! The days on disk: older formats, damage, retention, merging.

use super::*;

#[test]
fn a_store_of_the_format_before_is_taken_over_and_a_newer_one_is_refused() {
    let directory = tempdir().unwrap();
    let format = directory.path().join("format");
    std::fs::write(&format, "1").unwrap();
    let config = || EventStoreConfig::new(directory.path().to_owned());
    drop(EventStore::open(config()).unwrap());
    assert_eq!(std::fs::read_to_string(&format).unwrap().trim(), "2");
    std::fs::write(&format, "3").unwrap();
    assert!(matches!(EventStore::open(config()), Err(EventStoreError::Format { .. })));
}

#[test]
fn a_damaged_day_is_set_aside_and_named_and_the_others_are_served() {
    let events = [event(1, TODAY_MS + 1, "old"), event(2, TODAY_MS + DAY_MS, "new")];
    let (directory, store) = filled(&events);
    drop(store);
    let day = directory.path().join("events/2026-11-21");
    for entry in fs::read_dir(&day).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "fast") {
            fs::write(&path, b"torn").unwrap();
        }
    }
    let store = open(&directory);
    assert_eq!(store.position(), 1, "an older day is not in the journal any more");
    let page = store.search(&EventQuery::default()).unwrap();
    assert_eq!(page.events, events[1..]);
    assert_eq!(page.days_missing, [Day::of(TODAY_MS)]);
    assert!(store.set_aside()[0].directory.ends_with("2026-11-21.damaged-1"));
    // What comes for that day again has a place, and the damage stays named after a restart.
    append(&store, &events).unwrap();
    store.commit(2).unwrap();
    drop(store);
    let page = open(&directory).search(&EventQuery::default()).unwrap();
    assert_eq!((page.events.len(), page.days_missing), (2, vec![Day::of(TODAY_MS)]));
}

#[test]
fn a_damaged_newest_day_asks_for_all_that_the_journal_holds() {
    let events = [event(1, TODAY_MS + 1, "a")];
    let (directory, store) = filled(&events);
    drop(store);
    fs::write(directory.path().join("events/2026-11-21/meta.json"), b"{").unwrap();
    let store = open(&directory);
    assert_eq!(store.position(), 0);
    assert_eq!(append(&store, &events).unwrap().new, 1);
    store.commit(1).unwrap();
    assert_eq!(store.search(&EventQuery::default()).unwrap().events, events);
}

#[test]
fn whole_days_go_with_their_time() {
    let events: Vec<_> =
        (0..4).map(|at| event(at, TODAY_MS + i64::try_from(at).unwrap() * DAY_MS, "a")).collect();
    let directory = tempdir().unwrap();
    let mut config = EventStoreConfig::new(directory.path().join("events"));
    config.retention_days = 2;
    let store = EventStore::open(config).unwrap();
    for (at, event) in events.iter().enumerate() {
        append(&store, std::slice::from_ref(event)).unwrap();
        append(
            &store,
            &[HostEvent { id: EventId([u8::try_from(at).unwrap(); 16]), ..event.clone() }],
        )
        .unwrap();
        store.commit(at as u64 + 1).unwrap();
    }
    let late = HostEvent { id: EventId([9; 16]), ..events[2].clone() };
    append(&store, &[late]).unwrap();
    store.commit(9).unwrap();
    let segments = |day: i64| {
        let open = store.days().open_day(Day::of(TODAY_MS + day * DAY_MS)).unwrap().unwrap();
        open.index.searchable_segment_ids().unwrap().len()
    };
    assert_eq!(segments(2), 2);
    let now_ms = TODAY_MS + 4 * DAY_MS + 7;
    let keep_three = store.maintain(now_ms - DAY_MS).unwrap();
    assert_eq!(keep_three, [Day::of(TODAY_MS), Day::of(TODAY_MS + DAY_MS)]);
    assert_eq!(segments(2), 2, "yesterday may still be written to");
    assert_eq!(store.search(&EventQuery::default()).unwrap().total, 5);
    assert_eq!(store.maintain(now_ms).unwrap(), [Day::of(TODAY_MS + 2 * DAY_MS)]);
    assert_eq!(store.search(&EventQuery::default()).unwrap().total, 2);
}

#[test]
fn a_finished_day_is_merged_to_one_segment() {
    let directory = tempdir().unwrap();
    let store = open(&directory);
    for at in 0..3 {
        append(&store, &[event(at, TODAY_MS, "a")]).unwrap();
        store.commit(at + 1).unwrap();
    }
    let segments = || {
        let open = store.days().open_day(Day::of(TODAY_MS)).unwrap().unwrap();
        open.index.searchable_segment_ids().unwrap().len()
    };
    append(&store, &[event(9, TODAY_MS + DAY_MS, "b")]).unwrap();
    store.commit(9).unwrap();
    assert_eq!(segments(), 3);
    store.maintain(TODAY_MS + 2 * DAY_MS).unwrap();
    assert_eq!(segments(), 1);
    assert_eq!(store.search(&EventQuery::default()).unwrap().total, 4);
}
