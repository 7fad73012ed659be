//! `/api/history/…`: when alerts fired and what happened in each life, how long people took, and the week's alerts against the
//! budget; kept for 400 days.

use std::sync::Arc;

use agent_model::Millis;
use axum::extract::{Json, Path, Query, State};
use axum::{Extension, Router, routing};
use collector_alerting::{
    LIVES_MAX, Life, LifeKey, LivesAsked, Tallies, Tally, Telling, fingerprint_text, label_map,
    matchers_from_text, matchers_text,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::handling::{fingerprint, shown_entry};
use crate::clock;
use crate::http::alerts::{shown_state, wrong};
use crate::http::picture::DAY_MS;
use crate::http::{ApiError, WebApi, Who};

/// What is looked at where nobody says: a month.
const DAYS: i64 = 30;

/// Lives shown where nobody says; behind the last of them the next are asked for.
const SHOWN: usize = 200;

/// Budgets can be told as far back as the history is kept.
const WEEKS_AGO_MAX: u32 = 56;

pub(super) fn routes() -> Router<Arc<WebApi>> {
    Router::new()
        .route("/api/history/lives", routing::get(lives))
        .route("/api/history/lives/{fingerprint}/{fired_at_ms}", routing::get(life))
        .route("/api/history/summary", routing::get(summary))
        .route("/api/history/budget", routing::get(budget))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    #[serde(default)]
    from_ms: Option<Millis>,
    #[serde(default)]
    to_ms: Option<Millis>,
    /// `{host="a",severity=~"critical|high"}`, with or without the braces.
    #[serde(default)]
    matchers: String,
    /// The label to sum up by.
    #[serde(default)]
    by: Option<String>,
    /// What the last answer said, for the lives that come behind it.
    #[serde(default)]
    older_than: Option<String>,
    #[serde(default)]
    limit: Option<usize>,
}

impl Wish {
    /// What was asked for, within what who asks may see.
    fn asked(&self, who: &Who) -> Result<LivesAsked, ApiError> {
        let to_ms = self.to_ms.unwrap_or_else(clock::now_ms);
        let from_ms = self.from_ms.unwrap_or(to_ms.saturating_sub(DAYS * DAY_MS));
        let mut matchers = match self.matchers.trim() {
            "" => Vec::new(),
            text => matchers_from_text(text).map_err(ApiError::bad_request)?,
        };
        matchers.extend_from_slice(who.scope.matchers());
        Ok(LivesAsked { from_ms, to_ms, matchers })
    }
}

async fn lives(
    State(api): State<Arc<WebApi>>,
    Extension(who): Extension<Who>,
    Query(wish): Query<Wish>,
) -> Result<Json<Value>, ApiError> {
    let limit = wish.limit.unwrap_or(SHOWN);
    if !(1..=LIVES_MAX).contains(&limit) {
        return Err(ApiError::bad_request(format!("`limit` is from 1 to {LIVES_MAX}")));
    }
    let after = wish.older_than.as_deref().map(key_from_text).transpose()?;
    let found = api.alerting.lives(&wish.asked(&who)?, after, limit).await.map_err(wrong)?;
    let last = found.lives.last().filter(|_| found.more).map(|life| key_text(life.key()));
    let shown: Vec<Value> = found.lives.iter().map(shown_life).collect();
    Ok(Json(json!({ "lives": shown, "older_than": last })))
}

/// A place in the list, to be given back as it is.
fn key_text(key: LifeKey) -> String {
    format!("{}/{}", fingerprint_text(key.fingerprint), key.fired_ms)
}

fn key_from_text(text: &str) -> Result<LifeKey, ApiError> {
    let wrong = || ApiError::bad_request("`older_than` is what the last answer said");
    let (alert, fired) = text.split_once('/').ok_or_else(wrong)?;
    Ok(LifeKey { fingerprint: fingerprint(alert)?, fired_ms: fired.parse().map_err(|_| wrong())? })
}

fn shown_life(life: &Life) -> Value {
    json!({
        "fingerprint": fingerprint_text(life.fingerprint), "labels": label_map(&life.labels),
        "pending_at_ms": life.active_since_ms, "fired_at_ms": life.fired_ms,
        "acknowledged_at_ms": life.acknowledged_ms, "resolved_at_ms": life.resolved_ms,
        "told": life.was_told,
    })
}

async fn life(
    State(api): State<Arc<WebApi>>,
    Extension(who): Extension<Who>,
    Path((alert, fired_ms)): Path<(String, Millis)>,
) -> Result<Json<Value>, ApiError> {
    let key = LifeKey { fingerprint: fingerprint(&alert)?, fired_ms };
    let story = api.alerting.life(key, clock::now_ms()).await.map_err(wrong)?;
    let story = story.filter(|story| who.scope.holds(&story.life.labels)).ok_or_else(|| {
        ApiError::not_found(format!(
            "no alert {alert} fired at {fired_ms}; lives are kept 400 days"
        ))
    })?;
    let silences = story.silences.iter().map(|silence| {
        json!({
            "id": silence.id, "matchers": matchers_text(&silence.matchers),
            "starts_at_ms": silence.starts_ms, "ends_at_ms": silence.ends_ms,
            "created_by": silence.created_by, "comment": silence.comment,
        })
    });
    let mut shown = shown_life(&story.life);
    shown["silences"] = silences.collect();
    shown["changes"] = story.changes.iter().map(shown_entry).collect();
    shown["notifications"] = story.tellings.iter().map(shown_telling).collect();
    shown["cut"] = story.cut.into();
    Ok(Json(shown))
}

fn shown_telling(telling: &Telling) -> Value {
    json!({
        "id": telling.notification, "receiver": telling.receiver,
        "integration": telling.integration, "is_end": telling.is_end,
        "state": shown_state(telling.state, &telling.last_error), "created_at_ms": telling.created_ms,
        "finished_at_ms": telling.finished_ms, "attempts": telling.attempts,
        "last_error": telling.last_error,
    })
}

async fn summary(
    State(api): State<Arc<WebApi>>,
    Extension(who): Extension<Who>,
    Query(wish): Query<Wish>,
) -> Result<Json<Value>, ApiError> {
    let by = wish.by.as_deref().unwrap_or("alertname");
    let found =
        api.alerting.tallies(&wish.asked(&who)?, &[by], clock::now_ms()).await.map_err(wrong)?;
    let mut shown = json!({ "by": by, "rows": [], "all": {} });
    if let Some(tallies) = found.first() {
        shown["rows"] = shown_rows(tallies);
        shown["all"] = shown_tally(&tallies.all);
        shown["left_out"] = tallies.left_out.into();
    }
    Ok(Json(shown))
}

fn shown_rows(tallies: &Tallies) -> Value {
    let rows = tallies.values.iter().map(|(value, tally)| {
        let mut row = shown_tally(tally);
        row["value"] = value.as_str().into();
        row
    });
    rows.collect()
}

fn shown_tally(tally: &Tally) -> Value {
    json!({
        "fired": tally.fired, "told": tally.told, "fleeting": tally.fleeting,
        "acknowledged": tally.acknowledged, "resolved": tally.resolved,
        "mean_to_acknowledge_ms": tally.mean_to_acknowledge_ms(),
        "mean_to_resolve_ms": tally.mean_to_resolve_ms(),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BudgetWish {
    #[serde(default)]
    weeks_ago: u32,
}

/// The week's alerts: all and the parts of the budget, then by rule and by service.
async fn budget(
    State(api): State<Arc<WebApi>>,
    Query(wish): Query<BudgetWish>,
) -> Result<Json<Value>, ApiError> {
    if wish.weeks_ago > WEEKS_AGO_MAX {
        return Err(ApiError::bad_request(format!("`weeks_ago` is at most {WEEKS_AGO_MAX}")));
    }
    let now_ms = clock::now_ms();
    let week = api.alerting.budget(wish.weeks_ago, now_ms).await.map_err(wrong)?;
    let asked = LivesAsked { from_ms: week.from_ms, to_ms: week.to_ms, matchers: Vec::new() };
    let by = api.alerting.tallies(&asked, &["alertname", "service"], now_ms).await;
    let by = by.map_err(wrong)?;
    let parts = week.parts.iter().map(|part| {
        let mut shown = shown_tally(&part.tally);
        shown["name"] = part.name.as_str().into();
        shown["matchers"] = part.matchers.as_str().into();
        shown["per_week"] = part.per_week.into();
        shown
    });
    Ok(Json(json!({
        "from_ms": week.from_ms, "to_ms": week.to_ms, "fleeting_within_ms": week.fleeting_ms,
        "parts": parts.collect::<Vec<_>>(),
        "rules": by.first().map(shown_rows), "services": by.get(1).map(shown_rows),
    })))
}
