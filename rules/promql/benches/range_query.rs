//! What evaluation alone costs: a wide and a narrow range query over 10,000 series of 3 hours at 15 s, without a store.
//! `cargo bench -p rules-promql` prints milliseconds, the best and the middle of a few runs.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a bench measures time, prints it, and stops at the first error"
)]

use std::ops::ControlFlow;
use std::time::Instant;

use agent_model::{Labels, Matcher, RolledSeries, Sample, Series};
use rules_promql::{Limits, SeriesSource, SourceError, evaluate_range, parse};

const HOSTS: usize = 1_000;
const DEVICES: usize = 10;
const SAMPLES: u32 = 720;
const INTERVAL_MS: i64 = 15_000;
const RUNS: usize = 7;

const QUERIES: [(&str, &str); 4] = [
    ("wide", "sum by (job) (rate(node_network_receive_bytes_total[5m]))"),
    ("narrow", "sum by (job) (rate(node_network_receive_bytes_total{host=\"host-0007\"}[5m]))"),
    ("wide, each series", "rate(node_network_receive_bytes_total[5m])"),
    ("wide, ranked", "topk(10, sum by (host) (rate(node_network_receive_bytes_total[5m])))"),
];

/// Everything in one list; a store would find a host's series without looking at all of them.
struct Fixed(Vec<Series>);

impl SeriesSource for Fixed {
    fn for_each(
        &self,
        matchers: &[Matcher],
        from: i64,
        to: i64,
        take: &mut dyn FnMut(RolledSeries) -> ControlFlow<()>,
    ) -> Result<(), SourceError> {
        let picked = self
            .0
            .iter()
            .filter(|series| matchers.iter().all(|matcher| matcher.matches_labels(&series.labels)));
        for Series { labels, samples } in picked {
            let start = samples.partition_point(|sample| sample.timestamp_ms < from);
            let end = samples.partition_point(|sample| sample.timestamp_ms <= to);
            let (labels, samples) = (labels.clone(), samples[start..end].to_vec());
            if take(RolledSeries { labels, rollups: Vec::new(), samples }).is_break() {
                break;
            }
        }
        Ok(())
    }
}

fn source() -> Fixed {
    let series = (0..HOSTS * DEVICES).map(|at| {
        let (host, device) = (at / DEVICES, at % DEVICES);
        let labels = Labels::metric(
            "node_network_receive_bytes_total",
            [
                ("host", format!("host-{host:04}")),
                ("instance", format!("host-{host:04}")),
                ("device", format!("eth{device}")),
                ("job", "node".to_owned()),
            ],
        );
        let sample = |tick: u32| Sample {
            timestamp_ms: i64::from(tick) * INTERVAL_MS,
            value: f64::from(tick) * 1_000.0 + f64::from(tick.wrapping_mul(2_654_435_761) >> 24),
        };
        Series { labels, samples: (0..SAMPLES).map(sample).collect() }
    });
    Fixed(series.collect())
}

fn main() {
    let source = source();
    let end = i64::from(SAMPLES) * INTERVAL_MS;
    for (name, text) in QUERIES {
        let expr = parse(text).unwrap();
        let mut times: Vec<f64> = Vec::new();
        let mut series = 0;
        for _ in 0..RUNS {
            let began = Instant::now();
            let found =
                evaluate_range(&expr, 300_000, end, 60_000, &source, &Limits::default()).unwrap();
            times.push(began.elapsed().as_secs_f64() * 1_000.0);
            series = found.len();
        }
        times.sort_by(f64::total_cmp);
        let (best, middle) = (times[0], times[RUNS / 2]);
        println!("{name:<18} best {best:>8.1} ms   middle {middle:>8.1} ms   {series} series");
    }
}
