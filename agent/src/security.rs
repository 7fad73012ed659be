//! Security events of the host: log-ins, accounts, files that should not change.
//! Each source owns its section of the configuration; this file only composes them.

use std::path::PathBuf;

use agent_model::Problem;
use agent_yaml::{At, Document};
use deserr::Deserr;

use crate::clock::Clock;
use crate::source::{SourceContext, SourceGroup};

pub mod auth_log;
pub mod fields;
mod finding;
mod log_file;
mod persist;
mod syslog;
pub mod tail;
mod watch;

/// Logs that are followed at most: each costs a task and an inotify instance.
const LOGS_MAX: usize = 16;

/// The `security` section of `agent.yml`.
#[derive(Clone, Debug, Default, Deserr)]
#[deserr(deny_unknown_fields)]
pub struct Config {
    #[deserr(default)]
    pub auth_log: AuthLogConfig,
}

/// Log files of the authentication facility; an empty list switches them off.
#[derive(Clone, Debug, Deserr)]
#[deserr(deny_unknown_fields)]
pub struct AuthLogConfig {
    #[deserr(default = AuthLogConfig::default().files)]
    pub files: Vec<At<String>>,
}

impl Default for AuthLogConfig {
    fn default() -> Self {
        let value = "/var/log/auth.log".to_owned();
        Self { files: vec![At { value, place: agent_yaml::Place::default() }] }
    }
}

impl Config {
    /// Adds what is wrong across the keys of this section.
    pub fn check(&self, document: &Document, problems: &mut Vec<Problem>) {
        for (at, file) in self.auth_log.files.iter().enumerate() {
            if !file.value.starts_with('/') {
                let message = format!("{:?} must be an absolute path", file.value);
                problems.push(document.problem(&file.place, message));
            }
            if at == LOGS_MAX {
                let message = format!("at most {LOGS_MAX} logs are followed");
                problems.push(document.problem(&file.place, message));
            }
        }
    }
}

/// Every security source that is switched on.
pub fn sources(config: &Config, context: &SourceContext) -> SourceGroup {
    let mut group = SourceGroup::default();
    let mut logs = Vec::new();
    for file in &config.auth_log.files {
        let path = within(&context.root.root, &file.value);
        let status = log_file::Status::new(std::path::Path::new(&file.value));
        logs.push(std::sync::Arc::clone(&status));
        group.tasks.push(Box::pin(log_file::follow(path, context.clone(), Clock, status)));
    }
    group.metrics.push(Box::new(log_file::Metrics(logs)));
    group
}

/// A path of the host, where the host's root is.
fn within(root: &std::path::Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}
