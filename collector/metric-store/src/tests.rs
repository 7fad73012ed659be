//! The store's promises, against real files and a simple model of what it should hold.

mod bad_sectors;
mod catalogue;
mod damage;
mod deletions;
mod fsck;
mod full_disk;
mod limits;
mod model;
mod rollup_bounds;
mod rollup_damage;
mod rollups;
mod streaming;
mod upkeep;

use std::path::Path;
use std::sync::Arc;

use agent_model::{Labels, Matcher, Series};

use crate::{MetricStore, MetricStoreConfig, SeriesRef};

const MINUTE_MS: i64 = 60_000;

fn open(directory: &Path) -> MetricStore {
    MetricStore::open(MetricStoreConfig::new(directory)).unwrap()
}

fn labels(metric: &str, host: &str) -> Labels {
    Labels::metric(metric, [("host", host), ("job", "node")])
}

fn refs(store: &MetricStore, series: &[Labels]) -> Arc<[SeriesRef]> {
    store.series_refs(series).unwrap()
}

/// Everything of every series, as text: `labels time=value …`, in the order of labels.
fn dump(store: &MetricStore) -> String {
    text(store.select(&[], i64::MIN, i64::MAX).unwrap())
}

fn text(series: Vec<Series>) -> String {
    let mut lines: Vec<_> = series
        .into_iter()
        .map(|series| {
            let samples = series.samples.iter();
            let samples: String = samples
                .map(|sample| format!(" {}={}", sample.timestamp_ms, sample.value))
                .collect();
            format!("{}{samples}\n", series.labels)
        })
        .collect();
    lines.sort();
    lines.concat()
}

fn files(directory: &Path, extension: &str) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|found| found == extension)).collect();
    paths.sort();
    paths
}

/// One column of two series, cut under `position`.
fn cut_column(store: &MetricStore, position: u64, timestamp_ms: i64) {
    let series = refs(store, &[labels("up", "a"), labels("load", "a")]);
    let value = f64::from(u32::try_from(position).unwrap());
    store.append(&series, timestamp_ms, &[value, value + 0.5]).unwrap();
    store.advance(position);
    store.cut().unwrap();
}

/// A store of so many parts of two series, a minute each, cut at the positions from 1 on; closed again.
fn cut_parts(count: u64) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    for position in 1..=count {
        cut_column(&store, position, i64::try_from(position).unwrap() * MINUTE_MS);
    }
    directory
}

fn up() -> [Matcher; 1] {
    [Matcher::equal(Labels::NAME, "up")]
}
