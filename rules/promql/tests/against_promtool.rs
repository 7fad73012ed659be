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
    "up and on (job) load",
    "up and ignoring (host) load > 1",
    "load unless ignoring (host) (up == 0)",
    "load or on (job) up",
    "load or on (host) up or requests_total",
    "up unless on () vector(1)",
    "vector(1) and on () (load > 1)",
    "load * ignoring (zone) group_left (zone) info",
    "load * on (host) group_left (zone, missing) info",
    "info - on (host, job) group_right (zone) (load + 1)",
    "load > on (host) group_left () up",
    "load >= bool on (host, job) group_left (zone) info",
    "sum by (job) (load) * on (job) group_right () load",
    "count by (job) (load) == on (job) count by (job) (up)",
    "2 ^ 3 ^ 2 - -2 ^ 2",
    "-load ^ 2",
    "- load - -3",
    "(2 > bool 1) + (1 == bool 1) * (1 != bool 1)",
    "3 > bool load",
    "load < 3 or load > 4",
    "5 - load % 3",
    "-7 % 3 + load % -2",
    "load == on (host) group_left () (up + 2)",
    "sum(load) without (host)",
    "sum by () (load)",
    "max by (host, host) (load)",
    "avg without () (load)",
    "count_values without (host) (\"job\", load)",
    "count_values by (job) (\"n\", load / 2)",
    "topk by (job) (scalar(count(up) or vector(1)), load)",
    "topk(0, load)",
    "bottomk(-1, load)",
    "topk(1.9, requests_total)",
    "quantile(-0.5, load) - 1",
    "quantile(1.1, load) + 1",
    "quantile(scalar(up{host=\"a\"}), requests_total)",
    "scalar(load)",
    "vector(scalar(load{host=\"nobody\"}) > bool 7)",
    "vector(scalar(load{host=\"a\"}))",
    "absent(load{host=\"x\",job=~\"y\",zone!=\"z\"})",
    "absent(load{host=\"x\",host=\"y\"})",
    "absent(sum(nothing))",
    "absent(nothing{a=\"b\"} > 1)",
    "absent(nothing{a=\"b\"} offset 1m)",
    "absent_over_time(nothing{a=\"b\"}[5m:1m])",
    "absent_over_time(nothing{a=\"b\"}[5m] offset 1m)",
    "absent_over_time(rate(nothing[2m])[5m:])",
    "label_replace(load{host=\"a\"}, \"host\", \"\", \"host\", \".*\")",
    "label_replace(load, \"zone\", \"z-$1\", \"missing\", \"(.*)\")",
    "label_replace(load, \"zone\", \"$2$1x\", \"job\", \"(.)(.*)\")",
    "label_replace(load, \"zone\", \"${name}\", \"job\", \"(?P<name>d).*\")",
    "label_replace(load, \"zone\", \"$x1\", \"job\", \"(.*)\")",
    "label_replace(load, \"__name__\", \"weight\", \"\", \"\")",
    "label_join(load, \"job\", \"-\", \"host\", \"missing\", \"job\")",
    "label_join(load{host=\"a\"}, \"host\", \"\", \"missing\") * on () group_left () vector(2)",
    "label_join(load{host=\"a\"}, \"none\", \",\")",
    "minute() + hour() * 100 + day_of_month() * 10000",
    "month() + year() * 100 + day_of_week() * 10 + days_in_month()",
    "day_of_year(vector(1709251200)) + days_in_month(vector(1709251200))",
    "year(vector(-1)) + month(vector(-86400 * 365))",
    "day_of_week(load * -1e6)",
    "clamp(load, 4, 2)",
    "clamp_min(load, NaN) == 0",
    "round(load - 3.5) + round(vector(-2.5)) * on () group_right () up",
    "round(load, 4)",
    "sgn(-load) + abs(-load)",
    "exp(0 * load) + load ^ 0.5 * 0",
    "timestamp(timestamp(up))",
    "timestamp(load + 1)",
    "timestamp(up @ 300)",
    "timestamp(sum(up) or up)",
    "time() - timestamp(up)",
    "up @ start()",
    "up offset 1m @ 400",
    "up @ 400 offset -1m",
    "up @ -100 or load",
    "count_over_time(load[5m] @ 500 offset 1m)",
    "sum_over_time(load[3m:20s] @ 500 offset 70s)",
    "max_over_time((load @ 300)[2m:30s])",
    "max_over_time((load offset 2m)[2m:30s] offset -1m)",
    "max_over_time(max_over_time(load[1m])[5m:40s] @ end())",
    "count_over_time((load > 2)[5m:15s])",
    "last_over_time(load[5m]) - last_over_time(load[10m] offset 5m)",
    "min_over_time(timestamp(load)[4m:10s]) - 1",
    "changes((load > bool 3)[9m:30s])",
    "resets(load[9m])",
    "idelta(requests_total[90s]) - irate(requests_total[90s]) * 0",
    "stddev(up * 0)",
    "group(load) + count(group by (host) (load))",
    "sort(load) + 1",
    "sort_desc(requests_total)",
    "histogram_quantile(1.5, latency_bucket) + histogram_quantile(-1, latency_bucket)",
    "histogram_quantile(0, latency_bucket) + histogram_quantile(1, latency_bucket)",
    "histogram_quantile(0.5, latency_bucket{le!=\"+Inf\"})",
    "{__name__=~\"load|up\",host!=\"b\"}",
    "{job=~\"d.+\",__name__!~\"requests.*|info\"}",
    "load{host=~\"\"} or load{host!~\"a|b\"}",
    "load{missing=\"\"}",
    "count({__name__=~\".+\"})",
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
    "quantile_over_time(-1, load[5m]) + quantile_over_time(2, load[5m])",
    "quantile_over_time(scalar(up{host=\"a\"}) / 2, load[5m])",
    "predict_linear(load[4m:25s], -300)",
    "predict_linear(load[5m] offset 1m, 60)",
    "predict_linear(load[5m] @ 500, 60)",
    "deriv(load[5m] @ 500 offset 30s)",
    "deriv(rate(requests_total[1m])[5m:30s])",
    "increase(requests_total[1h])",
    "delta(load[30s])",
    "rate(requests_total[3m:20s])",
    "sum without (host) (increase(requests_total[5m])) / ignoring (host) group_left () sum by (job) (load)",
    "avg by (job) (load) - avg_over_time(avg by (job) (load)[5m:1m])",
    "histogram_quantile(0.9, sum by (le) (rate(latency_bucket[5m]))) / histogram_quantile(0.1, latency_bucket)",
    "histogram_quantile(scalar(load{host=\"a\"}) / 10, latency_bucket)",
    "ln(load) + log10(-load * 0 + 10) - log2(load * 0 + 8)",
    "load ^ -1.5 % 0.3",
    "load / (load - load)",
    "stdvar_over_time(load[6m:11s]) + stddev_over_time(requests_total[6m])",
    "sum_over_time(sin(load)[4m:9s])",
    "asin(load / 10) + acos(load / 10) + atanh(load / 10)",
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
