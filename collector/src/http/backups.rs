//! `GET /api/backups`: every backup that was planned or has shown itself, and whether it can be relied on.
//! Promises: `ok` is said only of a run that succeeded (exit code 0, and bytes seen to be written) within its interval.

use std::collections::BTreeMap;
use std::sync::Arc;

use agent_model::{BackupOutcome, BackupRun, CopyEntry, HostId, Millis};
use axum::Json;
use axum::extract::State;
use collector_inventory::{BackupJob, StoredBackupCopy};
use rules::backup_truth::{BackupTruth, PlaceTruth, SiteExposure, Verified};
use serde_json::json;

use crate::backup_truths::truths;
use crate::http::{ApiError, WebApi};
use crate::province::Province;

/// Without a plan, a daily backup and two hours for a slow one.
const INTERVAL_MS: Millis = 26 * 3_600_000;

/// A run that says it ended further in the future than this proves nothing: the host's clock is wrong.
const FUTURE_MS_MAX: Millis = 3_600_000;

/// Runs that are read for the list.
pub(super) const RUNS_MS: Millis = 90 * 86_400_000;

/// Runs shown of each job.
const RUNS_MAX: usize = 14;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BackupState {
    Ok,
    /// The last good run is older than the interval.
    Late,
    Failed,
    Empty,
    /// It says that it succeeded, and nothing shows it.
    Unproven,
    /// Nothing is known of it.
    Unknown,
}

pub(super) struct Backup {
    pub host: HostId,
    pub backup: String,
    pub state: BackupState,
    /// From the backup policy.
    pub interval_ms: Option<Millis>,
    /// `None` when it is planned and has never shown itself.
    job: Option<BackupJob>,
    /// What its copies are worth; `None` when it is not planned.
    truth: Option<BackupTruth>,
}

impl BackupState {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Late => "late",
            Self::Failed => "failed",
            Self::Empty => "empty",
            Self::Unproven => "unproven",
            Self::Unknown => "unknown",
        }
    }

    fn of(job: &BackupJob, interval_ms: Option<Millis>, now_ms: Millis) -> Self {
        let interval_ms = interval_ms.unwrap_or(INTERVAL_MS);
        let is_late = |at_ms: Millis| now_ms.saturating_sub(at_ms) > interval_ms;
        let Some(run) = &job.last_run else {
            // Copies that lie somewhere without a run that made them.
            let newest_ms = job.copies.iter().filter_map(|stored| stored.copy.newest_ms).max();
            return match newest_ms {
                None => Self::Unknown,
                Some(at_ms) if is_late(at_ms) => Self::Late,
                Some(_) => Self::Unproven,
            };
        };
        match run.outcome {
            BackupOutcome::Failed => Self::Failed,
            BackupOutcome::Empty => Self::Empty,
            _ if run.finished_ms > now_ms.saturating_add(FUTURE_MS_MAX) => Self::Unknown,
            _ if is_late(run.finished_ms) => Self::Late,
            BackupOutcome::Unproven => Self::Unproven,
            BackupOutcome::Succeeded => Self::Ok,
        }
    }
}

/// What is planned and what has shown itself, in order of host and name.
pub(super) fn all(province: &Province, jobs: Vec<BackupJob>, now_ms: Millis) -> Vec<Backup> {
    let mut all: BTreeMap<(HostId, String), Backup> = BTreeMap::new();
    for (plan, truth) in truths(province, &jobs, now_ms) {
        let (host, backup) = (plan.host.clone(), plan.backup.clone());
        let state = BackupState::Unknown;
        let (interval_ms, truth) = (Some(plan.interval_ms), Some(truth));
        let key = (host.clone(), backup.clone());
        all.insert(key, Backup { host, backup, state, interval_ms, job: None, truth });
    }
    for job in jobs {
        let (host, backup) = (job.host.clone(), job.job.clone());
        let known = all.entry((host.clone(), backup.clone()));
        let known = known.or_insert_with(|| Backup {
            host,
            backup,
            state: BackupState::Unknown,
            interval_ms: None,
            job: None,
            truth: None,
        });
        known.state = BackupState::of(&job, known.interval_ms, now_ms);
        known.job = Some(job);
    }
    all.into_values().collect()
}

/// `GET /api/backups`
pub(super) async fn list(
    State(api): State<Arc<WebApi>>,
) -> Result<Json<serde_json::Value>, ApiError> {
    let picture = api.picture().await?;
    Ok(Json(picture.backups.iter().map(shown).collect()))
}

fn shown(backup: &Backup) -> serde_json::Value {
    let job = backup.job.as_ref();
    let last_run = job.and_then(|job| job.last_run.as_ref());
    let last_success = job.and_then(|job| job.last_success.as_ref());
    let copies = job.map_or(&[][..], |job| &job.copies);
    let runs = job.map_or(&[][..], |job| &job.runs);
    let tool = last_run.map(|run| &run.tool).or(copies.first().map(|stored| &stored.copy.tool));
    json!({
        "host": backup.host.as_str(),
        "backup": backup.backup,
        "tool": tool.map_or("", String::as_str),
        "state": backup.state.name(),
        "expected_interval_seconds": backup.interval_ms.map(|ms| ms / 1_000),
        "last_run": last_run.map(shown_run),
        "last_success_ms": last_success.map(|run| run.finished_ms),
        "last_success_bytes": last_success.and_then(|run| run.bytes),
        "copies": copies.iter().map(shown_copy).collect::<Vec<_>>(),
        "truth": backup.truth.as_ref().map(shown_truth),
        "runs": runs.iter().take(RUNS_MAX).map(shown_run).collect::<Vec<_>>(),
    })
}

fn shown_truth(truth: &BackupTruth) -> serde_json::Value {
    let verified = |one: &Verified| json!({ "depth": one.depth.name(), "at_ms": one.at_ms, "consistent_ms": one.consistent_ms });
    let place = |place: &PlaceTruth| {
        json!({
            "place": place.place, "location": place.location, "site": place.site,
            "medium": place.medium.name(), "offline": place.offline, "immutable": place.immutable,
            "state": place.state.name(), "behind_ms": place.state.behind_ms(),
            "copies": place.copies, "oldest_ms": place.oldest_ms,
            "consistent_ms": place.consistent_ms(),
            "verified": place.verified.iter().map(verified).collect::<Vec<_>>(),
            "error": place.error,
        })
    };
    let exposure = |site: &SiteExposure| json!({ "site": site.site, "listed_ms": site.listed_ms, "verified_ms": site.verified_ms });
    let broken = truth.broken.as_ref();
    json!({
        "places": truth.places.iter().map(place).collect::<Vec<_>>(),
        "sites": truth.sites.iter().map(exposure).collect::<Vec<_>>(),
        "broken": broken.map(|digits| digits.iter().map(|digit| digit.name()).collect::<Vec<_>>()),
    })
}

fn shown_run(run: &BackupRun) -> serde_json::Value {
    json!({
        "started_ms": run.started_ms, "finished_ms": run.finished_ms,
        "outcome": run.outcome.name(), "exit_code": run.exit_code,
        "bytes": run.bytes, "files": run.files,
        "detail": run.detail, "reported_by": run.reported_by,
    })
}

fn shown_copy(stored: &StoredBackupCopy) -> serde_json::Value {
    let copy = &stored.copy;
    json!({
        "location": copy.location, "tool": copy.tool, "newest_ms": copy.newest_ms,
        "consistent_ms": copy.consistent_ms, "oldest_ms": copy.oldest_ms,
        "bytes": copy.bytes, "copies": copy.copies, "content_id": copy.content_id,
        "recent": copy.recent.iter().map(shown_entry).collect::<Vec<_>>(),
        "depth": copy.depth.name(), "observed_ms": copy.observed_ms,
        "error": copy.error, "error_ms": stored.error_ms,
    })
}

fn shown_entry(entry: &CopyEntry) -> serde_json::Value {
    json!({
        "content_id": entry.content_id, "consistent_ms": entry.consistent_ms,
        "bytes": entry.bytes,
    })
}

#[cfg(test)]
mod tests {
    use rules::backup_policy::BackupPolicy;

    use super::*;

    const NOW_MS: Millis = 1_800_000_000_000;
    const HOUR_MS: Millis = 3_600_000;

    fn job(outcome: BackupOutcome, hours_ago: i64) -> BackupJob {
        let finished_ms = NOW_MS - hours_ago * HOUR_MS;
        let run = BackupRun {
            job: "db".to_owned(),
            tool: "command".to_owned(),
            started_ms: finished_ms - 1_000,
            finished_ms,
            outcome,
            exit_code: Some(0),
            bytes: Some(5),
            files: None,
            content_id: None,
            detail: String::new(),
            reported_by: "postgres".to_owned(),
        };
        BackupJob {
            host: HostId::new("a").unwrap(),
            job: "db".to_owned(),
            last_success: None,
            runs: vec![run.clone()],
            last_run: Some(run),
            copies: Vec::new(),
        }
    }

    #[test]
    fn only_a_success_within_its_interval_is_in_order() {
        let state = |outcome, hours_ago, interval_hours: Option<i64>| {
            let interval_ms = interval_hours.map(|hours| hours * HOUR_MS);
            BackupState::of(&job(outcome, hours_ago), interval_ms, NOW_MS).name()
        };
        assert_eq!(state(BackupOutcome::Succeeded, 3, Some(4)), "ok");
        assert_eq!(state(BackupOutcome::Succeeded, 5, Some(4)), "late");
        assert_eq!(state(BackupOutcome::Succeeded, 25, None), "ok");
        assert_eq!(state(BackupOutcome::Succeeded, 27, None), "late");
        assert_eq!(state(BackupOutcome::Succeeded, -2, None), "unknown");
        assert_eq!(state(BackupOutcome::Unproven, 1, None), "unproven");
        assert_eq!(state(BackupOutcome::Empty, 1, None), "empty");
        assert_eq!(state(BackupOutcome::Failed, 99, None), "failed");
    }

    #[test]
    fn what_was_never_seen_is_unknown_and_a_plan_is_listed_without_a_run() {
        let text = "jobs:\n  - {host: a, backup: db, interval: 4h}\n  - {host: b, backup: files, interval: 1d}\n";
        let policy = BackupPolicy::parse(std::path::Path::new("p.yml"), text).unwrap();
        let province = Province { backups: Arc::new(policy), ..Province::default() };
        let all = all(&province, vec![job(BackupOutcome::Succeeded, 5)], NOW_MS);
        let states: Vec<_> = all.iter().map(|one| (one.host.as_str(), one.state.name())).collect();
        assert_eq!(states, [("a", "late"), ("b", "unknown")]);
    }
}
