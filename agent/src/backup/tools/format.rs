//! What the files of a pattern are: then their consistent moment and identity can be read, and the newest be verified.
//! Promises: a copy that ends too early is found when its data is read; nothing is written.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use agent_model::{Millis, VerificationDepth};
use deserr::Deserr;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

use super::super::command::Program;
use super::Found;

/// Labels and information files of base backups are a few lines.
const LABEL_BYTES_MAX: u64 = 64 << 10;
/// The checksum of a manifest stands in its last line.
const MANIFEST_END_BYTES: u64 = 200;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserr)]
#[deserr(rename_all = lowercase)]
pub enum Format {
    /// `pg_dump` in custom or tar format, or a directory of `pg_dump -Fd`. A list of contents stands at its beginning,
    /// so a truncated one can be listed.
    #[deserr(rename = "pg_dump")]
    PgDump,
    /// A directory of `pg_basebackup`, with its manifest.
    #[deserr(rename = "pg_basebackup")]
    PgBaseBackup,
    /// A directory of `mariadb-backup`.
    #[deserr(rename = "mariadb_backup")]
    MariadbBackup,
    /// `tar`, compressed or not.
    Tar,
}

impl Format {
    pub(super) fn depths(self) -> &'static [VerificationDepth] {
        match self {
            Self::PgDump | Self::PgBaseBackup => {
                &[VerificationDepth::Checked, VerificationDepth::DataRead]
            }
            Self::MariadbBackup => &[VerificationDepth::Checked],
            Self::Tar => &[VerificationDepth::DataRead, VerificationDepth::Restored],
        }
    }

    /// Adds what the copy says of itself. One that says nothing stays as it was measured.
    pub(super) fn describe(self, path: &Path, copy: &mut Found) {
        let told = match self {
            Self::PgDump | Self::Tar => (None, None),
            Self::PgBaseBackup => {
                let started = value(path, "backup_label", "START TIME: ").and_then(zoned_ms);
                (started, manifest_checksum(path))
            }
            Self::MariadbBackup => {
                let ended = value(path, "xtrabackup_info", "end_time = ").and_then(local_ms);
                let id = value(path, "xtrabackup_info", "uuid = ");
                // Its zone is not told: never later than the files themselves.
                (ended.map(|at| at.min(copy.made_ms)), id.map(|id| format!("mariadb-backup:{id}")))
            }
        };
        copy.entry.consistent_ms = told.0.or(copy.entry.consistent_ms);
        if let Some(id) = told.1 {
            copy.entry.content_id = id;
        }
    }

    pub(super) async fn verify(
        self,
        path: &Path,
        depth: VerificationDepth,
        time_limit: Duration,
    ) -> Result<(), String> {
        let path_text = path.display().to_string();
        let whole = depth == VerificationDepth::DataRead;
        let (program, arguments): (_, &[&str]) = match self {
            // Its list tells nothing of the data behind it.
            Self::PgDump if whole => ("pg_restore", &["--file=/dev/null", &path_text]),
            Self::PgDump => ("pg_restore", &["--list", &path_text]),
            Self::PgBaseBackup if whole => ("pg_verifybackup", &[&path_text]),
            Self::PgBaseBackup => ("pg_verifybackup", &["--skip-checksums", &path_text]),
            Self::Tar => ("tar", &["--list", "--file", &path_text]),
            Self::MariadbBackup => return is_prepared(path),
        };
        let program = postgresql_program(program);
        Program::new(&program, time_limit).ask(arguments).await.map(drop)
    }
}

impl Format {
    /// Unpacks into an empty directory, as whoever runs this.
    pub(super) async fn restore(
        self,
        path: &Path,
        into: &Path,
        time_limit: Duration,
    ) -> Result<(), String> {
        let (path, into) = (path.display().to_string(), into.display().to_string());
        let arguments = match self {
            Self::Tar => ["--extract", "--no-same-owner", "--file", &path, "--directory", &into],
            other => return Err(format!("{other:?} cannot be restored here")),
        };
        Program::new("tar", time_limit).ask(&arguments).await.map(drop)
    }
}

/// Debian keeps PostgreSQL's programs beside each version of the server; the newest reads what older ones wrote.
pub(super) fn postgresql_program(name: &str) -> String {
    let pattern = format!("/usr/lib/postgresql/*/bin/{name}");
    let found = glob::glob(&pattern).into_iter().flatten().flatten().max();
    found.map_or_else(|| name.to_owned(), |path| path.display().to_string())
}

/// A backup that was not prepared has changes in its log that a server would refuse to start on.
fn is_prepared(path: &Path) -> Result<(), String> {
    let kind = value(path, "xtrabackup_checkpoints", "backup_type = ")
        .or_else(|| value(path, "mariadb_backup_checkpoints", "backup_type = "));
    match kind.as_deref() {
        Some("log-applied") => Ok(()),
        Some(kind) => Err(format!(
            "the backup is {kind:?}, not prepared: run mariadb-backup --prepare --target-dir={}",
            path.display()
        )),
        None => Err(format!("{} holds no xtrabackup_checkpoints", path.display())),
    }
}

/// The rest of the line that begins so.
fn value(directory: &Path, file: &str, beginning: &str) -> Option<String> {
    let mut text = String::new();
    let file = fs::File::open(directory.join(file)).ok()?;
    file.take(LABEL_BYTES_MAX).read_to_string(&mut text).ok()?;
    let rest = text.lines().find_map(|line| line.strip_prefix(beginning))?;
    Some(rest.trim().to_owned())
}

/// `"Manifest-Checksum": "…"}` at the end of `backup_manifest`.
fn manifest_checksum(directory: &Path) -> Option<String> {
    use std::io::{Seek, SeekFrom};
    let mut file = fs::File::open(directory.join("backup_manifest")).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(MANIFEST_END_BYTES))).ok()?;
    let mut end = String::new();
    file.take(MANIFEST_END_BYTES).read_to_string(&mut end).ok()?;
    let (_, rest) = end.split_once("\"Manifest-Checksum\": \"")?;
    let (sum, _) = rest.split_once('"')?;
    Some(format!("manifest:{sum}"))
}

/// `2026-11-23 02:48:35 UTC`, or with `+07` for the zone; another abbreviation names no one moment.
fn zoned_ms(text: String) -> Option<Millis> {
    let (time, zone) = text.rsplit_once(' ')?;
    let offset = match zone {
        "UTC" | "GMT" => Offset::UTC,
        zone => Offset::from_hours(zone.parse().ok()?).ok()?,
    };
    in_zone(time, TimeZone::fixed(offset))
}

/// `2026-11-21 20:21:27` in this host's zone.
fn local_ms(text: String) -> Option<Millis> {
    in_zone(&text, TimeZone::system())
}

fn in_zone(time: &str, zone: TimeZone) -> Option<Millis> {
    let time: DateTime = time.parse().ok()?;
    Some(time.to_zoned(zone).ok()?.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests;
