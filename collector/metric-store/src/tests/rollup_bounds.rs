//! When days are rolled up, when samples and roll-ups go, and what limits count of them.

use std::collections::BTreeMap;

use agent_model::RolledSeries;

use super::rollups::{DAY_MS, HOUR_MS, START_MS, Samples, check_windows, config};
use super::*;

/// A counter and a gauge, every minute for `days` days, cut every six hours, with upkeep all the while.
pub(super) fn filled(store: &MetricStore, days: i64) -> Samples {
    let series = refs(store, &[labels("requests_total", "a"), labels("load", "a")]);
    let mut all = Samples::new();
    for minute in 0..days * 1440 {
        let time = START_MS + minute * MINUTE_MS + 1;
        let values = [(minute % 1000) as f64, (minute % 7) as f64 * 0.1];
        store.append(&series, time, &values).unwrap();
        for (name, value) in ["requests_total", "load"].into_iter().zip(values) {
            all.entry(name.to_owned()).or_default().insert(time, value);
        }
        if minute % 360 == 359 {
            store.advance(minute.cast_unsigned() + 1);
            store.cut().unwrap();
            store.maintain(time).unwrap();
        }
    }
    all
}

/// What is there of each series, by name.
pub(super) fn rolled(store: &MetricStore) -> BTreeMap<String, RolledSeries> {
    let found = store.select_rolled(&[], i64::MIN, i64::MAX).unwrap().into_iter();
    found.map(|one| (one.labels.metric_name().to_owned(), one)).collect()
}

#[test]
fn samples_go_only_once_they_are_rolled_up_and_whole_stretches_become_one_file() {
    let directory = tempfile::tempdir().unwrap();
    let store = MetricStore::open(config(directory.path())).unwrap();
    let all = filled(&store, 40);
    let stats = store.stats();
    assert!(stats.rolled_up_days >= 36 && stats.rollup_merges >= 4, "{stats:?}");
    assert!(stats.rollup_parts < 15, "{stats:?}");
    assert!(stats.part_samples < 2 * 6 * 1440, "{stats:?}");
    for (name, series) in rolled(&store) {
        let first = series.samples.first().unwrap().timestamp_ms;
        let gone = all[&name].range(..first).map(|(time, value)| (*time, *value)).collect();
        check_windows(&series.rollups, &gone).unwrap();
        assert_eq!(series.rollups.len() + series.samples.len() / 5, 40 * 288, "{name}");
    }
    let before = format!("{:?}", rolled(&store));
    drop(store);
    let store = MetricStore::open(config(directory.path())).unwrap();
    assert_eq!(format!("{:?}", rolled(&store)), before);
    // Names of series and labels are found where only roll-ups tell of them.
    let day = START_MS + 1..=START_MS + DAY_MS;
    assert_eq!(store.series(&[], *day.start(), *day.end()).unwrap().len(), 2);
}

#[test]
fn late_data_rewrites_its_day_and_only_that() {
    let directory = tempfile::tempdir().unwrap();
    let store = MetricStore::open(config(directory.path())).unwrap();
    filled(&store, 3);
    let before = store.stats();
    assert_eq!((before.rolled_up_days, before.rewritten_days), (1, 0));
    let series = refs(&store, &[labels("load", "a")]);
    let late = START_MS + HOUR_MS + 7;
    store.append(&series, late, &[77.0]).unwrap();
    store.cut().unwrap();
    let done = store.maintain(START_MS + 3 * DAY_MS).unwrap();
    // The next day is due as well.
    assert_eq!((done.rolled_up_days, store.stats().rewritten_days), (2, 1));
    assert_eq!(store.maintain(START_MS + 3 * DAY_MS).unwrap().rolled_up_days, 0);
    for days in 4..8 {
        store.append(&series, START_MS + days * DAY_MS, &[0.0]).unwrap();
        store.cut().unwrap();
        store.maintain(START_MS + days * DAY_MS).unwrap();
    }
    let found = &rolled(&store)["load"].rollups;
    let window = found.iter().find(|row| row.last_ms > late && row.first_ms <= late).unwrap();
    assert_eq!((window.max, window.count), (77.0, 6));
}

#[test]
fn what_comes_when_its_samples_are_gone_changes_nothing_and_is_counted() {
    let directory = tempfile::tempdir().unwrap();
    let store = MetricStore::open(config(directory.path())).unwrap();
    filled(&store, 8);
    let before = format!("{:?}", rolled(&store)["load"].rollups);
    let series = refs(&store, &[labels("load", "a")]);
    store.append(&series, START_MS + HOUR_MS, &[77.0]).unwrap();
    store.cut().unwrap();
    store.append(&series, START_MS + 8 * DAY_MS, &[1.0]).unwrap();
    store.cut().unwrap();
    assert_eq!(format!("{:?}", rolled(&store)["load"].rollups), before);
    store.maintain(START_MS + 8 * DAY_MS).unwrap();
    assert_eq!(store.stats().too_late_parts, 1);
    assert!(rolled(&store)["load"].rollups.iter().all(|row| row.max < 77.0));
}

#[test]
fn roll_ups_go_at_their_own_bound_and_then_their_series_are_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    let settings =
        MetricStoreConfig { rollup_retention_ms: 10 * DAY_MS, ..config(directory.path()) };
    let store = MetricStore::open(settings).unwrap();
    filled(&store, 2);
    let series = refs(&store, &[labels("other", "a")]);
    let round = |now_ms: i64| {
        store.append(&series, now_ms, &[1.0]).unwrap();
        store.cut().unwrap();
        store.maintain(now_ms).unwrap()
    };
    round(START_MS + 6 * DAY_MS);
    round(START_MS + 7 * DAY_MS);
    assert_eq!(rolled(&store).len(), 3);
    // The first day ends at START + 1 day: ten days later it is still kept, a millisecond later it goes.
    let go = |now_ms: i64| round(now_ms).expired_rollup_parts;
    assert_eq!(go(START_MS + 11 * DAY_MS), 0);
    assert_eq!(go(START_MS + 11 * DAY_MS + 1), 1);
    // By now the second day is one file with the seventh, and goes with it.
    assert_eq!(go(START_MS + 17 * DAY_MS), 0);
    assert_eq!(go(START_MS + 17 * DAY_MS + 1), 1);
    assert_eq!(rolled(&store).len(), 1);
    assert_eq!(store.stats().series, 1);
}

#[test]
fn roll_ups_that_would_not_outlive_their_samples_are_not_made() {
    let directory = tempfile::tempdir().unwrap();
    let settings =
        MetricStoreConfig { rollup_retention_ms: 3 * DAY_MS, ..config(directory.path()) };
    let store = MetricStore::open(settings).unwrap();
    filled(&store, 6);
    let stats = store.stats();
    assert_eq!((stats.rolled_up_days, stats.rollup_parts), (0, 0));
    assert!(stats.expired_parts > 0);
}

#[test]
fn a_roll_up_counts_as_six_samples_of_a_query() {
    let directory = tempfile::tempdir().unwrap();
    let store = MetricStore::open(config(directory.path())).unwrap();
    filled(&store, 8);
    let rows = rolled(&store)["load"].rollups.len() as u64;
    drop(store);
    let bounded = |samples| {
        let config = MetricStoreConfig { select_samples_max: samples, ..config(directory.path()) };
        let store = MetricStore::open(config).unwrap();
        let load = [Matcher::equal(Labels::NAME, "load")];
        store.select_rolled(&load, i64::MIN, START_MS + DAY_MS).is_ok()
    };
    assert!(rows > 288);
    assert!(bounded(288 * 6));
    assert!(!bounded(288 * 6 - 1));
}

#[test]
fn series_that_only_roll_ups_know_keep_no_new_ones_out() {
    let directory = tempfile::tempdir().unwrap();
    let bounded = || {
        let config = MetricStoreConfig { host_series_max: 2, ..config(directory.path()) };
        MetricStore::open(config).unwrap()
    };
    let store = bounded();
    filled(&store, 2);
    let of_no_limit = refs(&store, &[labels("other", "b")]);
    let refused =
        |store: &MetricStore, name: &str| refs(store, &[labels(name, "a")])[0].is_refused();
    assert!(refused(&store, "new"));
    for day in 6..9 {
        store.append(&of_no_limit, START_MS + day * DAY_MS, &[1.0]).unwrap();
        store.cut().unwrap();
        store.maintain(START_MS + day * DAY_MS).unwrap();
    }
    // The host with a refusal comes first.
    let host = &store.cardinality(1).hosts[0];
    assert_eq!((rolled(&store).len(), &*host.host, host.series), (3, "a", 0));
    drop(store);
    let store = bounded();
    assert!(!refused(&store, "new"));
    // One that comes back counts again, under the number that its roll-ups know it by.
    let back = refs(&store, &[labels("load", "a")]);
    store.append(&back, START_MS + 9 * DAY_MS, &[7.0]).unwrap();
    assert!(refused(&store, "requests_total") && !refused(&store, "load"));
    let load = &rolled(&store)["load"];
    assert_eq!((load.rollups.len(), load.samples.len()), (2 * 288, 1));
}
