//! `GET /api/hosts`, `GET /api/hosts/{id}`, `POST /api/hosts/{id}/revoke`: the watched machines.
//! Revoked hosts are asked for by their id; the list has those that may report, and those only written down.

use std::sync::Arc;

use agent_model::{HostId, Millis};
use axum::extract::{Json, Path, State};
use axum::{Extension, Router, routing};
use collector_inventory::{HostGap, HostProbe, HostState};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::clock;
use crate::done::Done;
use crate::http::audited::Changed;
use crate::http::gauges::{self, Filesystem};
use crate::http::picture::Host;
use crate::http::{ApiError, WebApi, Who};

/// Gap records read to find those of one host.
const GAPS_READ_MAX: u32 = 10_000;

/// Gap records shown of one host.
const GAPS_MAX: usize = 100;

/// A reason is a sentence.
const REASON_CHARS_MAX: usize = 500;

pub(super) fn routes() -> Router<Arc<WebApi>> {
    Router::new()
        .route("/api/hosts", routing::get(list))
        .route("/api/hosts/{id}", routing::get(one))
        .route("/api/hosts/{id}/revoke", routing::post(revoke))
}

async fn list(
    State(api): State<Arc<WebApi>>,
    Extension(who): Extension<Who>,
) -> Result<Json<Value>, ApiError> {
    let picture = api.picture().await?;
    let hosts = picture.hosts.iter();
    let seen = hosts.filter(|host| who.scope.holds(&api.query.labels_of(host.id.as_str())));
    Ok(Json(seen.map(shown).collect()))
}

async fn one(
    State(api): State<Arc<WebApi>>,
    Extension(who): Extension<Who>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let id = HostId::new(&id).map_err(|error| ApiError::bad_request(error.to_string()))?;
    if !who.scope.holds(&api.query.labels_of(id.as_str())) {
        return Err(ApiError::not_found(format!("there is no host {id}")));
    }
    let now_ms = clock::now_ms();
    let detail = api.inventory.host(&id).await;
    let detail = detail.map_err(|error| ApiError::internal("the host cannot be read", &error))?;
    let picture = api.picture().await?;
    let host = picture.hosts.iter().find(|host| host.id == id);
    let mut answer = match (host, &detail) {
        (Some(host), _) => shown(host),
        (None, Some(detail)) => {
            let summary = &detail.summary;
            json!({
                "id": id.as_str(), "state": "unknown", "last_report_ms": summary.last_report_ms,
                "clock_offset_ms": summary.clock_offset_ms, "agent_version": summary.agent_version,
                "alerts": 0,
            })
        }
        (None, None) => return Err(ApiError::not_found(format!("there is no host {id}"))),
    };
    let facts = detail.iter().flat_map(|detail| &detail.facts);
    let facts: serde_json::Map<String, Value> =
        facts.map(|fact| (fact.name.clone(), fact.value.clone().into())).collect();
    let revoked = detail.is_some_and(|detail| detail.summary.state == HostState::Revoked);
    answer["facts"] = facts.into();
    answer["revoked"] = revoked.into();
    answer["gaps"] = gaps(&api, &id).await?;
    answer["probes"] = probes(&api, &id).await?;
    let filesystems = gauges::filesystems(&api.query, &id, now_ms).await?;
    answer["filesystems"] = filesystems.iter().map(shown_filesystem).collect();
    Ok(Json(answer))
}

pub(super) fn shown(host: &Host) -> Value {
    let summary = host.summary.as_ref();
    let reported = summary.filter(|summary| summary.last_report_ms.is_some());
    json!({
        "id": host.id.as_str(),
        "site": host.site, "unit": host.unit, "role": host.role,
        "state": host.state.name(),
        "last_report_ms": summary.and_then(|summary| summary.last_report_ms),
        "clock_offset_ms": reported.map(|summary| summary.clock_offset_ms),
        "agent_version": reported.map(|summary| &summary.agent_version),
        "certificate_expiry_ms": summary.and_then(|summary| summary.certificate_expiry_ms),
        "alerts": host.alerts,
        "cpu_ratio": host.gauges.cpu_ratio, "memory_ratio": host.gauges.memory_ratio,
        "disk_ratio": host.gauges.disk_ratio, "load1": host.gauges.load1,
        "uptime_seconds": host.gauges.uptime_seconds,
    })
}

async fn gaps(api: &WebApi, id: &HostId) -> Result<Value, ApiError> {
    let gaps = api.inventory.gaps(GAPS_READ_MAX).await;
    let gaps = gaps.map_err(|error| ApiError::internal("gap records cannot be read", &error))?;
    let of_host = gaps.into_iter().filter(|gap| gap.host == *id).take(GAPS_MAX);
    let shown = of_host.map(|HostGap { gap, .. }| {
        json!({
            "stream": gap.stream.name(), "reason": gap.reason.name(), "from_ms": gap.from_ms,
            "to_ms": gap.to_ms, "samples": gap.samples, "events": gap.events,
            "reports": gap.reports(),
        })
    });
    Ok(shown.collect())
}

async fn probes(api: &WebApi, id: &HostId) -> Result<Value, ApiError> {
    let probes = api.inventory.probe_results().await;
    let probes = probes.map_err(|error| ApiError::internal("probes cannot be read", &error))?;
    let of_host = probes.into_iter().filter(|probe| probe.host == *id);
    let shown = of_host.map(|HostProbe { result, .. }| {
        json!({
            "probe": result.probe, "kind": result.kind.name(), "target": result.target,
            "success": result.success, "time_ms": result.time_ms,
            "http_status": result.http_status,
            "certificate_expiry_ms": result.certificate_expiry_ms,
            "failure": Some(result.failure).filter(|failure| !failure.is_empty()),
        })
    });
    Ok(shown.collect())
}

fn shown_filesystem(found: &Filesystem) -> Value {
    let label = |name: &str| found.labels.get(name).unwrap_or_default();
    json!({
        "mountpoint": label("mountpoint"), "device": label("device"), "fstype": label("fstype"),
        "size_bytes": found.size_bytes, "avail_bytes": found.avail_bytes,
        "read_only": found.read_only,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Revoke {
    reason: String,
}

async fn revoke(
    State(api): State<Arc<WebApi>>,
    Path(id): Path<String>,
    Json(given): Json<Revoke>,
) -> Changed {
    let id = HostId::new(&id).map_err(|error| ApiError::bad_request(error.to_string()))?;
    let reason = given.reason.trim();
    if reason.is_empty() || reason.chars().count() > REASON_CHARS_MAX {
        let text = format!("`reason` has 1 to {REASON_CHARS_MAX} characters");
        return Err(ApiError::bad_request(text));
    }
    let now_ms: Millis = clock::now_ms();
    let wrong = |error| ApiError::internal("the host cannot be revoked", &error);
    if api.inventory.host(&id).await.map_err(wrong)?.is_none() {
        return Err(ApiError::not_found(format!("there is no host {id}")));
    }
    let revoked = api.inventory.revoke(&id, reason, now_ms).await.map_err(wrong)?;
    Ok((Done::to("host.revoke", id.as_str()), Json(json!({ "certificates": revoked.len() }))))
}
