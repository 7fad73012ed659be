//! `backup-policy.yml`: which backups there should be, how often, and how much loss is accepted.
//!
//! It becomes ordinary metrics (`haidang_backup_expected_interval_seconds` and its like), so alerts on backups are
//! ordinary rules. Pure but for reading the file; every problem is told at once with its line.

use std::collections::BTreeSet;
use std::path::Path;

use agent_model::{HostId, Labels, Millis, Problem, Problems};
use agent_yaml::{At, Document, Duration};
use deserr::Deserr;

/// The checked content of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackupPolicy {
    pub jobs: Vec<PlannedBackup>,
}

/// One backup that should be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedBackup {
    pub host: HostId,
    /// The job's name in the agent's reports.
    pub backup: String,
    /// How often it should succeed.
    pub interval_ms: Millis,
    /// How much data may be lost: the newest verified copy is never older than this. At least the interval.
    pub rpo_ms: Millis,
    /// How many copies there should be.
    pub keep: Option<u32>,
}

#[derive(Debug, Deserr)]
#[deserr(deny_unknown_fields)]
struct RawPolicy {
    #[deserr(default)]
    jobs: Vec<RawJob>,
}

#[derive(Debug, Deserr)]
#[deserr(deny_unknown_fields)]
struct RawJob {
    host: At<String>,
    backup: At<String>,
    interval: At<Duration>,
    #[deserr(default)]
    rpo: Option<At<Duration>>,
    #[deserr(default)]
    keep: Option<At<u32>>,
}

impl BackupPolicy {
    /// Reads and checks the file.
    pub fn load(file: &Path) -> Result<Self, Problems> {
        Self::from_document(&Document::open(file)?)
    }

    /// Checks text; `file` only names it in problems.
    pub fn parse(file: &Path, text: &str) -> Result<Self, Problems> {
        Self::from_document(&Document::parse(file, text)?)
    }

    fn from_document(document: &Document) -> Result<Self, Problems> {
        let raw: RawPolicy = document.read()?;
        let mut problems = Vec::new();
        let mut seen = BTreeSet::new();
        let mut jobs = Vec::new();
        for job in raw.jobs {
            if !seen.insert((job.host.value.clone(), job.backup.value.clone())) {
                let (backup, host) = (&job.backup.value, &job.host.value);
                let message = format!("backup {backup:?} of host {host} is planned twice");
                problems.push(document.problem(&job.backup.place, message));
            }
            jobs.extend(ready(document, job, &mut problems));
        }
        if problems.is_empty() { Ok(Self { jobs }) } else { Err(Problems(problems)) }
    }

    /// The policy as metrics, one value each, to be written at every evaluation.
    pub fn metrics(&self) -> Vec<(Labels, f64)> {
        let mut metrics = Vec::new();
        for job in &self.jobs {
            let mut push = |name: &str, value: f64| {
                let pairs = [("host", job.host.as_str()), ("backup", job.backup.as_str())];
                metrics.push((Labels::metric(name, pairs), value));
            };
            push("haidang_backup_expected_interval_seconds", seconds(job.interval_ms));
            push("haidang_backup_rpo_seconds", seconds(job.rpo_ms));
            if let Some(keep) = job.keep {
                push("haidang_backup_expected_copies", f64::from(keep));
            }
        }
        metrics
    }

    /// Hosts that no planned backup covers.
    pub fn uncovered<'a>(&self, hosts: impl IntoIterator<Item = &'a HostId>) -> Vec<&'a HostId> {
        let covered: BTreeSet<&HostId> = self.jobs.iter().map(|job| &job.host).collect();
        hosts.into_iter().filter(|host| !covered.contains(host)).collect()
    }
}

fn ready(document: &Document, job: RawJob, problems: &mut Vec<Problem>) -> Option<PlannedBackup> {
    let before = problems.len();
    let host = HostId::new(&job.host.value);
    if let Err(error) = &host {
        problems.push(document.problem(&job.host.place, error.to_string()));
    }
    if job.backup.value.trim().is_empty() {
        problems.push(document.problem(&job.backup.place, "a backup needs a name"));
    }
    let interval_ms = job.interval.value.as_millis();
    if interval_ms == 0 {
        let message = "an interval of 0 is never kept; write for example 1d";
        problems.push(document.problem(&job.interval.place, message));
    }
    let rpo_ms = job.rpo.as_ref().map_or(interval_ms, |rpo| rpo.value.as_millis());
    if let Some(rpo) = &job.rpo
        && rpo_ms < interval_ms
    {
        let message = "an rpo shorter than the interval cannot be kept; back up more often";
        problems.push(document.problem(&rpo.place, message));
    }
    if let Some(keep) = &job.keep
        && keep.value == 0
    {
        problems.push(document.problem(&keep.place, "keep at least 1 copy"));
    }
    let keep = job.keep.map(|keep| keep.value);
    let backup = job.backup.value;
    let fine = problems.len() == before;
    host.ok().filter(|_| fine).map(|host| PlannedBackup { host, backup, interval_ms, rpo_ms, keep })
}

fn seconds(ms: Millis) -> f64 {
    std::time::Duration::from_millis(ms.unsigned_abs()).as_secs_f64()
}

#[cfg(test)]
mod tests;
