//! Measures the journal: one append at a time, many tasks at once, and reading back.
//! Prints one figure a line, `name value unit`, for `cargo xtask bench`.

#![allow(clippy::print_stdout, reason = "the figures are the output")]
#![allow(clippy::unwrap_used, reason = "a measurement that fails has nothing to say")]
#![allow(clippy::disallowed_methods, reason = "it measures time")]

use std::time::{Duration, Instant};

use bytes::Bytes;
use collector_journal::{Journal, JournalConfig, Position};

/// A packed report of some 500 series.
const RECORD_BYTES: usize = 1500;
const TASKS: u32 = 256;
const APPENDS_OF_TASK: u32 = 100;
const ALONE: u32 = 200;

fn figure(name: &str, value: f64, unit: &str) {
    println!("journal_{name} {value:.3} {unit}");
}

async fn timed_append(journal: &Journal) -> Duration {
    let started = Instant::now();
    journal.append(vec![Bytes::from_static(&[7; RECORD_BYTES])]).await.unwrap();
    started.elapsed()
}

fn percentiles(name: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |part: usize| times[(times.len() - 1) * part / 100].as_secs_f64() * 1000.0;
    figure(&format!("{name}_p50"), at(50), "ms");
    figure(&format!("{name}_p99"), at(99), "ms");
}

async fn many(journal: &Journal) {
    let started = Instant::now();
    let task = |journal: Journal| async move {
        let mut times = Vec::new();
        for _ in 0..APPENDS_OF_TASK {
            times.push(timed_append(&journal).await);
        }
        times
    };
    let tasks: Vec<_> = (0..TASKS).map(|_| tokio::spawn(task(journal.clone()))).collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.unwrap());
    }
    let seconds = started.elapsed().as_secs_f64();
    figure("append_many", f64::from(TASKS * APPENDS_OF_TASK) / seconds, "records/s");
    percentiles("append_many", times);
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    // Beside the build, not in a temporary directory, which may be memory: the disk is what is measured.
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let clock = || Duration::ZERO;
    let config = JournalConfig {
        free_reserve_bytes: 0,
        ..JournalConfig::new(directory.path().join("journal"), clock)
    };
    let journal = Journal::open(config).unwrap();
    let mut alone = Vec::new();
    for _ in 0..ALONE {
        alone.push(timed_append(&journal).await);
    }
    percentiles("append_alone", alone);
    many(&journal).await;
    figure("syncs", f64::from(u32::try_from(journal.stats().syncs).unwrap()), "syncs");
    let started = Instant::now();
    let mut reader = journal.read(Position(1));
    let mut records = 0u32;
    while reader.next().unwrap().is_some() {
        records += 1;
    }
    figure("read", f64::from(records) / started.elapsed().as_secs_f64(), "records/s");
}
