//! `/api/history/lives` and `/api/history/summary`: when alerts fired and how long people took, kept for 400 days.

use std::sync::Arc;

use agent_model::Millis;
use axum::extract::{Json, Query, State};
use axum::{Router, routing};
use collector_alerting::{Lives, fingerprint_text, matchers_from_text};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::clock;
use crate::http::alerts::wrong;
use crate::http::picture::DAY_MS;
use crate::http::{ApiError, WebApi};

/// What is looked at where nobody says: a month.
const DAYS: i64 = 30;

/// Lives shown; a summary counts all.
const SHOWN_MAX: usize = 1_000;

pub(super) fn routes() -> Router<Arc<WebApi>> {
    Router::new()
        .route("/api/history/lives", routing::get(lives))
        .route("/api/history/summary", routing::get(summary))
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
}

async fn found(api: &WebApi, wish: &Wish) -> Result<Lives, ApiError> {
    let to_ms = wish.to_ms.unwrap_or_else(clock::now_ms);
    let from_ms = wish.from_ms.unwrap_or(to_ms - DAYS * DAY_MS);
    let matchers = match wish.matchers.trim() {
        "" => Vec::new(),
        text => matchers_from_text(text).map_err(ApiError::bad_request)?,
    };
    api.alerting.lives(from_ms, to_ms, &matchers).await.map_err(wrong)
}

async fn lives(
    State(api): State<Arc<WebApi>>,
    Query(wish): Query<Wish>,
) -> Result<Json<Value>, ApiError> {
    let found = found(&api, &wish).await?;
    let shown = found.lives.iter().take(SHOWN_MAX).map(|life| {
        let labels = life.labels.iter();
        let labels: serde_json::Map<String, Value> =
            labels.map(|label| (label.name.to_string(), label.value.as_ref().into())).collect();
        json!({
            "fingerprint": fingerprint_text(life.fingerprint), "labels": labels,
            "fired_at_ms": life.fired_ms, "acknowledged_at_ms": life.acknowledged_ms,
            "resolved_at_ms": life.resolved_ms,
        })
    });
    let shown: Vec<Value> = shown.collect();
    let left_out = found.lives.len() - shown.len();
    Ok(Json(json!({ "lives": shown, "left_out": left_out, "cut": found.cut })))
}

async fn summary(
    State(api): State<Arc<WebApi>>,
    Query(wish): Query<Wish>,
) -> Result<Json<Value>, ApiError> {
    let found = found(&api, &wish).await?;
    let by = wish.by.as_deref().unwrap_or("alertname");
    let rows = found.by(by).into_iter().map(|one| {
        json!({
            "value": one.value, "fired": one.fired, "acknowledged": one.acknowledged,
            "resolved": one.resolved, "mean_to_acknowledge_ms": one.mean_to_acknowledge_ms,
            "mean_to_resolve_ms": one.mean_to_resolve_ms,
        })
    });
    Ok(Json(json!({ "by": by, "rows": rows.collect::<Vec<_>>(), "cut": found.cut })))
}
