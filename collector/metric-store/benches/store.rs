//! Measures the metric store on a data centre's day: 20 hosts of 500 series, every 15 s, cut every 5 minutes.
//! Prints rows of the table of `cargo xtask bench`.

#![allow(clippy::print_stdout, reason = "the figures are the output")]
#![allow(clippy::unwrap_used, reason = "a measurement that fails has nothing to say")]
#![allow(clippy::disallowed_methods, reason = "it measures time")]
#![allow(clippy::cast_precision_loss, reason = "figures for people")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use agent_model::{Labels, Matcher};
use collector_metric_store::{MetricStore, MetricStoreConfig, SeriesRef};

const HOURS: i64 = 6;
const HOSTS: usize = 20;
const SERIES_OF_HOST: usize = 500;
const STEP_MS: i64 = 15_000;
const COLUMNS_OF_CUT: i64 = 20;
const START_MS: i64 = 1_750_000_000_000;

/// What a host's series look like, by their place: as node_exporter's do.
fn next_value(kind: usize, value: f64, random: u64) -> f64 {
    let small = f64::from(u32::try_from(random % 1000).unwrap());
    match kind % 10 {
        // Flags, sizes, limits: they stand still.
        0..=2 => value,
        // Byte and packet counters of busy devices.
        3 | 4 => value + small * 1500.0,
        // Event counters that mostly rest.
        5 | 6 => value + if random.is_multiple_of(8) { small } else { 0.0 },
        // CPU seconds in ticks.
        7 => ((value * 100.0).round() + small % 150.0) / 100.0,
        // Memory in pages.
        8 => (value + (small - 500.0) * 4096.0).abs(),
        // Temperatures and ratios.
        _ => ((value + (small - 500.0) / 5000.0) * 1000.0).round() / 1000.0,
    }
}

struct Host {
    series: Arc<[SeriesRef]>,
    values: Vec<f64>,
}

fn series_of(host: usize) -> Vec<Labels> {
    let name = format!("dc1-srv{host:02}");
    let one = |at: usize| {
        // Ten devices for each of fifty metrics.
        let metric = format!("node_metric_{:02}_total", at / 10);
        let device = format!("device{}", at % 10);
        Labels::metric(metric, [("host", &*name), ("job", "node"), ("device", &*device)])
    };
    (0..SERIES_OF_HOST).map(one).collect()
}

fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

fn figure(name: &str, value: f64, unit: &str) {
    println!("| metric store, {name} | {value:.2} {unit} | – |");
}

/// The best of a few runs, in milliseconds.
fn best_ms(mut run: impl FnMut()) -> f64 {
    let once = |_| {
        let started = Instant::now();
        run();
        started.elapsed()
    };
    (0..5).map(once).min().unwrap_or(Duration::MAX).as_secs_f64() * 1000.0
}

fn fill(store: &MetricStore, columns: i64) {
    let mut hosts: Vec<Host> = (0..HOSTS)
        .map(|host| Host {
            series: store.series_refs(&series_of(host)).unwrap(),
            values: (0..SERIES_OF_HOST).map(|at| (at * 1000) as f64).collect(),
        })
        .collect();
    let mut state = 0x9e37_79b9_7f4a_7c15;
    let (mut appending, mut cutting, mut merging) =
        (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let timed = |total: &mut Duration, run: &mut dyn FnMut()| {
        let started = Instant::now();
        run();
        *total += started.elapsed();
    };
    let mut fresh = 0.0;
    for column in 0..columns {
        for host in &mut hosts {
            for (at, value) in host.values.iter_mut().enumerate() {
                *value = next_value(at / 10, *value, random(&mut state));
            }
            // Timers fire some milliseconds late.
            let late = i64::try_from(random(&mut state) % 8).unwrap();
            let time = START_MS + column * STEP_MS + late;
            timed(&mut appending, &mut || store.append(&host.series, time, &host.values).unwrap());
        }
        if column % COLUMNS_OF_CUT == COLUMNS_OF_CUT - 1 {
            store.advance(column.cast_unsigned() + 1);
            timed(&mut cutting, &mut || store.cut().unwrap());
            let stats = store.stats();
            if stats.cuts == 1 {
                fresh = stats.part_bytes as f64 / stats.part_samples as f64;
            }
            timed(&mut merging, &mut || {
                assert_eq!(store.maintain(START_MS).unwrap().expired_parts, 0)
            });
        }
    }
    let stats = store.stats();
    let samples = stats.appended_samples as f64;
    let rate = |time: Duration| samples / time.as_secs_f64() / 1e6;
    figure("append", rate(appending), "M samples/s");
    figure("append and cut", rate(appending + cutting), "M samples/s");
    figure("append, cut and merge", rate(appending + cutting + merging), "M samples/s");
    figure("fresh", fresh, "bytes/sample");
    figure("merged", stats.part_bytes as f64 / stats.part_samples as f64, "bytes/sample");
    figure("parts", stats.parts as f64, "files");
}

fn queries(store: &MetricStore, columns: i64) {
    let end = START_MS + columns * STEP_MS;
    let metric = Matcher::equal(Labels::NAME, "node_metric_03_total");
    let host = Matcher::equal("host", "dc1-srv07");
    let hours = |hours: i64| end - hours * 3_600_000;
    let select = |matchers: &[Matcher], from: i64| {
        best_ms(|| drop(store.select(matchers, from, end).unwrap()))
    };
    let metric_only = std::slice::from_ref(&metric);
    figure("select a metric of 20 hosts over 3 h", select(metric_only, hours(3)), "ms");
    figure("the same over 5 min", select(metric_only, end - 300_000), "ms");
    let both = [metric.clone(), host];
    figure("select a metric of one host over 3 h", select(&both, hours(3)), "ms");
    figure("select all 10,000 series over 5 min", select(&[], end - 300_000), "ms");
}

/// All of it is old enough to be rolled up.
fn rolling_up(store: &MetricStore) {
    let samples = store.stats().part_samples as f64;
    let started = Instant::now();
    let done = store.maintain(START_MS + 20 * 86_400_000).unwrap();
    let took = started.elapsed().as_secs_f64();
    assert!(done.rolled_up_days > 0 && done.merges == 0);
    let stats = store.stats();
    figure("rolling up to 5 minutes", samples / took / 1e6, "M samples/s");
    figure("rolled up", stats.rollup_bytes as f64 / stats.rollups as f64, "bytes/roll-up");
    figure(
        "rolled up, of the samples' bytes",
        stats.rollup_bytes as f64 / stats.part_bytes as f64,
        "×",
    );
}

/// A million series that a start has to know again, and what they cost.
fn many_series() {
    const MANY_HOSTS: usize = 2_000;
    let directory = tempfile::tempdir().unwrap();
    let before = resident_bytes();
    let store = MetricStore::open(MetricStoreConfig::new(directory.path())).unwrap();
    let started = Instant::now();
    let mut registering = Duration::ZERO;
    let hosts: Vec<_> = (0..MANY_HOSTS)
        .map(|host| {
            let labels = series_of(host);
            let started = Instant::now();
            let series = store.series_refs(&labels).unwrap();
            registering += started.elapsed();
            series
        })
        .collect();
    figure("1 M series, registering", 1e3 * registering.as_secs_f64(), "ms");
    let mut state = 0x9e37_79b9_7f4a_7c15;
    for cut in 0..3 {
        for column in 0..8 {
            for series in &hosts {
                let values: Vec<f64> = (0..series.len())
                    .map(|at| (at as u64 + random(&mut state) % 64) as f64)
                    .collect();
                let time = START_MS + (cut * 8 + column) * STEP_MS;
                store.append(series, time, &values).unwrap();
            }
        }
        store.advance(cut.cast_unsigned() + 1);
        figure("1 M series, resident before a cut", resident_bytes() - before, "MiB");
        let started = Instant::now();
        store.cut().unwrap();
        figure("1 M series, a cut of 8 M samples", started.elapsed().as_secs_f64(), "s");
    }
    figure("1 M series, all of it", started.elapsed().as_secs_f64(), "s");
    figure("1 M series, bytes on disk", store.stats().part_bytes as f64 / 24e6, "bytes/sample");
    drop((store, hosts));
    let config = MetricStoreConfig::new(directory.path());
    let started = Instant::now();
    let store = MetricStore::open(config.clone()).unwrap();
    figure("1 M series, open", started.elapsed().as_secs_f64(), "s");
    assert_eq!(store.stats().series, 1_000_000);
    drop(store);
    std::fs::remove_file(directory.path().join("series.catalogue")).unwrap();
    let started = Instant::now();
    drop(MetricStore::open(config).unwrap());
    figure("1 M series, open without the catalogue", started.elapsed().as_secs_f64(), "s");
}

fn resident_bytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kilobytes.unwrap_or_default() / 1024.0
}

fn main() {
    let columns = HOURS * 3_600_000 / STEP_MS;
    let directory = tempfile::tempdir().unwrap();
    let store = MetricStore::open(MetricStoreConfig::new(directory.path())).unwrap();
    fill(&store, columns);
    queries(&store, columns);
    figure("resident", resident_bytes(), "MiB");
    rolling_up(&store);
    drop(store);
    let started = Instant::now();
    let store = MetricStore::open(MetricStoreConfig::new(directory.path())).unwrap();
    figure("open", started.elapsed().as_secs_f64() * 1000.0, "ms");
    figure("series", store.stats().series as f64, "series");
    drop(store);
    many_series();
}
