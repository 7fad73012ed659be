//! `/api/channels`, `/api/receivers/…/test`, `/api/dead-letters`: whether the ways to people work, and what they did not take.
//! Promises: what a person does carries their name and stands in the audit log, with what came of it.

use std::sync::Arc;

use axum::extract::{Json, Path, State};
use axum::{Extension, Router, routing};
use collector_alerting::ChannelStatus;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::clock;
use crate::done::Done;
use crate::http::alerts::{shown_notification, wrong};
use crate::http::audited::Changed;
use crate::http::{ApiError, WebApi, Who};

/// Dead letters shown; what is beyond is counted by channel.
const DEAD_LETTERS_MAX: u32 = 500;

pub(super) fn routes() -> Router<Arc<WebApi>> {
    Router::new()
        .route("/api/channels", routing::get(channels))
        .route("/api/receivers/{name}/test", routing::post(test))
        .route("/api/dead-letters", routing::get(dead_letters))
        .route("/api/dead-letters/{id}/resend", routing::post(resend))
        .route("/api/dead-letters/{id}/dismiss", routing::post(dismiss))
}

async fn channels(State(api): State<Arc<WebApi>>) -> Result<Json<Value>, ApiError> {
    let channels = api.alerting.channels(clock::now_ms()).await.map_err(wrong)?;
    Ok(Json(channels.iter().map(shown_channel).collect()))
}

fn shown_channel(channel: &ChannelStatus) -> Value {
    let state = match (channel.failing_since_ms, channel.last_success_ms) {
        (Some(_), _) => "failing",
        (None, Some(_)) => "working",
        (None, None) => "unused",
    };
    json!({
        "receiver": channel.receiver.as_ref(),
        "integration": channel.integration.as_ref(),
        "state": state,
        "failing_since_ms": channel.failing_since_ms,
        "last_success_ms": channel.last_success_ms,
        "last_attempt_ms": channel.last_attempt_ms,
        "tested_at_ms": channel.tested_ms,
        "held_until_ms": channel.held_until_ms,
        "last_error": (!channel.last_error.is_empty()).then_some(&channel.last_error),
        "waiting": channel.waiting,
        "limited": channel.limited,
        "dead": channel.dead,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Test {
    /// A kind (`email`) or one of them (`email/1`); without it every one.
    #[serde(default)]
    integration: Option<String>,
}

async fn test(
    State(api): State<Arc<WebApi>>,
    Extension(who): Extension<Who>,
    Path(receiver): Path<String>,
    Json(wish): Json<Test>,
) -> Changed {
    let wanted = wish.integration.as_deref();
    let tests = api.alerting.test_receiver(&receiver, wanted, &who.name, clock::now_ms()).await;
    let tests = tests.map_err(wrong)?;
    let failed: Vec<&str> = tests
        .iter()
        .filter(|test| test.error.is_some())
        .map(|test| test.integration.as_ref())
        .collect();
    let outcome = match failed.as_slice() {
        [] => "done".to_owned(),
        failed => format!("failed: {}", failed.join(", ")),
    };
    let done = Done::with_outcome("notification.test", receiver, outcome);
    let shown = tests.iter().map(|test| {
        json!({
            "receiver": test.receiver.as_ref(),
            "integration": test.integration.as_ref(),
            "delivered": test.error.is_none(),
            "error": test.error,
        })
    });
    Ok((done, Json(shown.collect())))
}

async fn dead_letters(State(api): State<Arc<WebApi>>) -> Result<Json<Value>, ApiError> {
    let letters = api.alerting.dead_letters(DEAD_LETTERS_MAX).await.map_err(wrong)?;
    Ok(Json(letters.iter().filter_map(shown_notification).collect()))
}

async fn resend(State(api): State<Arc<WebApi>>, Path(id): Path<String>) -> Changed {
    let fresh = api.alerting.resend(&id, clock::now_ms()).await.map_err(wrong)?;
    Ok((Done::to("notification.resend", id), Json(json!({ "id": fresh }))))
}

async fn dismiss(State(api): State<Arc<WebApi>>, Path(id): Path<String>) -> Changed {
    api.alerting.dismiss(&id, clock::now_ms()).await.map_err(wrong)?;
    Ok((Done::to("notification.dismiss", id), Json(json!({}))))
}
