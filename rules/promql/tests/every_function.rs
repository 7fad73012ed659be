//! Every function, aggregation and operator of Prometheus 3 (prometheus.io, "Query functions" and "Operators") gives a
//! result here, or is named with the reason why it does not.

#![allow(clippy::unwrap_used, reason = "an error fails the test")]

use agent_model::{Labels, Sample};
use rules_promql::{Limits, MemorySource, Value, evaluate_instant, parse};

/// Applied to an instant vector alone.
const OF_A_VECTOR: &[&str] = &[
    "abs",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "ceil",
    "cos",
    "cosh",
    "deg",
    "exp",
    "floor",
    "ln",
    "log10",
    "log2",
    "rad",
    "round",
    "sgn",
    "sin",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
    "timestamp",
    "sort",
    "sort_desc",
    "day_of_month",
    "day_of_week",
    "day_of_year",
    "days_in_month",
    "hour",
    "minute",
    "month",
    "year",
];

/// Applied to a range vector alone.
const OF_A_RANGE: &[&str] = &[
    "avg_over_time",
    "changes",
    "count_over_time",
    "delta",
    "deriv",
    "first_over_time",
    "idelta",
    "increase",
    "irate",
    "last_over_time",
    "mad_over_time",
    "max_over_time",
    "min_over_time",
    "present_over_time",
    "rate",
    "resets",
    "stddev_over_time",
    "stdvar_over_time",
    "sum_over_time",
    "ts_of_first_over_time",
    "ts_of_last_over_time",
    "ts_of_max_over_time",
    "ts_of_min_over_time",
];

/// The others, each as it is used.
const CALLS: &[&str] = &[
    "absent(nothing)",
    "absent_over_time(nothing[5m])",
    "clamp(a, 0, 1)",
    "clamp_max(a, 1)",
    "clamp_min(a, 1)",
    "double_exponential_smoothing(a[5m], 0.5, 0.5)",
    "histogram_quantile(0.9, h_bucket)",
    "histogram_quantiles(h_bucket, 'q', 0.5, 0.9)",
    "histogram_fraction(0, 1, h_bucket)",
    "label_join(a, 'x', '-', 'host', 'job')",
    "label_replace(a, 'x', '$1', 'host', '(.*)')",
    "predict_linear(a[5m], 60)",
    "quantile_over_time(0.5, a[5m])",
    "scalar(sum(a))",
    "sort_by_label(a, 'host')",
    "sort_by_label_desc(a, 'host')",
    "vector(1)",
    "time()",
    "pi()",
    "start()",
    "end()",
    "step()",
    "range()",
    "min_of(1, 2)",
    "max_of(1, 2)",
    "hour()",
];

const AGGREGATIONS: &[&str] = &[
    "sum(a)",
    "min(a)",
    "max(a)",
    "avg(a)",
    "group(a)",
    "stddev(a)",
    "stdvar(a)",
    "count(a)",
    "count_values('v', a)",
    "bottomk(1, a)",
    "topk(1, a)",
    "quantile(0.5, a)",
    "limitk(1, a)",
    "limit_ratio(1, a)",
    "sum by (host) (a)",
    "sum without (host) (a)",
];

const OPERATORS: &[&str] = &[
    "a + a",
    "a - a",
    "a * a",
    "a / a",
    "a % a",
    "a ^ a",
    "a atan2 a",
    "a == a",
    "a != bool a",
    "a > bool a",
    "a >= a",
    "a < bool a",
    "a <= a",
    "a and a",
    "a or b",
    "a unless b{host='none'}",
    "-a",
    "a + on (host) a",
    "a + ignoring (x) a",
    "a * on (host) group_left (x) c",
    "c * on (host) group_right (x) a",
    "a offset 1m",
    "a @ 300",
    "a @ start()",
    "a @ end()",
    "max_over_time(a[4m:1m])",
    "1 + 1",
    "1 > bool 2",
    "\"text\"",
];

/// What gives an error when parsed, and why.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("histogram_avg(a)", "reads native histograms alone"),
    ("histogram_count(a)", "reads native histograms alone"),
    ("histogram_sum(a)", "reads native histograms alone"),
    ("histogram_stddev(a)", "reads native histograms alone"),
    ("histogram_stdvar(a)", "reads native histograms alone"),
    ("info(a)", "experimental in Prometheus 3"),
    ("integral(a[5m])", "experimental, in no release of Prometheus 3.5 or before"),
    ("start_timestamp(a)", "experimental: needs start times of series"),
];

fn source() -> MemorySource {
    let mut source = MemorySource::default();
    let mut insert = |labels: Labels, step: f64| {
        for minute in 0..6_u8 {
            let value = 0.5 + step * f64::from(minute);
            source.insert(&labels, Sample { timestamp_ms: i64::from(minute) * 60_000, value });
        }
    };
    for (name, step) in [("a", 0.1), ("b", 0.2)] {
        insert(Labels::metric(name, [("host", "x"), ("job", "node")]), step);
    }
    insert(Labels::metric("c", [("host", "x"), ("x", "y")]), 0.0);
    for (bound, step) in [("0.5", 1.0), ("1", 2.0), ("+Inf", 3.0)] {
        insert(Labels::metric("h_bucket", [("le", bound)]), step);
    }
    source
}

#[test]
fn every_function_aggregation_and_operator_gives_a_result() {
    let source = source();
    let of_vectors = OF_A_VECTOR.iter().map(|name| format!("{name}(a)"));
    let of_ranges = OF_A_RANGE.iter().map(|name| format!("{name}(a[5m])"));
    let others = [CALLS, AGGREGATIONS, OPERATORS].concat().into_iter().map(str::to_owned);
    let mut missing = Vec::new();
    for text in of_vectors.chain(of_ranges).chain(others) {
        let value = parse(&text).map_err(|error| error.to_string()).and_then(|expr| {
            evaluate_instant(&expr, 300_000, &source, &Limits::default())
                .map_err(|error| error.to_string())
        });
        match value {
            Ok(Value::Vector(results)) if results.is_empty() => {
                missing.push(format!("{text}: empty"))
            }
            Ok(_) => {}
            Err(error) => missing.push(format!("{text}: {error}")),
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn what_is_not_supported_is_an_error_that_says_so() {
    for (text, reason) in UNSUPPORTED {
        let error = parse(text).err().map(|error| error.to_string());
        let told = error.as_ref().is_some_and(|error| error.contains("not supported"));
        assert!(told, "{text} ({reason}): {error:?}");
    }
}
