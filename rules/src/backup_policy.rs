//! `backup-policy.yml`: which backups there should be, how often, where their copies lie, and how much loss is accepted.
//!
//! It becomes ordinary metrics (`haidang_backup_expected_interval_seconds` and its like), so alerts on backups are
//! ordinary rules. Pure but for reading the file; every problem is told at once with its line. Leaves to others: what
//! the copies are worth (`backup_truth`).

use std::collections::BTreeSet;
use std::path::Path;

use agent_model::{HostId, Labels, Millis, Problems, VerificationDepth};
use agent_yaml::Document;
use deserr::Deserr;

mod check;
mod places;
mod raw;

pub use places::{Medium, Place};

/// The checked content of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackupPolicy {
    pub places: Vec<Place>,
    pub jobs: Vec<PlannedBackup>,
    /// Hosts and services of which somebody said that they hold nothing to lose.
    pub not_needed: NotNeeded,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotNeeded {
    pub hosts: BTreeSet<HostId>,
    pub services: BTreeSet<String>,
}

/// One backup that should be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedBackup {
    pub host: HostId,
    /// The job's name in the agents' reports.
    pub backup: String,
    /// How often it should succeed.
    pub interval_ms: Millis,
    /// How much data may be lost: the newest verified copy is never older than this. At least the interval.
    pub rpo_ms: Millis,
    /// How many copies there should be at each place.
    pub keep: Option<u32>,
    /// The services of `inventory.yml` whose data it is.
    pub services: Vec<String>,
    /// Other hosts that look at copies of it under the same name: the backup site's.
    pub seen_by: Vec<HostId>,
    /// `None`: nobody asked for it.
    pub rule: Option<CopiesRule>,
    /// How old the newest look of a depth may be.
    pub verify: Vec<(VerificationDepth, Millis)>,
    /// How far a place may stay behind the newest copy.
    pub copy_lag_ms: Millis,
}

/// 3-2-1-1-0: so many copies with the data itself, on so many media, so many outside of the data's site, so many offline or
/// immutable, and no error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserr)]
#[deserr(deny_unknown_fields)]
pub struct CopiesRule {
    #[deserr(default = 3)]
    pub copies: u32,
    #[deserr(default = 2)]
    pub media: u32,
    #[deserr(default = 1)]
    pub offsite: u32,
    #[deserr(default = 1)]
    pub offline: u32,
}

impl BackupPolicy {
    /// Reads and checks the file.
    pub fn load(file: &Path) -> Result<Self, Problems> {
        check::check(&Document::open(file)?)
    }

    /// Checks text; `file` only names it in problems.
    pub fn parse(file: &Path, text: &str) -> Result<Self, Problems> {
        check::check(&Document::parse(file, text)?)
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

    /// Hosts that no planned backup covers although nobody said that none is needed.
    pub fn uncovered<'a>(&self, hosts: impl IntoIterator<Item = &'a HostId>) -> Vec<&'a HostId> {
        let covered: BTreeSet<&HostId> = self.jobs.iter().map(|job| &job.host).collect();
        let of_nobody =
            |host: &&HostId| !covered.contains(host) && !self.not_needed.hosts.contains(*host);
        hosts.into_iter().filter(of_nobody).collect()
    }

    /// The same of services, whose data a planned backup has to name.
    pub fn uncovered_services<'a>(
        &self,
        services: impl IntoIterator<Item = &'a String>,
    ) -> Vec<&'a String> {
        let covered: BTreeSet<&String> = self.jobs.iter().flat_map(|job| &job.services).collect();
        let of_nobody = |service: &&String| {
            !covered.contains(service) && !self.not_needed.services.contains(*service)
        };
        services.into_iter().filter(of_nobody).collect()
    }
}

impl PlannedBackup {
    /// Whether what a host tells of a job is about this backup.
    pub fn is_told_by(&self, host: &HostId, job: &str) -> bool {
        self.backup == job && (self.host == *host || self.seen_by.contains(host))
    }
}

/// Whole milliseconds as seconds.
pub(crate) fn seconds(ms: Millis) -> f64 {
    let seconds = std::time::Duration::from_millis(ms.unsigned_abs()).as_secs_f64();
    if ms < 0 { -seconds } else { seconds }
}

#[cfg(test)]
mod tests;
