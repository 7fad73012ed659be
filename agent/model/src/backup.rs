//! Backups as evidence: what a run did, and what copies were seen.
//! A run is what somebody claims; a copy is what was looked at, and how deeply. Neither is ever rounded up:
//! an exit code of 0 without bytes is `Unproven` or `Empty`, never `Succeeded`.

use crate::Millis;

/// One run of a backup command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupRun {
    pub job: String,
    /// `command`, `restic`, `borg` …
    pub tool: String,
    pub started_ms: Millis,
    pub finished_ms: Millis,
    pub outcome: BackupOutcome,
    /// `None` when a signal ended the command or it could not start.
    pub exit_code: Option<i32>,
    /// Bytes in the copy, where something measured them.
    pub bytes: Option<u64>,
    pub files: Option<u64>,
    /// The tool's name for what it made: a snapshot id, a path.
    pub content_id: Option<String>,
    /// The last lines of standard error, or the reason for the outcome.
    pub detail: String,
    /// The local user who reported it.
    pub reported_by: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BackupOutcome {
    /// Exit code 0, and bytes were seen to be written.
    Succeeded = 1,
    /// Exit code 0, and nothing measured what was written.
    Unproven = 2,
    /// Exit code 0, and what was written is empty.
    Empty = 3,
    Failed = 4,
}

/// Entries of [`BackupCopy::recent`]: a month of daily copies, enough for a median of sizes and to find the newest
/// copy that two sites have in common.
pub const COPY_ENTRIES_MAX: usize = 32;

/// The newest copy of a job at one place, as a source saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupCopy {
    pub job: String,
    pub tool: String,
    /// Where the copies lie: a directory, a repository without its password.
    pub location: String,
    pub observed_ms: Millis,
    /// When the newest copy was made; `None` when there is no copy.
    pub newest_ms: Option<Millis>,
    /// The moment whose data the newest copy holds: what changed later is lost with the original. `None` when the
    /// tool does not tell.
    pub consistent_ms: Option<Millis>,
    /// When the oldest copy was made.
    pub oldest_ms: Option<Millis>,
    pub bytes: Option<u64>,
    pub copies: u64,
    /// What the newest copy holds, as [`CopyEntry::content_id`].
    pub content_id: Option<String>,
    /// The newest copies, the newest first; at most [`COPY_ENTRIES_MAX`].
    pub recent: Vec<CopyEntry>,
    pub depth: VerificationDepth,
    /// Why the look failed; the other fields then tell nothing new.
    pub error: Option<String>,
}

/// One of several copies at a place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CopyEntry {
    /// The identity of the content, where the tool has one: equal at two places when both hold the same data.
    /// Of a PostgreSQL cluster it begins with the cluster's system identifier and a colon. With the prefix `gtid:` it is a
    /// position that moves on. With the prefix `size:` it is only size and name, which proves nothing about the content.
    pub content_id: String,
    /// As [`BackupCopy::consistent_ms`].
    pub consistent_ms: Option<Millis>,
    pub bytes: Option<u64>,
}

/// How deeply a copy was looked at, from shallow to deep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum VerificationDepth {
    Listed = 1,
    Checked = 2,
    DataRead = 3,
    Restored = 4,
}

impl BackupOutcome {
    pub const ALL: [Self; 4] = [Self::Succeeded, Self::Unproven, Self::Empty, Self::Failed];

    pub fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Unproven => "unproven",
            Self::Empty => "empty",
            Self::Failed => "failed",
        }
    }
}

impl VerificationDepth {
    pub const ALL: [Self; 4] = [Self::Listed, Self::Checked, Self::DataRead, Self::Restored];

    pub fn name(self) -> &'static str {
        match self {
            Self::Listed => "listed",
            Self::Checked => "checked",
            Self::DataRead => "data_read",
            Self::Restored => "restored",
        }
    }
}
