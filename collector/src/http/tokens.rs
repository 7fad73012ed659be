//! `POST /api/tokens`: an enrolment token for a new host.

use std::sync::Arc;

use agent_model::HostId;
use axum::Extension;
use axum::extract::{Json, State};
use serde::Deserialize;

use crate::done::Done;
use crate::http::audited::Changed;
use crate::http::{ApiError, WebApi, Who};
use crate::{clock, token};

/// A token lies in a chat or a shell history meanwhile.
const LIFETIME_SECONDS_MAX: u64 = 30 * 86_400;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    #[serde(default)]
    host: Option<String>,
    lifetime_seconds: u64,
}

pub(super) async fn create(
    State(api): State<Arc<WebApi>>,
    Extension(who): Extension<Who>,
    Json(asked): Json<Asked>,
) -> Changed {
    let host =
        asked.host.filter(|host| !host.is_empty()).map(|host| HostId::new(&host)).transpose();
    let host = host.map_err(|error| ApiError::bad_request(error.to_string()))?;
    if asked.lifetime_seconds == 0 || asked.lifetime_seconds > LIFETIME_SECONDS_MAX {
        let text = format!("lifetime_seconds lies between 1 and {LIFETIME_SECONDS_MAX}");
        return Err(ApiError::bad_request(text));
    }
    let lifetime_ms = i64::try_from(asked.lifetime_seconds * 1_000).unwrap_or(i64::MAX);
    let made =
        api.inventory.token_create(host.as_ref(), lifetime_ms, &who.name, clock::now_ms()).await;
    let secret = made.map_err(|error| ApiError::internal("the token cannot be stored", &error))?;
    let object = host.as_ref().map_or("any host", HostId::as_str);
    let done = Done::to("token.create", object);
    let token = token::token_text(&api.authority.ca_fingerprint(), &secret);
    let name = host.as_ref().map(|host| format!(" --host {host}")).unwrap_or_default();
    let port = api.agents_port;
    let command = format!("haidang-agent enrol --collector COLLECTOR:{port} --token {token}{name}");
    Ok((done, Json(serde_json::json!({ "token": token, "command": command }))))
}
