//! `/api/on-call`: who is on duty, and swaps.
//! Promises: a swap carries the name of who made it and stands in the audit log.

use std::sync::Arc;

use agent_model::Millis;
use axum::extract::{Json, Path, Query, State};
use axum::{Extension, Router, routing};
use collector_alerting::{DutyStretch, NewSwap, RosterStatus, Swap};
use serde::Deserialize;
use serde_json::{Value, json};

use super::alerts::{bounded, wrong};
use crate::clock;
use crate::done::Done;
use crate::http::audited::Changed;
use crate::http::picture::DAY_MS;
use crate::http::{ApiError, WebApi, Who};

pub(super) fn routes() -> Router<Arc<WebApi>> {
    Router::new()
        .route("/api/on-call", routing::get(list))
        .route("/api/on-call/swaps", routing::post(swap))
        .route("/api/on-call/swaps/{id}", routing::delete(unswap))
}

#[derive(Deserialize)]
struct Outlook {
    /// A month at most.
    days: Option<u16>,
}

async fn list(
    State(api): State<Arc<WebApi>>,
    Query(outlook): Query<Outlook>,
) -> Result<Json<Value>, ApiError> {
    let outlook_ms = Millis::from(outlook.days.unwrap_or(7)) * DAY_MS;
    let rosters = api.alerting.on_call(clock::now_ms(), outlook_ms).await.map_err(wrong)?;
    Ok(Json(rosters.iter().map(shown).collect()))
}

fn shown(status: &RosterStatus) -> Value {
    json!({
        "roster": status.roster, "people": status.people,
        "stretches": status.stretches.iter().map(shown_stretch).collect::<Vec<_>>(),
        "swaps": status.swaps.iter().map(shown_swap).collect::<Vec<_>>(),
    })
}

fn shown_stretch(stretch: &DutyStretch) -> Value {
    json!({
        "from_ms": stretch.from_ms, "until_ms": stretch.until_ms,
        "people": stretch.duty.people, "by": stretch.duty.by.name(),
    })
}

fn shown_swap(swap: &Swap) -> Value {
    json!({
        "id": swap.id, "person": swap.person, "from_ms": swap.from_ms, "until_ms": swap.until_ms,
        "made_by": swap.made_by, "made_ms": swap.made_ms, "note": swap.note,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    roster: String,
    person: String,
    #[serde(default)]
    from_ms: Option<Millis>,
    until_ms: Millis,
    #[serde(default)]
    note: String,
}

async fn swap(
    State(api): State<Arc<WebApi>>,
    Extension(who): Extension<Who>,
    Json(wish): Json<Wish>,
) -> Changed {
    bounded("note", &wish.note)?;
    let now_ms = clock::now_ms();
    let wish = NewSwap {
        roster: wish.roster,
        person: wish.person,
        from_ms: wish.from_ms.unwrap_or(now_ms),
        until_ms: wish.until_ms,
        made_by: who.name.clone(),
        note: wish.note.trim().to_owned(),
    };
    let swap = api.alerting.add_swap(wish, now_ms).await.map_err(wrong)?;
    let (from, until) = (instant(swap.from_ms), instant(swap.until_ms));
    let object = format!("{}: {} {from} to {until}, {}", swap.roster, swap.person, swap.id);
    Ok((Done::to("on_call.swap", object), Json(json!({ "id": swap.id }))))
}

fn instant(at_ms: Millis) -> String {
    jiff::Timestamp::from_millisecond(at_ms).map_or_else(|_| at_ms.to_string(), |at| at.to_string())
}

async fn unswap(State(api): State<Arc<WebApi>>, Path(id): Path<String>) -> Changed {
    api.alerting.remove_swap(&id, clock::now_ms()).await.map_err(wrong)?;
    Ok((Done::to("on_call.unswap", id), Json(json!({}))))
}
