//! Damaged files of roll-ups: set aside or stepped over, named, made again while the samples are there, and never a
//! reason for a false answer.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use agent_model::RolledSeries;

use super::rollup_bounds::{filled, rolled};
use super::rollups::{DAY_MS, START_MS, config};
use super::*;
use crate::fsck::{RollupState, check};

/// Eight days, of which the first are told by roll-ups alone.
fn eight_days() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    filled(&MetricStore::open(config(directory.path())).unwrap(), 8);
    directory
}

fn open_rolled(directory: &Path) -> MetricStore {
    MetricStore::open(config(directory)).unwrap()
}

#[test]
fn a_file_cut_short_is_set_aside_and_named_and_the_others_answer() {
    let directory = eight_days();
    let all = rolled(&open_rolled(directory.path()))["load"].rollups.len();
    let path = files(directory.path(), "rollup")[0].clone();
    let whole = fs::read(&path).unwrap();
    for length in (0..whole.len()).step_by(151) {
        fs::write(&path, &whole[..length]).unwrap();
        let store = open_rolled(directory.path());
        let [damaged] = store.recovery().damaged_rollups.as_slice() else {
            panic!("{length} bytes: {:?}", store.recovery())
        };
        assert_eq!((damaged.from_ms, damaged.to_ms), (START_MS + 1, START_MS + DAY_MS));
        assert_eq!(store.stats().damaged_rollup_parts, 1);
        assert_eq!(rolled(&store)["load"].rollups.len(), all - 288);
        drop(store);
        fs::remove_file(path.with_extension("damaged")).unwrap();
    }
}

#[test]
fn a_flipped_byte_never_yields_a_false_roll_up() {
    let directory = eight_days();
    let rows = |found: &BTreeMap<String, RolledSeries>| -> BTreeSet<String> {
        found.values().flat_map(|series| &series.rollups).map(|row| format!("{row:?}")).collect()
    };
    let expected = rows(&rolled(&open_rolled(directory.path())));
    let path = files(directory.path(), "rollup")[0].clone();
    let whole = fs::read(&path).unwrap();
    let (mut files_set_aside, mut blocks) = (0, 0);
    for at in (0..whole.len()).step_by(101).chain(whole.len() - 40..whole.len()) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        fs::write(&path, &bytes).unwrap();
        let Ok(store) = MetricStore::open(config(directory.path())) else {
            // Another version stops the start.
            assert!((8..12).contains(&at), "byte {at}");
            continue;
        };
        let found = rows(&rolled(&store));
        let stats = store.stats();
        files_set_aside += stats.damaged_rollup_parts;
        blocks += stats.damaged_rollup_blocks;
        let noticed = stats.damaged_rollup_parts + stats.damaged_rollup_blocks > 0;
        assert!(noticed || found == expected, "byte {at} changed an answer unnoticed");
        assert!(found.is_subset(&expected), "byte {at} made something up");
    }
    assert!(files_set_aside > 0 && blocks > 0);
}

#[test]
fn a_damaged_day_is_rolled_up_again_while_its_samples_are_there() {
    let directory = eight_days();
    let path = files(directory.path(), "rollup").pop().unwrap();
    let whole = fs::read(&path).unwrap();
    fs::write(&path, b"").unwrap();
    let store = open_rolled(directory.path());
    assert_eq!(store.recovery().damaged_rollups.len(), 1);
    // The next day is due as well.
    assert_eq!(store.maintain(START_MS + 8 * DAY_MS).unwrap().rolled_up_days, 2);
    drop(store);
    assert_eq!(fs::read(&path).unwrap(), whole);
}

#[test]
fn a_damaged_part_is_answered_by_the_roll_ups_of_its_day() {
    let directory = eight_days();
    let before = rolled(&open_rolled(directory.path()));
    // The day before the last that is rolled up has its samples still; one of its parts goes bad.
    let day = START_MS + 5 * DAY_MS + 1..=START_MS + 6 * DAY_MS;
    assert!(before["load"].samples.iter().any(|sample| day.contains(&sample.timestamp_ms)));
    let first_of_day = files(directory.path(), "part").into_iter().find(|path| {
        let part = crate::part::Part::open(path).unwrap();
        part.overlaps(&day)
    });
    fs::write(first_of_day.unwrap(), b"").unwrap();
    let after = rolled(&open_rolled(directory.path()));
    let rows = after["load"].rollups.iter().filter(|row| day.contains(&row.last_ms));
    assert_eq!(rows.map(|row| row.count).sum::<u64>(), 1440);
    assert!(!after["load"].samples.iter().any(|sample| day.contains(&sample.timestamp_ms)));
}

#[test]
fn a_merge_whose_inputs_a_crash_left_is_told_once_and_a_damaged_one_by_them() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_rolled(directory.path());
    filled(&store, 11);
    let inputs = files(directory.path(), "rollup");
    let kept: Vec<_> = inputs.iter().map(|path| (path, fs::read(path).unwrap())).collect();
    let expected = format!("{:?}", rolled(&store)["load"].rollups);
    let series = refs(&store, &[labels("up", "a")]);
    store.append(&series, START_MS + 12 * DAY_MS, &[1.0]).unwrap();
    store.cut().unwrap();
    assert_eq!(store.maintain(START_MS + 12 * DAY_MS).unwrap().rollup_merges, 1);
    drop(store);
    let restore = || kept.iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
    restore();
    let store = open_rolled(directory.path());
    assert_eq!(store.recovery().removed, 8);
    assert!(
        format!("{:?}", rolled(&store)["load"].rollups)
            .starts_with(&expected[..expected.len() - 1])
    );
    drop(store);
    restore();
    fs::write(directory.path().join("days-020000-020008-0.rollup"), b"").unwrap();
    let store = open_rolled(directory.path());
    assert_eq!(store.recovery().damaged_rollups.len(), 1);
    assert!(
        format!("{:?}", rolled(&store)["load"].rollups)
            .starts_with(&expected[..expected.len() - 1])
    );
}

#[test]
fn a_check_names_the_damaged_series_and_a_repair_saves_the_others() {
    let directory = eight_days();
    let path = files(directory.path(), "rollup")[0].clone();
    assert!(check(directory.path(), false).unwrap().is_sound());
    let whole = fs::read(&path).unwrap();
    let mut found = Vec::new();
    for at in (16..whole.len()).step_by(61) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&path, &bytes).unwrap();
        let checked = check(directory.path(), false).unwrap();
        assert_eq!(fs::read(&path).unwrap(), bytes);
        match &checked.rollups[0].state {
            // Names are not needed beside a sound catalogue.
            RollupState::Sound => assert!(checked.catalogue, "byte {at}"),
            RollupState::Unreadable { .. } => {}
            RollupState::Damaged { series, repaired, .. } => {
                assert!(!repaired && !series.is_empty());
                found.push((at, series.len()));
            }
        }
    }
    let (at, lost) = *found.iter().find(|(_, series)| *series == 1).unwrap();
    let mut bytes = whole.clone();
    bytes[at] ^= 1;
    fs::write(&path, &bytes).unwrap();
    check(directory.path(), true).unwrap();
    assert_eq!(fs::read(path.with_extension("damaged")).unwrap(), bytes);
    let checked = check(directory.path(), false).unwrap();
    assert!(checked.is_sound(), "{checked:?}");
    assert_eq!((checked.rollups[0].series, checked.rollups[0].rollups, lost), (1, 288, 1));
    assert!(!rolled(&open_rolled(directory.path())).is_empty());
}

#[test]
fn a_day_that_cannot_be_written_keeps_its_samples_and_is_tried_again() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_rolled(directory.path());
    let obstacle = directory.path().join("days-020000-020001-0.tmp");
    fs::create_dir(&obstacle).unwrap();
    let series = refs(&store, &[labels("up", "a")]);
    for hour in (1..24 * 8).step_by(12) {
        store.append(&series, START_MS + hour * 60 * MINUTE_MS, &[1.0]).unwrap();
        store.cut().unwrap();
        // The first day is due when the second has gone by.
        assert_eq!(store.maintain(START_MS + hour * 60 * MINUTE_MS).is_err(), hour >= 48);
    }
    assert!(store.stats().rollup_failures > 0);
    let found = rolled(&store);
    let day = START_MS + 1..=START_MS + DAY_MS;
    let samples = found["up"].samples.iter().filter(|sample| day.contains(&sample.timestamp_ms));
    let rows = found["up"].rollups.iter().filter(|row| day.contains(&row.last_ms));
    assert_eq!((samples.count(), rows.count()), (2, 0));
    // The days behind it are not held up.
    assert_eq!(found["up"].samples.len() + found["up"].rollups.len(), 16);
    assert!(store.stats().rolled_up_days > 0);
    fs::remove_dir(&obstacle).unwrap();
    store.maintain(START_MS + 8 * DAY_MS).unwrap();
    let found = rolled(&store);
    assert_eq!(found["up"].samples.len() + found["up"].rollups.len(), 16);
    assert!(store.stats().expired_parts > 0);
}
