//! `targets`: hosts report by themselves, so each enrolled host stands here as what would be scraped.

use std::sync::Arc;

use axum::extract::State;
use serde_json::{Value, json};

use super::answer::{Answer, Failure, success};
use super::parameters::Parameters;
use super::rules::time_text;
use crate::http::WebApi;
use crate::http::picture::{Host, Shown};

/// The only pool there is.
const POOL: &str = "agents";

pub(super) async fn targets(State(api): State<Arc<WebApi>>, parameters: Parameters) -> Answer {
    let state = parameters.get("state").unwrap_or("any");
    if !matches!(state, "any" | "active" | "dropped") {
        return Err(Failure::parameter("state", format!("unknown state {state:?}")));
    }
    let wanted = parameters.get("scrapePool").is_none_or(|pool| pool == POOL);
    let mut active: Vec<Value> = Vec::new();
    if state != "dropped" && wanted {
        let picture = api.picture().await;
        let picture = picture.map_err(|error| Failure::internal(format!("{error:?}")))?;
        active.extend(picture.hosts.iter().map(shown));
    }
    success(&json!({
        "activeTargets": active,
        "droppedTargets": [],
        "droppedTargetCounts": { POOL: 0 },
    }))
}

fn shown(host: &Host) -> Value {
    let id = host.id.as_str();
    let last_ms = host.summary.as_ref().and_then(|summary| summary.last_report_ms);
    let (health, error) = match host.state {
        Shown::Up => ("up", ""),
        Shown::Down => ("down", "the host does not report"),
        Shown::Unknown | Shown::Planned => ("unknown", ""),
    };
    json!({
        "discoveredLabels": { "__address__": id, "job": "node" },
        "labels": { "host": id, "instance": id, "job": "node" },
        "scrapePool": POOL,
        // Nothing is fetched: the host's agent sends.
        "scrapeUrl": format!("agent://{id}"),
        "globalUrl": format!("agent://{id}"),
        "lastError": error,
        "lastScrape": time_text(last_ms.unwrap_or(0)),
        "lastScrapeDuration": 0,
        "health": health,
        "scrapeInterval": "15s",
        "scrapeTimeout": "15s",
    })
}
