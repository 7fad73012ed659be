//! The archives of a BorgBackup repository, as `borg list --json` tells them, and `borg check`.
//! Promises: read-only (`--bypass-lock`: a lock would be written into the repository, and would hold up backups); the
//! passphrase is a file that only a program named to borg reads. Borg tells local times without a zone, so it is asked
//! in UTC. An archive's identity is its id: equal in a repository that was transferred as files, never in two that were
//! written apart, even from the same data. Without a lock a `compact` at the same moment can make a look or a check
//! fail; the next one is right again.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::time::Duration;

use agent_model::{COPY_ENTRIES_MAX, CopyEntry, Millis, VerificationDepth};
use agent_yaml::{At, Duration as Length};
use deserr::Deserr;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::super::command::Program;
use super::super::config::{Common, Entry, Host, Verify, Wrong, absolute, time_limit};
use super::{Found, Tool};

/// The newest archive of a BorgBackup repository counts as the newest copy of a job.
#[derive(Clone, Debug, Deserr)]
#[deserr(deny_unknown_fields)]
pub struct Config {
    pub job: At<String>,
    pub repository: At<String>,
    /// Left out for a repository without encryption.
    #[deserr(default)]
    pub password_file: Option<At<String>>,
    /// `NAME=value` lines for the tool, such as `BORG_RSH`.
    #[deserr(default)]
    pub environment_file: Option<At<String>>,
    /// Only archives whose name fits: `web01-*`.
    #[deserr(default)]
    pub archives: Option<String>,
    #[deserr(default = Length::from_secs(900))]
    pub interval: Length,
    /// How long borg may take for a look.
    #[deserr(default = Length::from_secs(120))]
    pub timeout: Length,
    #[deserr(default)]
    pub verify: Option<Verify>,
    #[deserr(default = "borg".to_owned())]
    pub program: String,
}

/// One repository, and which of its archives count.
#[derive(Clone, Debug)]
pub(crate) struct Repository {
    program: Program,
    repository: String,
    archives: Option<String>,
    /// Sizes by the archive's id: `borg list` has none.
    measured: HashMap<String, u64>,
}

#[derive(Deserialize)]
struct List {
    archives: Vec<Archive>,
}

#[derive(Deserialize)]
struct Archive {
    id: String,
    name: String,
    /// When the backup began: `2026-11-21T20:10:17.000000`.
    start: String,
}

#[derive(Deserialize)]
struct Info {
    archives: Vec<Measured>,
}

#[derive(Deserialize)]
struct Measured {
    stats: Stats,
}

#[derive(Deserialize)]
struct Stats {
    original_size: u64,
}

impl Entry for Config {
    fn common(&self) -> Common<'_> {
        Common {
            job: &self.job,
            place: self.repository.value.clone(),
            interval: self.interval,
            depths: &[VerificationDepth::Checked, VerificationDepth::DataRead],
            verify: self.verify.as_ref(),
        }
    }

    fn check(&self, wrong: &mut Wrong<'_>) {
        for (what, file) in
            [("password file", &self.password_file), ("environment file", &self.environment_file)]
        {
            if let Some(file) = file {
                absolute(what, file, wrong);
            }
        }
        time_limit(&self.job, self.timeout, wrong);
    }

    fn tool(&self, host: &Host<'_>) -> Tool {
        let mut program = Program::new(&self.program, self.timeout.0);
        program.environment_file = self.environment_file.as_ref().map(|at| at.value.clone().into());
        let base = host.state_dir.join("borg").display().to_string();
        program.environment = vec![
            ("TZ", "UTC".to_owned()),
            // The agent has no home; keys and the index of chunks stay here.
            ("BORG_BASE_DIR", base),
            // It is only read, and no secret is given to it.
            ("BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK", "yes".to_owned()),
        ];
        if let Some(file) = &self.password_file {
            let file = file.value.replace('\'', "'\"'\"'");
            program.environment.push(("BORG_PASSCOMMAND", format!("cat '{file}'")));
        }
        Tool::Borg(Repository {
            program,
            repository: self.repository.value.clone(),
            archives: self.archives.clone(),
            measured: HashMap::new(),
        })
    }
}

impl Repository {
    pub(super) fn location(&self) -> String {
        self.repository.clone()
    }

    pub(super) async fn look(&mut self) -> Result<Vec<Found>, String> {
        let mut arguments = vec!["list", "--json", "--bypass-lock"];
        if let Some(archives) = &self.archives {
            arguments.extend(["--glob-archives", archives]);
        }
        arguments.extend(["--", &self.repository]);
        let output = self.program.ask(&arguments).await?;
        let List { mut archives } = serde_json::from_slice(&output)
            .map_err(|error| format!("borg's list of archives cannot be understood: {error}"))?;
        archives.sort_by_key(|archive| Reverse(archive.start.clone()));
        self.measure(&archives).await;
        archives.into_iter().map(|archive| archive.found(&self.measured)).collect()
    }

    /// `borg check`; the error says what borg said.
    pub(super) async fn verify(
        &self,
        depth: VerificationDepth,
        time_limit: Duration,
    ) -> Result<(), String> {
        let program = Program { timeout: time_limit, ..self.program.clone() };
        let mut arguments = vec!["check", "--bypass-lock"];
        if depth == VerificationDepth::DataRead {
            arguments.push("--verify-data");
        }
        arguments.extend(["--", &self.repository]);
        program.ask(&arguments).await.map(drop)
    }

    /// Asks for the size of the newest archive that has none, one a look: borg reads its whole list of files for it.
    /// Not knowing is no reason to hide the archive.
    async fn measure(&mut self, archives: &[Archive]) {
        let recent = &archives[..archives.len().min(COPY_ENTRIES_MAX)];
        self.measured.retain(|id, _| recent.iter().any(|archive| archive.id == *id));
        let is_unknown = |archive: &&Archive| !self.measured.contains_key(&archive.id);
        let Some(archive) = recent.iter().find(is_unknown) else { return };
        let name = format!("{}::{}", self.repository, archive.name);
        let output = self.program.ask(&["info", "--json", "--bypass-lock", "--", &name]).await;
        let info = output.and_then(|output| {
            serde_json::from_slice::<Info>(&output).map_err(|error| error.to_string())
        });
        match info.map(|info| info.archives.into_iter().next()) {
            Ok(Some(Measured { stats })) => {
                self.measured.insert(archive.id.clone(), stats.original_size);
            }
            Ok(None) => {}
            Err(reason) => {
                tracing::warn!(reason, repository = self.repository, "archive cannot be measured");
            }
        }
    }
}

impl Archive {
    fn found(self, measured: &HashMap<String, u64>) -> Result<Found, String> {
        let made_ms = utc_ms(&self.start)?;
        let bytes = measured.get(&self.id).copied();
        let entry = CopyEntry { content_id: self.id, consistent_ms: Some(made_ms), bytes };
        Ok(Found { made_ms, entry })
    }
}

fn utc_ms(text: &str) -> Result<Millis, String> {
    let wrong = |_| format!("borg's time {text:?} cannot be understood");
    let time: DateTime = text.parse().map_err(wrong)?;
    time.to_zoned(TimeZone::UTC).map(|it| it.timestamp().as_millisecond()).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use expect_test::expect;
    use tempfile::TempDir;

    use super::super::Seen;
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    /// The same host backs up with its own keys and in its own time zone.
    fn run(dir: &TempDir, arguments: &[&str]) {
        let output = std::process::Command::new("borg")
            .args(arguments)
            .env("TZ", "Asia/Ho_Chi_Minh")
            .env("BORG_BASE_DIR", dir.path().join("host"))
            .env("BORG_PASSPHRASE", "it's secret")
            .output()
            .expect("borg is missing: apt-get install borgbackup");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn at(dir: &TempDir) -> Repository {
        let password_file = dir.path().join("borg's password");
        fs::write(&password_file, "it's secret").unwrap();
        // The agent's host is in another zone than borg is asked in.
        let environment_file = dir.path().join("environment");
        fs::write(&environment_file, "TZ=Asia/Ho_Chi_Minh\n").unwrap();
        let text = format!(
            "job: web\nrepository: {}\npassword_file: \"{}\"\nenvironment_file: {}\n",
            dir.path().join("repository").display(),
            password_file.display(),
            environment_file.display()
        );
        let document = agent_yaml::Document::parse(Path::new("agent.yml"), &text).unwrap();
        let host = Host { root: Path::new("/"), state_dir: dir.path() };
        let Tool::Borg(repository) = document.read::<Config>().unwrap().tool(&host) else {
            panic!()
        };
        repository
    }

    /// A file larger than what is kept of the archives themselves.
    fn data(dir: &TempDir) -> String {
        let data = dir.path().join("data");
        fs::write(&data, vec![7; 3_000_000]).unwrap();
        data.display().to_string()
    }

    #[tokio::test]
    async fn a_real_repository_is_read_in_every_state_and_its_times_are_utc() {
        let dir = TempDir::new().unwrap();
        let mut repository = at(&dir);
        let missing = repository.look().await.unwrap_err();
        assert!(missing.contains("does not exist"), "{missing}");
        run(&dir, &["init", "-e", "repokey-blake2", &repository.repository]);
        assert_eq!(repository.look().await, Ok(Vec::new()));
        let (data, place) = (data(&dir), repository.repository.clone());
        // Borg takes this time as UTC, whatever the zone.
        for (name, time) in [("web-1", "2026-11-20T01:00:00"), ("db-1", "2026-11-21T01:00:00")] {
            run(&dir, &["create", "--timestamp", time, &format!("{place}::{name}"), &data]);
        }
        let seen = Seen::of(repository.look().await.unwrap());
        let newest_ms = "2026-11-21T01:00:00Z".parse::<jiff::Timestamp>().unwrap().as_millisecond();
        assert_eq!((seen.newest_ms, seen.copies), (Some(newest_ms), 2));
        assert_eq!(seen.newest().consistent_ms, Some(newest_ms));
        assert_eq!((seen.newest().bytes, seen.recent[1].bytes), (Some(3_000_000), None));
        let again = Seen::of(repository.look().await.unwrap());
        assert_eq!(again.recent[1].bytes, Some(3_000_000));
        repository.archives = Some("web-*".to_owned());
        assert_eq!(repository.look().await.unwrap().len(), 1);
        fs::write(dir.path().join("borg's password"), "wrong").unwrap();
        let wrong = repository.look().await.unwrap_err();
        assert!(wrong.contains("passphrase"), "{wrong}");
    }

    #[tokio::test]
    async fn damage_is_found_by_the_check_and_by_reading_all_data() {
        let dir = TempDir::new().unwrap();
        let repository = at(&dir);
        run(&dir, &["init", "-e", "repokey-blake2", &repository.repository]);
        let archive = format!("{}::a", repository.repository);
        run(&dir, &["create", "--compression", "none", &archive, &data(&dir)]);
        for depth in [VerificationDepth::Checked, VerificationDepth::DataRead] {
            assert_eq!(repository.verify(depth, MINUTE).await, Ok(()));
        }
        let pattern = format!("{}/data/0/*", repository.repository);
        let size = |path: &PathBuf| fs::metadata(path).unwrap().len();
        let segment = glob::glob(&pattern).unwrap().map(Result::unwrap).max_by_key(size).unwrap();
        let mut bytes = fs::read(&segment).unwrap();
        bytes[1_000] ^= 1;
        fs::write(&segment, bytes).unwrap();
        for depth in [VerificationDepth::Checked, VerificationDepth::DataRead] {
            let found = repository.verify(depth, MINUTE).await.unwrap_err();
            assert!(found.contains("checksum mismatch"), "{found}");
        }
    }

    #[test]
    fn a_recorded_list_is_read() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../shared/fixtures/backup/borg-list.json");
        let Ok(text) = fs::read(file) else {
            println!("left out: the recorded outputs are not beside the workspace");
            return;
        };
        let list: List = serde_json::from_slice(&text).unwrap();
        let found = list.archives.into_iter().map(|archive| archive.found(&HashMap::new()));
        let seen = Seen::of(found.map(Result::unwrap).collect());
        expect![[r#"(Some(1795291817000), "884199fc565e070c990b947a50e449917192dd8d664599a13b762e1b032eafbf")"#]]
            .assert_eq(&format!("{:?}", (seen.newest_ms, seen.newest().content_id)));
    }
}
