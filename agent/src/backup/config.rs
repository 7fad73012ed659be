//! The `backup` section of `agent.yml`, and what is watched because of it.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use agent_model::Problem;
use agent_yaml::{At, Document, Duration as Length};
use deserr::Deserr;

use super::copies::{Place, Watched};
use super::restic::Repository;
use super::run::job_name;

/// Jobs of one agent.
const JOBS_MAX: usize = 200;
/// Looking more often is load on the backup store.
const INTERVAL_MIN: Duration = Duration::from_secs(10);

/// The `backup` section of `agent.yml`.
#[derive(Clone, Debug, Default, Deserr)]
#[deserr(deny_unknown_fields)]
pub struct Config {
    #[deserr(default)]
    pub newest_file: Vec<NewestFileConfig>,
    #[deserr(default)]
    pub restic: Vec<ResticConfig>,
}

/// The newest file of a pattern counts as the newest copy of a job.
#[derive(Clone, Debug, Deserr)]
#[deserr(deny_unknown_fields)]
pub struct NewestFileConfig {
    pub job: At<String>,
    /// An absolute pattern: `/srv/backup/db/*.dump`.
    pub files: At<String>,
    #[deserr(default = Length::from_secs(300))]
    pub interval: Length,
}

/// The newest snapshot of a restic repository counts as the newest copy of a job.
#[derive(Clone, Debug, Deserr)]
#[deserr(deny_unknown_fields)]
pub struct ResticConfig {
    pub job: At<String>,
    pub repository: At<String>,
    pub password_file: At<String>,
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
    /// How long restic may take.
    #[deserr(default = Length::from_secs(120))]
    pub timeout: Length,
    #[deserr(default = "restic".to_owned())]
    pub program: String,
}

impl Config {
    /// Adds what is wrong across the keys of this section.
    pub fn check(&self, document: &Document, problems: &mut Vec<Problem>) {
        let mut wrong = |at: &At<String>, message: String| {
            problems.push(document.problem(&at.place, message));
        };
        let mut places = HashSet::new();
        let files = self.newest_file.iter().map(|one| (&one.job, &one.files, one.interval));
        let repositories = self.restic.iter().map(|one| (&one.job, &one.repository, one.interval));
        for (at, (job, place, interval)) in files.chain(repositories).enumerate() {
            if let Err(message) = job_name(&job.value) {
                wrong(job, message);
            }
            if interval.0 < INTERVAL_MIN {
                wrong(job, format!("the interval of {:?} is below 10s", job.value));
            }
            if !places.insert((&job.value, &place.value)) {
                wrong(job, format!("{:?} at {:?} is given twice", job.value, place.value));
            }
            if at == JOBS_MAX {
                wrong(job, format!("at most {JOBS_MAX} jobs are watched"));
            }
        }
        for one in &self.newest_file {
            if !one.files.value.starts_with('/') {
                wrong(&one.files, format!("{:?} must be an absolute pattern", one.files.value));
            }
            if let Err(error) = glob::Pattern::new(&one.files.value) {
                wrong(&one.files, format!("{:?} is not a pattern: {error}", one.files.value));
            }
        }
        for one in &self.restic {
            if !Path::new(&one.password_file.value).is_absolute() {
                wrong(&one.password_file, "the password file needs an absolute path".to_owned());
            }
            if one.timeout.0.is_zero() {
                wrong(&one.job, format!("the timeout of {:?} must not be 0", one.job.value));
            }
        }
    }

    pub(super) fn watched(&self, root: &Path) -> Vec<Watched> {
        let files = self.newest_file.iter().map(|one| Watched {
            job: one.job.value.clone(),
            interval: one.interval.0,
            place: Place::Files { pattern: one.files.value.clone(), within: root.to_owned() },
        });
        let repositories = self.restic.iter().map(|one| Watched {
            job: one.job.value.clone(),
            interval: one.interval.0,
            place: Place::Restic(Repository {
                program: one.program.clone().into(),
                repository: one.repository.value.clone(),
                password_file: one.password_file.value.clone().into(),
                host: one.host.clone(),
                tag: one.tag.clone(),
                path: one.path.clone(),
                timeout: one.timeout.0,
                measured: None,
            }),
        });
        files.chain(repositories).collect()
    }
}
