//! The catalogue of series: whatever happens to it, every part keeps its names, and no slot becomes another's.

use std::fs;
use std::path::PathBuf;

use super::*;

fn catalogue(directory: &Path) -> PathBuf {
    directory.join("series.catalogue")
}

/// Two parts; the second brings a series of its own.
fn two_parts() -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    cut_column(&store, 1, MINUTE_MS);
    let late = refs(&store, &[labels("late", "b")]);
    store.append(&late, MINUTE_MS, &[9.0]).unwrap();
    cut_column(&store, 2, 2 * MINUTE_MS);
    (directory, dump(&store))
}

#[test]
fn cut_short_or_changed_at_any_byte_it_is_made_anew_from_the_parts() {
    let (directory, expected) = two_parts();
    let path = catalogue(directory.path());
    let whole = fs::read(&path).unwrap();
    let cut = (0..whole.len()).map(|length| whole[..length].to_vec());
    let changed = (0..whole.len()).filter(|at| !(8..12).contains(at)).map(|at| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        bytes
    });
    for bytes in cut.chain(changed) {
        fs::write(&path, &bytes).unwrap();
        let store = open(directory.path());
        assert_eq!(dump(&store), expected, "{} bytes", bytes.len());
        assert_eq!(store.recovery().damaged, []);
        // And what was made anew is good for the next start.
        drop(store);
        assert!(fs::read(&path).unwrap().len() > 16);
        assert_eq!(dump(&open(directory.path())), expected);
    }
}

#[test]
fn one_of_another_format_stops_the_start() {
    let (directory, _) = two_parts();
    let path = catalogue(directory.path());
    let mut bytes = fs::read(&path).unwrap();
    for version in [1, 3] {
        bytes[8] = version;
        fs::write(&path, &bytes).unwrap();
        let refused = MetricStore::open(MetricStoreConfig::new(directory.path())).unwrap_err();
        let text = refused.to_string();
        assert!(text.contains("series.catalogue") && text.contains("reads 2"), "{text}");
    }
}

#[test]
fn an_older_one_beside_newer_parts_is_not_believed() {
    let (directory, expected) = two_parts();
    let path = catalogue(directory.path());
    let old = fs::read(&path).unwrap();
    let store = open(directory.path());
    let later = refs(&store, &[labels("later", "c")]);
    store.append(&later, 3 * MINUTE_MS, &[1.0]).unwrap();
    store.cut().unwrap();
    drop(store);
    fs::write(&path, old).unwrap();
    let store = open(directory.path());
    assert!(dump(&store).contains("late{host=\"b\",job=\"node\"} 60000=9\n"));
    assert!(dump(&store).contains("later{host=\"c\",job=\"node\"} 180000=1\n"));
    assert_eq!(dump(&store).lines().count(), expected.lines().count() + 1);
}

#[test]
fn without_it_a_part_that_lost_its_names_is_set_aside_and_the_others_served() {
    let (directory, _) = two_parts();
    fs::remove_file(catalogue(directory.path())).unwrap();
    let path = files(directory.path(), "part")[1].clone();
    let whole = fs::read(&path).unwrap();
    let mut aside = 0;
    for at in 16..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        fs::write(&path, &bytes).unwrap();
        let store = open(directory.path());
        let found = dump(&store);
        assert!(found.contains("up{host=\"a\",job=\"node\"} 60000=1"), "byte {at}: {found}");
        aside += store.recovery().damaged.len();
        drop(store);
        fs::remove_file(catalogue(directory.path())).unwrap();
        let damaged = path.with_extension("damaged");
        if damaged.exists() {
            fs::remove_file(damaged).unwrap();
        }
    }
    assert!(aside > 0);
}

#[test]
fn a_slot_used_again_is_the_newer_series_after_a_start() {
    let directory = tempfile::tempdir().unwrap();
    let config = MetricStoreConfig {
        retention_ms: MINUTE_MS,
        rollup_retention_ms: 0,
        ..MetricStoreConfig::new(directory.path())
    };
    let store = MetricStore::open(config.clone()).unwrap();
    let old = refs(&store, &[labels("old", "a")]);
    store.append(&old, 0, &[1.0]).unwrap();
    cut_column(&store, 1, 0);
    cut_column(&store, 2, 100 * MINUTE_MS);
    for _ in 0..2 {
        store.maintain(100 * MINUTE_MS).unwrap();
    }
    let new = refs(&store, &[labels("new", "b")]);
    assert_eq!(new[0].slot, old[0].slot);
    store.append(&new, 100 * MINUTE_MS, &[2.0]).unwrap();
    store.cut().unwrap();
    let expected = dump(&store);
    drop(store);
    let store = MetricStore::open(config).unwrap();
    assert_eq!(dump(&store), expected);
    assert!(expected.contains("new{") && !expected.contains("old{"));
    // What was forgotten stays forgotten: the limits count it no more.
    assert_eq!(store.stats().series, 3);
}

#[test]
fn names_of_the_forgotten_are_dropped_when_they_are_most_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let config = MetricStoreConfig {
        retention_ms: MINUTE_MS,
        rollup_retention_ms: 0,
        ..MetricStoreConfig::new(directory.path())
    };
    let store = MetricStore::open(config.clone()).unwrap();
    let many = |round: i64| -> Vec<Labels> {
        (0..6_000).map(|at| labels(&format!("metric_{round}_{at}"), "a")).collect()
    };
    let bytes = || fs::metadata(catalogue(directory.path())).unwrap().len();
    let mut grown = 0;
    for round in 0..4 {
        let series = refs(&store, &many(round));
        store.append(&series, round * 100 * MINUTE_MS, &vec![1.0; series.len()]).unwrap();
        store.cut().unwrap();
        grown = grown.max(bytes());
        store.maintain(round * 100 * MINUTE_MS).unwrap();
        store.maintain(round * 100 * MINUTE_MS).unwrap();
    }
    assert!(bytes() < grown, "{} of {grown} bytes", bytes());
    let expected = dump(&store);
    drop(store);
    let store = MetricStore::open(config).unwrap();
    assert_eq!((dump(&store), store.stats().series), (expected, 6_000));
}

#[test]
fn on_a_failed_write_the_cut_fails_and_the_next_one_names_all() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let series = refs(&store, &[labels("up", "a")]);
    store.append(&series, 1, &[1.0]).unwrap();
    let obstacle = catalogue(directory.path()).with_extension("tmp");
    fs::create_dir(&obstacle).unwrap();
    assert!(store.cut().unwrap_err().retryable());
    fs::remove_dir(&obstacle).unwrap();
    store.cut().unwrap();
    let expected = dump(&store);
    drop(store);
    assert_eq!(dump(&open(directory.path())), expected);
}
