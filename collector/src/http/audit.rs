//! `/api/audit` and `/api/audit/verify`: who did what, and whether the log of it is what it was. For administrators and
//! auditors. Leaves to others: the chain (inventory), and writing the log (whoever acts).

use std::sync::Arc;

use axum::extract::{Json, Query, State};
use axum::{Router, routing};
use collector_inventory::{AuditBreak, Noted};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::http::{ApiError, WebApi};

/// Entries in one answer.
const ENTRIES_MAX: u32 = 1_000;

pub(super) fn routes() -> Router<Arc<WebApi>> {
    Router::new()
        .route("/api/audit", routing::get(list))
        .route("/api/audit/verify", routing::get(verify))
}

#[derive(Deserialize)]
struct Page {
    limit: Option<u32>,
    before: Option<u64>,
}

async fn list(
    State(api): State<Arc<WebApi>>,
    Query(page): Query<Page>,
) -> Result<Json<Value>, ApiError> {
    let limit = page.limit.unwrap_or(100).clamp(1, ENTRIES_MAX);
    let entries = api.inventory.audit(page.before, limit).await;
    let entries =
        entries.map_err(|error| ApiError::internal("the audit log cannot be read", &error))?;
    let shown = entries.into_iter().map(|numbered| {
        let entry = numbered.entry;
        json!({
            "number": numbered.number, "time_ms": entry.time_ms, "who": entry.who,
            "action": entry.action, "object": entry.object, "outcome": entry.outcome,
            "seal": numbered.seal,
        })
    });
    Ok(Json(shown.collect()))
}

/// An entry whose number and seal were noted; both or neither.
#[derive(Deserialize)]
struct Known {
    number: Option<u64>,
    seal: Option<String>,
}

async fn verify(
    State(api): State<Arc<WebApi>>,
    Query(known): Query<Known>,
) -> Result<Json<Value>, ApiError> {
    let noted = match (known.number, &known.seal) {
        (Some(number), Some(seal)) => Some((number, seal.as_str())),
        (None, None) => None,
        _ => return Err(ApiError::bad_request("`number` and `seal` belong together")),
    };
    let found = api.inventory.verify_audit(noted).await;
    let found =
        found.map_err(|error| ApiError::internal("the audit log cannot be verified", &error))?;
    let broken = found.broken.map(|broken| match broken {
        AuditBreak::Changed { number } => json!({ "number": number, "what": "changed" }),
        AuditBreak::Missing { number } => json!({ "number": number, "what": "missing" }),
    });
    let noted = found.noted.map(|noted| match noted {
        Noted::Same => "same",
        Noted::Different => "different",
        Noted::Absent => "absent",
    });
    Ok(Json(json!({
        "entries": found.entries, "first": found.first, "last": found.last, "seal": found.seal,
        "broken": broken, "noted": noted,
    })))
}
