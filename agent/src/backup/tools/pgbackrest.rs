//! The backups of a pgBackRest stanza in one of its repositories, as `pgbackrest info` tells them, and `pgbackrest verify`.
//! Promises: nothing is written but what pgBackRest itself logs nowhere (`--log-level-file=off`). A backup is consistent
//! at its stop; WAL that was archived after it moves that moment on, by the time the newest segment was stored. Its
//! identity is the database system's id, the label and the WAL it needs: system ids are larger than what a float holds.
//! `verify` ends with 0 whatever it finds, and some damage it tells nowhere but in its words: those are read.

use std::collections::BTreeMap;
use std::time::Duration;

use agent_model::{CopyEntry, Millis, VerificationDepth};
use agent_yaml::{At, Duration as Length};
use deserr::Deserr;
use serde::Deserialize;

use super::super::command::Program;
use super::super::config::{Common, Entry, Host, Verify, Wrong, absolute, time_limit};
use super::{Found, Tool};

/// The newest backup of a stanza in one repository counts as the newest copy of a job.
#[derive(Clone, Debug, Deserr)]
#[deserr(deny_unknown_fields)]
pub struct Config {
    pub job: At<String>,
    pub stanza: At<String>,
    /// pgBackRest's number of the repository: each is a place of its own, with an entry of its own.
    #[deserr(default = 1)]
    pub repository: u32,
    /// Where pgBackRest's own configuration lies, if not where it looks by itself.
    #[deserr(default)]
    pub config_file: Option<At<String>>,
    #[deserr(default)]
    pub environment_file: Option<At<String>>,
    #[deserr(default = Length::from_secs(900))]
    pub interval: Length,
    /// How long pgBackRest may take for a look.
    #[deserr(default = Length::from_secs(120))]
    pub timeout: Length,
    #[deserr(default)]
    pub verify: Option<Verify>,
    #[deserr(default = "pgbackrest".to_owned())]
    pub program: String,
}

/// One stanza in one repository.
#[derive(Clone, Debug)]
pub(crate) struct Stanza {
    program: Program,
    config_file: Option<String>,
    stanza: String,
    repository: u32,
}

#[derive(Deserialize)]
struct Info {
    name: String,
    #[serde(default)]
    backup: Vec<Backup>,
    #[serde(default)]
    archive: Vec<Archive>,
    #[serde(default)]
    db: Vec<Database>,
    status: Status,
    #[serde(default)]
    repo: Vec<Repository>,
}

#[derive(Deserialize)]
struct Repository {
    key: u32,
    status: Status,
}

#[derive(Deserialize)]
struct Status {
    code: u32,
    message: String,
}

#[derive(Deserialize)]
struct Database {
    id: u32,
    #[serde(rename = "repo-key")]
    repository: u32,
    #[serde(rename = "system-id")]
    system_id: u64,
}

#[derive(Deserialize)]
struct DatabaseReference {
    id: u32,
    #[serde(rename = "repo-key")]
    repository: u32,
}

#[derive(Deserialize)]
struct Archive {
    database: DatabaseReference,
    id: String,
    /// The newest WAL segment; `null` when there is none.
    max: Option<String>,
}

#[derive(Deserialize)]
struct Backup {
    label: String,
    database: DatabaseReference,
    timestamp: Timestamps,
    info: Size,
    archive: Segments,
    /// pgBackRest found a page with a wrong checksum while it copied.
    #[serde(default)]
    error: Option<bool>,
}

#[derive(Deserialize)]
struct Segments {
    start: Option<String>,
    stop: Option<String>,
}

/// Seconds since 1970.
#[derive(Deserialize)]
struct Timestamps {
    stop: i64,
}

#[derive(Deserialize)]
struct Size {
    size: u64,
}

/// One file of `repo-ls`.
#[derive(Deserialize)]
struct Stored {
    #[serde(default)]
    time: Option<i64>,
}

impl Entry for Config {
    fn common(&self) -> Common<'_> {
        Common {
            job: &self.job,
            place: place(&self.stanza.value, self.repository),
            interval: self.interval,
            depths: &[VerificationDepth::DataRead],
            verify: self.verify.as_ref(),
        }
    }

    fn check(&self, wrong: &mut Wrong<'_>) {
        for (what, file) in
            [("config file", &self.config_file), ("environment file", &self.environment_file)]
        {
            if let Some(file) = file {
                absolute(what, file, wrong);
            }
        }
        time_limit(&self.job, self.timeout, wrong);
        if self.repository == 0 {
            wrong(&self.stanza, "pgBackRest counts its repositories from 1".to_owned());
        }
    }

    fn tool(&self, _host: &Host<'_>) -> Tool {
        let environment_file = self.environment_file.as_ref().map(|at| at.value.clone().into());
        Tool::PgBackRest(Stanza {
            program: Program { environment_file, ..Program::new(&self.program, self.timeout.0) },
            config_file: self.config_file.as_ref().map(|at| at.value.clone()),
            stanza: self.stanza.value.clone(),
            repository: self.repository,
        })
    }
}

impl Stanza {
    pub(super) fn location(&self) -> String {
        place(&self.stanza, self.repository)
    }

    pub(super) async fn look(&self) -> Result<Vec<Found>, String> {
        let stanza = format!("--stanza={}", self.stanza);
        let output = self.ask(&self.program, &["info", &stanza, "--output=json"]).await?;
        let all: Vec<Info> = serde_json::from_slice(&output)
            .map_err(|error| format!("what pgbackrest tells cannot be understood: {error}"))?;
        let info = all.into_iter().find(|info| info.name == self.stanza);
        let info = info.ok_or_else(|| format!("there is no stanza {:?}", self.stanza))?;
        let mut found = info.found(self.repository)?;
        if let Some(newest) = found.iter_mut().max_by_key(|found| found.made_ms)
            && let Some(archived_ms) = self.archived_ms(&info).await?
        {
            newest.entry.consistent_ms = newest.entry.consistent_ms.max(Some(archived_ms));
        }
        Ok(found)
    }

    /// When the newest WAL segment was stored: everything committed before it was filled can be restored.
    async fn archived_ms(&self, info: &Info) -> Result<Option<Millis>, String> {
        let of_here = info.archive.iter().filter(|it| it.database.repository == self.repository);
        let newest = of_here.filter_map(|archive| Some((archive, archive.max.as_ref()?)));
        let Some((archive, segment)) = newest.max_by_key(|(archive, _)| archive.database.id) else {
            return Ok(None);
        };
        let directory = segment.get(..16).unwrap_or(segment);
        let path = format!("archive/{}/{}/{directory}", self.stanza, archive.id);
        let filter = format!("--filter=^{segment}-");
        let output = self.ask(&self.program, &["repo-ls", &path, &filter, "--output=json"]).await?;
        let files: BTreeMap<String, Stored> = serde_json::from_slice(&output)
            .map_err(|error| format!("pgbackrest's list of WAL cannot be understood: {error}"))?;
        Ok(files.values().filter_map(|file| file.time).max().map(|at| at.saturating_mul(1_000)))
    }

    /// `pgbackrest verify` reads every file of the repository and compares its checksum.
    pub(super) async fn verify(&self, time_limit: Duration) -> Result<(), String> {
        let program = Program { timeout: time_limit, ..self.program.clone() };
        let stanza = format!("--stanza={}", self.stanza);
        let arguments = ["verify", &stanza, "--output=text", "--verbose"];
        let output = self.ask(&program, &arguments).await?;
        complaint(&String::from_utf8_lossy(&output)).map_or(Ok(()), Err)
    }

    async fn ask(&self, program: &Program, arguments: &[&str]) -> Result<Vec<u8>, String> {
        let mut all =
            vec!["--log-level-file=off".to_owned(), "--log-level-console=warn".to_owned()];
        all.push(format!("--repo={}", self.repository));
        all.extend(self.config_file.as_ref().map(|file| format!("--config={file}")));
        all.extend(arguments.iter().map(|&argument| argument.to_owned()));
        program.ask(&all).await
    }
}

impl Info {
    fn found(&self, repository: u32) -> Result<Vec<Found>, String> {
        let here = self.repo.iter().find(|one| one.key == repository);
        let status = here.map_or(&self.status, |one| &one.status);
        // 2 is "no valid backups": there is nothing, which is no failure to look.
        if !matches!(status.code, 0 | 2) {
            return Err(format!("pgbackrest: {} (status {})", status.message, status.code));
        }
        let of_here = self.backup.iter().filter(|backup| backup.database.repository == repository);
        Ok(of_here.map(|backup| self.backup_found(backup)).collect())
    }

    fn backup_found(&self, backup: &Backup) -> Found {
        let database = &backup.database;
        let of = |one: &&Database| one.id == database.id && one.repository == database.repository;
        let system_id = self.db.iter().find(of).map_or(0, |one| one.system_id);
        let made_ms = backup.timestamp.stop.saturating_mul(1_000);
        let segment = |segment: &Option<String>| segment.clone().unwrap_or_default();
        let (start, stop) = (segment(&backup.archive.start), segment(&backup.archive.stop));
        // Damaged pages were damaged in the database already; the copy is another content than a sound one.
        let damaged = if backup.error == Some(true) { ":damaged-pages" } else { "" };
        let content_id = format!("{system_id}:{}:{start}:{stop}{damaged}", backup.label);
        let bytes = Some(backup.info.size);
        Found { made_ms, entry: CopyEntry { content_id, consistent_ms: Some(made_ms), bytes } }
    }
}

fn place(stanza: &str, repository: u32) -> String {
    format!("{stanza} in repository {repository}")
}

/// What `verify` found, from its words: all is well only when it says so of the whole and of each backup.
fn complaint(text: &str) -> Option<String> {
    let states = text.lines().filter_map(|line| line.split_once("status: "));
    let states: Vec<_> = states.map(|(_, rest)| rest.split(',').next().unwrap_or(rest)).collect();
    let is_well = |state: &&str| matches!(state.trim(), "ok" | "valid");
    if !states.is_empty() && states.iter().all(is_well) {
        return None;
    }
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    Some(format!("pgbackrest verify: {}", lines.join(" / ")))
}

#[cfg(test)]
mod tests;
