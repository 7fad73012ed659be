//! A range query is the same as its instant queries, whatever the data and the expression; and every limit holds.

#![allow(clippy::unwrap_used, reason = "an error fails the test")]

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use agent_model::{Labels, Matcher, Millis, RolledSeries, Sample, stale_marker};
use proptest::prelude::*;
use rules_promql::{
    Limits, MemorySource, PromqlError, SeriesSource, SourceError, Value, evaluate_instant,
    evaluate_range, parse,
};

/// By labels and instant; the bits, so that NaN equals itself.
type Points = BTreeMap<(String, i64), u64>;

const EXPRESSIONS: &[&str] = &[
    "a",
    "a offset 45s",
    "a offset -45s",
    "a @ 100",
    "timestamp(a)",
    "-a",
    "rate(a[1m])",
    "irate(a[90s] offset 10s)",
    "increase(a[100s])",
    "delta(b[70s])",
    "deriv(a[2m]) + 1",
    "predict_linear(a[2m], 60)",
    "changes(b[1m]) or resets(a[1m])",
    "avg_over_time(a[1m]) - min_over_time(a[1m])",
    "quantile_over_time(0.3, a[1m])",
    "stddev_over_time(a[1m])",
    "last_over_time(a[1m])",
    "max_over_time(rate(a[30s])[2m:20s])",
    "sum_over_time(sum(b)[1m:7s] offset 13s)",
    "absent(a{x=\"0\"})",
    "absent_over_time(a[15s])",
    "sum by (x) (a)",
    "avg without (x) (a)",
    "stdvar(a)",
    "quantile(0.6, b)",
    "count_values(\"v\", a)",
    "topk(1, a)",
    "bottomk by (x) (1, b)",
    "limitk(1, a)",
    "a + b",
    "a > b",
    "a == bool b",
    "a * on (x) group_left b",
    "a and b",
    "a or b",
    "a unless b",
    "a > 3",
    "3 < bool a",
    "scalar(a{x=\"0\"}) + time()",
    "vector(time())",
    "clamp(a, 2, scalar(b{x=\"1\"}))",
    "round(a / 3, 0.1)",
    "label_replace(a, \"y\", \"$1\", \"x\", \"(.*)\")",
    "hour(a * 3600)",
];

fn points(value: Value) -> Points {
    match value {
        Value::Scalar(sample) => point("{}".to_owned(), sample).into_iter().collect(),
        Value::Vector(vector) => vector
            .into_iter()
            .filter_map(|(labels, sample)| point(labels.to_string(), sample))
            .collect(),
        other => panic!("{other:?}"),
    }
}

fn point(labels: String, sample: Sample) -> Option<((String, i64), u64)> {
    // All quiet NaNs are one value here.
    let value = if sample.value.is_nan() { f64::NAN } else { sample.value };
    Some(((labels, sample.timestamp_ms), value.to_bits()))
}

fn source(series: &[Vec<Option<u8>>]) -> MemorySource {
    let mut source = MemorySource::default();
    for (place, values) in series.iter().enumerate() {
        let name = if place % 2 == 0 { "a" } else { "b" };
        let labels = Labels::metric(name, [("x", (place / 2).to_string())]);
        for (at, value) in values.iter().enumerate() {
            let Some(value) = value else { continue };
            let value = match value {
                0 => stale_marker(),
                1 => f64::NAN,
                other => f64::from(*other),
            };
            source.insert(&labels, Sample { timestamp_ms: 10_000 * at as i64, value });
        }
    }
    source
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn a_range_query_is_the_same_as_its_instant_queries(
        series in prop::collection::vec(
            prop::collection::vec(prop::option::weighted(0.8, 0u8..9), 1..45), 1..6),
        which in 0..EXPRESSIONS.len(),
        start in 0i64..300_000,
        step in 1i64..90_000,
        steps in 0i64..12,
    ) {
        let source = source(&series);
        let expr = parse(EXPRESSIONS[which]).unwrap();
        let limits = Limits::default();
        let instants: Vec<i64> = (0..=steps).map(|at| start + at * step).collect();
        let by_instants: Result<Vec<Points>, PromqlError> = instants
            .iter()
            .map(|at| evaluate_instant(&expr, *at, &source, &limits).map(points))
            .collect();
        let by_range = evaluate_range(&expr, start, start + steps * step, step, &source, &limits);
        match (by_range, by_instants) {
            (Ok(range), Ok(instants)) => {
                let range: Points = range
                    .into_iter()
                    .flat_map(|one| {
                        let labels = one.labels.to_string();
                        one.samples.into_iter().filter_map(move |s| point(labels.clone(), s))
                    })
                    .collect();
                prop_assert_eq!(range, instants.into_iter().flatten().collect::<Points>());
            }
            (Err(_), Err(_)) => {}
            (range, instants) => prop_assert!(false, "{:?} and {:?}", range, instants),
        }
    }
}

fn refused(text: &str, limits: &Limits) -> PromqlError {
    let source = source(&[vec![Some(5); 100], vec![Some(5); 100], vec![Some(5); 100]]);
    evaluate_range(&parse(text).unwrap(), 0, 990_000, 10_000, &source, limits).unwrap_err()
}

#[test]
fn each_limit_is_an_error_that_names_it() {
    let limits = Limits { steps_max: 99, ..Limits::default() };
    assert!(matches!(refused("a", &limits), PromqlError::TooManySteps { steps: 100, max: 99 }));
    let limits = Limits { series_max: 1, ..Limits::default() };
    assert!(matches!(refused("a", &limits), PromqlError::TooManySeries { max: 1 }));
    let limits = Limits { samples_max: 350, ..Limits::default() };
    assert!(matches!(refused("a", &limits), PromqlError::TooManySamples { max: 350 }));
    let limits = Limits { cancel: Some(Arc::new(AtomicBool::new(true))), ..Limits::default() };
    assert!(matches!(refused("a", &limits), PromqlError::Cancelled));
    let limits = Limits { steps_max: 100, series_max: 2, samples_max: 400, cancel: None };
    let source = source(&[vec![Some(5); 100], vec![], vec![Some(5); 100]]);
    let all = evaluate_range(&parse("a").unwrap(), 0, 990_000, 10_000, &source, &limits).unwrap();
    assert_eq!(all.len(), 2);
}

#[test]
fn a_subquery_of_a_millisecond_over_years_is_refused_before_it_fills_the_memory() {
    let error = refused("sum_over_time(a[10y:1ms])", &Limits::default());
    assert!(matches!(error, PromqlError::TooManySamples { .. }), "{error}");
}

/// A source that offers series without end, and counts them; the flag is set while it gives the hundredth.
struct Endless {
    offered: Cell<usize>,
    cancel: Arc<AtomicBool>,
}

impl SeriesSource for Endless {
    fn for_each(
        &self,
        _: &[Matcher],
        from_ms: Millis,
        _: Millis,
        take: &mut dyn FnMut(RolledSeries) -> ControlFlow<()>,
    ) -> Result<(), SourceError> {
        for number in 0.. {
            self.offered.set(number + 1);
            if number == 99 {
                self.cancel.store(true, Ordering::Relaxed);
            }
            let labels = Labels::metric("a", [("number", number.to_string())]);
            let samples = vec![Sample { timestamp_ms: from_ms, value: 1.0 }];
            if take(RolledSeries { labels, rollups: Vec::new(), samples }).is_break() {
                break;
            }
        }
        Ok(())
    }
}

#[test]
fn a_query_that_is_refused_or_left_reads_no_further() {
    for text in ["a", "rate(a[5m])", "absent_over_time(a[5m])", "sum by (number) (a)"] {
        let cancel = Arc::new(AtomicBool::new(false));
        let source = Endless { offered: Cell::new(0), cancel: Arc::clone(&cancel) };
        let limits = Limits { cancel: Some(cancel), ..Limits::default() };
        let expr = parse(text).unwrap();
        let left = evaluate_range(&expr, 0, 60_000, 10_000, &source, &limits).unwrap_err();
        assert!(matches!(left, PromqlError::Cancelled), "{text}: {left}");
        assert_eq!(source.offered.get(), 100, "{text}");
        let limits = Limits { series_max: 7, ..Limits::default() };
        let refused = evaluate_range(&expr, 0, 60_000, 10_000, &source, &limits).unwrap_err();
        assert!(matches!(refused, PromqlError::TooManySeries { max: 7 }), "{text}: {refused}");
        assert_eq!(source.offered.get(), 8, "{text}");
    }
}
