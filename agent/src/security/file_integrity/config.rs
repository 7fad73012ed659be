//! The `file_integrity` section of `agent.yml`.

use std::time::Duration;

use agent_model::Problem;
use agent_yaml::{At, Bytes, Document, Duration as Length};
use deserr::Deserr;

/// Watched files at most, whatever is configured: each takes some 300 bytes of memory.
const FILES_MAX: u64 = 200_000;
/// A look at every file's times and rights more often than this is load without use.
const INTERVAL_MIN: Duration = Duration::from_secs(1);

/// What is watched when nothing is configured: who may log in, who may become root, what runs by itself.
const PATHS: &[&str] = &[
    "/etc/passwd",
    "/etc/shadow",
    "/etc/group",
    "/etc/gshadow",
    "/etc/sudoers",
    "/etc/sudoers.d",
    "/etc/ssh",
    "/etc/pam.d",
    "/etc/crontab",
    "/etc/cron.d",
    "/etc/ld.so.preload",
    "/etc/systemd/system",
    "/root/.ssh/authorized_keys",
    "/home/*/.ssh/authorized_keys",
];

/// Files and directories that should not change unseen; an empty list of paths switches it off.
#[derive(Clone, Debug, Deserr)]
#[deserr(deny_unknown_fields)]
pub struct Config {
    /// Absolute paths or patterns; a directory stands for all that is in it.
    #[deserr(default = Config::default().paths)]
    pub paths: Vec<At<String>>,
    /// Patterns of what is left out.
    #[deserr(default)]
    pub exclude: Vec<At<String>>,
    /// Directories in directories that are entered.
    #[deserr(default = Config::default().depth_max)]
    pub depth_max: u32,
    #[deserr(default = Config::default().files_max)]
    pub files_max: u64,
    /// Larger files are compared by size and time.
    #[deserr(default = Config::default().file_bytes_max)]
    pub file_bytes_max: Bytes,
    /// How often times and rights of every file are compared, whatever the kernel reported.
    #[deserr(default = Config::default().look_interval)]
    pub look_interval: Length,
    /// How often the content of every file is read again.
    #[deserr(default = Config::default().sweep_interval)]
    pub sweep_interval: Length,
    /// How fast it is read.
    #[deserr(default = Config::default().sweep_bytes_per_second)]
    pub sweep_bytes_per_second: Bytes,
}

impl Default for Config {
    fn default() -> Self {
        let place = agent_yaml::Place::default;
        let path = |path: &&str| At { value: (*path).to_owned(), place: place() };
        Self {
            paths: PATHS.iter().map(path).collect(),
            exclude: Vec::new(),
            depth_max: 8,
            files_max: 20_000,
            file_bytes_max: Bytes(64 << 20),
            look_interval: Length::from_secs(60),
            sweep_interval: Length::from_secs(3_600),
            sweep_bytes_per_second: Bytes(4 << 20),
        }
    }
}

impl Config {
    /// Adds what is wrong across the keys of this section.
    pub fn check(&self, document: &Document, problems: &mut Vec<Problem>) {
        for at in self.paths.iter().chain(&self.exclude) {
            if !at.value.starts_with('/') {
                let message = format!("{:?} must be an absolute path or pattern", at.value);
                problems.push(document.problem(&at.place, message));
            }
            if let Err(error) = glob::Pattern::new(&at.value) {
                let message = format!("{:?} is not a pattern: {error}", at.value);
                problems.push(document.problem(&at.place, message));
            }
        }
        let place = self.paths.first().map(|at| at.place.clone()).unwrap_or_default();
        let mut wrong = |message: String| problems.push(document.problem(&place, message));
        if self.files_max > FILES_MAX {
            wrong(format!("files_max is at most {FILES_MAX}"));
        }
        if self.look_interval.0 < INTERVAL_MIN || self.sweep_interval.0 < INTERVAL_MIN {
            wrong("look_interval and sweep_interval are at least 1s".to_owned());
        }
        if self.sweep_bytes_per_second.0 == 0 {
            wrong("sweep_bytes_per_second must not be 0".to_owned());
        }
    }
}
