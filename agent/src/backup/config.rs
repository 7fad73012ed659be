//! The `backup` section of `agent.yml`, and what is watched because of it. What belongs to one tool is in its file.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use agent_model::{Problem, VerificationDepth};
use agent_yaml::{At, Document, Duration as Length};
use deserr::Deserr;

use super::copies::Watched;
use super::restore::{self, Restore};
use super::run::job_name;
use super::tools::{Tool, borg, mariadb, newest_file, pgbackrest, postgresql, program, restic};
use super::verification::Verification;

/// Jobs of one agent.
const JOBS_MAX: usize = 200;
/// Looking more often is load on the backup store.
const INTERVAL_MIN: Duration = Duration::from_secs(10);
/// A verification reads much; it is no way to look for new copies.
const VERIFY_INTERVAL_MIN: Duration = Duration::from_secs(60);

/// The `backup` section of `agent.yml`.
#[derive(Clone, Debug, Default, Deserr)]
#[deserr(deny_unknown_fields)]
pub struct Config {
    #[deserr(default)]
    pub newest_file: Vec<newest_file::Config>,
    #[deserr(default)]
    pub restic: Vec<restic::Config>,
    #[deserr(default)]
    pub borg: Vec<borg::Config>,
    #[deserr(default)]
    pub pgbackrest: Vec<pgbackrest::Config>,
    #[deserr(default)]
    pub postgresql: Vec<postgresql::Config>,
    #[deserr(default)]
    pub mariadb: Vec<mariadb::Config>,
    #[deserr(default)]
    pub program: Vec<program::Config>,
}

/// How often copies are verified, and how deeply.
#[derive(Clone, Debug, Deserr)]
#[deserr(deny_unknown_fields)]
pub struct Verify {
    /// What the tool checks without reading all data.
    #[deserr(default)]
    pub check: Option<Length>,
    /// Every byte is read.
    #[deserr(default)]
    pub read_data: Option<Length>,
    /// How long one verification may take.
    #[deserr(default = Length::from_secs(12 * 3600))]
    pub timeout: Length,
    /// The newest copy is restored, checked and removed again.
    #[deserr(default)]
    pub restore: Option<restore::Config>,
}

/// What every entry has, whatever its tool.
pub(super) struct Common<'a> {
    pub(super) job: &'a At<String>,
    /// Where the copies lie.
    pub(super) place: String,
    pub(super) interval: Length,
    /// The depths that the tool has, and which of them are wanted.
    pub(super) depths: &'static [VerificationDepth],
    pub(super) verify: Option<&'a Verify>,
}

/// Says what is wrong, and at which key.
pub(super) type Wrong<'a> = dyn FnMut(&At<String>, String) + 'a;

/// One entry of the section.
pub(super) trait Entry {
    fn common(&self) -> Common<'_>;

    /// Adds what is wrong with the keys of this tool alone.
    fn check(&self, wrong: &mut Wrong<'_>);

    fn tool(&self, host: &Host<'_>) -> Tool;
}

/// Where the agent runs.
pub(super) struct Host<'a> {
    /// The root of the host's files.
    pub(super) root: &'a Path,
    /// A directory of the backup sources alone.
    pub(super) state_dir: &'a Path,
}

impl Config {
    fn entries(&self) -> Vec<&dyn Entry> {
        fn all<E: Entry>(entries: &[E]) -> impl Iterator<Item = &dyn Entry> {
            entries.iter().map(|entry| entry as &dyn Entry)
        }
        all(&self.newest_file)
            .chain(all(&self.restic))
            .chain(all(&self.borg))
            .chain(all(&self.pgbackrest))
            .chain(all(&self.postgresql))
            .chain(all(&self.mariadb))
            .chain(all(&self.program))
            .collect()
    }

    /// Adds what is wrong across the keys of this section.
    pub fn check(&self, document: &Document, problems: &mut Vec<Problem>) {
        let mut wrong = |at: &At<String>, message: String| {
            problems.push(document.problem(&at.place, message));
        };
        let mut places = HashSet::new();
        for (at, entry) in self.entries().into_iter().enumerate() {
            let common = entry.common();
            common.check(&mut wrong);
            entry.check(&mut wrong);
            let (job, place) = (common.job, &common.place);
            if !places.insert((&job.value, place.clone())) {
                wrong(job, format!("{:?} at {place:?} is given twice", job.value));
            }
            if at == JOBS_MAX {
                wrong(job, format!("at most {JOBS_MAX} jobs are watched"));
            }
        }
    }

    pub(super) fn watched(&self, host: &Host<'_>) -> Vec<Watched> {
        let watched = |entry: &dyn Entry| {
            let common = entry.common();
            Watched {
                job: common.job.value.clone(),
                interval: common.interval.0,
                tool: entry.tool(host),
                verify: common.verify.map(Verify::wanted).unwrap_or_default(),
            }
        };
        self.entries().into_iter().map(watched).collect()
    }
}

impl Common<'_> {
    fn check(&self, wrong: &mut Wrong<'_>) {
        let job = self.job;
        if let Err(message) = job_name(&job.value) {
            wrong(job, message);
        }
        if self.interval.0 < INTERVAL_MIN {
            wrong(job, format!("the interval of {:?} is below 10s", job.value));
        }
        if let Some(restore) = self.verify.and_then(|verify| verify.restore.as_ref()) {
            absolute("directory of a restore", &restore.into, wrong);
        }
        for verification in self.verify.map(Verify::wanted).unwrap_or_default() {
            let name = verification.depth.name();
            if !self.depths.contains(&verification.depth) {
                wrong(job, format!("the copies of {:?} cannot be verified to {name}", job.value));
            }
            if verification.interval < VERIFY_INTERVAL_MIN {
                wrong(job, format!("{:?} is verified to {name} more often than 1m", job.value));
            }
            if verification.time_limit.is_zero() {
                wrong(job, format!("the verify timeout of {:?} must not be 0", job.value));
            }
        }
    }
}

impl Verify {
    fn wanted(&self) -> Vec<Verification> {
        let depths = [
            (VerificationDepth::Checked, self.check),
            (VerificationDepth::DataRead, self.read_data),
        ];
        let time_limit = self.timeout.0;
        let wanted = |(depth, interval): (_, Option<Length>)| {
            Some(Verification { depth, interval: interval?.0, time_limit, restore: None })
        };
        let restore = self.restore.as_ref().map(|restore| Verification {
            depth: VerificationDepth::Restored,
            interval: restore.interval.0,
            time_limit: restore.timeout.0,
            restore: Some(Restore::from(restore)),
        });
        depths.into_iter().filter_map(wanted).chain(restore).collect()
    }
}

/// A path in the configuration that must not depend on where the agent runs.
pub(super) fn absolute(what: &str, path: &At<String>, wrong: &mut Wrong<'_>) {
    if !Path::new(&path.value).is_absolute() {
        wrong(path, format!("the {what} needs an absolute path"));
    }
}

/// A time limit of 0 would fail always.
pub(super) fn time_limit(job: &At<String>, timeout: Length, wrong: &mut Wrong<'_>) {
    if timeout.0.is_zero() {
        wrong(job, format!("the timeout of {:?} must not be 0", job.value));
    }
}
