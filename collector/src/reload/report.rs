//! What came of a reload: group by group, for the caller, the pages and the metrics.

use std::path::PathBuf;

use agent_model::{Millis, Problem, Problems};

use crate::self_metrics::SelfMetrics;

/// Files that are taken together or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileGroup {
    Rules,
    Routing,
    Inventory,
    BackupPolicy,
    Drills,
    Certificate,
}

/// One group; without problems it is in force as it lies on disk.
#[derive(Clone, Debug)]
pub struct GroupReport {
    pub group: FileGroup,
    pub problems: Problems,
}

#[derive(Clone, Debug)]
pub struct Reload {
    pub at_ms: Millis,
    /// A user, `SIGHUP`, or `start`.
    pub by: String,
    pub groups: Vec<GroupReport>,
    /// What is no mistake and should still be known, a sentence each.
    pub remarks: Vec<String>,
}

impl FileGroup {
    pub const ALL: [Self; 6] = [
        Self::Rules,
        Self::Routing,
        Self::Inventory,
        Self::BackupPolicy,
        Self::Drills,
        Self::Certificate,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Rules => "rules",
            Self::Routing => "routing",
            Self::Inventory => "inventory",
            Self::BackupPolicy => "backup_policy",
            Self::Drills => "drills",
            Self::Certificate => "certificate",
        }
    }

    /// A problem that is no file's.
    pub(super) fn problem(self, message: String) -> Problems {
        Problems(vec![Problem { file: PathBuf::from(self.name()), line: None, message }])
    }
}

impl Reload {
    /// Every problem, a sentence each, with file and line.
    pub fn problems(&self) -> Vec<String> {
        let all = self.groups.iter().flat_map(|report| &report.problems.0);
        all.map(ToString::to_string).collect()
    }

    /// The groups that are not in force as they lie on disk.
    pub fn refused(&self) -> Vec<&'static str> {
        let bad = self.groups.iter().filter(|report| !report.problems.0.is_empty());
        bad.map(|report| report.group.name()).collect()
    }

    pub(super) fn log_remarks(&self) {
        for remark in &self.remarks {
            tracing::warn!("{remark}");
        }
    }

    /// The time of success stays at the last one while a group is refused.
    pub(super) fn note(&self, metrics: &SelfMetrics) {
        for GroupReport { group, problems } in &self.groups {
            let good = problems.0.is_empty();
            metrics.reload.successful.with_label_values(&[group.name()]).set(i64::from(good));
            let at = metrics.reload.success_timestamp.with_label_values(&[group.name()]);
            if good {
                at.set(self.at_ms / 1_000);
            }
        }
    }
}
