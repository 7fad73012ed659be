//! Roll-ups, against windows computed anew from a map of all samples: after random appends, late data, cuts, retention,
//! merges and crashes, every window is there once.

use std::collections::BTreeMap;

use agent_model::{ROLLUP_WINDOW_MS, RolledSeries, Rollup, Sample, is_stale, stale_marker};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::*;

const HOUR_MS: i64 = 60 * MINUTE_MS;
pub(super) const DAY_MS: i64 = 24 * HOUR_MS;
pub(super) const START_MS: i64 = 20_000 * DAY_MS;

/// Samples three days, roll-ups of what is older than one.
pub(super) fn config(directory: &Path) -> MetricStoreConfig {
    MetricStoreConfig {
        retention_ms: 3 * DAY_MS,
        rollup_after_ms: DAY_MS,
        rollup_retention_ms: 400 * DAY_MS,
        ..MetricStoreConfig::new(directory)
    }
}

/// By metric name.
pub(super) type Samples = BTreeMap<String, BTreeMap<i64, f64>>;

#[derive(Clone, Debug)]
enum Step {
    /// Samples of one series, from so many minutes ago on.
    Burst {
        series: usize,
        minutes_ago: i64,
        step_s: i64,
        values: Vec<f64>,
    },
    Cut,
    /// A cut, time goes on, and one round of upkeep.
    Advance {
        hours: i64,
    },
    /// As after a crash within upkeep: of the files that it deleted some are back.
    CrashInUpkeep {
        hours: i64,
        kept: u64,
    },
    /// The store is dropped without a cut; what is not on disk comes again.
    Crash,
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        9 => (0i32..1000).prop_map(f64::from),
        3 => (0i32..1000).prop_map(|value| f64::from(value) * 0.1),
        1 => Just(stale_marker()),
        1 => Just(f64::NAN),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let values = proptest::collection::vec(value(), 1..60);
    // Up to two days late: later the samples of the day may be gone.
    let ago = prop_oneof![3 => 0i64..60, 1 => 0i64..2880];
    prop_oneof![
        12 => (0usize..3, ago, 1i64..100, values).prop_map(|(series, minutes_ago, step_s, values)| {
            Step::Burst { series, minutes_ago, step_s, values }
        }),
        2 => Just(Step::Cut),
        4 => (1i64..40).prop_map(|hours| Step::Advance { hours }),
        2 => (1i64..40, any::<u64>()).prop_map(|(hours, kept)| Step::CrashInUpkeep { hours, kept }),
        1 => Just(Step::Crash),
    ]
}

struct World {
    directory: tempfile::TempDir,
    store: Option<MetricStore>,
    now_ms: i64,
    all: Samples,
    journal: Vec<(String, Vec<Sample>)>,
}

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Some(MetricStore::open(config(directory.path())).unwrap());
        let (all, journal) = (Samples::new(), Vec::new());
        Self { directory, store, now_ms: START_MS, all, journal }
    }

    fn store(&self) -> &MetricStore {
        self.store.as_ref().unwrap()
    }

    fn append(&self, position: usize) {
        let (name, samples) = &self.journal[position - 1];
        let series = refs(self.store(), &[labels(name, "a")])[0];
        let samples: Vec<_> = samples.iter().map(|sample| (series, *sample)).collect();
        self.store().append_samples(&samples).unwrap();
        self.store().advance(position as u64);
    }

    fn reopen(&mut self) {
        self.store = None;
        self.store = Some(MetricStore::open(config(self.directory.path())).unwrap());
        let position = usize::try_from(self.store().position()).unwrap();
        (position + 1..=self.journal.len()).for_each(|position| self.append(position));
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Burst { series, minutes_ago, step_s, values } => {
                let name = ["requests_total", "load", "up"][series].to_owned();
                let start = self.now_ms - minutes_ago * MINUTE_MS;
                let at = |(at, value)| Sample { timestamp_ms: start + at * step_s * 1000, value };
                let samples: Vec<_> = (0..).zip(values).map(at).collect();
                let known = self.all.entry(name.clone()).or_default();
                known.extend(samples.iter().map(|sample| (sample.timestamp_ms, sample.value)));
                self.journal.push((name, samples));
                self.append(self.journal.len());
            }
            Step::Cut => self.store().cut().unwrap(),
            Step::Advance { hours } => self.advance(hours),
            Step::CrashInUpkeep { hours, mut kept } => {
                self.store().cut().unwrap();
                let before: Vec<_> =
                    ["part", "rollup"].map(|kind| files(self.directory.path(), kind)).concat();
                let before: Vec<_> =
                    before.into_iter().map(|path| (std::fs::read(&path).unwrap(), path)).collect();
                self.advance(hours);
                self.store = None;
                for (bytes, path) in before.into_iter().filter(|(_, path)| !path.exists()) {
                    if kept & 1 == 1 {
                        std::fs::write(path, bytes).unwrap();
                    }
                    kept >>= 1;
                }
                std::fs::write(self.directory.path().join("half.tmp"), b"half").unwrap();
                self.reopen();
            }
            Step::Crash => self.reopen(),
        }
    }

    fn advance(&mut self, hours: i64) {
        self.store().cut().unwrap();
        self.now_ms += hours * HOUR_MS;
        assert_eq!(self.store().maintain(self.now_ms).unwrap().forgotten_series, 0);
    }

    fn compare(&self) -> Result<(), TestCaseError> {
        let mut found: BTreeMap<String, RolledSeries> = BTreeMap::new();
        for one in self.store().select_rolled(&[], i64::MIN, i64::MAX).unwrap() {
            found.insert(one.labels.metric_name().to_owned(), one);
        }
        let days = self.store().rolled_days();
        let rolled = |time: i64| days.iter().any(|day| day.contains(&time));
        for (name, all) in &self.all {
            let (gone, there): (BTreeMap<_, _>, BTreeMap<i64, f64>) =
                all.iter().partition(|(time, _)| rolled(**time));
            let one = found.remove(name).unwrap();
            let samples: Vec<_> = one.samples.iter().map(bits).collect();
            let expected: Vec<_> =
                there.into_iter().map(|(time, value)| (time, value.to_bits())).collect();
            prop_assert_eq!(samples, expected);
            check_windows(&one.rollups, &gone)?;
        }
        prop_assert!(found.is_empty());
        Ok(())
    }
}

fn bits(sample: &Sample) -> (i64, u64) {
    (sample.timestamp_ms, sample.value.to_bits())
}

/// Every window by itself, by the words of `Rollup` and nothing else.
pub(super) fn check_windows(
    found: &[Rollup],
    samples: &BTreeMap<i64, f64>,
) -> Result<(), TestCaseError> {
    let mut windows: BTreeMap<i64, Vec<Sample>> = BTreeMap::new();
    for (time, value) in samples {
        let window = (time - 1).div_euclid(ROLLUP_WINDOW_MS);
        windows.entry(window).or_default().push(Sample { timestamp_ms: *time, value: *value });
    }
    let mut found = found.iter();
    for all in windows.values() {
        if is_stale(all[0].value) {
            let marker = found.next().unwrap();
            prop_assert_eq!((marker.count, marker.ended_ms), (0, Some(all[0].timestamp_ms)));
            if all.iter().all(|sample| is_stale(sample.value)) {
                continue;
            }
        }
        let row = found.next().unwrap();
        let values: Vec<_> = all.iter().filter(|sample| !is_stale(sample.value)).copied().collect();
        let ended = all.iter().rev().take_while(|sample| is_stale(sample.value)).last();
        prop_assert_eq!(row.ended_ms, ended.map(|sample| sample.timestamp_ms));
        prop_assert_eq!(row.count, values.len() as u64);
        let (Some(first), Some(last)) = (values.first(), values.last()) else { continue };
        prop_assert_eq!((row.first_ms, row.first.to_bits()), bits(first));
        prop_assert_eq!((row.last_ms, row.last.to_bits()), bits(last));
        let numbers = || values.iter().map(|sample| sample.value).filter(|value| !value.is_nan());
        let text = |value: f64| format!("{value}");
        prop_assert_eq!(text(row.min), text(numbers().fold(f64::NAN, f64::min)));
        prop_assert_eq!(text(row.max), text(numbers().fold(f64::NAN, f64::max)));
        let sum: f64 = values.iter().map(|sample| sample.value).sum();
        prop_assert!((sum - row.sum).abs() <= 1e-9 || sum.is_nan() && row.sum.is_nan());
        let pairs = || values.windows(2).map(|pair| (pair[0].value, pair[1].value));
        let resets: Vec<f64> =
            pairs().filter(|(one, next)| next < one).map(|(one, _)| one).collect();
        prop_assert_eq!(
            (row.resets, row.lost),
            (resets.len() as u64, resets.iter().sum::<f64>() + 0.0)
        );
        let changes = pairs().filter(|(one, next)| one != next && !(one.is_nan() && next.is_nan()));
        prop_assert_eq!(row.changes, changes.count() as u64);
    }
    prop_assert!(found.next().is_none());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn every_window_is_told_once_whatever_came_when(steps in proptest::collection::vec(step(), 1..70)) {
        let mut world = World::new();
        for step in steps {
            world.take(step);
            world.compare()?;
        }
        // All that is old goes, and all of it stays as roll-ups.
        for _ in 0..8 {
            world.advance(24);
        }
        world.reopen();
        world.compare()?;
        world.store().cut().unwrap();
    }
}

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
