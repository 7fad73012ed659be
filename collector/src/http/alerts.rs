//! `/api/alerts`, `/api/silences`, `/api/notifications`: what is wrong, what is silenced, who was told. What people do about
//! one alert is in `handling`.
//! Promises: what a person changes carries their name and stands in the audit log.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use agent_model::{Labels, MatchOp, Matcher, Millis};
use axum::extract::{Json, Path, State};
use axum::{Extension, Router, routing};
use collector_alerting::{
    Alert, AlertFilter, AlertSource, AlertState, AlertingError, NewSilence, NotificationRecord,
    OutboxState, Silence, fingerprint_text,
};
use rules::RuleKind;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::clock;
use crate::http::picture::DAY_MS;
use crate::http::{ApiError, WebApi, Who, sign_in};

/// Resolved alerts that are looked at for those of the last day.
const RESOLVED_MAX: u32 = 500;

/// Notifications shown.
const NOTIFICATIONS_MAX: u32 = 200;

/// Silences are shown this long after their end: a shift report and the month's review fit.
const SILENCES_SHOWN_MS: Millis = 31 * DAY_MS;

/// A note or a comment is a sentence or two.
const NOTE_CHARS_MAX: usize = 1_000;

pub(super) fn routes() -> Router<Arc<WebApi>> {
    Router::new()
        .route("/api/alerts", routing::get(list))
        .route("/api/silences", routing::get(silences).post(silence))
        .route("/api/silences/{id}", routing::delete(expire))
        .route("/api/notifications", routing::get(notifications))
}

pub(super) fn wrong(error: AlertingError) -> ApiError {
    match error {
        AlertingError::AlertUnknown(_)
        | AlertingError::SilenceUnknown(_)
        | AlertingError::SwapUnknown(_)
        | AlertingError::ReceiverUnknown(_)
        | AlertingError::ChannelUnknown { .. }
        | AlertingError::DeadLetterUnknown(_) => ApiError::not_found(error.to_string()),
        AlertingError::SilenceRefused(_)
        | AlertingError::DeedRefused(_)
        | AlertingError::SwapRefused(_)
        | AlertingError::ResendRefused(_) => ApiError::bad_request(error.to_string()),
        other => ApiError::internal("alerting does not answer", &other),
    }
}

/// Firing ones first, then pending ones, then those that resolved within a day.
async fn list(State(api): State<Arc<WebApi>>) -> Result<Json<Value>, ApiError> {
    let now_ms = clock::now_ms();
    let mut open = api.alerting.alerts(&AlertFilter::default(), now_ms).await.map_err(wrong)?;
    open.sort_by_key(|status| order(status.alert.state));
    let known: HashSet<u64> = open.iter().map(|status| status.alert.fingerprint).collect();
    let resolved = api.alerting.resolved(RESOLVED_MAX).await.map_err(wrong)?;
    let lately = resolved.into_iter().filter(|alert| {
        !known.contains(&alert.fingerprint)
            && alert.resolved_ms.is_some_and(|at_ms| at_ms > now_ms - DAY_MS)
    });
    let waits = waits(&api);
    let mut shown: Vec<Value> = Vec::new();
    for status in &open {
        let muted = (!status.silenced_by.is_empty(), !status.inhibited_by.is_empty());
        let mut alert = shown_alert(&status.alert, muted);
        alert["fires_at_ms"] = fires_at_ms(&status.alert, &waits).into();
        shown.push(alert);
    }
    shown.extend(lately.map(|alert| shown_alert(&alert, (false, false))));
    Ok(Json(shown.into()))
}

/// How long each alert rule in force lets its condition hold before it fires.
fn waits(api: &WebApi) -> HashMap<String, Millis> {
    let rulebook = Arc::clone(&api.rules.borrow());
    let waits = rulebook.metrics.rules().filter_map(|rule| match rule.kind {
        RuleKind::Alert { for_ms, .. } => Some((hex::encode(rule.id.0), for_ms)),
        RuleKind::Recording => None,
    });
    waits.collect()
}

/// When a pending alert fires if its condition still holds then.
fn fires_at_ms(alert: &Alert, waits: &HashMap<String, Millis>) -> Option<Millis> {
    match &alert.source {
        AlertSource::Rule(id) if alert.state == AlertState::Pending => {
            Some(alert.active_since_ms.saturating_add(*waits.get(id)?))
        }
        _ => None,
    }
}

fn order(state: AlertState) -> u8 {
    match state {
        AlertState::Firing => 0,
        AlertState::Pending => 1,
        AlertState::Resolved => 2,
    }
}

pub(super) fn shown_alert(alert: &Alert, (silenced, inhibited): (bool, bool)) -> Value {
    let labels: serde_json::Map<String, Value> = alert
        .labels
        .iter()
        .map(|label| (label.name.to_string(), label.value.as_ref().into()))
        .collect();
    let acknowledged = alert.acknowledgement.as_ref();
    json!({
        "fingerprint": fingerprint_text(alert.fingerprint),
        "name": alert.labels.get("alertname").unwrap_or_default(),
        "state": alert.state.name(),
        "severity": severity(&alert.labels),
        "labels": labels,
        "annotations": *alert.annotations,
        "starts_at_ms": alert.since_ms(),
        "ends_at_ms": alert.resolved_ms,
        "acknowledged": acknowledged.map(|one| {
            json!({
                "by": one.by, "at_ms": one.at_ms, "note": one.note, "until_ms": one.until_ms,
            })
        }),
        "assignee": alert.assignee,
        "silenced": silenced,
        "inhibited": inhibited,
        // JSON knows neither NaN nor infinity: they become null.
        "value": alert.value,
    })
}

/// One of five grades; foreign rule packs use other words. What has none is not taken lightly.
pub(super) fn severity(labels: &Labels) -> &'static str {
    match labels.get("severity").unwrap_or_default().to_ascii_lowercase().as_str() {
        "critical" | "page" | "emergency" | "disaster" => "critical",
        "high" | "error" | "major" => "high",
        "low" => "low",
        "info" | "informational" | "information" | "none" | "debug" => "info",
        _ => "medium",
    }
}

pub(super) fn may_act(who: &Who) -> Result<(), ApiError> {
    if who.may_act() {
        return Ok(());
    }
    Err(ApiError::forbidden("your role may look and not change anything"))
}

pub(super) fn bounded(name: &str, text: &str) -> Result<(), ApiError> {
    if text.chars().count() <= NOTE_CHARS_MAX {
        return Ok(());
    }
    Err(ApiError::bad_request(format!("`{name}` has at most {NOTE_CHARS_MAX} characters")))
}

async fn silences(State(api): State<Arc<WebApi>>) -> Result<Json<Value>, ApiError> {
    let now_ms = clock::now_ms();
    let silences = api.alerting.silences(now_ms - SILENCES_SHOWN_MS).await.map_err(wrong)?;
    Ok(Json(silences.iter().map(|silence| shown_silence(silence, now_ms)).collect()))
}

fn shown_silence(silence: &Silence, now_ms: Millis) -> Value {
    let matchers = silence.matchers.iter().map(|matcher| {
        json!({ "name": matcher.name, "op": matcher.op.symbol(), "value": matcher.value })
    });
    json!({
        "id": silence.id, "matchers": matchers.collect::<Vec<_>>(),
        "starts_at_ms": silence.starts_ms, "ends_at_ms": silence.ends_ms,
        "created_by": silence.created_by, "comment": silence.comment,
        "state": silence.state(now_ms).name(),
    })
}

/// `created_by` may be sent and is not believed: it is whoever is signed in.
#[derive(Deserialize)]
struct Wish {
    matchers: Vec<WishedMatcher>,
    #[serde(default)]
    starts_at_ms: Option<Millis>,
    ends_at_ms: Millis,
    #[serde(default)]
    comment: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WishedMatcher {
    name: String,
    op: String,
    value: String,
}

impl WishedMatcher {
    fn ready(&self) -> Result<Matcher, ApiError> {
        let op = match self.op.as_str() {
            "=" => MatchOp::Equal,
            "!=" => MatchOp::NotEqual,
            "=~" => MatchOp::Matches,
            "!~" => MatchOp::MatchesNot,
            other => {
                let text = format!("`op` is =, !=, =~ or !~, not {other:?}");
                return Err(ApiError::bad_request(text));
            }
        };
        Matcher::new(self.name.clone(), op, self.value.clone())
            .map_err(|error| ApiError::bad_request(crate::describe(&error)))
    }
}

async fn silence(
    State(api): State<Arc<WebApi>>,
    Extension(who): Extension<Who>,
    Json(wish): Json<Wish>,
) -> Result<Json<Value>, ApiError> {
    may_act(&who)?;
    bounded("comment", &wish.comment)?;
    let now_ms = clock::now_ms();
    let matchers: Result<Vec<Matcher>, ApiError> =
        wish.matchers.iter().map(WishedMatcher::ready).collect();
    let wish = NewSilence {
        matchers: matchers?,
        starts_ms: wish.starts_at_ms.unwrap_or(now_ms),
        ends_ms: wish.ends_at_ms,
        created_by: who.name.clone(),
        comment: wish.comment.trim().to_owned(),
    };
    let silence = api.alerting.add_silence(wish, now_ms).await.map_err(wrong)?;
    let object = collector_alerting::matchers_text(&silence.matchers);
    sign_in::audit(&api, &who.name, "silence.create", &object, "done").await;
    api.forget_picture().await;
    Ok(Json(json!({ "id": silence.id })))
}

async fn expire(
    State(api): State<Arc<WebApi>>,
    Extension(who): Extension<Who>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    may_act(&who)?;
    api.alerting.expire_silence(&id, clock::now_ms()).await.map_err(wrong)?;
    sign_in::audit(&api, &who.name, "silence.expire", &id, "done").await;
    api.forget_picture().await;
    Ok(Json(json!({})))
}

/// Those that a newer one replaced before they were delivered are left out: the newer one tells all of it.
async fn notifications(State(api): State<Arc<WebApi>>) -> Result<Json<Value>, ApiError> {
    let records = api.alerting.notifications(NOTIFICATIONS_MAX).await.map_err(wrong)?;
    Ok(Json(records.iter().filter_map(shown_notification).collect()))
}

/// One that waits has failed when it was tried before.
pub(super) fn shown_state(state: OutboxState, last_error: &str) -> &'static str {
    match state {
        OutboxState::Waiting if last_error.is_empty() => "queued",
        OutboxState::Waiting => "failed",
        other => other.name(),
    }
}

pub(super) fn shown_notification(record: &NotificationRecord) -> Option<Value> {
    if record.state == OutboxState::Superseded {
        return None;
    }
    let state = shown_state(record.state, &record.last_error);
    Some(json!({
        "id": record.id, "receiver": record.receiver, "integration": record.integration,
        "alerts": record.alerts_firing + record.alerts_resolved,
        "status": if record.alerts_firing > 0 { "firing" } else { "resolved" },
        "state": state, "attempts": record.attempts, "created_at_ms": record.created_ms,
        "sent_at_ms": record.finished_ms.filter(|_| record.state == OutboxState::Sent),
        "last_error": Some(&record.last_error).filter(|error| !error.is_empty()),
        "fingerprints": record.fingerprints.iter().map(|one| fingerprint_text(*one)).collect::<Vec<_>>(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_severities_have_a_grade_and_none_is_not_harmless() {
        let of = |value: &'static str| severity(&Labels::new([("severity", value)]));
        assert_eq!((of("critical"), of("page"), of("warning")), ("critical", "critical", "medium"));
        assert_eq!((of("info"), severity(&Labels::empty())), ("info", "medium"));
    }
}
