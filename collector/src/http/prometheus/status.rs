//! `status/…`: what this server is, as far as Prometheus' clients ask.

use std::collections::HashMap;
use std::sync::Arc;

use agent_model::Labels;
use axum::extract::State;
use rules_promql::Limits;
use serde_json::{Value, json};

use super::answer::{Answer, success};
use super::parameters::Parameters;
use super::rules::time_text;
use super::work::{QUERIES_MAX, QUERY_TIME_MAX};
use crate::clock;
use crate::http::WebApi;

/// Entries of a list of the greatest, unless `limit` says otherwise.
const GREATEST: usize = 10;

pub(super) async fn build_info() -> Answer {
    success(&json!({
        "version": env!("CARGO_PKG_VERSION"), "application": "haidang-collector",
        "revision": "", "branch": "", "buildUser": "", "buildDate": "", "goVersion": ""
    }))
}

/// What of the configuration Prometheus has a word for; the files themselves are not shown over HTTP.
pub(super) async fn config(State(api): State<Arc<WebApi>>) -> Answer {
    let interval = api.evaluation_interval_ms;
    let text = format!(
        "# collector.yml is on the collector's machine; this is what Prometheus has a word for.\n\
         global:\n  evaluation_interval: {interval}ms\n"
    );
    success(&json!({ "yaml": text }))
}

pub(super) async fn flags() -> Answer {
    success(&json!({
        "query.lookback-delta": "5m",
        "query.max-concurrency": QUERIES_MAX.to_string(),
        "query.max-samples": Limits::default().samples_max.to_string(),
        "query.timeout": format!("{}s", QUERY_TIME_MAX.as_secs()),
    }))
}

pub(super) async fn runtime_info(State(api): State<Arc<WebApi>>) -> Answer {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let directory = std::env::current_dir().unwrap_or_default();
    let last = api.reloader.last();
    success(&json!({
        "startTime": time_text(api.started_ms),
        "CWD": directory.to_string_lossy(),
        "serverTime": time_text(clock::now_ms()),
        "reloadConfigSuccess": last.refused().is_empty(),
        "lastConfigTime": time_text(last.at_ms),
        "corruptionCount": api.query.store_stats().damaged_blocks,
        "goroutineCount": 0,
        "GOMAXPROCS": threads,
        "GOGC": "",
        "GODEBUG": "",
        "storageRetention": "",
    }))
}

/// How many series, values and label pairs there are, and of what there are the most.
pub(super) async fn tsdb(State(api): State<Arc<WebApi>>, parameters: Parameters) -> Answer {
    let limit = parameters.limit("limit")?.unwrap_or(GREATEST);
    let now_ms = clock::now_ms();
    api.places
        .evaluate(&api.query, parameters.timeout()?, move |query, _| {
            let series = query.series(&[], 0, now_ms)?;
            let counts = Counts::of(&series);
            let stats = query.store_stats();
            success(&json!({
                "headStats": {
                    "numSeries": stats.series,
                    "numLabelPairs": counts.pairs.len(),
                    "chunkCount": stats.parts,
                    // Where the samples in memory begin is not known here.
                    "minTime": i64::MAX,
                    "maxTime": now_ms,
                },
                "seriesCountByMetricName": greatest(counts.metrics, limit),
                "labelValueCountByLabelName": greatest(counts.values, limit),
                "memoryInBytesByLabelName": greatest(counts.bytes, limit),
                "seriesCountByLabelValuePair": greatest(
                    counts.pairs.into_iter().map(|((name, value), n)| (format!("{name}={value}"), n)),
                    limit,
                ),
            }))
        })
        .await
}

/// Of all series, by metric, label, and label with value.
#[derive(Default)]
struct Counts<'a> {
    metrics: HashMap<&'a str, u64>,
    pairs: HashMap<(&'a str, &'a str), u64>,
    values: HashMap<&'a str, u64>,
    bytes: HashMap<&'a str, u64>,
}

impl<'a> Counts<'a> {
    fn of(series: &'a [Labels]) -> Self {
        let mut counts = Self::default();
        for labels in series {
            *counts.metrics.entry(labels.metric_name()).or_default() += 1;
            for label in labels.iter() {
                *counts.pairs.entry((&label.name, &label.value)).or_default() += 1;
            }
        }
        for (name, value) in counts.pairs.keys() {
            *counts.values.entry(name).or_default() += 1;
            *counts.bytes.entry(name).or_default() += value.len() as u64;
        }
        counts
    }
}

/// The greatest first, then by name.
fn greatest<N: Into<String>>(
    counts: impl IntoIterator<Item = (N, u64)>,
    limit: usize,
) -> Vec<Value> {
    let mut counts: Vec<(String, u64)> =
        counts.into_iter().map(|(name, count)| (name.into(), count)).collect();
    counts.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    let shown = counts.into_iter().take(limit);
    shown.map(|(name, count)| json!({ "name": name, "value": count })).collect()
}
