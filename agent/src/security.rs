//! Security events of the host: log-ins, accounts, files that should not change.
//! Each source owns its section of the configuration; this file only composes them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use agent_model::Problem;
use agent_yaml::{At, Document};
use deserr::Deserr;

use crate::clock::Clock;
use crate::source::{SourceContext, SourceGroup, SourceTask};

pub mod auth_log;
pub mod fields;
pub mod file_integrity;
mod finding;
mod journald;
mod log_file;
mod persist;
mod syslog;
pub mod tail;

/// Logs that are followed at most: each costs a task and an inotify instance.
const LOGS_MAX: usize = 16;

/// The `security` section of `agent.yml`.
#[derive(Clone, Debug, Default, Deserr)]
#[deserr(deny_unknown_fields)]
pub struct Config {
    #[deserr(default)]
    pub auth_log: AuthLogConfig,
    #[deserr(default)]
    pub journald: JournaldConfig,
    #[deserr(default)]
    pub file_integrity: file_integrity::Config,
}

/// Log files of the authentication facility; an empty list switches them off.
#[derive(Clone, Debug, Deserr)]
#[deserr(deny_unknown_fields)]
pub struct AuthLogConfig {
    #[deserr(default = AuthLogConfig::default().files)]
    pub files: Vec<At<String>>,
}

/// The systemd journal.
#[derive(Clone, Debug, Deserr)]
#[deserr(deny_unknown_fields)]
pub struct JournaldConfig {
    #[deserr(default)]
    pub read: ReadJournal,
    /// Programs whose entries are read, by their syslog identifier.
    #[deserr(default = JournaldConfig::default().identifiers)]
    pub identifiers: Vec<String>,
}

/// Whether the journal is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserr)]
#[deserr(rename_all = lowercase)]
pub enum ReadJournal {
    /// While no log file of `auth_log` is there: both hold the same lines.
    #[default]
    Auto,
    Always,
    Never,
}

impl Default for JournaldConfig {
    fn default() -> Self {
        let identifiers = journald::IDENTIFIERS.iter().map(|name| (*name).to_owned()).collect();
        Self { read: ReadJournal::Auto, identifiers }
    }
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
        self.file_integrity.check(document, problems);
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
    let within_root = |file: &At<String>| within(&context.root.root, &file.value);
    let files: Vec<_> = config.auth_log.files.iter().map(within_root).collect();
    if config.journald.read != ReadJournal::Never {
        let status = log_file::Status::new(Path::new("journald"));
        let (identifiers, context) = (config.journald.identifiers.clone(), context.clone());
        let journal =
            journald::Journal { program: "journalctl".into(), identifiers, files: Vec::new() };
        let auto = config.journald.read == ReadJournal::Auto && !files.is_empty();
        logs.push(Arc::clone(&status));
        let task: SourceTask = match auto {
            true => Box::pin(journald::follow_without(files.clone(), journal, context, status)),
            false => Box::pin(journald::follow(journal, context, status)),
        };
        group.tasks.push(task);
    }
    for file in &config.auth_log.files {
        let path = within(&context.root.root, &file.value);
        let status = log_file::Status::new(Path::new(&file.value));
        logs.push(Arc::clone(&status));
        group.tasks.push(Box::pin(log_file::follow(path, context.clone(), Clock, status)));
    }
    group.metrics.push(Box::new(log_file::Metrics(logs)));
    if !config.file_integrity.paths.is_empty() {
        let status = Arc::default();
        group.metrics.push(Box::new(file_integrity::Metrics(Arc::clone(&status))));
        let config = config.file_integrity.clone();
        group.tasks.push(Box::pin(file_integrity::watch(config, context.clone(), Clock, status)));
    }
    group
}

/// A path of the host, where the host's root is.
fn within(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}
