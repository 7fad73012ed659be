//! `metadata`: what metrics are, as whoever sends them says.
//!
//! Promises: a metric that nobody described is not listed, as in Prometheus: a guessed kind would be a lie. What different senders
//! say of one metric stands side by side. Leaves to others: what is kept, and for how long (`collector_inventory`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use agent_model::{Labels, MetricKind, MetricMetadata};
use axum::extract::State;
use collector_inventory::TargetMetric;
use prometheus::proto::MetricType;
use serde_json::{Map, Value, json};

use super::answer::{Answer, Failure, success};
use super::parameters::Parameters;
use crate::http::WebApi;

/// What is said of each metric: kind, help and unit.
type Said = BTreeMap<String, BTreeSet<(MetricKind, String, String)>>;

pub(super) async fn metadata(State(api): State<Arc<WebApi>>, parameters: Parameters) -> Answer {
    let (limit, per_metric) =
        (bound(&parameters, "limit")?, bound(&parameters, "limit_per_metric")?);
    let wanted = parameters.get("metric");
    let stored = api.inventory.metric_metadata(wanted).await;
    let stored = stored.map_err(|error| Failure::internal(crate::describe(&error)))?;
    let mut said = Said::new();
    let own = own(&api.metrics.registry).into_iter();
    let own = own.filter(|one| wanted.is_none_or(|wanted| one.metric == wanted));
    for MetricMetadata { metric, kind, help, unit } in stored.into_iter().chain(own) {
        said.entry(metric).or_default().insert((kind, help, unit));
    }
    success(&shown(said, limit, per_metric.filter(|max| *max > 0)))
}

/// `targets/metadata`: what each target of a host says, or those that a selector picks.
pub(super) async fn of_targets(State(api): State<Arc<WebApi>>, parameters: Parameters) -> Answer {
    let limit = bound(&parameters, "limit")?;
    let selector = parameters.get("match_target").map(rules_promql::parse_matchers).transpose();
    let selector = selector.map_err(|error| Failure::bad_data(crate::describe(&error)))?;
    let wanted = parameters.get("metric");
    let picked = |one: &TargetMetric| {
        let labels = labels(one);
        let labels = Labels::new(labels);
        selector.iter().flatten().all(|matcher| matcher.matches_labels(&labels))
    };
    let limit = limit.unwrap_or(usize::MAX);
    let found = api.inventory.target_metadata(wanted, limit, picked).await;
    let found = found.map_err(|error| Failure::internal(crate::describe(&error)))?;
    if found.is_empty() {
        return Err(Failure::not_found("specified metadata not found"));
    }
    let shown = found.iter().map(|one| {
        let target: Map<String, Value> =
            labels(one).into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        let MetricMetadata { metric, kind, help, unit } = &one.metadata;
        let mut shown =
            json!({ "target": target, "type": kind.name(), "help": help, "unit": unit });
        if wanted.is_none() {
            shown["metric"] = metric.as_str().into();
        }
        shown
    });
    success(&shown.collect())
}

fn labels(one: &TargetMetric) -> [(&'static str, &str); 3] {
    [("host", &one.host), ("instance", &one.instance), ("job", &one.job)]
}

fn shown(said: Said, limit: Option<usize>, per_metric: Option<usize>) -> Value {
    let max = |bound: Option<usize>| bound.unwrap_or(usize::MAX);
    let metrics = said.into_iter().take(max(limit)).map(|(metric, said)| {
        let said = said.iter().take(max(per_metric));
        let said = said
            .map(|(kind, help, unit)| json!({ "type": kind.name(), "help": help, "unit": unit }));
        (metric, said.collect())
    });
    Value::Object(metrics.collect::<Map<_, _>>())
}

/// What the collector counts of itself.
fn own(registry: &prometheus::Registry) -> Vec<MetricMetadata> {
    let families = registry.gather();
    let described = families.iter().filter_map(|family| {
        let kind = match family.get_field_type() {
            MetricType::COUNTER => MetricKind::Counter,
            MetricType::GAUGE => MetricKind::Gauge,
            MetricType::SUMMARY => MetricKind::Summary,
            MetricType::HISTOGRAM => MetricKind::Histogram,
            MetricType::UNTYPED => MetricKind::Unknown,
        };
        let bounded = MetricMetadata::bounded(family.name(), kind, family.help(), "");
        bounded.map(|(metadata, _)| metadata)
    });
    described.collect()
}

/// A bound as Prometheus reads it here: below zero is none.
fn bound(parameters: &Parameters, name: &str) -> Result<Option<usize>, Failure> {
    let Some(text) = parameters.get(name) else { return Ok(None) };
    let number: i64 =
        text.parse().map_err(|_| Failure::bad_data(format!("{name} must be a number")))?;
    Ok(usize::try_from(number).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(metric: &str, help: &str) -> (String, (MetricKind, String, String)) {
        (metric.to_owned(), (MetricKind::Counter, help.to_owned(), String::new()))
    }

    #[test]
    fn what_is_said_of_a_metric_stands_side_by_side_within_the_limits() {
        let mut said = Said::new();
        for (metric, one) in [of("b", "x"), of("a", "two"), of("a", "one"), of("a", "two")] {
            said.entry(metric).or_default().insert(one);
        }
        let counter = |help: &str| json!({ "type": "counter", "help": help, "unit": "" });
        let all = json!({ "a": [counter("one"), counter("two")], "b": [counter("x")] });
        assert_eq!(shown(said.clone(), None, None), all);
        let narrow = shown(said.clone(), Some(1), Some(1));
        assert_eq!(narrow, json!({ "a": [counter("one")] }));
        assert_eq!(shown(said, Some(0), None), json!({}));
    }

    #[test]
    fn the_collectors_own_metrics_have_the_kind_and_help_that_their_registry_knows() {
        let metrics = crate::self_metrics::SelfMetrics::new().unwrap();
        metrics.ingest.samples.inc();
        let own = own(&metrics.registry);
        let samples = own.iter().find(|one| one.metric == "haidang_collector_samples_total");
        let samples = samples.map(|one| (one.kind, one.help.as_str()));
        assert_eq!(samples, Some((MetricKind::Counter, "Samples stored.")));
    }
}
