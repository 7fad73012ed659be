//! Deleted samples stay deleted: in memory, on disk, in lists, in roll-ups, after merges, crashes, replays and copies.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed, Ordering::SeqCst};

use super::rollup_bounds::{filled, rolled};
use super::rollups::{DAY_MS, START_MS, config};
use super::*;
use crate::MetricStoreError;
use crate::fsck::check;

fn metric(name: &str) -> Vec<Vec<Matcher>> {
    vec![vec![Matcher::equal(Labels::NAME, name)]]
}

/// Columns at the minutes 1 to 4, the last of them in memory.
fn four_minutes(store: &MetricStore) {
    for position in 1..=3 {
        cut_column(store, position, i64::try_from(position).unwrap() * MINUTE_MS);
    }
    let series = refs(store, &[labels("up", "a"), labels("load", "a")]);
    store.append(&series, 4 * MINUTE_MS, &[4.0, 4.5]).unwrap();
    store.advance(4);
}

const LEFT: &str = "load{host=\"a\",job=\"node\"} 60000=1.5 120000=2.5 180000=3.5 240000=4.5\n\
                    up{host=\"a\",job=\"node\"} 60000=1\n";

#[test]
fn what_is_deleted_is_gone_for_readers_at_once_and_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    four_minutes(&store);
    let deleted = store.delete(&metric("up"), 2 * MINUTE_MS, i64::MAX).unwrap();
    assert_eq!((deleted.series, dump(&store).as_str()), (1, LEFT));
    // All of it is on disk: a replay begins behind it.
    assert_eq!(store.position(), 4);
    drop(store);
    let store = open(directory.path());
    assert_eq!((dump(&store).as_str(), store.stats().deletions), (LEFT, 1));
    assert_eq!(store.delete(&metric("absent"), 0, i64::MAX).unwrap().series, 0);
    assert_eq!(store.stats().deletions, 1);
}

#[test]
fn a_sample_that_arrives_later_is_seen_also_at_a_deleted_time() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    four_minutes(&store);
    store.delete(&metric("up"), i64::MIN, i64::MAX).unwrap();
    let series = refs(&store, &[labels("up", "a")]);
    store.append(&series, 2 * MINUTE_MS, &[9.0]).unwrap();
    let expected = "up{host=\"a\",job=\"node\"} 120000=9\n";
    assert_eq!(text(store.select(&up(), 0, i64::MAX).unwrap()), expected);
    store.advance(5);
    store.cut().unwrap();
    store.clean_deletions().unwrap();
    assert_eq!(text(store.select(&up(), 0, i64::MAX).unwrap()), expected);
    drop(store);
    let store = open(directory.path());
    assert_eq!(text(store.select(&up(), 0, i64::MAX).unwrap()), expected);
}

#[test]
fn lists_do_not_name_a_series_that_is_deleted() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    four_minutes(&store);
    store.delete(&metric("up"), i64::MIN, i64::MAX).unwrap();
    assert_eq!(store.series(&[], 0, i64::MAX).unwrap(), [labels("load", "a")]);
    assert_eq!(store.label_values(Labels::NAME, &[], 0, i64::MAX), ["load".into()]);
}

#[test]
fn cleaning_takes_it_out_of_the_files_and_forgets_the_deletion() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    four_minutes(&store);
    store.delete(&metric("up"), 2 * MINUTE_MS, i64::MAX).unwrap();
    assert_eq!(files(directory.path(), "deletion").len(), 1);
    // Three of four parts hold something of it.
    assert_eq!(store.clean_deletions().unwrap(), 3);
    assert_eq!((dump(&store).as_str(), store.stats().deletions), (LEFT, 0));
    assert_eq!(files(directory.path(), "deletion").len(), 0);
    assert_eq!(store.stats().part_samples, 5);
    drop(store);
    let store = open(directory.path());
    assert_eq!((dump(&store).as_str(), store.position()), (LEFT, 4));
    assert_eq!(store.clean_deletions().unwrap(), 0);
    // A number is used once.
    store.delete(&metric("load"), 0, i64::MAX).unwrap();
    assert_eq!(dump(&store), "up{host=\"a\",job=\"node\"} 60000=1\n");
}

#[test]
fn a_crash_at_any_step_of_cleaning_brings_nothing_back() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    four_minutes(&store);
    store.delete(&metric("up"), 2 * MINUTE_MS, i64::MAX).unwrap();
    let all = |directory: &Path| -> Vec<(std::path::PathBuf, Vec<u8>)> {
        let paths = files(directory, "part").into_iter().chain(files(directory, "deletion"));
        paths.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
    };
    let before = all(directory.path());
    store.clean_deletions().unwrap();
    drop(store);
    let after = all(directory.path());
    // The first files are cleaned; the old ones of some of them, and the deletion, are still there.
    for cleaned in 0..after.len() {
        for kept in 0..=before.len() {
            for (path, _) in all(directory.path()) {
                fs::remove_file(path).unwrap();
            }
            for (path, bytes) in after.iter().take(cleaned + 1).chain(&before[kept.min(cleaned)..])
            {
                fs::write(path, bytes).unwrap();
            }
            let store = open(directory.path());
            assert_eq!(dump(&store), LEFT, "{cleaned} cleaned, {kept} old ones gone");
        }
    }
}

#[test]
fn a_deletion_outlives_a_file_that_cannot_be_deleted() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    four_minutes(&store);
    store.delete(&metric("up"), 2 * MINUTE_MS, i64::MAX).unwrap();
    let stubborn = files(directory.path(), "part")[1].clone();
    fs::remove_file(&stubborn).unwrap();
    fs::create_dir(&stubborn).unwrap();
    store.clean_deletions().unwrap_err();
    assert_eq!((dump(&store).as_str(), files(directory.path(), "deletion").len()), (LEFT, 1));
    fs::remove_dir(&stubborn).unwrap();
    store.clean_deletions().unwrap();
    assert_eq!((dump(&store).as_str(), files(directory.path(), "deletion").len()), (LEFT, 0));
}

#[test]
fn what_the_journal_brings_again_for_a_damaged_part_is_deleted_again() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    four_minutes(&store);
    store.delete(&metric("up"), 2 * MINUTE_MS, i64::MAX).unwrap();
    drop(store);
    for part in &files(directory.path(), "part")[2..] {
        fs::write(part, b"").unwrap();
    }
    let store = open(directory.path());
    assert_eq!(store.position(), 2);
    let replay = |position: u64| {
        let minute = i64::try_from(position).unwrap();
        let series = refs(&store, &[labels("up", "a"), labels("load", "a")]);
        let value = f64::from(u32::try_from(position).unwrap());
        store.append(&series, minute * MINUTE_MS, &[value, value + 0.5]).unwrap();
        store.advance(position);
    };
    replay(3);
    store.cut().unwrap();
    store.maintain(0).unwrap();
    replay(4);
    assert_eq!(dump(&store), LEFT);
    // What comes behind it is new.
    replay(5);
    let later = LEFT.replace("4.5\n", "4.5 300000=5.5\n").replace("=1\n", "=1 300000=5\n");
    assert_eq!(dump(&store), later);
    store.clean_deletions().unwrap();
    assert_eq!((dump(&store), store.stats().deletions), (later.clone(), 0));
    store.cut().unwrap();
    drop(store);
    assert_eq!(dump(&open(directory.path())), later);
}

#[test]
fn a_merge_applies_it_and_upkeep_forgets_it_then() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    for position in 1..=8 {
        cut_column(&store, position, i64::try_from(position).unwrap() * MINUTE_MS);
    }
    store.delete(&metric("up"), 0, 7 * MINUTE_MS).unwrap();
    let expected = dump(&store);
    assert_eq!(store.maintain(0).unwrap().merges, 1);
    assert_eq!((dump(&store), store.stats().deletions), (expected.clone(), 0));
    assert_eq!((store.stats().part_samples, files(directory.path(), "deletion").len()), (9, 0));
    drop(store);
    assert_eq!(dump(&open(directory.path())), expected);
}

#[test]
fn a_slot_of_a_deleted_series_may_become_another_series() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    four_minutes(&store);
    store.delete(&metric("up"), i64::MIN, i64::MAX).unwrap();
    store.clean_deletions().unwrap();
    store.maintain(0).unwrap();
    store.maintain(0).unwrap();
    assert_eq!((store.stats().series, store.stats().forgotten_series), (1, 1));
    let new = refs(&store, &[labels("new", "a")]);
    store.append(&new, MINUTE_MS, &[7.0]).unwrap();
    store.cut().unwrap();
    drop(store);
    assert!(dump(&open(directory.path())).contains("new{host=\"a\",job=\"node\"} 60000=7\n"));
}

#[test]
fn roll_ups_hide_it_too_and_the_five_minutes_that_the_range_cuts() {
    let directory = tempfile::tempdir().unwrap();
    let store = MetricStore::open(config(directory.path())).unwrap();
    filled(&store, 8);
    let before = rolled(&store);
    // The second day is told by roll-ups alone.
    let from = START_MS + DAY_MS + 12 * 60 * MINUTE_MS + MINUTE_MS;
    let to = from + 60 * MINUTE_MS;
    let rows = |rows: &[agent_model::Rollup], inside: bool| {
        rows.iter().filter(|row| (row.last_ms < from || row.first_ms > to) != inside).count()
    };
    assert_eq!(rows(&before["load"].rollups, true), 13);
    store.delete(&metric("load"), from, to).unwrap();
    let check_left = |store: &MetricStore| {
        let left = rolled(store);
        assert_eq!(rows(&left["load"].rollups, true), 0);
        assert_eq!(rows(&left["load"].rollups, false), rows(&before["load"].rollups, false));
        assert_eq!(left["load"].samples.len(), before["load"].samples.len());
        let (left, before) = (&left["requests_total"], &before["requests_total"]);
        assert_eq!(left.rollups.len(), before.rollups.len());
    };
    check_left(&store);
    // Upkeep does not take it for done.
    store.maintain(0).unwrap();
    check_left(&store);
    // Also for a reader who asks for the other end of such five minutes only.
    let seen = |from: i64| store.select_rolled(&metric("load")[0], from, from + 1).unwrap().len();
    assert_eq!((seen(to + 3 * MINUTE_MS), seen(to + 5 * MINUTE_MS)), (0, 1));
    drop(store);
    let store = MetricStore::open(config(directory.path())).unwrap();
    check_left(&store);
    assert_eq!(store.clean_deletions().unwrap(), 1);
    check_left(&store);
    drop(store);
    let store = MetricStore::open(config(directory.path())).unwrap();
    check_left(&store);
    assert_eq!(store.stats().deletions, 0);
}

#[test]
fn a_day_whose_samples_are_there_is_rolled_up_anew_without_what_is_deleted() {
    let directory = tempfile::tempdir().unwrap();
    let store = MetricStore::open(config(directory.path())).unwrap();
    filled(&store, 8);
    let day = START_MS + 5 * DAY_MS;
    let (from, to) = (day + 1, day + 119 * MINUTE_MS + 1);
    let samples = rolled(&store)["load"].samples.len();
    store.delete(&metric("load"), from, to).unwrap();
    assert_eq!(rolled(&store)["load"].samples.len(), samples - 120);
    store.maintain(START_MS + 8 * DAY_MS).unwrap();
    assert_eq!(store.stats().rewritten_days, 1);
    store.maintain(START_MS + 10 * DAY_MS).unwrap();
    let left = rolled(&store);
    let of_day = |row: &&agent_model::Rollup| (day + 1..=day + DAY_MS).contains(&row.last_ms);
    let rows = left["load"].rollups.iter().filter(of_day);
    assert_eq!(rows.map(|row| row.count).sum::<u64>(), 1440 - 120);
}

#[test]
fn a_damaged_deletion_is_named_by_the_start_and_by_fsck() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    four_minutes(&store);
    store.delete(&metric("up"), 0, i64::MAX).unwrap();
    drop(store);
    assert!(check(directory.path(), false).unwrap().is_sound());
    let path = files(directory.path(), "deletion")[0].clone();
    fs::write(&path, b"hddelete").unwrap();
    let checked = check(directory.path(), false).unwrap();
    assert!(!checked.is_sound() && checked.damaged_deletions[0].0 == path);
    let store = open(directory.path());
    assert_eq!(store.stats().damaged_deletions, 1);
    assert!(store.recovery().damaged_deletions[0].path.exists());
    assert!(dump(&store).contains("up{"));
}

#[test]
fn deletions_that_wait_are_bounded() {
    let directory = tempfile::tempdir().unwrap();
    let config = MetricStoreConfig { deletions_max: 2, ..MetricStoreConfig::new(directory.path()) };
    let store = MetricStore::open(config).unwrap();
    four_minutes(&store);
    for minute in 1..=2 {
        store.delete(&metric("up"), minute * MINUTE_MS, minute * MINUTE_MS).unwrap();
    }
    let refused = store.delete(&metric("up"), 0, i64::MAX).unwrap_err();
    assert!(matches!(refused, MetricStoreError::TooManyDeletions { max: 2 }), "{refused}");
    store.clean_deletions().unwrap();
    assert_eq!(store.delete(&metric("up"), 0, i64::MAX).unwrap().series, 1);
}

#[test]
fn a_deletion_that_cannot_be_written_hides_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    four_minutes(&store);
    let before = dump(&store);
    let obstacle = directory.path().join("0000000001.tmp");
    fs::create_dir(&obstacle).unwrap();
    assert!(store.delete(&metric("up"), 0, i64::MAX).unwrap_err().retryable());
    assert_eq!((dump(&store), store.stats().deletions), (before, 0));
    fs::remove_dir(&obstacle).unwrap();
    assert_eq!(store.delete(&metric("up"), 0, i64::MAX).unwrap().series, 1);
}

#[test]
fn readers_see_nothing_deleted_while_cuts_merges_and_cleaning_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let mut series = refs(&store, &[labels("up", "a"), labels("load", "a")]);
    let (gone, done) = (AtomicI64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            while !done.load(Relaxed) {
                let deleted = gone.load(SeqCst);
                for series in store.select(&[], 0, i64::MAX).unwrap() {
                    let first = series.samples[0].timestamp_ms;
                    let of_up = series.labels.metric_name() == "up";
                    assert_eq!(first < deleted, !of_up && deleted > 0, "{first} of {deleted}");
                }
            }
        });
        let upkeep = scope.spawn(|| {
            while !done.load(Relaxed) {
                store.maintain(0).unwrap();
                store.clean_deletions().unwrap();
            }
        });
        for time in 0..300 {
            while let Err(error) = store.append(&series, time, &[1.0, 2.0]) {
                assert!(matches!(error, MetricStoreError::SeriesForgotten), "{error}");
                series = refs(&store, &[labels("up", "a"), labels("load", "a")]);
            }
            store.advance(u64::try_from(time).unwrap() + 1);
            if time % 4 == 0 {
                store.cut().unwrap();
            }
            if time % 11 == 0 {
                store.delete(&metric("up"), i64::MIN, time).unwrap();
                gone.store(time + 1, SeqCst);
            }
        }
        done.store(true, Relaxed);
        reader.join().unwrap();
        upkeep.join().unwrap();
    });
    let left = store.select(&[], 0, i64::MAX).unwrap();
    let mut counts: Vec<_> = left.iter().map(|series| series.samples.len()).collect();
    counts.sort_unstable();
    assert_eq!(counts, [2, 300]);
}
