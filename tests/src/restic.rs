//! A real restic repository in a directory.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use jiff::{Timestamp, ToSpan};

pub struct Restic {
    pub repository: PathBuf,
    pub password_file: PathBuf,
}

impl Restic {
    /// An empty one in `directory/name`. What is copied from `origin`, if given, is cut into the same pieces.
    pub fn init(directory: &Path, name: &str, origin: Option<&Self>) -> anyhow::Result<Self> {
        let password_file = directory.join("password");
        std::fs::write(&password_file, "story")?;
        let made = Self { repository: directory.join(name), password_file };
        let mut arguments = vec!["init"];
        let from = origin.map(|origin| origin.repository.display().to_string());
        let password = made.password_file.display().to_string();
        if let Some(from) = &from {
            arguments.extend(["--copy-chunker-params", "--from-repo", from]);
            arguments.extend(["--from-password-file", &password]);
        }
        made.run(&arguments)?;
        Ok(made)
    }

    /// Backs a directory up as it would have been done some hours ago.
    pub fn back_up(&self, data: &Path, hours_ago: i64) -> anyhow::Result<()> {
        #[allow(clippy::disallowed_methods, reason = "the story's own clock")]
        let at = Timestamp::now().checked_sub(hours_ago.hours())?;
        let time = at.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S");
        let data = data.display().to_string();
        self.run(&["backup", "--quiet", "--time", &time.to_string(), &data])
    }

    /// Copies what `origin` has and this one lacks.
    pub fn copy_from(&self, origin: &Self) -> anyhow::Result<()> {
        let from = origin.repository.display().to_string();
        let password = self.password_file.display().to_string();
        self.run(&["copy", "--quiet", "--from-repo", &from, "--from-password-file", &password])
    }

    pub fn forget_all(&self) -> anyhow::Result<()> {
        // The last one has to be named.
        self.run(&["forget", "--keep-last", "1", "--group-by", ""])?;
        self.run(&["forget", "latest"])
    }

    pub fn run(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let output = Command::new("restic")
            .args(["--no-cache", "--repo"])
            .arg(&self.repository)
            .arg("--password-file")
            .arg(&self.password_file)
            .args(arguments)
            .output()
            .context("restic")?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "restic {arguments:?}: {said}");
        Ok(())
    }

    /// Turns one bit over in the largest pack.
    pub fn spoil(&self) -> anyhow::Result<()> {
        let mut packs = Vec::new();
        for directory in std::fs::read_dir(self.repository.join("data"))? {
            for pack in std::fs::read_dir(directory?.path())? {
                let pack = pack?;
                packs.push((pack.metadata()?.len(), pack.path()));
            }
        }
        let (length, path) = packs.into_iter().max().context("no pack")?;
        let mut bytes = std::fs::read(&path)?;
        bytes[usize::try_from(length / 2)?] ^= 1;
        let mut rights = std::fs::metadata(&path)?.permissions();
        #[allow(clippy::permissions_set_readonly_false, reason = "a file of the story's own")]
        rights.set_readonly(false);
        std::fs::set_permissions(&path, rights)?;
        Ok(std::fs::write(&path, bytes)?)
    }
}
