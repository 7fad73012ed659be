//! `rules` and `alerts`: the metric rules in force, how their last evaluation went, and the alerts they keep open.

use std::collections::BTreeMap;
use std::sync::Arc;

use agent_model::{Labels, Matcher, Millis};
use axum::extract::State;
use collector_alerting::{Alert, AlertFilter, AlertSource, AlertState, AlertingError, label_map};
use rules::{Rule, RuleGroup, RuleKind};
use serde_json::{Map, Value, json};

use super::answer::{Answer, Failure, success};
use super::parameters::Parameters;
use super::values::scientific;
use crate::clock;
use crate::http::WebApi;
use crate::rule_health::RuleRun;

/// What Prometheus shows for a time that never was.
pub(super) const NEVER: &str = "0001-01-01T00:00:00Z";

/// The open alerts of a rule, by its id.
type ByRule = BTreeMap<String, Vec<Alert>>;

pub(super) async fn alerts(State(api): State<Arc<WebApi>>) -> Answer {
    let shown = open(&api).await?;
    let shown: Vec<Value> = shown.values().flatten().map(shown_alert).collect();
    success(&json!({ "alerts": shown }))
}

pub(super) async fn rules(State(api): State<Arc<WebApi>>, parameters: Parameters) -> Answer {
    let filter = Filter::of(&parameters)?;
    let open = open(&api).await?;
    let rulebook = Arc::clone(&api.rules.borrow());
    let mut groups = Vec::new();
    for group in &rulebook.metrics.groups {
        if !filter.takes_group(group) {
            continue;
        }
        let rules: Vec<&Rule> = group.rules.iter().filter(|rule| filter.takes(rule)).collect();
        if filter.is_narrow() && rules.is_empty() {
            continue;
        }
        groups.push(shown_group(&api, group, &rules, &open, filter.with_alerts));
    }
    success(&paged(groups, &parameters)?)
}

/// Pending and firing alerts of metric rules.
async fn open(api: &WebApi) -> Result<ByRule, Failure> {
    let failed = |error: AlertingError| Failure::internal(crate::describe(&error));
    let open = api.alerting.alerts(&AlertFilter::default(), clock::now_ms()).await;
    let mut by_rule = ByRule::new();
    for status in open.map_err(failed)? {
        if let AlertSource::Rule(id) = &status.alert.source
            && status.alert.state != AlertState::Resolved
        {
            by_rule.entry(id.clone()).or_default().push(status.alert);
        }
    }
    Ok(by_rule)
}

struct Filter<'a> {
    kind: Option<&'a str>,
    names: Vec<&'a str>,
    groups: Vec<&'a str>,
    files: Vec<&'a str>,
    selectors: Vec<Vec<Matcher>>,
    with_alerts: bool,
}

impl<'a> Filter<'a> {
    fn of(parameters: &'a Parameters) -> Result<Self, Failure> {
        let kind = parameters.get("type");
        if let Some(other) = kind.filter(|kind| !matches!(*kind, "alert" | "record")) {
            let text = format!("not supported value {other:?}");
            return Err(Failure::parameter("type", text));
        }
        let without = match parameters.get("exclude_alerts") {
            None | Some("false" | "0" | "f") => false,
            Some("true" | "1" | "t") => true,
            Some(other) => {
                let text = format!("error converting exclude_alerts: {other:?} is no boolean");
                return Err(Failure::parameter("exclude_alerts", text));
            }
        };
        Ok(Self {
            kind,
            names: parameters.all("rule_name[]").collect(),
            groups: parameters.all("rule_group[]").collect(),
            files: parameters.all("file[]").collect(),
            selectors: parameters.selectors()?,
            with_alerts: !without,
        })
    }

    /// Whether groups without a rule left are of no interest.
    fn is_narrow(&self) -> bool {
        self.kind.is_some() || !self.names.is_empty() || !self.selectors.is_empty()
    }

    fn takes_group(&self, group: &RuleGroup) -> bool {
        let file = group.file.to_string_lossy();
        (self.groups.is_empty() || self.groups.contains(&group.name.as_str()))
            && (self.files.is_empty() || self.files.contains(&file.as_ref()))
    }

    fn takes(&self, rule: &Rule) -> bool {
        let labels =
            Labels::new(rule.labels.iter().map(|(name, text)| (name.as_str(), text.text())));
        let kind = if rule.is_alert() { "alert" } else { "record" };
        self.kind.is_none_or(|wanted| wanted == kind)
            && (self.names.is_empty() || self.names.contains(&rule.name.as_str()))
            && (self.selectors.is_empty()
                || self
                    .selectors
                    .iter()
                    .any(|matchers| matchers.iter().all(|matcher| matcher.matches_labels(&labels))))
    }
}

fn shown_group(
    api: &WebApi,
    group: &RuleGroup,
    rules: &[&Rule],
    open: &ByRule,
    with_alerts: bool,
) -> Value {
    let runs: Vec<Option<RuleRun>> =
        group.rules.iter().map(|rule| api.metrics.rule_health.of(&id(rule))).collect();
    let last_ms = runs.iter().flatten().map(|run| run.at_ms).max();
    let took: f64 = runs.iter().flatten().map(|run| run.took.as_secs_f64()).sum();
    let interval_ms = group.interval_ms.unwrap_or(api.evaluation_interval_ms);
    let shown = rules.iter().map(|rule| {
        let alerts = open.get(&id(rule)).map_or(&[][..], Vec::as_slice);
        let run = api.metrics.rule_health.of(&id(rule));
        shown_rule(rule, run.as_ref(), alerts, with_alerts)
    });
    json!({
        "name": group.name,
        "file": group.file.to_string_lossy(),
        "rules": shown.collect::<Vec<_>>(),
        "interval": seconds(interval_ms),
        "limit": group.rules.iter().find_map(|rule| rule.results_max).unwrap_or(0),
        "evaluationTime": took,
        "lastEvaluation": last_ms.map_or_else(|| NEVER.to_owned(), time_text),
    })
}

fn shown_rule(rule: &Rule, run: Option<&RuleRun>, alerts: &[Alert], with_alerts: bool) -> Value {
    let texts = |pairs: &[(String, rules::Template)]| {
        let pairs = pairs.iter().map(|(name, text)| (name.clone(), text.text().into()));
        Value::Object(pairs.collect::<Map<_, _>>())
    };
    let health = match run {
        None => "unknown",
        Some(RuleRun { error: Some(_), .. }) => "err",
        Some(_) => "ok",
    };
    let mut shown = json!({
        "name": rule.name,
        "query": rule.expr.to_string(),
        "labels": texts(&rule.labels),
        "health": health,
        "evaluationTime": run.map_or(0.0, |run| run.took.as_secs_f64()),
        "lastEvaluation": run.map_or_else(|| NEVER.to_owned(), |run| time_text(run.at_ms)),
    });
    if let Some(error) = run.and_then(|run| run.error.as_ref()) {
        shown["lastError"] = error.as_str().into();
    }
    match &rule.kind {
        RuleKind::Recording => {
            shown["type"] = "recording".into();
            if rule.labels.is_empty()
                && let Some(shown) = shown.as_object_mut()
            {
                shown.remove("labels");
            }
        }
        RuleKind::Alert { for_ms, keep_firing_for_ms, annotations } => {
            let of_state = |state| alerts.iter().any(|alert| alert.state == state);
            let state = match (of_state(AlertState::Firing), of_state(AlertState::Pending), run) {
                (true, _, _) => "firing",
                (_, true, _) => "pending",
                (_, _, None) => "unknown",
                _ => "inactive",
            };
            shown["type"] = "alerting".into();
            shown["state"] = state.into();
            shown["duration"] = seconds(*for_ms);
            shown["keepFiringFor"] = seconds(*keep_firing_for_ms);
            shown["annotations"] = texts(annotations);
            shown["alerts"] =
                if with_alerts { alerts.iter().map(shown_alert).collect() } else { json!([]) };
        }
    }
    shown
}

fn shown_alert(alert: &Alert) -> Value {
    let state = if alert.is_firing() { "firing" } else { "pending" };
    let mut shown = json!({
        "labels": label_map(&alert.labels),
        "annotations": *alert.annotations,
        "state": state,
        "activeAt": time_text(alert.active_since_ms),
        "value": scientific(alert.value),
    });
    if let Some(since_ms) = alert.absent_since_ms {
        shown["keepFiringSince"] = time_text(since_ms).into();
    }
    shown
}

/// `group_limit` groups from `group_next_token` on, which is the place of the first.
fn paged(groups: Vec<Value>, parameters: &Parameters) -> Result<Value, Failure> {
    let Some(limit) = parameters.limit("group_limit")? else {
        return Ok(json!({ "groups": groups }));
    };
    let first = parameters.limit("group_next_token")?.unwrap_or(0);
    let more = first.saturating_add(limit) < groups.len();
    let page: Vec<Value> = groups.into_iter().skip(first).take(limit).collect();
    Ok(match more {
        true => json!({ "groups": page, "groupNextToken": (first + limit).to_string() }),
        false => json!({ "groups": page }),
    })
}

fn id(rule: &Rule) -> String {
    hex::encode(rule.id.0)
}

pub(super) fn time_text(ms: Millis) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| NEVER.to_owned(), |time| time.to_string())
}

/// Whole seconds without a point, as Go writes them.
fn seconds(ms: Millis) -> Value {
    if ms % 1_000 == 0 { (ms / 1_000).into() } else { (ms as f64 / 1_000.0).into() }
}
