//! `GET /api/overview` and `GET /api/status`: the whole on one screen, and what to do about it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use collector_inventory::config::{InventoryConfig, Reason, SiteType};
use serde_json::{Value, json};

use crate::http::alerts::severity;
use crate::http::backups::BackupState;
use crate::http::picture::{Picture, Shown, is_loud};
use crate::http::{ApiError, WebApi, status};

/// `GET /api/overview`
pub(super) async fn overview(State(api): State<Arc<WebApi>>) -> Result<Json<Value>, ApiError> {
    let picture = api.picture().await?;
    Ok(Json(shown(&picture)))
}

/// `GET /api/status`
pub(super) async fn status(State(api): State<Arc<WebApi>>) -> Result<Json<Value>, ApiError> {
    let picture = api.picture().await?;
    let problems = status::problems(
        &picture,
        &api.reloader.last(),
        &api.journal_damage,
        &status::targets(&api.outward, picture.now_ms),
    );
    let problems: Vec<Value> = problems.iter().map(shown_problem).collect();
    Ok(Json(json!({
        "problems": problems,
        "ready": picture.health.ready,
        "overview": shown(&picture),
    })))
}

pub(super) fn shown(picture: &Picture) -> Value {
    let inventory = &picture.province.inventory;
    let hosts = |state: Shown| picture.hosts.iter().filter(|host| host.state == state).count();
    let (up, down, unknown) = (hosts(Shown::Up), hosts(Shown::Down), hosts(Shown::Unknown));
    let alerts = |grade: &str| {
        let loud = picture.alerts.iter().filter(|status| is_loud(status));
        loud.filter(|status| severity(&status.alert.labels) == grade).count()
    };
    let backups = |states: &[BackupState]| {
        picture.backups.iter().filter(|backup| states.contains(&backup.state)).count()
    };
    let notifications = picture.notifications;
    json!({
        "now_ms": picture.now_ms,
        "province": province(inventory),
        "hosts": {
            "total": up + down + unknown, "up": up, "down": down, "unknown": unknown,
            "planned": hosts(Shown::Planned),
        },
        "alerts": {
            "critical": alerts("critical"), "high": alerts("high"), "medium": alerts("medium"),
            "low": alerts("low"), "info": alerts("info"),
        },
        "backups": {
            "total": picture.backups.len(),
            "ok": backups(&[BackupState::Ok]),
            "late": backups(&[BackupState::Late]),
            "failed": backups(&[BackupState::Failed, BackupState::Empty]),
            "unknown": backups(&[BackupState::Unproven, BackupState::Unknown]),
        },
        "services": services(inventory, picture),
        "notifications": {
            "configured": notifications.configured, "outbox": notifications.outbox,
            "failing": notifications.failing, "dead": notifications.dead,
        },
        "collector": {
            "ready": picture.health.ready, "reasons": picture.health.reasons,
            "version": env!("CARGO_PKG_VERSION"), "free_bytes": picture.health.free_bytes,
            "newest_sample_ms": picture.newest_report_ms,
        },
    })
}

fn province(inventory: &InventoryConfig) -> Option<&str> {
    let mut sites = inventory.sites.values();
    sites.find(|site| site.site_type == SiteType::Province).map(|site| site.name.as_str())
}

fn services(inventory: &InventoryConfig, picture: &Picture) -> Vec<Value> {
    let shown = picture.services.iter().map(|(id, report)| {
        let alerts = picture
            .alerts
            .iter()
            .filter(|status| is_loud(status) && status.alert.labels.get("service") == Some(id));
        let name = |id: &str| {
            inventory.services.get(id).map_or_else(|| id.to_owned(), |one| one.name.clone())
        };
        let told: Vec<(String, String)> =
            report.reasons.iter().map(|reason| words(reason, &name)).collect();
        let (vietnamese, english): (Vec<String>, Vec<String>) = told.into_iter().unzip();
        json!({
            "id": id, "name": name(id), "state": report.status.name(),
            "reasons": vietnamese, "reasons_en": english, "alerts": alerts.count(),
        })
    });
    shown.collect()
}

/// A reason in Vietnamese and in English.
fn words(reason: &Reason, name: &impl Fn(&str) -> String) -> (String, String) {
    match reason {
        Reason::ProbeFailed(probe) => {
            (format!("Phép thử {probe} thất bại"), format!("probe {probe} fails"))
        }
        Reason::ProbeSilent(probe) => (
            format!("Phép thử {probe} chưa có kết quả gần đây"),
            format!("probe {probe} has no recent result"),
        ),
        Reason::NoProbe => (
            "Chưa có phép thử nào nên chưa biết".to_owned(),
            "no probe is named for it, so nobody knows".to_owned(),
        ),
        Reason::HostDown(host) => {
            (format!("Máy chủ {host} ngừng báo cáo"), format!("host {host} is down"))
        }
        Reason::HostSilent(host) => (
            format!("Máy chủ {host} chưa có dữ liệu"),
            format!("host {host} has not been heard of"),
        ),
        Reason::DependencyDown(on) => (
            format!("Hệ thống mà nó phụ thuộc đang hỏng: {}", name(on)),
            format!("{}, on which it depends, is down", name(on)),
        ),
        Reason::AlertFiring => {
            ("Đang có cảnh báo".to_owned(), "an alert about it is firing".to_owned())
        }
    }
}

fn shown_problem(problem: &status::StatusProblem) -> Value {
    json!({
        "severity": problem.severity, "what_vi": problem.what.vi, "what_en": problem.what.en,
        "what_to_do_vi": problem.what_to_do.vi, "what_to_do_en": problem.what_to_do.en,
        "link": problem.link,
    })
}
