//! The snapshots of a restic repository, as `restic snapshots --json` tells them, and `restic check`.
//! Promises: read-only (no lock, no cache); the password is a file that only restic reads. A snapshot's identity is its
//! tree, which `restic copy` keeps. The size comes with the snapshot (restic 0.17) or from `restic stats`, one snapshot a
//! look, the newest first. Without a lock a `prune` at the same moment can make a look or a check fail; the next one is right again.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use agent_model::{COPY_ENTRIES_MAX, CopyEntry, VerificationDepth};
use agent_yaml::{At, Duration as Length};
use deserr::Deserr;
use jiff::Timestamp;
use serde::Deserialize;

use super::super::command::Program;
use super::super::config::{Common, Entry, Host, Verify, Wrong, absolute, time_limit};
use super::{Found, Tool};

/// The newest snapshot of a restic repository counts as the newest copy of a job.
#[derive(Clone, Debug, Deserr)]
#[deserr(deny_unknown_fields)]
pub struct Config {
    pub job: At<String>,
    pub repository: At<String>,
    pub password_file: At<String>,
    /// `NAME=value` lines for the tool: the credentials of a store.
    #[deserr(default)]
    pub environment_file: Option<At<String>>,
    /// Only snapshots of this host.
    #[deserr(default)]
    pub host: Option<String>,
    /// Only snapshots with this tag.
    #[deserr(default)]
    pub tag: Option<String>,
    /// Only snapshots of this path.
    #[deserr(default)]
    pub path: Option<String>,
    #[deserr(default = Length::from_secs(900))]
    pub interval: Length,
    /// How long restic may take for a look.
    #[deserr(default = Length::from_secs(120))]
    pub timeout: Length,
    #[deserr(default)]
    pub verify: Option<Verify>,
    #[deserr(default = "restic".to_owned())]
    pub program: String,
}

impl Entry for Config {
    fn common(&self) -> Common<'_> {
        Common {
            job: &self.job,
            place: self.repository.value.clone(),
            interval: self.interval,
            depths: &VerificationDepth::ALL[1..],
            verify: self.verify.as_ref(),
        }
    }

    fn check(&self, wrong: &mut Wrong<'_>) {
        absolute("password file", &self.password_file, wrong);
        if let Some(file) = &self.environment_file {
            absolute("environment file", file, wrong);
        }
        time_limit(&self.job, self.timeout, wrong);
    }

    fn tool(&self, _host: &Host<'_>) -> Tool {
        let environment_file = self.environment_file.as_ref().map(|file| file.value.clone().into());
        Tool::Restic(Repository {
            program: Program { environment_file, ..Program::new(&self.program, self.timeout.0) },
            repository: self.repository.value.clone(),
            password_file: self.password_file.value.clone().into(),
            host: self.host.clone(),
            tag: self.tag.clone(),
            path: self.path.clone(),
            measured: HashMap::new(),
        })
    }
}

/// One repository, and which of its snapshots count.
#[derive(Clone, Debug)]
pub(crate) struct Repository {
    pub(crate) program: Program,
    pub(crate) repository: String,
    pub(crate) password_file: PathBuf,
    /// Only snapshots of this host, with this tag, of this path.
    pub(crate) host: Option<String>,
    pub(crate) tag: Option<String>,
    pub(crate) path: Option<String>,
    /// Sizes that restic did not keep with the snapshot, by its id.
    pub(crate) measured: HashMap<String, u64>,
}

#[derive(Deserialize)]
struct Snapshot {
    #[serde(deserialize_with = "timestamp")]
    time: Timestamp,
    id: String,
    tree: String,
    #[serde(default)]
    summary: Option<Summary>,
}

/// RFC 3339, with the offset of the host that made the snapshot.
fn timestamp<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(serde::de::Error::custom)
}

#[derive(Deserialize)]
struct Summary {
    total_bytes_processed: u64,
}

#[derive(Deserialize)]
struct Stats {
    total_size: u64,
}

impl Repository {
    /// The repository as people may see it: without the password of its URL.
    pub(super) fn location(&self) -> String {
        without_password(&self.repository)
    }

    /// Looks once. The error says what restic said.
    pub(super) async fn look(&mut self) -> Result<Vec<Found>, String> {
        let mut arguments = vec!["snapshots"];
        arguments.extend(self.chosen());
        let output = self.ask(&self.program, &arguments).await?;
        // An empty repository answers `[]`, older releases `null`.
        let snapshots: Option<Vec<Snapshot>> = serde_json::from_slice(&output)
            .map_err(|error| format!("restic's list of snapshots cannot be understood: {error}"))?;
        let mut snapshots = snapshots.unwrap_or_default();
        snapshots.sort_by_key(|snapshot| Reverse(snapshot.time));
        self.measure(&snapshots).await;
        Ok(snapshots.into_iter().map(|snapshot| snapshot.found(&self.measured)).collect())
    }

    /// `restic check`; the error says what restic said.
    pub(super) async fn verify(
        &self,
        depth: VerificationDepth,
        time_limit: Duration,
    ) -> Result<(), String> {
        let program = Program { timeout: time_limit, ..self.program.clone() };
        let mut arguments = vec!["check"];
        if depth == VerificationDepth::DataRead {
            arguments.push("--read-data");
        }
        self.ask(&program, &arguments).await.map(drop)
    }

    /// Restores the newest snapshot that counts, and has restic compare what it wrote.
    pub(super) async fn restore(&self, into: &Path, time_limit: Duration) -> Result<(), String> {
        let program = Program { timeout: time_limit, ..self.program.clone() };
        let into = into.display().to_string();
        let mut arguments = vec!["restore", "latest", "--verify", "--target", &into];
        arguments.extend(self.chosen());
        self.ask(&program, &arguments).await.map(drop)
    }

    /// The flags that choose the snapshots that count.
    fn chosen(&self) -> Vec<&str> {
        let flags = [("--host", &self.host), ("--tag", &self.tag), ("--path", &self.path)];
        let given = flags.into_iter().filter_map(|(flag, value)| Some([flag, value.as_deref()?]));
        given.flatten().collect()
    }

    /// Asks what a restore of the newest snapshot without a size would write. Not knowing is no reason to hide it.
    async fn measure(&mut self, snapshots: &[Snapshot]) {
        let recent = &snapshots[..snapshots.len().min(COPY_ENTRIES_MAX)];
        self.measured.retain(|id, _| recent.iter().any(|snapshot| snapshot.id == *id));
        let is_unknown = |snapshot: &&Snapshot| {
            snapshot.summary.is_none() && !self.measured.contains_key(&snapshot.id)
        };
        let Some(Snapshot { id, .. }) = recent.iter().find(is_unknown) else { return };
        let arguments = ["stats", "--mode", "restore-size", id];
        let output = self.ask(&self.program, &arguments).await;
        let stats = output.and_then(|output| {
            serde_json::from_slice::<Stats>(&output).map_err(|error| error.to_string())
        });
        match stats {
            Ok(stats) => {
                self.measured.insert(id.clone(), stats.total_size);
            }
            Err(reason) => {
                tracing::warn!(reason, repository = self.location(), "snapshot cannot be measured");
            }
        }
    }

    async fn ask(&self, program: &Program, arguments: &[&str]) -> Result<Vec<u8>, String> {
        let mut all: Vec<OsString> =
            ["--json", "--no-lock", "--no-cache", "--repo"].map(OsString::from).into();
        all.extend([self.repository.clone().into(), "--password-file".into()]);
        all.push(self.password_file.clone().into());
        all.extend(arguments.iter().map(OsString::from));
        let answer = program.ask(&all).await;
        answer.map_err(|error| error.replace(&self.repository, &self.location()))
    }
}

impl Snapshot {
    /// Its time is when the backup began, so nothing later is in it.
    fn found(self, measured: &HashMap<String, u64>) -> Found {
        let made_ms = self.time.as_millisecond();
        let bytes = match self.summary {
            Some(summary) => Some(summary.total_bytes_processed),
            None => measured.get(&self.id).copied(),
        };
        let entry = CopyEntry { content_id: self.tree, consistent_ms: Some(made_ms), bytes };
        Found { made_ms, entry }
    }
}

/// `rest:https://user:secret@host/` becomes `rest:https://user:***@host/`.
fn without_password(repository: &str) -> String {
    let Some((scheme, rest)) = repository.split_once("://") else { return repository.to_owned() };
    let authority = rest.split('/').next().unwrap_or(rest);
    match authority.rsplit_once('@').and_then(|(user, _)| user.split_once(':')) {
        Some((user, secret)) => {
            let after = &rest[user.len() + 1 + secret.len()..];
            format!("{scheme}://{user}:***{after}")
        }
        None => repository.to_owned(),
    }
}

#[cfg(test)]
mod tests;
