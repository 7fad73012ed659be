//! `/api/v2/status` and `/api/v2/receivers`: what runs here, by which configuration.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::Manager;
use super::answer::{Refusal, time};
use crate::clock;

/// There is no cluster: the pair of collectors is none in Alertmanager's sense.
pub(super) async fn status(State(manager): State<Arc<Manager>>) -> Result<Json<Value>, Refusal> {
    let routing = manager.alerting.routing(clock::now_ms()).await?;
    Ok(Json(json!({
        "cluster": { "peers": [], "status": "disabled" },
        "config": { "original": routing.written() },
        "uptime": time(manager.started_ms),
        "versionInfo": {
            "branch": "", "buildDate": "", "buildUser": "", "goVersion": "", "revision": "",
            "version": env!("CARGO_PKG_VERSION"),
        },
    })))
}

pub(super) async fn receivers(State(manager): State<Arc<Manager>>) -> Result<Json<Value>, Refusal> {
    let routing = manager.alerting.routing(clock::now_ms()).await?;
    let names = routing.receivers().iter().map(|receiver| json!({ "name": *receiver.name }));
    Ok(Json(names.collect()))
}
