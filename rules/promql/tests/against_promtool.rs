//! The same answers as Prometheus itself: our results are handed to promtool as what it should expect.
//! Debian's promtool is of Prometheus 2, whose ranges include their start and whose rates reach back to a counter's
//! zero by another rule; so no sample lies on an edge here, and no counter is near zero.
//! Where promtool is absent this is said, and under CI it is a failure.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "an error fails the test; what is left out is told"
)]

use std::fmt::Write;
use std::process::Command;

use agent_model::{Labels, Sample};
use rules_promql::{Limits, MemorySource, Value, evaluate_instant, parse};

/// Compared digit for digit.
const EXACT: &[&str] = &[
    "up",
    "up offset 2m",
    "up offset -2m",
    "up @ 300.5",
    "up @ end() + 0 * up",
    "requests_total",
    "resets(requests_total[4m])",
    "changes(load[6m])",
    "count_over_time(load[3m])",
    "last_over_time(load[90s])",
    "present_over_time(up[1m])",
    "absent(nothing{a=\"b\",c=~\"d\"})",
    "absent(up)",
    "absent_over_time(requests_total[20s])",
    "absent_over_time(up{host=\"x\"}[5m])",
    "timestamp(up)",
    "timestamp(up offset 1m)",
    "time()",
    "vector(time())",
    "scalar(up{host=\"a\"}) + 1",
    "load > 3",
    "load > bool 3",
    "3 <= load",
    "load == up",
    "up and load > 2",
    "up or load",
    "up unless on (host) (load > 4)",
    "load * on (host) group_left (zone) info",
    "info * on (host) group_right () load",
    "load % 3 - -2 ^ 2",
    "min by (job) (load)",
    "max without (host) (load)",
    "count(load) by (job, missing)",
    "group by (job) (load)",
    "count_values(\"v\", load)",
    "topk(2, requests_total)",
    "bottomk by (job) (1, requests_total)",
    "clamp(load, 2, 4)",
    "clamp_max(load, 3) or clamp_min(load, 2)",
    "sgn(load - 3)",
    "ceil(load / 2) + floor(load / 2)",
    "label_replace(load, \"short\", \"${1}-$2\", \"host\", \"(.)(.?)\")",
    "label_join(load, \"both\", \"/\", \"job\", \"host\")",
    "day_of_week(load * 86400) + month(vector(1700000000)) * 100",
    "days_in_month(load * 2600000)",
    "hour(load * 5000)",
    "max_over_time(load[4m:25s])",
    "count_over_time(up[3m:30s] offset 11s)",
    "min_over_time(sum(load)[5m:])",
    "max_over_time(resets(requests_total[2m])[6m:1m])",
    "sum_over_time(vector(1)[10m:17s] @ 420)",
];

/// Compared to the sixth decimal: Prometheus 3 sums with more care than 2.
const CLOSE: &[&str] = &[
    "rate(requests_total[3m])",
    "rate(requests_total[20s])",
    "increase(requests_total[5m] offset 40s)",
    "increase(requests_total[10m] @ 500)",
    "irate(requests_total[2m])",
    "delta(load[4m])",
    "idelta(load[4m])",
    "deriv(load[5m])",
    "predict_linear(load[5m], 600)",
    "avg_over_time(load[5m])",
    "sum_over_time(load[5m])",
    "stddev_over_time(load[5m])",
    "stdvar_over_time(load[5m])",
    "quantile_over_time(0.35, load[5m])",
    "sum by (job) (rate(requests_total[3m]))",
    "avg(load)",
    "stddev by (job) (load)",
    "stdvar(load)",
    "quantile by (job) (0.7, load)",
    "histogram_quantile(0.9, rate(latency_bucket[4m]))",
    "histogram_quantile(0.2, sum by (le) (increase(latency_bucket[6m])))",
    "load / ignoring (zone) info",
    "sum(load) / count(up)",
    "sqrt(load) + ln(load + 1) + log2(load + 1) + log10(load + 1) + exp(load / 10)",
    "sin(load) + cos(load) * tan(load / 10) - atan(load)",
    "sinh(load / 9) + cosh(load / 9) - tanh(load) + asinh(load) + acosh(load + 1)",
    "deg(load) - rad(load) + load atan2 up + pi()",
    "round(load / 3, 0.25)",
    "avg_over_time(rate(requests_total[1m])[5m:20s])",
];

const INSTANTS_S: [i64; 4] = [7, 254, 607, 913];

/// A number below the one given.
type Random<'a> = &'a mut dyn FnMut(u32) -> u32;

struct Line {
    labels: Labels,
    values: Vec<Option<u32>>,
}

/// Series at every 30.007 s, never at 0, made of a small generator so that gaps, resets and ends all occur.
fn lines(mut seed: u32) -> Vec<Line> {
    let mut next = move |below: u32| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 16) % below
    };
    let mut lines = Vec::new();
    for host in ["a", "b", "bc"] {
        let job = if host == "a" { "node" } else { "db" };
        let base = |name: &str| Labels::metric(name, [("host", host), ("job", job)]);
        let mut line = |labels: Labels, value: &mut dyn FnMut(Random) -> u32| {
            let length = 15 + next(16);
            let value = |at| (next(9) > 0 && at > 0).then(|| value(&mut next));
            let values = (0..length).map(value).collect();
            lines.push(Line { labels, values });
        };
        line(base("up"), &mut |next| next(2));
        line(base("load"), &mut |next| next(7));
        let zone = Labels::metric("info", [("host", host), ("job", job), ("zone", "z")]);
        line(zone, &mut |_| 2);
        let mut total = 50_000;
        line(base("requests_total"), &mut |next| {
            total = if next(8) == 0 { 50_000 + next(9) } else { total + next(30) };
            total
        });
    }
    for (bound, share) in [("0.1", 2), ("0.5", 5), ("+Inf", 9)] {
        let labels = Labels::metric("latency_bucket", [("le", bound)]);
        lines.push(Line {
            labels,
            values: (0..30).map(|at| (at > 0).then_some(50_000 + at * share)).collect(),
        });
    }
    lines
}

fn notation(values: &[Option<u32>]) -> String {
    let shown = values.iter().map(|value| value.map_or("_".to_owned(), |v| v.to_string()));
    shown.collect::<Vec<_>>().join(" ")
}

/// One of promtool's tests, with our answers as its expectations.
fn test(seed: u32, file: &mut String) {
    let mut source = MemorySource::default();
    writeln!(file, "  - interval: 30s7ms\n    input_series:").unwrap();
    for line in lines(seed) {
        writeln!(file, "      - series: '{}'", line.labels).unwrap();
        writeln!(file, "        values: '{}'", notation(&line.values)).unwrap();
        for (at, value) in line.values.iter().enumerate() {
            let timestamp_ms = 30_007 * at as i64;
            if let Some(value) = value {
                source.insert(&line.labels, Sample { timestamp_ms, value: f64::from(*value) });
            }
        }
    }
    writeln!(file, "    promql_expr_test:").unwrap();
    for text in EXACT {
        expectations(text, &source, file);
    }
    for text in CLOSE {
        expectations(&format!("round({text}, 0.000001)"), &source, file);
    }
}

fn expectations(text: &str, source: &MemorySource, file: &mut String) {
    let expr = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    for at in INSTANTS_S {
        let samples = match evaluate_instant(&expr, at * 1000, source, &Limits::default()) {
            Ok(Value::Vector(vector)) => vector,
            Ok(Value::Scalar(sample)) => vec![(Labels::empty(), sample)],
            other => panic!("{text}: {other:?}"),
        };
        // promtool cannot expect NaN, which is not equal to itself.
        if samples.iter().any(|(_, sample)| sample.value.is_nan()) {
            continue;
        }
        writeln!(file, "      - expr: {text:?}\n        eval_time: {at}s").unwrap();
        if !samples.is_empty() {
            writeln!(file, "        exp_samples:").unwrap();
        }
        for (labels, sample) in samples {
            let value = match sample.value {
                f64::INFINITY => ".inf".to_owned(),
                f64::NEG_INFINITY => "-.inf".to_owned(),
                value => format!("{value:?}"),
            };
            writeln!(file, "          - {{labels: '{labels}', value: {value}}}").unwrap();
        }
    }
}

#[test]
fn answers_are_those_of_prometheus() {
    let mut file = String::from("evaluation_interval: 1m\ntests:\n");
    for seed in 1..=8 {
        test(seed, &mut file);
    }
    let path = std::env::temp_dir().join(format!("promql-{}.yml", std::process::id()));
    std::fs::write(&path, &file).unwrap();
    let output = Command::new("promtool").args(["test", "rules"]).arg(&path).output();
    let output = match output {
        Ok(output) => output,
        Err(_) if std::env::var_os("CI").is_some() => panic!("promtool is missing"),
        Err(error) => return println!("LEFT OUT: promtool cannot be run: {error}"),
    };
    assert!(
        output.status.success(),
        "kept as {}\n{}",
        path.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    std::fs::remove_file(&path).unwrap();
}
