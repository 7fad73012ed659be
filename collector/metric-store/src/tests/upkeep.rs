//! Retention, merging, forgetting, and reading while all of it goes on.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::*;
use crate::MetricStoreError;

#[test]
fn parts_beyond_retention_go_and_the_newest_keeps_the_position() {
    let directory = tempfile::tempdir().unwrap();
    let config = MetricStoreConfig {
        retention_ms: 10 * MINUTE_MS,
        rollup_retention_ms: 0,
        ..MetricStoreConfig::new(directory.path())
    };
    let store = MetricStore::open(config).unwrap();
    for position in 1..=3 {
        cut_column(&store, position, i64::try_from(position).unwrap() * MINUTE_MS);
    }
    // At the bound a sample is kept; a millisecond later it goes.
    assert_eq!(store.maintain(11 * MINUTE_MS).unwrap().expired_parts, 0);
    assert_eq!(store.maintain(11 * MINUTE_MS + 1).unwrap().expired_parts, 1);
    assert_eq!(store.maintain(1000 * MINUTE_MS).unwrap().expired_parts, 1);
    assert_eq!((store.stats().parts, store.position()), (1, 3));
    assert_eq!(files(directory.path(), "part").len(), 1);
}

#[test]
fn a_cut_without_samples_carries_the_position() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    store.cut().unwrap();
    assert_eq!(files(directory.path(), "part").len(), 0);
    store.advance(7);
    store.cut().unwrap();
    store.cut().unwrap();
    assert_eq!(files(directory.path(), "part").len(), 1);
    drop(store);
    assert_eq!(open(directory.path()).position(), 7);
}

#[test]
fn merging_keeps_every_sample_and_the_later_value() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    for position in 1..=64 {
        // Every eighth cut writes over time 0.
        let minute = if position % 8 == 0 { 0 } else { i64::try_from(position).unwrap() };
        cut_column(&store, position, minute * MINUTE_MS);
    }
    let expected = dump(&store);
    assert!(expected.contains("load{host=\"a\",job=\"node\"} 0=64.5 "));
    assert_eq!(store.maintain(0).unwrap().merges, 9);
    assert_eq!((dump(&store), store.stats().parts, store.position()), (expected.clone(), 1, 64));
    drop(store);
    assert_eq!(dump(&open(directory.path())), expected);
}

#[test]
fn series_without_samples_are_forgotten_and_their_refs_refused() {
    let directory = tempfile::tempdir().unwrap();
    let config = MetricStoreConfig {
        retention_ms: MINUTE_MS,
        rollup_retention_ms: 0,
        ..MetricStoreConfig::new(directory.path())
    };
    let store = MetricStore::open(config).unwrap();
    let old = refs(&store, &[labels("gone", "a")]);
    store.append(&old, 0, &[1.0]).unwrap();
    cut_column(&store, 1, 0);
    cut_column(&store, 2, 100 * MINUTE_MS);
    // Fresh ones have their first upkeep free: a sample may be on its way.
    let registered = refs(&store, &[labels("later", "a")]);
    assert_eq!(store.maintain(100 * MINUTE_MS).unwrap().forgotten_series, 0);
    assert_eq!(store.maintain(100 * MINUTE_MS).unwrap().forgotten_series, 2);
    for forgotten in [old, registered] {
        let refused = store.append(&forgotten, 1, &[1.0]).unwrap_err();
        assert!(matches!(refused, MetricStoreError::SeriesForgotten));
    }
    // The slot is used again, and the old name does not lead to it.
    let new = refs(&store, &[labels("new", "a")]);
    store.append(&new, 100 * MINUTE_MS, &[2.0]).unwrap();
    let names = store.label_values(Labels::NAME, &[], 0, i64::MAX);
    assert_eq!(names, ["load".into(), "new".into(), "up".into()]);
    assert_eq!(store.stats().series, 3);
}

#[test]
fn names_and_values_follow_matchers_and_time() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    cut_column(&store, 1, 0);
    let other = refs(&store, &[Labels::metric("up", [("site", "x")])]);
    store.append(&other, 10, &[1.0]).unwrap();
    store.cut().unwrap();
    assert_eq!(
        store.label_names(&[], 0, 10),
        ["__name__".into(), "host".into(), "job".into(), "site".into()]
    );
    assert_eq!(store.label_names(&[], 10, 10), ["__name__".into(), "site".into()]);
    assert_eq!(store.label_values("host", &up(), 0, 10), ["a".into()]);
    let series = store.series(&up(), 0, 0).unwrap();
    assert_eq!(series, [labels("up", "a")]);
}

#[test]
fn readers_see_every_sample_once_while_cuts_and_merges_go_on() {
    const COLUMNS: i64 = 400;
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let series = refs(&store, &[labels("up", "a"), labels("up", "b")]);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = 0usize;
            while !done.load(Relaxed) {
                let selected = store.select(&up(), 0, i64::MAX).unwrap();
                for series in &selected {
                    let times: Vec<i64> =
                        series.samples.iter().map(|sample| sample.timestamp_ms).collect();
                    assert!(times.len() >= seen, "samples went missing after {seen}: {times:?}");
                    assert!((0..).zip(&times).all(|(expected, time)| expected == *time));
                }
                seen = selected.iter().map(|series| series.samples.len()).min().unwrap_or(0);
            }
        });
        for time in 0..COLUMNS {
            store.append(&series, time, &[1.0, 2.0]).unwrap();
            if time % 4 == 0 {
                store.cut().unwrap();
            }
            if time % 32 == 0 {
                store.maintain(0).unwrap();
            }
        }
        done.store(true, Relaxed);
        reader.join().unwrap();
    });
    assert_eq!(store.select(&up(), 0, COLUMNS).unwrap()[0].samples.len(), 400);
}
