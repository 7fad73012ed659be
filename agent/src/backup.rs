//! Backups as evidence: what copies lie where, and what a wrapped backup command really did.

use std::ffi::OsString;
use std::path::Path;

use agent_model::Problem;
use agent_yaml::Document;
use deserr::Deserr;

use crate::source::{SourceContext, SourceGroup};

/// The `backup` section of `agent.yml`.
#[derive(Clone, Debug, Default, Deserr)]
#[deserr(deny_unknown_fields)]
pub struct Config {}

impl Config {
    /// Adds what is wrong across the keys of this section.
    pub fn check(&self, _document: &Document, _problems: &mut Vec<Problem>) {}
}

/// Every backup source that is switched on.
pub fn sources(_config: &Config, _context: &SourceContext) -> SourceGroup {
    SourceGroup::default()
}

#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("backup run is not in this build yet")]
    Missing,
}

/// `haidang-agent backup run`: runs a command, hands its true outcome over through the drop box and returns the
/// exit code to end with.
pub fn run_command(
    _job: &str,
    _command: &[OsString],
    _drop_box: &Path,
) -> Result<i32, BackupError> {
    Err(BackupError::Missing)
}
