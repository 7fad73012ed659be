//! The whole at one time: hosts, backups, services, alerts and notifications as pages, live streams and `haidang status`
//! show them. Promises: at most a second old, and no older than a fifth of one when an alert has changed; made once
//! however many people look.
//! What was not measured is unknown here; nothing is up or in order without data.

use std::collections::BTreeMap;
use std::sync::Arc;

use agent_model::{HostId, Millis};
use collector_alerting::{AlertFilter, AlertState, AlertStatus};
use collector_inventory::config::{ServiceInputs, ServiceReport};
use collector_inventory::{HostGap, HostState, HostSummary};
use sha2::{Digest, Sha256};

use crate::app::SILENT_AFTER_MS;
use crate::clock;
use crate::derived::{is_own, is_up};
use crate::health::Health;
use crate::http::backups::{self, Backup};
use crate::http::gauges::{self, Gauges};
use crate::http::{ApiError, WebApi};
use crate::province::Province;

/// Several pages and streams ask at once; they may share an answer for this long.
const AGE_MS_MAX: u64 = 1_000;

/// A storm of alerts has it made anew at most this often.
const AGE_MS_MIN: u64 = 200;

/// Gap records looked at for what was lost lately.
const GAPS_MAX: u32 = 1_000;

pub(super) const DAY_MS: Millis = 86_400_000;

/// The newest picture, made when somebody asks.
#[derive(Default)]
pub struct Pictures(tokio::sync::Mutex<Option<Arc<Picture>>>);

pub(super) struct Picture {
    pub now_ms: Millis,
    /// Of the alerts that it was made from.
    pub revision: u64,
    /// The same for as long as lists of alerts show the same.
    pub alerts_digest: String,
    pub hosts: Vec<Host>,
    /// Every open alert, also silenced ones.
    pub alerts: Vec<AlertStatus>,
    pub backups: Vec<Backup>,
    pub services: BTreeMap<String, ServiceReport>,
    pub notifications: Notifications,
    /// Learnt of within a day, the newest first.
    pub gaps: Vec<HostGap>,
    pub health: Health,
    /// When the newest report of any host arrived.
    pub newest_report_ms: Option<Millis>,
    /// The inventory that all of this rests on.
    pub province: Arc<Province>,
}

pub(super) struct Host {
    pub id: HostId,
    pub site: Option<String>,
    pub unit: Option<String>,
    pub role: Option<String>,
    pub state: Shown,
    /// `None` for a host that stands in the inventory only.
    pub summary: Option<HostSummary>,
    /// Firing alerts that nothing mutes.
    pub alerts: usize,
    pub gauges: Gauges,
}

/// Whether a host reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    Up,
    Down,
    /// It has never reported, or the collector has just begun to listen.
    Unknown,
    /// Its site does not work yet, or no longer.
    Planned,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Notifications {
    /// Somebody is told when an alert fires.
    pub configured: bool,
    /// Still to be delivered.
    pub outbox: usize,
    /// Those of them whose last attempt failed.
    pub failing: usize,
    /// Given up: each waits for a person.
    pub dead: u64,
}

impl Shown {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Unknown => "unknown",
            Self::Planned => "planned",
        }
    }

    fn of(
        summary: Option<&HostSummary>,
        planned: bool,
        listening_ms: Millis,
        now_ms: Millis,
    ) -> Self {
        match summary.filter(|host| host.last_report_ms.is_some()) {
            Some(host) if is_up(host, now_ms, SILENT_AFTER_MS) => Self::Up,
            _ if planned => Self::Planned,
            // Nobody could report while the collector was away.
            Some(_) if listening_ms > SILENT_AFTER_MS => Self::Down,
            _ => Self::Unknown,
        }
    }
}

impl WebApi {
    pub(super) async fn picture(&self) -> Result<Arc<Picture>, ApiError> {
        let mut newest = self.pictures.0.lock().await;
        let now_ms = clock::now_ms();
        if let Some(picture) = newest.as_ref()
            && picture.now_ms.abs_diff(now_ms) < picture.age_ms_max(self.alerting.revision())
        {
            return Ok(Arc::clone(picture));
        }
        let picture = Arc::new(take(self, now_ms).await?);
        *newest = Some(Arc::clone(&picture));
        Ok(picture)
    }

    /// After a change by a person: who looks next sees it.
    pub(super) async fn forget_picture(&self) {
        *self.pictures.0.lock().await = None;
    }
}

impl Picture {
    fn age_ms_max(&self, revision: u64) -> u64 {
        if revision == self.revision { AGE_MS_MAX } else { AGE_MS_MIN }
    }
}

async fn take(api: &WebApi, now_ms: Millis) -> Result<Picture, ApiError> {
    let figures = gauges::figures(&api.query, now_ms).await?;
    let summaries = api.inventory.hosts().await;
    let summaries =
        summaries.map_err(|error| ApiError::internal("hosts cannot be listed", &error))?;
    let revision = api.alerting.revision();
    let alerts = api.alerting.alerts(&AlertFilter::default(), now_ms).await;
    let alerts = alerts.map_err(|error| ApiError::internal("alerts cannot be listed", &error))?;
    let jobs = api.inventory.backups(now_ms - backups::RUNS_MS).await;
    let jobs = jobs.map_err(|error| ApiError::internal("backups cannot be listed", &error))?;
    let summaries: Vec<HostSummary> =
        summaries.into_iter().filter(|host| !is_own(&host.host)).collect();
    let newest_report_ms = summaries.iter().filter_map(|host| host.last_report_ms).max();
    let province = Arc::clone(&api.province.borrow());
    let mut hosts = hosts(api, &province, summaries, now_ms);
    for host in &mut hosts {
        host.gauges = figures.hosts.get(host.id.as_str()).copied().unwrap_or_default();
        let of_host =
            |alert: &&AlertStatus| alert.alert.labels.get("host") == Some(host.id.as_str());
        host.alerts = alerts.iter().filter(|alert| is_loud(alert)).filter(of_host).count();
    }
    let named = |alert: &AlertStatus| alert.alert.labels.get("service").map(str::to_owned);
    let inputs = ServiceInputs {
        probes: figures.probes,
        hosts: hosts.iter().filter_map(seen).collect(),
        alerts: alerts.iter().filter(|alert| is_loud(alert)).filter_map(named).collect(),
    };
    Ok(Picture {
        now_ms,
        revision,
        alerts_digest: digest(&alerts),
        services: province.inventory.service_statuses(&inputs),
        backups: backups::all(&province, jobs, now_ms),
        notifications: notifications(api, now_ms).await?,
        gaps: gaps(api, now_ms).await?,
        health: api.health.borrow().clone(),
        newest_report_ms,
        province,
        hosts,
        alerts,
    })
}

/// Hosts that may report, and those that people wrote down and nobody has seen.
fn hosts(
    api: &WebApi,
    province: &Province,
    summaries: Vec<HostSummary>,
    now_ms: Millis,
) -> Vec<Host> {
    let mut known: BTreeMap<HostId, Option<HostSummary>> = BTreeMap::new();
    let standing = province.inventory.hosts.iter().filter(|place| place.period.holds(now_ms));
    known.extend(standing.map(|place| (place.host.clone(), None)));
    for summary in summaries {
        if summary.state != HostState::Revoked {
            known.insert(summary.host.clone(), Some(summary));
        }
    }
    let listening_ms = now_ms.saturating_sub(api.started_ms);
    let shown = known.into_iter().map(|(id, summary)| {
        let place = province.inventory.place(&id, now_ms);
        let planned = province.is_planned(&id, now_ms);
        Host {
            site: place.map(|place| place.site.clone()),
            unit: place.and_then(|place| place.unit.clone()),
            role: place.map(|place| place.role.clone()).filter(|role| !role.is_empty()),
            state: Shown::of(summary.as_ref(), planned, listening_ms, now_ms),
            summary,
            alerts: 0,
            gauges: Gauges::default(),
            id,
        }
    });
    shown.collect()
}

/// What a service's status may rest on.
fn seen(host: &Host) -> Option<(HostId, bool)> {
    match host.state {
        Shown::Up => Some((host.id.clone(), true)),
        Shown::Down => Some((host.id.clone(), false)),
        Shown::Unknown | Shown::Planned => None,
    }
}

/// Firing, and neither silenced nor explained by another alert.
pub(super) fn is_loud(status: &AlertStatus) -> bool {
    status.alert.state == AlertState::Firing
        && status.silenced_by.is_empty()
        && status.inhibited_by.is_empty()
}

/// Of everything about alerts that can change while a list is shown.
fn digest(alerts: &[AlertStatus]) -> String {
    let mut hash = Sha256::new();
    for AlertStatus { alert, silenced_by, inhibited_by, .. } in alerts {
        let acknowledged_ms = alert.acknowledgement.as_ref().map(|one| one.at_ms);
        let (silenced, inhibited) = (!silenced_by.is_empty(), !inhibited_by.is_empty());
        let shown = (alert.fingerprint, alert.state, acknowledged_ms, silenced, inhibited);
        hash.update(format!("{shown:?}\n"));
    }
    hex::encode(&hash.finalize()[..8])
}

async fn gaps(api: &WebApi, now_ms: Millis) -> Result<Vec<HostGap>, ApiError> {
    let gaps = api.inventory.gaps(GAPS_MAX).await;
    let mut gaps =
        gaps.map_err(|error| ApiError::internal("gap records cannot be read", &error))?;
    gaps.retain(|gap| gap.recorded_ms > now_ms - DAY_MS);
    Ok(gaps)
}

async fn notifications(api: &WebApi, now_ms: Millis) -> Result<Notifications, ApiError> {
    let wrong = |error| ApiError::internal("notifications cannot be counted", &error);
    let stats = api.alerting.stats(now_ms).await.map_err(wrong)?;
    let dead = api.alerting.dead_letter_counts().await.map_err(wrong)?;
    Ok(Notifications {
        configured: !stats.nobody_is_notified,
        outbox: stats.outbox_length,
        failing: stats.outbox_failing,
        dead: dead.values().sum(),
    })
}

#[cfg(test)]
mod tests {
    use agent_model::Epoch;

    use super::*;

    fn summary(last_report_ms: Option<Millis>) -> HostSummary {
        HostSummary {
            host: HostId::new("a").unwrap(),
            state: HostState::Active,
            first_report_ms: last_report_ms,
            last_report_ms,
            agent_version: String::new(),
            clock_offset_ms: 0,
            epoch: Epoch(1),
            certificate_expiry_ms: None,
        }
    }

    #[test]
    fn only_a_fresh_report_makes_a_host_up_and_silence_is_down_only_while_somebody_listens() {
        let now_ms = 10_000_000;
        let (fresh, old) = (summary(Some(now_ms - 1_000)), summary(Some(now_ms - 60_000)));
        let never = summary(None);
        let of = |host, planned, listening_ms| Shown::of(host, planned, listening_ms, now_ms);
        assert_eq!(of(Some(&fresh), false, 1), Shown::Up);
        assert_eq!(of(Some(&old), false, 50_000), Shown::Down);
        assert_eq!(of(Some(&old), false, 2_000), Shown::Unknown);
        assert_eq!(of(Some(&old), true, 50_000), Shown::Planned);
        assert_eq!(of(Some(&never), false, 50_000), Shown::Unknown);
        assert_eq!(of(None, false, 50_000), Shown::Unknown);
    }
}
