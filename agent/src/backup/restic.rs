//! The newest snapshot of a restic repository, as `restic snapshots --json` tells it.
//! Promises: read-only (no lock, no cache), ends within a time limit, bounded output; the password is a file that only
//! restic reads. The size comes with the snapshot (restic 0.17) or from `restic stats`, once per snapshot.

use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

use super::copies::Seen;

/// A snapshot takes about 500 bytes: years of them fit.
const OUTPUT_BYTES_MAX: u64 = 8 << 20;
/// What is kept of an error.
const ERROR_BYTES_MAX: u64 = 4 << 10;

/// One repository, and which of its snapshots count.
#[derive(Clone, Debug)]
pub(super) struct Repository {
    pub(super) program: PathBuf,
    pub(super) repository: String,
    pub(super) password_file: PathBuf,
    /// Only snapshots of this host, with this tag, of this path.
    pub(super) host: Option<String>,
    pub(super) tag: Option<String>,
    pub(super) path: Option<String>,
    pub(super) timeout: Duration,
    /// The snapshot that was measured last.
    pub(super) measured: Option<(String, u64)>,
}

#[derive(Deserialize)]
struct Snapshot {
    #[serde(deserialize_with = "timestamp")]
    time: Timestamp,
    id: String,
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
    pub(super) async fn look(&mut self) -> Result<Seen, String> {
        let mut arguments = vec!["snapshots"];
        for (flag, value) in [("--host", &self.host), ("--tag", &self.tag), ("--path", &self.path)]
        {
            if let Some(value) = value {
                arguments.extend([flag, value.as_str()]);
            }
        }
        let output = self.run(&arguments).await?;
        // An empty repository answers `[]`, older releases `null`.
        let snapshots: Option<Vec<Snapshot>> = serde_json::from_slice(&output)
            .map_err(|error| format!("restic's list of snapshots cannot be understood: {error}"))?;
        let snapshots = snapshots.unwrap_or_default();
        let copies = u64::try_from(snapshots.len()).unwrap_or(u64::MAX);
        let Some(newest) = snapshots.into_iter().max_by_key(|snapshot| snapshot.time) else {
            return Ok(Seen::default());
        };
        let bytes = match newest.summary {
            Some(summary) => Some(summary.total_bytes_processed),
            None => self.measure(&newest.id).await,
        };
        Ok(Seen {
            newest_ms: Some(newest.time.as_millisecond()),
            bytes,
            copies,
            content_id: Some(newest.id),
        })
    }

    /// What a restore of the snapshot would write. Not knowing is no reason to hide the snapshot.
    async fn measure(&mut self, id: &str) -> Option<u64> {
        if let Some((known, bytes)) = &self.measured
            && known == id
        {
            return Some(*bytes);
        }
        let output = self.run(&["stats", "--mode", "restore-size", id]).await;
        let stats = output.and_then(|output| {
            serde_json::from_slice::<Stats>(&output).map_err(|error| error.to_string())
        });
        match stats {
            Ok(stats) => {
                self.measured = Some((id.to_owned(), stats.total_size));
                Some(stats.total_size)
            }
            Err(reason) => {
                tracing::warn!(reason, repository = self.location(), "snapshot cannot be measured");
                None
            }
        }
    }

    async fn run(&self, arguments: &[&str]) -> Result<Vec<u8>, String> {
        let running = self.run_to_the_end(arguments);
        let limited = tokio::time::timeout(self.timeout, running).await;
        limited.unwrap_or_else(|_| {
            Err(format!("restic did not end within {} s", self.timeout.as_secs_f64()))
        })
    }

    async fn run_to_the_end(&self, arguments: &[&str]) -> Result<Vec<u8>, String> {
        let mut child = Command::new(&self.program)
            .args(["--json", "--no-lock", "--no-cache", "--repo", &self.repository])
            .arg("--password-file")
            .arg(&self.password_file)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // The time limit drops it.
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("{} cannot be run: {error}", self.program.display()))?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (output, errors) =
            tokio::join!(read(stdout, OUTPUT_BYTES_MAX), read(stderr, ERROR_BYTES_MAX));
        let status = child.wait().await.map_err(|error| error.to_string())?;
        let (output, whole) = output.map_err(|error| error.to_string())?;
        if !status.success() {
            let (errors, _) = errors.map_err(|error| error.to_string())?;
            return Err(self.failure(&String::from_utf8_lossy(&errors), status));
        }
        if !whole {
            return Err(format!("restic's answer is larger than {OUTPUT_BYTES_MAX} bytes"));
        }
        Ok(output)
    }

    fn failure(&self, errors: &str, status: std::process::ExitStatus) -> String {
        let lines: Vec<_> = errors.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let said = lines.join(" / ").replace(&self.repository, &self.location());
        format!("restic ended with {status}: {said}")
    }
}

/// Reads to the end and keeps the first bytes; tells whether that was all.
async fn read(from: Option<impl AsyncRead + Unpin>, bytes_max: u64) -> io::Result<(Vec<u8>, bool)> {
    let mut kept = Vec::new();
    let Some(from) = from else { return Ok((kept, true)) };
    let mut limited = from.take(bytes_max);
    limited.read_to_end(&mut kept).await?;
    // The rest is read as well, or the tool would wait for us.
    let mut rest = limited.into_inner();
    let dropped = tokio::io::copy(&mut rest, &mut tokio::io::sink()).await?;
    Ok((kept, dropped == 0))
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
mod tests {
    use std::fs;
    use std::path::Path;

    use tempfile::TempDir;

    use super::*;

    fn at(dir: &TempDir, name: &str) -> Repository {
        Repository {
            program: "restic".into(),
            repository: dir.path().join(name).display().to_string(),
            password_file: dir.path().join("password"),
            host: None,
            tag: None,
            path: None,
            timeout: Duration::from_secs(60),
            measured: None,
        }
    }

    fn restic(repository: &Repository, arguments: &[&str]) -> bool {
        let mut command = std::process::Command::new(&repository.program);
        command.args(["--no-cache", "-r", &repository.repository, "-p"]);
        command.arg(&repository.password_file).args(arguments);
        command.output().is_ok_and(|output| output.status.success())
    }

    #[tokio::test]
    async fn a_real_repository_is_read_in_every_state() {
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join("password"), "secret").unwrap();
        let mut repository = at(&dir, "repository");
        if !restic(&repository, &["version"]) {
            println!("left out: restic is not installed");
            return;
        }
        let missing = repository.look().await.unwrap_err();
        assert!(missing.contains("Is there a repository"), "{missing}");
        assert!(restic(&repository, &["init"]));
        assert_eq!(repository.look().await, Ok(Seen::default()));
        let data = dir.path().join("data");
        fs::write(&data, "some data").unwrap();
        let data = data.display().to_string();
        assert!(restic(
            &repository,
            &["backup", "--host", "a", "--time", "2026-11-20 01:00:00", &data]
        ));
        assert!(restic(
            &repository,
            &["backup", "--host", "b", "--time", "2026-11-21 01:00:00", &data]
        ));
        let seen = repository.look().await.unwrap();
        assert_eq!((seen.copies, seen.bytes), (2, Some(9)));
        assert_eq!(repository.measured.clone().map(|(id, _)| Some(id)), Some(seen.content_id));
        repository.host = Some("a".to_owned());
        let of_a = repository.look().await.unwrap();
        assert_eq!((of_a.copies, of_a.newest_ms < seen.newest_ms), (1, true));
        repository.host = Some("c".to_owned());
        assert_eq!(repository.look().await, Ok(Seen::default()));
        fs::write(dir.path().join("password"), "wrong").unwrap();
        let wrong = repository.look().await.unwrap_err();
        assert!(wrong.contains("wrong password"), "{wrong}");
    }

    #[tokio::test]
    async fn a_tool_that_hangs_or_is_missing_is_told() {
        let dir = TempDir::new().unwrap();
        let mut repository = at(&dir, "repository");
        let script = dir.path().join("hang");
        repository.program = script.clone();
        let missing = repository.look().await.unwrap_err();
        assert!(missing.contains("cannot be run"), "{missing}");
        write_script(&script, "sleep 600");
        repository.timeout = Duration::from_millis(300);
        assert_eq!(repository.look().await.unwrap_err(), "restic did not end within 0.3 s");
        write_script(&script, "head -c 9000000 /dev/zero");
        repository.timeout = Duration::from_secs(60);
        let large = repository.look().await.unwrap_err();
        assert!(large.contains("larger than 8388608 bytes"), "{large}");
    }

    fn write_script(path: &Path, script: &str) {
        use std::os::unix::fs::PermissionsExt;
        fs::write(path, format!("#!/bin/sh\nexec {script}\n")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn a_location_never_shows_a_password() {
        for (repository, shown) in [
            ("rest:https://u:p@h:8000/x", "rest:https://u:***@h:8000/x"),
            ("rest:https://u:p@q@h/x", "rest:https://u:***@h/x"),
            ("rest:https://h/x@y", "rest:https://h/x@y"),
            ("sftp:u@h:/x", "sftp:u@h:/x"),
            ("/srv/restic", "/srv/restic"),
        ] {
            assert_eq!(without_password(repository), shown);
        }
    }

    #[test]
    fn recorded_lists_are_read() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../shared/fixtures/backup/restic-snapshots-primary.json");
        let Ok(text) = fs::read(file) else {
            println!("left out: the recorded outputs are not beside the workspace");
            return;
        };
        let snapshots: Vec<Snapshot> = serde_json::from_slice(&text).unwrap();
        let newest = snapshots.into_iter().max_by_key(|snapshot| snapshot.time).unwrap();
        assert_eq!(newest.time.to_string(), "2026-11-21T20:09:59.44657448Z");
    }
}
