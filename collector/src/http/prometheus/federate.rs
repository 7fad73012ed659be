//! `GET /federate`: the newest sample of each selected series, in the text format that Prometheus scrapes.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::ControlFlow;
use std::sync::Arc;

use agent_model::{Labels, Sample, is_stale, written_metric_name};
use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use rules_promql::SeriesSource;

use super::answer::Failure;
use super::names::Escaping;
use super::parameters::Parameters;
use super::values::push_number;
use crate::clock;
use crate::http::{WebApi, Who};

/// As an instant selector looks back.
const LOOKBACK_MS: i64 = 5 * 60_000;

pub(super) async fn federate(
    State(api): State<Arc<WebApi>>,
    Extension(who): Extension<Who>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Failure> {
    let escaping = Escaping::asked(&headers);
    let (selectors, now_ms) = (parameters.selectors()?, clock::now_ms());
    let query = api.query.within(&who.scope);
    let text = api.places.evaluate(&query, None, move |query, limits| {
        let mut newest = BTreeMap::new();
        for matchers in &selectors {
            query.for_each(matchers, now_ms - LOOKBACK_MS + 1, now_ms, &mut |series| {
                let last = series.samples.last().copied();
                let last = last.filter(|sample| !is_stale(sample.value));
                let named =
                    last.map(|sample| (escaping.apply(&series.labels).into_owned(), sample));
                newest.extend(named);
                if limits.check_cancelled().is_ok() {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            })?;
            limits.check_cancelled()?;
        }
        Ok(exposition(&newest))
    });
    Ok(([(header::CONTENT_TYPE, escaping.content_type())], text.await?).into_response())
}

/// Series in the order of their names, which stand first in the order of labels only if no label sorts before them.
fn exposition(newest: &BTreeMap<Labels, Sample>) -> String {
    let mut named: Vec<(&Labels, &Sample)> = newest.iter().collect();
    named.sort_by_key(|(labels, _)| labels.metric_name().to_owned());
    let mut out = String::new();
    let mut name = "";
    for (labels, sample) in named {
        if labels.metric_name().is_empty() {
            continue;
        }
        if labels.metric_name() != name {
            name = labels.metric_name();
            let written = written_metric_name(name);
            push(&mut out, format_args!("# TYPE {written} untyped\n"));
        }
        // So that who scrapes this with `honor_labels` does not take its address for that of the series, as Prometheus.
        match labels.get("instance") {
            Some(_) => push(&mut out, format_args!("{labels} ")),
            None => push(&mut out, format_args!("{} ", with_empty_instance(labels))),
        }
        push_number(&mut out, sample.value);
        push(&mut out, format_args!(" {}\n", sample.timestamp_ms));
    }
    out
}

/// The series as it is written, with `instance=""` as the last of its labels.
fn with_empty_instance(labels: &Labels) -> String {
    let written = labels.to_string();
    match written.strip_suffix('}') {
        Some(open) if open.ends_with('{') => format!("{open}instance=\"\"}}"),
        Some(open) => format!("{open},instance=\"\"}}"),
        None => format!("{written}{{instance=\"\"}}"),
    }
}

/// Writing to a string cannot fail.
fn push(out: &mut String, text: std::fmt::Arguments) {
    let written = out.write_fmt(text);
    debug_assert!(written.is_ok());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_stand_under_their_metric() {
        let sample = |value| Sample { timestamp_ms: 1_000, value };
        let newest = BTreeMap::from([
            (Labels::metric("up", [("Ω", "1"), ("instance", "b")]), sample(1.0)),
            (Labels::metric("up", [("host", "a\"b")]), sample(f64::NAN)),
            (Labels::metric("age", [("A", "x")]), sample(0.5)),
        ]);
        let text = exposition(&newest);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 5);
        assert_eq!(lines[0], "# TYPE age untyped");
        assert_eq!(lines[1], "age{A=\"x\",instance=\"\"} 0.5 1000");
        assert_eq!(lines[2], "# TYPE up untyped");
        assert!(lines.contains(&"up{host=\"a\\\"b\",instance=\"\"} NaN 1000"));
    }
}
