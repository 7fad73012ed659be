//! `/api/alerts/{fingerprint}` and below: one alert with its history, and what people do about it: take it, give it back,
//! assign it, comment on it, put it off.
//! Promises: each deed carries the name of who did it and stands in the alert's history and in the audit log.

use std::collections::BTreeSet;
use std::sync::Arc;

use agent_model::{Label, Matcher, Millis};
use axum::extract::{Json, Path, State};
use axum::{Extension, Router, routing};
use collector_alerting::{
    Alert, AlertFilter, AlertStatus, AlertingError, Deed, HistoryEntry, NewSilence,
    SEVERITY_LABELS, fingerprint_text, parse_fingerprint,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::alerts::{bounded, shown_alert, wrong};
use super::silences::{asker, refused};
use crate::clock;
use crate::done::Done;
use crate::http::audited::Changed;
use crate::http::{ApiError, WebApi, Who};
use crate::silencing;

/// Lines of an alert's history shown, over all its episodes.
const HISTORY_MAX: u32 = 200;

/// Putting an alert off for longer is a silence that should be made as one, with eyes open.
const PUT_OFF_MAX_MS: Millis = 7 * 86_400_000;

pub(super) fn routes() -> Router<Arc<WebApi>> {
    Router::new()
        .route("/api/alerts/{fingerprint}", routing::get(one))
        .route("/api/alerts/{fingerprint}/acknowledge", routing::post(acknowledge))
        .route("/api/alerts/{fingerprint}/give-back", routing::post(give_back))
        .route("/api/alerts/{fingerprint}/assign", routing::post(assign))
        .route("/api/alerts/{fingerprint}/comment", routing::post(comment))
        .route("/api/alerts/{fingerprint}/put-off", routing::post(put_off))
}

pub(super) fn fingerprint(text: &str) -> Result<u64, ApiError> {
    parse_fingerprint(text)
        .ok_or_else(|| ApiError::bad_request("a fingerprint has 16 hexadecimal digits"))
}

/// The alert of this fingerprint; for who does not see it, there is none.
async fn in_scope(api: &WebApi, who: &Who, text: &str) -> Result<AlertStatus, ApiError> {
    let found = api.alerting.alert(fingerprint(text)?, clock::now_ms()).await.map_err(wrong)?;
    found
        .filter(|found| who.scope.holds(&found.alert.labels))
        .ok_or_else(|| wrong(AlertingError::AlertUnknown(text.to_owned())))
}

async fn one(
    State(api): State<Arc<WebApi>>,
    Extension(who): Extension<Who>,
    Path(text): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let found = in_scope(&api, &who, &text).await?;
    let history =
        api.alerting.history(found.alert.fingerprint, HISTORY_MAX).await.map_err(wrong)?;
    let muted = (!found.silenced_by.is_empty(), !found.inhibited_by.is_empty());
    let mut shown = shown_alert(&found.alert, muted);
    shown["receivers"] = json!(found.receivers);
    shown["history"] = history.iter().map(shown_entry).collect();
    Ok(Json(shown))
}

pub(super) fn shown_entry(entry: &HistoryEntry) -> Value {
    json!({ "at_ms": entry.at_ms, "what": entry.state, "detail": entry.detail })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Acknowledge {
    #[serde(default)]
    note: String,
    #[serde(default)]
    until_ms: Option<Millis>,
}

async fn acknowledge(
    State(api): State<Arc<WebApi>>,
    Extension(who): Extension<Who>,
    Path(text): Path<String>,
    Json(given): Json<Acknowledge>,
) -> Changed {
    let note = words("note", &given.note)?;
    let deed = Deed::Acknowledge { note, until_ms: given.until_ms };
    done(&api, &who, &text, deed, "alert.acknowledge", "").await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Note {
    #[serde(default)]
    note: String,
}

async fn give_back(
    State(api): State<Arc<WebApi>>,
    Extension(who): Extension<Who>,
    Path(text): Path<String>,
    Json(given): Json<Note>,
) -> Changed {
    let deed = Deed::GiveBack { note: words("note", &given.note)? };
    done(&api, &who, &text, deed, "alert.give_back", "").await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Assign {
    /// A user's name; empty for nobody.
    to: String,
    #[serde(default)]
    note: String,
}

async fn assign(
    State(api): State<Arc<WebApi>>,
    Extension(who): Extension<Who>,
    Path(text): Path<String>,
    Json(given): Json<Assign>,
) -> Changed {
    let to = given.to.trim().to_owned();
    if !to.is_empty() {
        let found = api.inventory.user(&to).await;
        let found = found.map_err(|error| ApiError::internal("users cannot be read", &error))?;
        if found.is_none_or(|user| user.disabled) {
            let text =
                format!("there is no user {to:?} who may sign in; an administrator sees the list");
            return Err(ApiError::bad_request(text));
        }
    }
    let deed = Deed::Assign { to: to.clone(), note: words("note", &given.note)? };
    done(&api, &who, &text, deed, "alert.assign", &to).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Comment {
    text: String,
}

async fn comment(
    State(api): State<Arc<WebApi>>,
    Extension(who): Extension<Who>,
    Path(text): Path<String>,
    Json(given): Json<Comment>,
) -> Changed {
    let deed = Deed::Comment { text: words("text", &given.text)? };
    done(&api, &who, &text, deed, "alert.comment", "").await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PutOff {
    until_ms: Millis,
    #[serde(default)]
    note: String,
}

/// A silence for exactly this alert, so that everybody sees it where silences are, and may end it there.
async fn put_off(
    State(api): State<Arc<WebApi>>,
    Extension(who): Extension<Who>,
    Path(text): Path<String>,
    Json(given): Json<PutOff>,
) -> Changed {
    let now_ms = clock::now_ms();
    if given.until_ms > now_ms.saturating_add(PUT_OFF_MAX_MS) {
        let text = "an alert is put off for at most seven days; make a silence for more";
        return Err(ApiError::bad_request(text));
    }
    let found = in_scope(&api, &who, &text).await?;
    let wish = NewSilence {
        matchers: only_this(&api, &found.alert, now_ms).await?,
        starts_ms: now_ms,
        ends_ms: given.until_ms,
        created_by: who.name.clone(),
        comment: words("note", &given.note)?,
        is_wide: false,
    };
    let asker = asker(&api, &who).await?;
    let made = silencing::silence(&api.alerting, Some(&asker), None, wish, now_ms).await;
    let made = made.map_err(refused)?;
    let alert = fingerprint_text(found.alert.fingerprint);
    let object = format!("{alert}: silence {}", made.silence.id);
    let done = Done::with_outcome("alert.put_off", object, made.outcome());
    Ok((done, Json(json!({ "silence": made.silence.id, "waits_because": made.waits_because }))))
}

/// Its labels, and none of those that others of the same name have besides. The severity is left out where the hour changes it:
/// it would be heard of again when the hour comes.
async fn only_this(api: &WebApi, alert: &Alert, now_ms: Millis) -> Result<Vec<Matcher>, ApiError> {
    let routing = api.alerting.routing(now_ms).await.map_err(wrong)?;
    let changes = routing.changes_severity(&alert.given);
    let lasts = |name: &str| !(changes && SEVERITY_LABELS.contains(&name));
    let own = |label: &Label| Matcher::equal(label.name.as_ref(), label.value.as_ref());
    let lasting = alert.labels.iter().filter(|label| lasts(&label.name));
    let mut matchers: Vec<Matcher> = lasting.map(own).collect();
    let name = alert.labels.get("alertname").unwrap_or_default();
    let filter =
        AlertFilter { matchers: vec![Matcher::equal("alertname", name)], ..AlertFilter::default() };
    let others = api.alerting.alerts(&filter, now_ms).await.map_err(wrong)?;
    let names = others.iter().flat_map(|other| other.alert.labels.iter().map(|one| &one.name));
    let absent: BTreeSet<&str> = names
        .map(AsRef::as_ref)
        .filter(|name| alert.labels.get(name).is_none() && lasts(name))
        .collect();
    matchers.extend(absent.into_iter().map(|name| Matcher::equal(name, "")));
    Ok(matchers)
}

fn words(name: &str, text: &str) -> Result<String, ApiError> {
    bounded(name, text)?;
    Ok(text.trim().to_owned())
}

async fn done(
    api: &WebApi,
    who: &Who,
    text: &str,
    deed: Deed,
    action: &'static str,
    object: &str,
) -> Changed {
    let found = fingerprint(text)?;
    if !who.scope.is_everything() {
        in_scope(api, who, text).await?;
    }
    let kept = api.alerting.act(found, &who.name, deed, clock::now_ms()).await.map_err(wrong)?;
    // Whatever it was called: the log names it as the history does.
    let text = fingerprint_text(kept);
    let object = if object.is_empty() { text } else { format!("{text}: {object}") };
    Ok((Done::to(action, object), Json(json!({}))))
}
