//! Sectors that the disk cannot read: they are damage, of which only what lies there is lost, and upkeep goes on.

use std::fs;

use super::rollup_bounds::{filled, rolled};
use super::rollups::{DAY_MS, START_MS, config};
use super::*;
use crate::MetricStoreError;
use crate::fsck::{PartState, RollupState, check};
use crate::part::bad_sectors;

/// Behind the header and the block of times: a byte in the block of the series that was registered first.
const FIRST_SERIES: std::ops::Range<u64> = 16 + 4 + 9 + 6..16 + 4 + 9 + 7;

#[test]
fn a_bad_sector_costs_its_own_series_of_its_own_part() {
    let directory = cut_parts(8);
    let expected = dump(&open(directory.path()));
    let bad = &files(directory.path(), "part")[4];
    bad_sectors::make(bad, FIRST_SERIES);
    let store = open(directory.path());
    assert_eq!(dump(&store), expected.replace(" 300000=5 ", " "));
    assert_eq!(store.stats().damaged_blocks, 1);
    let checked = check(directory.path(), false).unwrap_err();
    assert!(matches!(checked, MetricStoreError::Locked { .. }));
    drop(store);
    let checked = check(directory.path(), false).unwrap();
    let PartState::Damaged { series, .. } = &checked.parts[4].state else { panic!("{checked:?}") };
    assert_eq!((series.len(), &series[0].0), (1, &labels("up", "a")));
}

#[test]
fn every_byte_of_a_part_may_be_unreadable() {
    let directory = cut_parts(8);
    let expected = dump(&open(directory.path()));
    let path = files(directory.path(), "part")[4].clone();
    let whole = fs::read(&path).unwrap();
    for at in 0..whole.len() as u64 {
        // A file of its own for each byte, because a sector stays bad.
        let other = tempfile::tempdir().unwrap();
        for from in files(directory.path(), "part") {
            fs::copy(&from, other.path().join(from.file_name().unwrap())).unwrap();
        }
        let bad = other.path().join(path.file_name().unwrap());
        bad_sectors::make(&bad, at..at + 1);
        let store = open(other.path());
        let found = dump(&store);
        let stats = store.stats();
        assert!(found == expected || stats.damaged_parts + stats.damaged_blocks > 0, "byte {at}");
        for line in found.lines() {
            assert!(line.split(' ').skip(1).all(|sample| expected.contains(sample)), "byte {at}");
            assert!(line.contains(" 240000=") && line.contains(" 360000="), "byte {at}: {line}");
        }
    }
}

#[test]
fn upkeep_goes_on_past_a_part_that_cannot_be_read() {
    let directory = cut_parts(8);
    let config = MetricStoreConfig {
        retention_ms: 10 * MINUTE_MS,
        rollup_retention_ms: 0,
        ..MetricStoreConfig::new(directory.path())
    };
    bad_sectors::make(&files(directory.path(), "part")[4], FIRST_SERIES);
    let store = MetricStore::open(config).unwrap();
    let error = store.maintain(11 * MINUTE_MS).unwrap_err();
    assert!(matches!(error, MetricStoreError::Damaged { .. }), "{error}");
    let done = store.maintain(12 * MINUTE_MS + 1).unwrap();
    assert_eq!((done.expired_parts, done.merges), (2, 0));
}

#[test]
fn a_day_that_cannot_be_rolled_up_does_not_hold_up_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let store = MetricStore::open(config(directory.path())).unwrap();
    for day in 0..4 {
        cut_column(&store, u64::try_from(day).unwrap() + 1, START_MS + day * DAY_MS + MINUTE_MS);
    }
    fs::create_dir(directory.path().join("days-020000-020001-0.tmp")).unwrap();
    store.maintain(START_MS + 4 * DAY_MS).unwrap_err();
    let stats = store.stats();
    assert_eq!((stats.rolled_up_days, stats.rollup_failures), (2, 1));
}

#[test]
fn late_data_does_not_put_a_hole_into_a_complete_roll_up() {
    let directory = tempfile::tempdir().unwrap();
    let config = config(directory.path());
    let store = MetricStore::open(config.clone()).unwrap();
    cut_column(&store, 1, START_MS + MINUTE_MS);
    cut_column(&store, 2, START_MS + 2 * DAY_MS);
    assert_eq!(store.maintain(START_MS + 2 * DAY_MS).unwrap().rolled_up_days, 1);
    drop(store);
    bad_sectors::make(&files(directory.path(), "part")[0], FIRST_SERIES);
    let store = MetricStore::open(config).unwrap();
    cut_column(&store, 3, START_MS + 2 * MINUTE_MS);
    store.maintain(START_MS + 2 * DAY_MS).unwrap_err();
    store.maintain(START_MS + 2 * DAY_MS).unwrap();
    assert_eq!(store.stats().rewritten_days, 0);
    assert_eq!(rolled(&store)["up"].rollups.iter().map(|row| row.count).sum::<u64>(), 1);
}

#[test]
fn a_repaired_part_leaves_its_day_to_the_roll_ups_also_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let store = MetricStore::open(config(directory.path())).unwrap();
    cut_column(&store, 1, START_MS + MINUTE_MS);
    cut_column(&store, 2, START_MS + 2 * DAY_MS);
    assert_eq!(store.maintain(START_MS + 2 * DAY_MS).unwrap().rolled_up_days, 1);
    drop(store);
    bad_sectors::make(&files(directory.path(), "part")[0], FIRST_SERIES);
    check(directory.path(), true).unwrap();
    let store = MetricStore::open(config(directory.path())).unwrap();
    let found = rolled(&store);
    assert_eq!((found["up"].rollups.len(), found["up"].samples.len()), (1, 1));
    assert_eq!(found["load"].rollups.len(), 1);
}

#[test]
fn a_repair_lets_a_damaged_roll_up_be_made_again_while_its_samples_are_there() {
    let directory = tempfile::tempdir().unwrap();
    filled(&MetricStore::open(config(directory.path())).unwrap(), 8);
    let expected = rolled(&MetricStore::open(config(directory.path())).unwrap());
    let path = files(directory.path(), "rollup").pop().unwrap();
    let whole = fs::read(&path).unwrap();
    let mut damaged = whole.clone();
    damaged[500] ^= 1;
    fs::write(&path, &damaged).unwrap();
    let checked = check(directory.path(), true).unwrap();
    let state = &checked.rollups.last().unwrap().state;
    assert!(matches!(state, RollupState::Damaged { again: true, .. }), "{state:?}");
    assert_eq!(fs::read(path.with_extension("damaged")).unwrap(), damaged);
    let store = MetricStore::open(config(directory.path())).unwrap();
    assert_eq!(format!("{:?}", rolled(&store)), format!("{expected:?}"));
    store.maintain(START_MS + 8 * DAY_MS).unwrap();
    drop(store);
    assert_eq!(fs::read(&path).unwrap(), whole);
}
