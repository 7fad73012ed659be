//! The newest scrape of each target, as its own samples tell it.

use std::collections::HashMap;
use std::ops::ControlFlow;

use agent_model::{Labels, MatchOp, Matcher, Millis, RolledSeries, is_stale};
use rules_promql::{SeriesSource, SourceError};

use crate::app::SILENT_AFTER_MS;
use crate::query::Query;

/// How far is looked back: the longest interval of an exporter, and as long as PromQL looks.
const LOOKBACK_MS: Millis = 330_000;

/// By host, job and instance.
pub(super) type Scrapes = HashMap<(String, String, String), Scrape>;

/// What was found out when a target was scraped last.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scrape {
    pub(super) labels: Labels,
    pub(super) at_ms: Millis,
    pub(super) up: bool,
    /// Its series have ended: the agent says nothing of it any more.
    pub(super) ended: bool,
    pub(super) seconds: f64,
}

impl Scrape {
    /// Whether two intervals have gone by without another one.
    pub(super) fn is_old(&self, interval_ms: Millis, now_ms: Millis) -> bool {
        let patience_ms = interval_ms.saturating_mul(2).saturating_add(SILENT_AFTER_MS);
        now_ms.saturating_sub(self.at_ms) > patience_ms
    }
}

pub(super) fn newest(query: &Query, now_ms: Millis) -> Result<Scrapes, SourceError> {
    let mut scrapes = Scrapes::new();
    each(query, "up", now_ms, |key, series| {
        let samples = series.samples.iter().rev();
        let Some(last) = samples.clone().find(|sample| !is_stale(sample.value)) else { return };
        let ended = series.samples.last().is_some_and(|sample| is_stale(sample.value));
        let scrape = Scrape {
            labels: series.labels,
            at_ms: last.timestamp_ms,
            up: last.value > 0.0,
            ended,
            seconds: 0.0,
        };
        // Labels of the configuration may have changed: the newest series counts.
        let newer = scrapes.get(&key).is_none_or(|other: &Scrape| other.at_ms < scrape.at_ms);
        if newer {
            scrapes.insert(key, scrape);
        }
    })?;
    each(query, "scrape_duration_seconds", now_ms, |key, series| {
        let Some(scrape) = scrapes.get_mut(&key) else { return };
        let of_it = series.samples.iter().find(|sample| sample.timestamp_ms == scrape.at_ms);
        scrape.seconds = of_it.map_or(scrape.seconds, |sample| sample.value);
    })?;
    Ok(scrapes)
}

fn each(
    query: &Query,
    metric: &str,
    now_ms: Millis,
    mut take: impl FnMut((String, String, String), RolledSeries),
) -> Result<(), SourceError> {
    let some_host = Matcher::new("host", MatchOp::NotEqual, "").map_err(SourceError::new)?;
    let matchers = [Matcher::equal(Labels::NAME, metric), some_host];
    query.for_each(&matchers, now_ms - LOOKBACK_MS, now_ms + LOOKBACK_MS, &mut |series| {
        let label = |name: &str| series.labels.get(name).unwrap_or_default().to_owned();
        take((label("host"), label("job"), label("instance")), series);
        ControlFlow::Continue(())
    })
}

/// As Prometheus writes a duration: `1m30s`.
pub(super) fn duration_text(ms: Millis) -> String {
    let units = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
    let (mut rest, mut text) = (ms.max(0), String::new());
    for (unit, size) in units {
        if rest >= size {
            text.push_str(&format!("{}{unit}", rest / size));
            rest %= size;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}
