//! Selections that are read series by series.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::*;
use crate::MetricStoreError;

/// Many batches.
const SERIES: u32 = 600;

/// Each series in some of four cuts and in the head, registered in an order that is not that of their names.
fn store(directory: &Path) -> (MetricStore, BTreeMap<String, Vec<(i64, f64)>>) {
    let store = open(directory);
    let mut expected: BTreeMap<String, Vec<(i64, f64)>> = BTreeMap::new();
    for round in 0..5u32 {
        let hosts = (0..SERIES).rev().filter(|host| (host + round) % (round + 2) != 0);
        let hosts: Vec<u32> = hosts.collect();
        let series: Vec<_> = hosts
            .iter()
            .map(|host| labels(["load", "up"][(host % 2) as usize], &format!("h{host:03}")))
            .collect();
        let time = i64::from(round) * MINUTE_MS;
        let values: Vec<f64> = hosts.iter().map(|host| f64::from(host * 10 + round)).collect();
        store.append(&refs(&store, &series), time, &values).unwrap();
        for (labels, value) in series.iter().zip(values) {
            expected.entry(labels.to_string()).or_default().push((time, value));
        }
        if round < 4 {
            store.advance(u64::from(round) + 1);
            store.cut().unwrap();
        }
    }
    (store, expected)
}

#[test]
fn every_series_comes_once_and_whole_over_many_batches() {
    let directory = tempfile::tempdir().unwrap();
    let (store, expected) = store(directory.path());
    for merged in [false, true] {
        if merged {
            store.maintain(0).unwrap();
        }
        let mut found = BTreeMap::new();
        let read = store.for_each(&[], i64::MIN, i64::MAX, &mut |series| {
            let samples = series.samples.iter();
            let samples = samples.map(|sample| (sample.timestamp_ms, sample.value)).collect();
            assert!(found.insert(series.labels.to_string(), samples).is_none());
            ControlFlow::Continue(())
        });
        read.unwrap();
        assert_eq!(found, expected);
    }
}

#[test]
fn who_breaks_off_is_given_no_more() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = store(directory.path());
    for wanted in [1, 64, 65, 300] {
        let mut given = 0;
        let read = store.for_each(&[], i64::MIN, i64::MAX, &mut |_| {
            given += 1;
            if given == wanted { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        read.unwrap();
        assert_eq!(given, wanted);
    }
}

#[test]
fn the_limit_of_samples_ends_a_selection_between_batches_and_is_told() {
    let directory = tempfile::tempdir().unwrap();
    drop(store(directory.path()));
    let mut config = MetricStoreConfig::new(directory.path());
    // More than what is in the head, less than all.
    config.select_samples_max = 1_500;
    let store = MetricStore::open(config).unwrap();
    let mut given = 0;
    let read = store.for_each(&[], i64::MIN, i64::MAX, &mut |_| {
        given += 1;
        ControlFlow::Continue(())
    });
    assert!(matches!(read, Err(MetricStoreError::TooManySamples { max: 1_500 })), "{read:?}");
    assert!((1..SERIES).contains(&given), "{given} series were given before");
    // Who had enough before does not hear of it.
    let read = store.for_each(&[], i64::MIN, i64::MAX, &mut |_| ControlFlow::Break(()));
    read.unwrap();
}
