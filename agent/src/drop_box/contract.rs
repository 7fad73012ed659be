//! What a file in the drop box holds: JSON, one result per file.
//!
//! `{"version": 1, "kind": "backup_run", "job": …, "tool": …, "started_ms": …, "finished_ms": …,
//! "outcome": "succeeded|unproven|empty|failed", "exit_code": …, "bytes": …, "files": …, "content_id": …, "detail": …}`;
//! `exit_code`, `bytes`, `files`, `content_id` and `detail` may be left out. Who reports it is the file's owner.

use agent_model::{BackupOutcome, BackupRun, Millis};
use serde::{Deserialize, Serialize};

const VERSION: u32 = 1;

/// Characters of a job's or tool's name.
const NAME_CHARS_MAX: usize = 200;

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Handed {
    BackupRun(HandedRun),
}

#[derive(Serialize, Deserialize)]
struct Versioned {
    version: u32,
    #[serde(flatten)]
    handed: Handed,
}

#[derive(Serialize, Deserialize)]
struct HandedRun {
    job: String,
    tool: String,
    started_ms: Millis,
    finished_ms: Millis,
    outcome: String,
    #[serde(default)]
    exit_code: Option<i32>,
    #[serde(default)]
    bytes: Option<u64>,
    #[serde(default)]
    files: Option<u64>,
    #[serde(default)]
    content_id: Option<String>,
    #[serde(default)]
    detail: String,
}

pub(super) fn encode(run: &BackupRun) -> Result<Vec<u8>, serde_json::Error> {
    let handed = Handed::BackupRun(HandedRun {
        job: run.job.clone(),
        tool: run.tool.clone(),
        started_ms: run.started_ms,
        finished_ms: run.finished_ms,
        outcome: run.outcome.name().to_owned(),
        exit_code: run.exit_code,
        bytes: run.bytes,
        files: run.files,
        content_id: run.content_id.clone(),
        detail: run.detail.clone(),
    });
    serde_json::to_vec(&Versioned { version: VERSION, handed })
}

/// Reads a file's content; an error says what is wrong with it.
pub(super) fn decode(bytes: &[u8], reported_by: &str) -> Result<BackupRun, String> {
    let versioned: Versioned =
        serde_json::from_slice(bytes).map_err(|error| format!("it cannot be read: {error}"))?;
    if versioned.version != VERSION {
        return Err(format!("version {} is not {VERSION}", versioned.version));
    }
    let Handed::BackupRun(run) = versioned.handed;
    let outcome = BackupOutcome::ALL.into_iter().find(|outcome| outcome.name() == run.outcome);
    let outcome = outcome.ok_or_else(|| format!("outcome {:?} is not known", run.outcome))?;
    let name = |what: &str, name: &str| {
        let fits = !name.is_empty() && name.chars().count() <= NAME_CHARS_MAX;
        if fits { Ok(()) } else { Err(format!("`{what}` is empty or too long")) }
    };
    name("job", &run.job)?;
    name("tool", &run.tool)?;
    if run.finished_ms < run.started_ms {
        return Err("it finished before it started".to_owned());
    }
    let proven = run.exit_code == Some(0) && run.bytes.is_some_and(|bytes| bytes > 0);
    if outcome == BackupOutcome::Succeeded && !proven {
        return Err("`succeeded` needs exit_code 0 and bytes; say `unproven` without".to_owned());
    }
    Ok(BackupRun {
        job: run.job,
        tool: run.tool,
        started_ms: run.started_ms,
        finished_ms: run.finished_ms,
        outcome,
        exit_code: run.exit_code,
        bytes: run.bytes,
        files: run.files,
        content_id: run.content_id,
        detail: run.detail,
        reported_by: reported_by.to_owned(),
    })
}
