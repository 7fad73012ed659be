//! Crashes, a disk that refuses, a storm: what was committed is there once, and the rest is asked for again.

use super::*;

#[test]
fn what_is_not_committed_is_replayed_once_after_a_crash() {
    let directory = tempdir().unwrap();
    let events: Vec<_> = (0..30).map(|at| event(at, TODAY_MS + 10, "a")).collect();
    let store = open(&directory);
    append(&store, &events[..10]).unwrap();
    store.commit(10).unwrap();
    append(&store, &events[10..20]).unwrap();
    // A crash: nothing after the commit counts.
    drop(store);
    let store = open(&directory);
    assert_eq!(store.position(), 10);
    assert_eq!(store.search(&EventQuery::default()).unwrap().total, 10);
    // The replay overlaps what is there and what came with it.
    let appended = append(&store, &events[5..20]).unwrap();
    assert_eq!(appended, Appended { new: 10, repeated: 5 });
    assert_eq!(append(&store, &events[15..30]).unwrap(), Appended { new: 10, repeated: 5 });
    store.commit(30).unwrap();
    drop(store);
    let store = open(&directory);
    assert_eq!(store.position(), 30);
    assert_eq!(store.search(&EventQuery::default()).unwrap().total, 30);
}

#[test]
fn a_crash_between_events_and_position_repeats_nothing() {
    let directory = tempdir().unwrap();
    let events: Vec<_> = (0..10)
        .map(|at| event(at, TODAY_MS + DAY_MS - 5 + i64::try_from(at).unwrap(), "a"))
        .collect();
    let store = open(&directory);
    store.commit(3).unwrap();
    append(&store, &events).unwrap();
    store.commit(10).unwrap();
    drop(store);
    write_position(&directory.path().join("events"), 3).unwrap();
    let store = open(&directory);
    assert_eq!(store.position(), 3);
    assert_eq!(append(&store, &events).unwrap(), Appended { new: 0, repeated: 10 });
    store.commit(10).unwrap();
    let page = store.search(&EventQuery::default()).unwrap();
    assert_eq!(page.total, 10, "over midnight");
    assert_eq!(page.events.len(), 10);
}

#[test]
fn a_disk_that_refuses_loses_nothing_and_is_tried_again() {
    let directory = tempdir().unwrap();
    let events: Vec<_> = (0..30).map(|at| event(at, TODAY_MS + 10, "a")).collect();
    let store = open(&directory);
    append(&store, &events[..10]).unwrap();
    store.commit(10).unwrap();
    append(&store, &events[10..20]).unwrap();
    // The commit's last step, the rename of its list of segments, meets a directory in the way.
    let day = directory.path().join("events/2026-11-21");
    let (list, hidden) = (day.join("meta.json"), directory.path().join("hidden"));
    fs::rename(&list, &hidden).unwrap();
    fs::create_dir_all(list.join("in the way")).unwrap();
    assert!(store.commit(20).is_err());
    assert_eq!(store.position(), 10);
    assert!(store.commit(20).is_err(), "still in the way");
    fs::remove_dir_all(&list).unwrap();
    fs::rename(&hidden, &list).unwrap();
    append(&store, &events[20..]).unwrap();
    store.commit(30).unwrap();
    assert_eq!(store.search(&EventQuery::default()).unwrap().total, 30);
    drop(store);
    let store = open(&directory);
    assert_eq!((store.position(), store.search(&EventQuery::default()).unwrap().total), (30, 30));
}

#[test]
fn a_storm_between_two_commits_stays_within_its_memory() {
    let directory = tempdir().unwrap();
    let mut config = EventStoreConfig::new(directory.path().join("events"));
    assert_eq!(config.uncommitted_max, UNCOMMITTED_MAX);
    config.uncommitted_max = 50;
    let store = EventStore::open(config).unwrap();
    let batch = |from: u64| -> Vec<HostEvent> {
        (from..from + 10).map(|at| event(at, TODAY_MS, "a")).collect()
    };
    for from in 0..6 {
        append(&store, &batch(from * 10)).unwrap();
        assert!(store.writing().uncommitted.len() <= 50);
    }
    assert_eq!(store.position(), 0, "the position is the caller's to move");
    assert_eq!(store.search(&EventQuery::default()).unwrap().total, 50);
    assert_eq!(append(&store, &batch(0)).unwrap().repeated, 10);
    store.commit(1).unwrap();
    assert_eq!(store.search(&EventQuery::default()).unwrap().total, 60);
}
