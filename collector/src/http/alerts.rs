//! `/api/alerts`, `/api/notifications`: what is wrong, who was told. What people do about one alert is in `handling`.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use agent_model::{Labels, Millis};
use axum::extract::{Json, State};
use axum::http::HeaderName;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router, routing};
use collector_alerting::{
    Alert, AlertFilter, AlertSource, AlertState, AlertingError, NotificationRecord, OutboxState,
    fingerprint_text, label_map,
};
use rules::RuleKind;
use serde_json::{Value, json};

use crate::clock;
use crate::http::picture::DAY_MS;
use crate::http::{ApiError, WebApi, Who};

/// Alerts shown that resolved within the last day: in a storm there are thousands, and their history has them all.
const RESOLVED_MAX: usize = 500;

/// Says how many more resolved, where there are more.
const LEFT_OUT: HeaderName = HeaderName::from_static("x-haidang-left-out");

/// Notifications shown.
const NOTIFICATIONS_MAX: u32 = 200;

/// A note or a comment is a sentence or two.
const NOTE_CHARS_MAX: usize = 1_000;

pub(super) fn routes() -> Router<Arc<WebApi>> {
    Router::new()
        .route("/api/alerts", routing::get(list))
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
        AlertingError::ConfirmationRefused(_) => ApiError::conflict(error.to_string()),
        AlertingError::SilenceRefused(_)
        | AlertingError::LinkRefused(_)
        | AlertingError::DeedRefused(_)
        | AlertingError::SwapRefused(_)
        | AlertingError::ResendRefused(_) => ApiError::bad_request(error.to_string()),
        other => ApiError::internal("alerting does not answer", &other),
    }
}

/// Firing ones first, then pending ones, then those that resolved within a day.
async fn list(
    State(api): State<Arc<WebApi>>,
    Extension(who): Extension<Who>,
) -> Result<Response, ApiError> {
    let now_ms = clock::now_ms();
    let filter = AlertFilter { matchers: who.scope.matchers().to_vec(), ..AlertFilter::default() };
    let mut open = api.alerting.alerts(&filter, now_ms).await.map_err(wrong)?;
    open.sort_by_key(|status| order(status.alert.state));
    let known: HashSet<u64> = open.iter().map(|status| status.alert.fingerprint).collect();
    let (since_ms, scope) = (now_ms - DAY_MS, who.scope.matchers());
    let resolved = api.alerting.resolved(since_ms, scope, RESOLVED_MAX).await;
    let (resolved, left_out) = resolved.map_err(wrong)?;
    let lately = resolved.into_iter().filter(|alert| !known.contains(&alert.fingerprint));
    let waits = waits(&api);
    let mut shown: Vec<Value> = Vec::new();
    for status in &open {
        let muted = (!status.silenced_by.is_empty(), !status.inhibited_by.is_empty());
        let mut alert = shown_alert(&status.alert, muted);
        alert["fires_at_ms"] = fires_at_ms(&status.alert, &waits).into();
        shown.push(alert);
    }
    shown.extend(lately.map(|alert| shown_alert(&alert, (false, false))));
    let mut answer = Json(Value::from(shown)).into_response();
    if left_out > 0 {
        answer.headers_mut().insert(LEFT_OUT, left_out.into());
    }
    Ok(answer)
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
    let acknowledged = alert.acknowledgement.as_ref();
    json!({
        "fingerprint": fingerprint_text(alert.fingerprint),
        "name": alert.labels.get("alertname").unwrap_or_default(),
        "state": alert.state.name(),
        "severity": severity(&alert.labels),
        "labels": label_map(&alert.labels),
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

pub(super) fn bounded(name: &str, text: &str) -> Result<(), ApiError> {
    if text.chars().count() <= NOTE_CHARS_MAX {
        return Ok(());
    }
    Err(ApiError::bad_request(format!("`{name}` has at most {NOTE_CHARS_MAX} characters")))
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
