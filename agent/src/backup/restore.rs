//! Restore tests: the newest copy is restored into a directory of its own, looked at, measured, and removed again.
//! Promises: nothing is written outside of that directory; what a killed test left behind is removed before the next; a copy
//! is blamed only for what a restore of it did, not for a full disk here.
//! Leaves to others: when it is due (`verification`), and how a tool restores (`tools`).

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use agent_model::Millis;
use agent_yaml::{At, Duration as Length};
use deserr::Deserr;
use nix::sys::statvfs::statvfs;
use serde::{Deserialize, Serialize};
use walkdir::WalkDir;

use super::command::Program;
use super::tools::Tool;
use super::verification::NotVerified;
use crate::clock::Clock;
use crate::source::{MetricSource, Reading, SourceError};

/// Beside the data itself: directories, and what the check writes.
const ROOM_PERCENT: u64 = 110;

/// The `restore` of an entry's `verify`.
#[derive(Clone, Debug, Deserr)]
#[deserr(deny_unknown_fields)]
pub struct Config {
    pub interval: Length,
    /// A directory with room for the newest copy; what is restored lies in one below it for as long as the test takes.
    pub into: At<String>,
    /// Ends with 0 when what was restored can be used. The directory that holds it is its last argument.
    #[deserr(default)]
    pub check: Vec<String>,
    #[deserr(default = Length::from_secs(12 * 3600))]
    pub timeout: Length,
}

/// What a restore test does.
#[derive(Clone, Debug)]
pub(super) struct Restore {
    into: PathBuf,
    check: Vec<String>,
    time_limit: Duration,
}

/// What came of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Restored {
    pub(super) bytes: u64,
    pub(super) files: u64,
    /// How long the restore took, without the check.
    pub(super) took_ms: u64,
}

impl From<&Config> for Restore {
    fn from(config: &Config) -> Self {
        let (into, check) = (config.into.value.clone().into(), config.check.clone());
        Self { into, check, time_limit: config.timeout.0 }
    }
}

impl Restore {
    /// Restores the newest copy, which holds so many bytes as far as its tool tells.
    pub(super) async fn test(
        &self,
        tool: &Tool,
        job: &str,
        expected: Option<u64>,
    ) -> Result<Restored, NotVerified> {
        let directory = self.into.join(format!("haidang-restore-{job}"));
        let (into, made) = (self.into.clone(), directory.clone());
        blocking(move || make_room(&into, &made, expected)).await.map_err(NotVerified::NotRead)?;
        let tested = self.test_in(&directory, tool, expected).await;
        let left = directory.clone();
        if let Err(reason) = blocking(move || remove(&left)).await {
            tracing::error!(job, reason, "what a restore test restored cannot be removed");
        }
        tested.map_err(NotVerified::NotPassed)
    }

    async fn test_in(
        &self,
        directory: &Path,
        tool: &Tool,
        expected: Option<u64>,
    ) -> Result<Restored, String> {
        let began = Clock.instant();
        tool.restore(directory, self.time_limit).await?;
        let took = Clock.instant().saturating_duration_since(began);
        let within = directory.to_owned();
        let (bytes, files) = blocking(move || measure(&within)).await?;
        if files == 0 {
            return Err("nothing was restored".to_owned());
        }
        if let Some(expected) = expected.filter(|expected| bytes < *expected) {
            return Err(format!("only {bytes} of {expected} bytes were restored"));
        }
        if let Some((program, arguments)) = self.check.split_first() {
            let directory = directory.display().to_string();
            let arguments: Vec<&String> = arguments.iter().chain([&directory]).collect();
            let checked = Program::new(program, self.time_limit).ask(&arguments).await;
            checked.map_err(|error| format!("what was restored cannot be used: {error}"))?;
        }
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        Ok(Restored { bytes, files, took_ms })
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|stopped| Err(stopped.to_string()))
}

fn make_room(into: &Path, directory: &Path, expected: Option<u64>) -> Result<(), String> {
    remove(directory)?;
    let free = statvfs(into)
        .map(|space| space.blocks_available().saturating_mul(space.fragment_size()))
        .map_err(|error| format!("{} cannot be used for a restore: {error}", into.display()))?;
    let needed = expected.unwrap_or(0).saturating_mul(ROOM_PERCENT) / 100;
    if free < needed {
        let into = into.display();
        return Err(format!("{into} has {free} bytes free, a restore needs {needed}"));
    }
    // What is restored may be read by nobody else.
    DirBuilder::new()
        .mode(0o700)
        .create(directory)
        .map_err(|error| format!("{} cannot be made: {error}", directory.display()))
}

fn remove(directory: &Path) -> Result<(), String> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("{} cannot be removed: {error}", directory.display()))
        }
        _ => Ok(()),
    }
}

/// Bytes and files below a directory; links are not followed.
fn measure(directory: &Path) -> Result<(u64, u64), String> {
    let (mut bytes, mut files) = (0, 0);
    for entry in WalkDir::new(directory) {
        let entry = entry.map_err(|error| error.to_string())?;
        if entry.file_type().is_file() {
            bytes += entry.metadata().map_err(|error| error.to_string())?.len();
            files += 1;
        }
    }
    Ok((bytes, files))
}

/// The last restore of one place, for the metrics.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) job: String,
    pub(super) location: String,
    pub(super) tool: &'static str,
    pub(super) at_ms: Millis,
    pub(super) restored: Restored,
}

/// `haidang_backup_restore_…`, from the bookmark: a restart of the agent forgets none of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Metrics(Arc<Mutex<Vec<Shown>>>);

impl Metrics {
    pub(super) fn show(&self, all: Vec<Shown>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = all;
    }
}

impl MetricSource for Metrics {
    fn name(&self) -> &'static str {
        "backup_restore"
    }

    fn job(&self) -> &'static str {
        "backup"
    }

    fn read(&mut self, _now_ms: Millis, out: &mut Reading) -> Result<(), SourceError> {
        for one in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let labels =
                [("backup", one.job.as_str()), ("location", &one.location), ("tool", one.tool)];
            let at_seconds = number(one.at_ms.unsigned_abs()) / 1_000.0;
            out.add("haidang_backup_restore_timestamp_seconds", &labels, at_seconds);
            let took_seconds = number(one.restored.took_ms) / 1_000.0;
            out.add("haidang_backup_restore_seconds", &labels, took_seconds);
            out.add("haidang_backup_restore_bytes", &labels, number(one.restored.bytes));
        }
        Ok(())
    }
}

#[allow(clippy::cast_precision_loss, reason = "exact up to 2^53")]
fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::super::tools::Format;
    use super::super::tools::newest_file::Files;
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn reason<T>(tested: Result<T, NotVerified>) -> (bool, String) {
        match tested.err().unwrap() {
            NotVerified::NotRead(reason) => (false, reason),
            NotVerified::NotPassed(reason) => (true, reason),
        }
    }

    #[tokio::test]
    async fn a_real_archive_is_restored_checked_measured_and_removed() {
        let dir = TempDir::new().unwrap();
        let into = dir.path().join("into");
        fs::create_dir_all(dir.path().join("data/below")).unwrap();
        fs::create_dir(&into).unwrap();
        fs::write(dir.path().join("data/below/rows"), "x".repeat(10_000)).unwrap();
        let archive = dir.path().join("a.tar");
        let tar = |arguments: &[&str]| {
            let ran = std::process::Command::new("tar").args(arguments).status();
            assert!(ran.unwrap().success());
        };
        let (at, to) = (dir.path().display().to_string(), archive.display().to_string());
        tar(&["--create", "--file", &to, "--directory", &at, "data"]);
        let pattern = dir.path().join("*.tar").display().to_string();
        let tool = Tool::NewestFile(Files::new(&pattern, Path::new("/"), Some(Format::Tar)));
        let with_check = |script: &str| Restore {
            into: into.clone(),
            check: ["sh", "-c", script, "check"].map(str::to_owned).into(),
            time_limit: MINUTE,
        };
        let rows = "test $(wc -c < $1/data/below/rows) = 10000";
        let restored = with_check(rows).test(&tool, "files", None).await.ok().unwrap();
        assert_eq!((restored.bytes, restored.files), (10_000, 1));
        let is_empty = || fs::read_dir(&into).unwrap().count() == 0;
        assert!(is_empty(), "it is removed");

        // What a killed test left behind is in nobody's way.
        fs::create_dir_all(into.join("haidang-restore-files/data")).unwrap();
        let wrong = with_check("echo 3 rows are missing >&2; exit 1");
        let (passed_on, why) = reason(wrong.test(&tool, "files", None).await);
        assert!(passed_on && why.contains("3 rows are missing"), "{why}");
        assert!(is_empty(), "after a failure too");
        let (_, why) = reason(with_check(rows).test(&tool, "files", Some(10_001)).await);
        assert_eq!(why, "only 10000 of 10001 bytes were restored");

        // Trouble here says nothing of the copy.
        let (blames, why) =
            reason(with_check(rows).test(&tool, "files", Some(u64::MAX / 200)).await);
        assert!(!blames && why.contains("bytes free, a restore needs"), "{why}");
        let nowhere = Restore { into: into.join("gone"), ..with_check(rows) };
        let (blames, why) = reason(nowhere.test(&tool, "files", None).await);
        assert!(!blames && why.contains("cannot be used for a restore"), "{why}");

        // Cut off in the middle.
        let whole = fs::read(&archive).unwrap();
        fs::write(&archive, &whole[..whole.len() / 2]).unwrap();
        let (blames, why) = reason(with_check(rows).test(&tool, "files", None).await);
        assert!(blames && why.starts_with("tar ended with"), "{why}");
        assert!(is_empty());
    }
}
