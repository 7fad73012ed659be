//! Random appends, deletions, cuts, merges, crashes with replay, and selects, compared with a map of maps.

use std::collections::BTreeMap;

use agent_model::{MatchOp, Matcher, Sample};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::*;

/// Series to (time to bits of the value).
type Model = BTreeMap<Labels, BTreeMap<i64, u64>>;

#[derive(Clone, Debug)]
enum Step {
    /// One journal record: a column of some of the series.
    Append {
        series: Vec<usize>,
        timestamp_ms: i64,
        value: f64,
    },
    Cut,
    Maintain,
    /// Everything of what the matchers pick, within this time.
    Delete {
        matchers: Vec<Matcher>,
        from_ms: i64,
        to_ms: i64,
    },
    CleanDeletions,
    /// The store is dropped without a cut; the journal's records behind its position come again.
    Crash {
        without_catalogue: bool,
    },
    Select {
        matchers: Vec<Matcher>,
        from_ms: i64,
        to_ms: i64,
    },
}

fn all_series() -> Vec<Labels> {
    let metrics = ["up", "load", "node_disk_read_bytes_total"];
    let pairs = metrics.iter().flat_map(|metric| ["a", "b"].map(|host| (*metric, host)));
    let mut series: Vec<Labels> = pairs.map(|(metric, host)| labels(metric, host)).collect();
    series.push(Labels::metric("up", [("job", "node")]));
    series
}

fn matcher() -> impl Strategy<Value = Matcher> {
    let ops = vec![MatchOp::Equal, MatchOp::NotEqual, MatchOp::Matches, MatchOp::MatchesNot];
    let names = vec![Labels::NAME, "host", "job", "absent"];
    let values = vec!["", "up", "a", "node", "a|b", "u.*", ".+", ".*"];
    let pick =
        (prop::sample::select(names), prop::sample::select(ops), prop::sample::select(values));
    pick.prop_map(|(name, op, value)| Matcher::new(name, op, value).unwrap())
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        (0i32..100).prop_map(f64::from),
        any::<u64>().prop_map(f64::from_bits),
        Just(agent_model::stale_marker()),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let times = 0i64..40;
    let some_series = proptest::collection::vec(0usize..7, 1..5);
    prop_oneof![
        8 => (some_series, times.clone(), value()).prop_map(|(series, time, value)| Step::Append {
            series, timestamp_ms: time * 1000, value
        }),
        4 => Just(Step::Cut),
        1 => Just(Step::Maintain),
        2 => (proptest::collection::vec(matcher(), 0..3), times.clone(), times.clone()).prop_map(
            |(matchers, from, to)| Step::Delete { matchers, from_ms: from * 1000, to_ms: to * 1000 }
        ),
        1 => Just(Step::CleanDeletions),
        1 => any::<bool>().prop_map(|without_catalogue| Step::Crash { without_catalogue }),
        2 => (proptest::collection::vec(matcher(), 0..3), times.clone(), times).prop_map(
            |(matchers, from, to)| Step::Select { matchers, from_ms: from * 1000, to_ms: to * 1000 }
        ),
    ]
}

struct World {
    directory: tempfile::TempDir,
    store: Option<MetricStore>,
    model: Model,
    /// What the journal holds: series, time, value.
    journal: Vec<(Vec<usize>, i64, f64)>,
    /// As views keep them.
    registered: BTreeMap<Vec<usize>, Arc<[SeriesRef]>>,
}

impl World {
    fn store(&self) -> &MetricStore {
        self.store.as_ref().unwrap()
    }

    fn append(&mut self, position: usize) {
        // What is deleted may be forgotten, as a view knows.
        while let Err(error) = self.try_append(position) {
            assert!(matches!(error, crate::MetricStoreError::SeriesForgotten), "{error}");
            self.registered.clear();
        }
        self.store().advance(position as u64);
    }

    fn try_append(&mut self, position: usize) -> Result<(), crate::MetricStoreError> {
        let (series, timestamp_ms, value) = &self.journal[position - 1];
        let all = all_series();
        let named: Vec<Labels> = series.iter().map(|at| all[*at].clone()).collect();
        let store = self.store.as_ref().unwrap();
        let known = self.registered.entry(series.clone()).or_insert_with(|| refs(store, &named));
        let known = Arc::clone(known);
        // Columns and samples by themselves are one and the same to a reader.
        if position.is_multiple_of(2) {
            let sample = Sample { timestamp_ms: *timestamp_ms, value: *value };
            let samples: Vec<_> = known.iter().map(|series| (*series, sample)).collect();
            self.store().append_samples(&samples)
        } else {
            self.store().append(&known, *timestamp_ms, &vec![*value; known.len()])
        }
    }

    fn crash(&mut self, without_catalogue: bool) {
        self.store = None;
        self.registered.clear();
        let catalogue = self.directory.path().join("series.catalogue");
        if without_catalogue && catalogue.exists() {
            std::fs::remove_file(catalogue).unwrap();
        }
        self.store = Some(open(self.directory.path()));
        let position = usize::try_from(self.store().position()).unwrap();
        for position in position + 1..=self.journal.len() {
            self.append(position);
        }
    }

    fn delete(&mut self, matchers: &[Matcher], from_ms: i64, to_ms: i64) {
        self.store().delete(&[matchers.to_vec()], from_ms, to_ms).unwrap();
        for (labels, samples) in &mut self.model {
            if matchers.iter().all(|matcher| matcher.matches_labels(labels)) {
                samples.retain(|time, _| !(from_ms..=to_ms).contains(time));
            }
        }
    }

    fn take(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Append { series, timestamp_ms, value } => {
                for at in &series {
                    let samples = self.model.entry(all_series()[*at].clone()).or_default();
                    samples.insert(timestamp_ms, value.to_bits());
                }
                self.journal.push((series, timestamp_ms, value));
                self.append(self.journal.len());
            }
            Step::Cut => {
                self.store().cut().unwrap();
                prop_assert_eq!(self.store().position(), self.journal.len() as u64);
            }
            Step::Maintain => drop(self.store().maintain(0).unwrap()),
            Step::Delete { matchers, from_ms, to_ms } => self.delete(&matchers, from_ms, to_ms),
            Step::CleanDeletions => {
                self.store().clean_deletions().unwrap();
                prop_assert_eq!(self.store().stats().deletions, 0);
            }
            Step::Crash { without_catalogue } => self.crash(without_catalogue),
            Step::Select { matchers, from_ms, to_ms } => self.compare(&matchers, from_ms, to_ms)?,
        }
        Ok(())
    }

    fn compare(&self, matchers: &[Matcher], from_ms: i64, to_ms: i64) -> Result<(), TestCaseError> {
        let mut expected = Model::new();
        for (labels, samples) in &self.model {
            let picked = matchers.iter().all(|matcher| matcher.matches_labels(labels));
            let inside = samples.iter().filter(|(time, _)| (from_ms..=to_ms).contains(*time));
            let inside: BTreeMap<_, _> = inside.map(|(time, bits)| (*time, *bits)).collect();
            if picked && !inside.is_empty() {
                expected.insert(labels.clone(), inside);
            }
        }
        let mut found = Model::new();
        for series in self.store().select(matchers, from_ms, to_ms).unwrap() {
            let times: Vec<i64> = series.samples.iter().map(|sample| sample.timestamp_ms).collect();
            prop_assert!(times.is_sorted_by(|one, next| one < next));
            let samples = series.samples.iter();
            let samples = samples.map(|sample| (sample.timestamp_ms, sample.value.to_bits()));
            prop_assert!(found.insert(series.labels, samples.collect()).is_none());
        }
        prop_assert_eq!(found, expected);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_store_answers_as_the_model_does(steps in proptest::collection::vec(step(), 1..80)) {
        let directory = tempfile::tempdir().unwrap();
        let store = Some(open(directory.path()));
        let mut world = World { directory, store, model: Model::new(), journal: Vec::new(), registered: BTreeMap::new() };
        for step in steps {
            world.take(step)?;
        }
        world.compare(&[], i64::MIN, i64::MAX)?;
        world.crash(false);
        world.compare(&[], i64::MIN, i64::MAX)?;
    }
}

#[test]
fn long_series_come_back_across_chunks_and_merges() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let series = [labels("counter", "a"), labels("gauge", "a")];
    let known = refs(&store, &series);
    let value = |at: i64| [f64::from(i32::try_from(at * 7).unwrap()), (at % 100) as f64 / 8.0];
    for at in 0..4000i64 {
        store.append(&known, at * 15_000, &value(at)).unwrap();
        if at % 400 == 399 {
            store.advance(at.cast_unsigned());
            store.cut().unwrap();
        }
    }
    assert_eq!(store.maintain(0).unwrap().merges, 1);
    assert_eq!(files(directory.path(), "part").len(), 3);
    drop(store);
    let store = open(directory.path());
    let found = store.select(&[], 15_000, 3998 * 15_000).unwrap();
    assert_eq!(found.len(), 2);
    for series in found {
        let column = usize::from(series.labels.metric_name() == "gauge");
        assert_eq!(series.samples.len(), 3998);
        for (sample, at) in series.samples.iter().zip(1..) {
            assert_eq!((sample.timestamp_ms, sample.value), (at * 15_000, value(at)[column]));
        }
    }
}
