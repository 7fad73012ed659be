//! Answers over roll-ups beside answers over all the samples: equal where windows end at full five minutes, and wherever
//! nothing is said of roll-ups.

use std::collections::BTreeMap;

use agent_model::{ROLLUP_WINDOW_MS, Series};
use rules_promql::{Answer, Value};

use super::*;

const DAY_MS: i64 = 86_400_000;
const START_MS: i64 = 20_000 * DAY_MS;
/// What is measured: two days and a half, so that a day and a half are gone in the end.
const SPAN_MS: i64 = 60 * 3_600_000;

/// Told by roll-ups as by samples.
const EXACT: [&str; 21] = [
    "x",
    "x offset 10m",
    "timestamp(x)",
    "rate(x[R])",
    "increase(x[R])",
    "delta(x[R])",
    "changes(x[R])",
    "resets(x[R])",
    "avg_over_time(x[R])",
    "min_over_time(x[R])",
    "max_over_time(x[R])",
    "sum_over_time(x[R])",
    "count_over_time(x[R])",
    "last_over_time(x[R])",
    "first_over_time(x[R] offset 15m)",
    "present_over_time(x[R])",
    "ts_of_first_over_time(x[R])",
    "ts_of_last_over_time(x[R])",
    "absent_over_time(x{host=\"h0\"}[R])",
    "max_over_time(sum(rate(x[R]))[1h:5m])",
    "sum(x) + sum(increase(x[R] @ end()))",
];

/// Not told by roll-ups, or rarely.
const OTHERS: [&str; 11] = [
    "irate(x[R])",
    "idelta(x[R])",
    "deriv(x[R])",
    "predict_linear(x[R], 60)",
    "double_exponential_smoothing(x[R], 0.5, 0.5)",
    "stddev_over_time(x[R])",
    "mad_over_time(x[R])",
    "quantile_over_time(0.3, x[R])",
    "ts_of_min_over_time(x[R])",
    "ts_of_max_over_time(x[R])",
    "x[R]",
];

/// One stretch of samples: how far apart, how many, the gap behind it, and whether a stale marker ends it.
#[derive(Clone, Debug)]
struct Stretch {
    step_s: i64,
    values: Vec<f64>,
    gap_minutes: i64,
    ends: bool,
}

fn stretch(value: impl Strategy<Value = f64>) -> impl Strategy<Value = Stretch> {
    let values = prop::collection::vec(value, 1..120);
    (1i64..150, values, 0i64..200, any::<bool>()).prop_map(|(step_s, values, gap_minutes, ends)| {
        Stretch { step_s, values, gap_minutes, ends }
    })
}

/// Whole numbers in `h0`, fractions and NaN in `h1`.
fn measured() -> impl Strategy<Value = [Vec<Stretch>; 2]> {
    let whole = (0i32..1000).prop_map(f64::from);
    let other = prop_oneof![30 => (0i32..1000).prop_map(|value| f64::from(value) * 0.1), 1 => Just(f64::NAN)];
    (prop::collection::vec(stretch(whole), 1..40), prop::collection::vec(stretch(other), 1..40))
        .prop_map(|(whole, other)| [whole, other])
}

fn samples(stretches: &[Stretch]) -> BTreeMap<i64, f64> {
    let mut samples = BTreeMap::new();
    let mut time = START_MS;
    for stretch in stretches {
        for value in &stretch.values {
            time += stretch.step_s * 1000;
            samples.insert(time, *value);
        }
        if stretch.ends {
            samples.insert(time + 1, stale_marker());
        }
        time += stretch.gap_minutes * 60_000 + 1;
    }
    samples.retain(|time, _| *time <= START_MS + SPAN_MS);
    samples
}

fn config(directory: &std::path::Path) -> MetricStoreConfig {
    MetricStoreConfig {
        retention_ms: DAY_MS,
        rollup_after_ms: DAY_MS / 2,
        ..MetricStoreConfig::new(directory)
    }
}

/// Both hold the same; of the store's the first day at least is rolled up.
fn both(series: &[BTreeMap<i64, f64>], directory: &std::path::Path) -> (Query, MemorySource) {
    let store = Arc::new(MetricStore::open(config(directory)).unwrap());
    let mut reference = MemorySource::default();
    let named = |host: usize| Labels::metric("x", [("host", format!("h{host}"))]);
    let names: Vec<Labels> = (0..series.len()).map(named).collect();
    let hours = |hours: i64| START_MS + hours * 3_600_000;
    for hour in (0..60).step_by(3) {
        for (name, samples) in names.iter().zip(series) {
            let place = store.series_refs(std::slice::from_ref(name)).unwrap()[0];
            let part: Vec<_> = samples
                .range(hours(hour) + 1..=hours(hour + 3))
                .map(|(time, value)| (place, Sample { timestamp_ms: *time, value: *value }))
                .collect();
            store.append_samples(&part).unwrap();
            part.iter().for_each(|(_, sample)| reference.insert(name, *sample));
        }
        store.advance(hour.cast_unsigned() + 1);
        store.cut().unwrap();
        store.maintain(hours(hour + 3)).unwrap();
    }
    let query = Query::new(store);
    query.set_hosts(HostLabels::new());
    query.store.maintain(hours(61)).unwrap();
    (query, reference)
}

fn ask(
    text: &str,
    range_ms: i64,
    (start, step, count): (i64, i64, i64),
    source: &dyn SeriesSource,
) -> (BTreeMap<Labels, Vec<Sample>>, String) {
    let expr = parse(&text.replace('R', &format!("{range_ms}ms"))).unwrap();
    let limits = Limits::default();
    let named = |series: Vec<Series>| series.into_iter().map(|one| (one.labels, one.samples));
    if count > 0 {
        let answer = answer_range(&expr, start, start + count * step, step, source, &limits);
        let Answer { value, warnings, infos } = answer.unwrap();
        return (named(value).collect(), [warnings, infos].concat().join("\n"));
    }
    let Answer { value, warnings, infos } = answer_instant(&expr, start, source, &limits).unwrap();
    let found = match value {
        Value::Matrix(series) => named(series).collect(),
        Value::Vector(vector) => {
            vector.into_iter().map(|(labels, sample)| (labels, vec![sample])).collect()
        }
        other => panic!("{other:?}"),
    };
    (found, [warnings, infos].concat().join("\n"))
}

/// The same series at the same times; the same bits where all numbers are whole, else within 10⁻¹¹ of a sum's size.
fn alike(
    text: &str,
    found: &BTreeMap<Labels, Vec<Sample>>,
    expected: &BTreeMap<Labels, Vec<Sample>>,
) -> Result<(), TestCaseError> {
    let times = |all: &BTreeMap<Labels, Vec<Sample>>| {
        let times = |samples: &Vec<Sample>| samples.iter().map(|one| one.timestamp_ms).collect();
        all.iter()
            .map(|(labels, samples)| (labels.clone(), times(samples)))
            .collect::<Vec<(_, Vec<i64>)>>()
    };
    prop_assert_eq!(times(found), times(expected), "{}", text);
    for ((labels, found), expected) in found.iter().zip(expected.values()) {
        let whole = labels.get("host") == Some("h0");
        for (found, expected) in found.iter().zip(expected) {
            let (one, other) = (found.value, expected.value);
            let near = (one - other).abs() <= 1e-11 * other.abs().max(100_000.0);
            let same = one.to_bits() == other.to_bits() || one.is_nan() && other.is_nan();
            prop_assert!(same || near && !whole, "{} {}: {} for {}", text, labels, one, other);
        }
    }
    Ok(())
}

const ROLLED_UP: &str = "roll-ups";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn at_full_five_minutes_roll_ups_answer_as_the_samples_would(
        measured in measured(),
        questions in prop::collection::vec((0usize..21, 0i64..700, 1i64..30, 1i64..40, 0i64..12), 1..60),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let (query, reference) = both(&measured.map(|one| samples(&one)), directory.path());
        for (text, start, range, step, count) in questions {
            let full = |windows: i64| windows * ROLLUP_WINDOW_MS;
            let steps = (START_MS + full(start), full(step), count);
            let (found, said) = ask(EXACT[text], full(range), steps, &query);
            prop_assert!(!said.contains(ROLLED_UP), "{}: {}", EXACT[text], said);
            alike(EXACT[text], &found, &ask(EXACT[text], full(range), steps, &reference).0)?;
        }
    }

    #[test]
    fn what_is_not_as_the_samples_would_answer_says_so(
        measured in measured(),
        questions in prop::collection::vec((0usize..32, 0i64..216_000, 1i64..9_000), 1..80),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let (query, reference) = both(&measured.map(|one| samples(&one)), directory.path());
        for (text, start_s, range_s) in questions {
            let text = [&EXACT[..], &OTHERS[..]].concat()[text];
            let steps = (START_MS + start_s * 1000, 1, 0);
            let (found, said) = ask(text, range_s * 1000, steps, &query);
            if !said.contains(ROLLED_UP) {
                alike(text, &found, &ask(text, range_s * 1000, steps, &reference).0)?;
            }
        }
    }
}

/// A counter that grows by 2 each 15 seconds, for two days and a half.
fn steady() -> BTreeMap<i64, f64> {
    (1..SPAN_MS / 15_000).map(|at| (START_MS + at * 15_000, (at * 2) as f64)).collect()
}

#[test]
fn a_window_shorter_than_a_roll_up_has_the_rate_around_it_and_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let (query, _) = both(&[steady()], directory.path());
    for second in [7, 100, 299, 300, 301, 599] {
        let at = START_MS + 3_600_000 + second * 1000;
        for (text, range_s) in
            [("rate(x[R])", 60), ("rate(x[R])", 450), ("increase(x[R]) / 600", 600)]
        {
            let (found, said) = ask(text, range_s * 1000, (at, 1, 0), &query);
            let value = found.into_values().next().unwrap()[0].value;
            assert!((value - 2.0 / 15.0).abs() < 1e-3, "{text} {range_s} at {second}: {value}");
            // The first sample of a window comes 15 s after its bound: until then nothing is cut.
            let exact = second % 300 < 15 && range_s % 300 == 0;
            assert_eq!(said.contains(ROLLED_UP), !exact, "{text} {range_s} at {second}: {said}");
        }
    }
}

#[test]
fn a_warning_says_what_is_computed_from_the_last_of_each_five_minutes() {
    let directory = tempfile::tempdir().unwrap();
    let (query, _) = both(&[steady()], directory.path());
    let at = START_MS + 3_600_000;
    let (found, said) = ask("quantile_over_time(0.5, x[R])", 900_000, (at, 1, 0), &query);
    // The last of each are 400, 440 and 480.
    assert_eq!(found.into_values().next().unwrap()[0].value, 440.0);
    assert!(said.starts_with(
        "PromQL warning: some samples are kept as 5-minute roll-ups only: quantile_over_time is computed from the \
         last sample of each 5 minutes there (1:"
    ), "{said}");
    // Where the samples are still there nothing is said.
    let (_, said) =
        ask("quantile_over_time(0.5, x[R])", 900_000, (START_MS + SPAN_MS, 1, 0), &query);
    assert_eq!(said, "");
}
