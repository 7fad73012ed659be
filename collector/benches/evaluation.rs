//! Measures the evaluation of metric rules as the collector does it: 1,000 alerts over 100,000 series of the metric store,
//! five minutes of readings each. Prints rows of the table of `cargo xtask bench`. What is told is this thread's time on a
//! processor, which the machine's other work does not change much.

#![allow(clippy::print_stdout, reason = "the figures are the output")]
#![allow(clippy::unwrap_used, reason = "a measurement that fails has nothing to say")]

use std::path::Path;
use std::sync::Arc;

use agent_model::{Labels, Millis};
use collector::query::{HostLabels, Query};
use collector_metric_store::{MetricStore, MetricStoreConfig};
use rules::{External, Findings, RuleSet};
use rules_promql::Limits;

const RULES: usize = 1_000;
const SERIES: usize = 100_000;
const STEP_MS: Millis = 15_000;
const READINGS: i64 = 21;
const START_MS: Millis = 1_750_000_000_000;
const ROUNDS: u32 = 3;

/// Every metric on every host; a tenth of the readings are counters that grow.
fn filled(directory: &Path, metrics: usize) -> Query {
    let hosts = SERIES / metrics;
    let store = Arc::new(MetricStore::open(MetricStoreConfig::new(directory)).unwrap());
    let series: Vec<Vec<Labels>> = (0..hosts)
        .map(|host| {
            let host = format!("host-{host:04}");
            let name = |metric: usize| format!("metric_{metric:04}_total");
            let labels = |metric| Labels::metric(name(metric), [("host", &*host), ("job", "node")]);
            (0..metrics).map(labels).collect()
        })
        .collect();
    for reading in 0..READINGS {
        for labels in &series {
            let values: Vec<f64> = (0..metrics)
                .map(|metric| if metric % 10 == 0 { reading as f64 } else { 7.0 })
                .collect();
            let references = store.series_refs(labels).unwrap();
            store.append(&references, START_MS + reading * STEP_MS, &values).unwrap();
        }
    }
    let query = Query::new(store);
    let facts = |host: usize| (format!("host-{host:04}"), Labels::new([("site", "dc1")]));
    query.set_hosts((0..hosts).map(facts).collect::<HostLabels>());
    query
}

/// Thresholds, rates and ratios, as people write them; each reads one metric of all hosts.
fn pack(metrics: usize) -> RuleSet {
    let rule = |n: usize| {
        let metric = format!("metric_{:04}_total", n % metrics);
        let expr = match n % 4 {
            0 => format!("{metric} > 1000"),
            1 => format!("rate({metric}[5m]) > 5"),
            2 => format!("sum by (host) (increase({metric}[5m])) > 500"),
            _ => format!("{metric} / {metric} offset 1m > 2"),
        };
        format!(
            "      - alert: Rule{n}\n        expr: {expr}\n        for: 5m\n        annotations: \
             {{summary: '{{{{ $labels.host }}}} {{{{ $value | humanize }}}}'}}\n"
        )
    };
    let rules: String = (0..RULES).map(rule).collect();
    let text = format!("groups:\n  - name: bench\n    rules:\n{rules}");
    let (set, problems) = rules::load_rule_text(Path::new("bench.yml"), &text);
    assert_eq!(problems.to_string(), "");
    set
}

/// One evaluation of every rule; returns how many alerts hold.
fn evaluated(rules: &RuleSet, query: &Query) -> usize {
    let (limits, external) = (Limits::default(), External::default());
    let at_ms = START_MS + (READINGS - 1) * STEP_MS;
    let found = rules.rules().map(|rule| {
        match rules::evaluate(rule, at_ms, query, &limits, &external).unwrap() {
            Findings::Alerts(alerts) => alerts.len(),
            Findings::Recorded(series) => series.len(),
        }
    });
    found.sum()
}

fn measure(metrics: usize) {
    let directory = tempfile::tempdir().unwrap();
    let query = filled(directory.path(), metrics);
    let rules = pack(metrics);
    let found = evaluated(&rules, &query);
    let begin = processor_seconds();
    (0..ROUNDS).for_each(|_| assert_eq!(evaluated(&rules, &query), found));
    let seconds = (processor_seconds() - begin) / f64::from(ROUNDS);
    println!(
        "| {RULES} alert rules over {SERIES} series, each rule over {} of them | {seconds:.2} s of one core \
         an evaluation of all, {found} alerts | target: 2 s |",
        SERIES / metrics
    );
}

/// What this thread has used of a processor (proc(5), schedstat: nanoseconds first).
fn processor_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}

fn main() {
    // Every series is read by one rule, and then by ten.
    measure(1_000);
    measure(100);
}
