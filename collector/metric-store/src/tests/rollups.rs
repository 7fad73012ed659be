//! Roll-ups, against windows computed anew from a map of all samples: after random appends, late data, cuts, retention,
//! merges and crashes, every window is there once.

use std::collections::BTreeMap;

use agent_model::{ROLLUP_WINDOW_MS, RolledSeries, Rollup, Sample, is_stale, stale_marker};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::*;

pub(super) const HOUR_MS: i64 = 60 * MINUTE_MS;
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

    /// Every other time without the catalogue, as from a snapshot.
    fn reopen(&mut self) {
        self.store = None;
        let catalogue = self.directory.path().join("series.catalogue");
        if self.journal.len().is_multiple_of(2) && catalogue.exists() {
            std::fs::remove_file(catalogue).unwrap();
        }
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
