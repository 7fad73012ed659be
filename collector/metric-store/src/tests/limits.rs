//! Every limit at its bound: what just fits is taken, one more is refused, counted and named.

use super::*;
use crate::MetricStoreError;

fn limited(change: impl FnOnce(&mut MetricStoreConfig)) -> (tempfile::TempDir, MetricStore) {
    let directory = tempfile::tempdir().unwrap();
    let mut config = MetricStoreConfig::new(directory.path());
    change(&mut config);
    let store = MetricStore::open(config).unwrap();
    (directory, store)
}

fn many(host: &str, count: usize) -> Vec<Labels> {
    (0..count).map(|at| labels(&format!("metric_{at}"), host)).collect()
}

#[test]
fn a_host_over_its_limit_loses_only_its_new_series() {
    let (directory, store) = limited(|config| config.host_series_max = 3);
    let mad = refs(&store, &many("mad", 5));
    assert_eq!(mad.iter().filter(|series| series.is_refused()).count(), 2);
    assert!(refs(&store, &many("calm", 3)).iter().all(|series| !series.is_refused()));
    store.append(&mad, 1, &[1.0; 5]).unwrap();
    let stats = store.stats();
    assert_eq!((stats.series, stats.refused_series, stats.dropped_samples), (6, 2, 2));
    assert_eq!((stats.appended_samples, stats.head_samples), (3, 3));
    let cardinality = store.cardinality(1);
    assert_eq!((&*cardinality.hosts[0].host, cardinality.hosts[0].refused), ("mad", 2));
    assert_eq!(cardinality.metrics, [("metric_0".into(), 2)]);

    // What is on disk is known whatever the limits say now.
    store.cut().unwrap();
    drop(store);
    let mut config = MetricStoreConfig::new(directory.path());
    config.series_max = 1;
    let store = MetricStore::open(config).unwrap();
    assert!(refs(&store, &many("mad", 3)).iter().all(|series| !series.is_refused()));
    assert!(refs(&store, &many("new", 1))[0].is_refused());
}

#[test]
fn the_total_is_bounded() {
    let (_directory, store) = limited(|config| config.series_max = 4);
    let first = refs(&store, &many("a", 4));
    assert!(first.iter().all(|series| !series.is_refused()));
    assert!(refs(&store, &many("b", 1))[0].is_refused());
    assert_eq!(refs(&store, &many("a", 4)), first);
}

#[test]
fn refused_hosts_that_have_no_series_share_a_name() {
    let (_directory, store) = limited(|config| config.series_max = 1);
    refs(&store, &many("a", 1));
    for host in 0..100 {
        assert!(refs(&store, &many(&format!("made-up-{host}"), 1))[0].is_refused());
    }
    let hosts = store.cardinality(10).hosts;
    let told: Vec<_> = hosts.iter().map(|host| (&*host.host, host.series, host.refused)).collect();
    assert_eq!(told, [("", 0, 100), ("a", 1, 0)]);
}

#[test]
fn the_head_is_bounded_until_a_cut() {
    let (_directory, store) = limited(|config| config.head_samples_max = 4);
    let series = refs(&store, &many("a", 2));
    store.append(&series, 1, &[1.0; 2]).unwrap();
    store.append(&series, 2, &[1.0; 2]).unwrap();
    let refused = store.append(&series, 3, &[1.0; 2]).unwrap_err();
    assert!(matches!(refused, MetricStoreError::HeadFull { samples: 4, max: 4 }), "{refused}");
    store.cut().unwrap();
    store.append(&series, 3, &[1.0; 2]).unwrap();
    assert_eq!(store.select(&[], 1, 3).unwrap()[0].samples.len(), 3);
}

#[test]
fn registering_for_every_push_costs_no_more_than_registering_once() {
    let (_directory, store) = limited(|_| ());
    for time in 0..100 {
        store.append(&refs(&store, &many("a", 2)), time, &[1.0; 2]).unwrap();
    }
    assert_eq!(store.tables(), 1);
    assert_eq!(store.select(&[], 0, 100).unwrap()[1].samples.len(), 100);
}

#[test]
fn a_cut_is_due_from_its_bound_on() {
    let (_directory, store) = limited(|config| config.head_samples_cut = 4);
    let series = refs(&store, &many("a", 2));
    store.append(&series, 1, &[1.0; 2]).unwrap();
    assert!(!store.cut_due());
    store.append(&series, 2, &[1.0; 2]).unwrap();
    assert!(store.cut_due());
    store.cut().unwrap();
    assert!(!store.cut_due());
}

#[test]
fn a_select_is_bounded_in_series_and_samples() {
    let (_directory, store) = limited(|config| {
        config.select_series_max = 2;
        config.select_samples_max = 6;
    });
    let series = refs(&store, &many("a", 2));
    for time in 1..=3 {
        store.append(&series, time, &[1.0; 2]).unwrap();
        if time == 2 {
            store.cut().unwrap();
        }
    }
    assert_eq!(store.select(&[], 1, 3).unwrap().len(), 2);
    store.append(&refs(&store, &many("a", 1)), 4, &[1.0]).unwrap();
    let refused = store.select(&[], 1, 4).unwrap_err();
    assert!(matches!(refused, MetricStoreError::TooManySamples { max: 6 }), "{refused}");
    let third = refs(&store, &many("b", 1));
    store.append(&third, 1, &[1.0]).unwrap();
    let refused = store.select(&[], 1, 1).unwrap_err();
    assert!(matches!(refused, MetricStoreError::TooManySeries { matched: 3, max: 2 }), "{refused}");
    assert_eq!(store.stats().refused_selects, 2);
}

#[test]
fn a_column_of_another_length_is_refused() {
    let (_directory, store) = limited(|_| ());
    let series = refs(&store, &many("a", 2));
    let refused = store.append(&series, 1, &[1.0]).unwrap_err();
    assert!(matches!(refused, MetricStoreError::ColumnLength { series: 2, values: 1 }));
}

#[test]
fn a_second_opener_is_refused_until_the_first_is_gone() {
    let (directory, store) = limited(|_| ());
    let second = MetricStore::open(MetricStoreConfig::new(directory.path()));
    assert!(matches!(second, Err(MetricStoreError::Locked { .. })));
    drop(store);
    open(directory.path());
}

#[test]
fn a_fresh_part_of_the_usual_mix_takes_less_than_1_3_bytes_a_sample() {
    const SERIES: u32 = 2_000;
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let names: Vec<Labels> =
        (0..SERIES).map(|at| labels(&format!("m{}", at % 50), &format!("h{}", at / 50))).collect();
    let series = refs(&store, &names);
    let chance = |seed: u64| {
        let mut bits = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        u32::try_from((bits ^ (bits >> 31)) >> 32).unwrap()
    };
    // Half stands still, a quarter are counters, a quarter gauges of one decimal place, as chance has it.
    for tick in 0..60u32 {
        let value = |at: u32| match at % 4 {
            1 => {
                let rate = chance(u64::from(at)) % 100_000 + 1;
                let moved = chance(u64::from(at) << 32 | u64::from(tick)) % rate;
                f64::from(tick) * f64::from(rate) + f64::from(moved)
            }
            2 => f64::from(chance(u64::from(at) << 32 | u64::from(tick)) % 1_000) / 10.0,
            _ => f64::from(at * 1_024),
        };
        let values: Vec<f64> = (0..SERIES).map(value).collect();
        store.append(&series, i64::from(tick) * 15_000, &values).unwrap();
    }
    store.cut().unwrap();
    let stats = store.stats();
    let per_sample = stats.part_bytes as f64 / stats.part_samples as f64;
    assert!(per_sample < 1.3, "{per_sample} B/sample");
}
