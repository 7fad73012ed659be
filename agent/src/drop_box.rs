//! The drop box: a directory in which other users of the host hand results over as files, by atomic rename.
//! The owner of the file is who reported it, and may report only the jobs that the configuration names for that user.

use std::path::{Path, PathBuf};

use std::collections::BTreeMap;

use agent_model::{BackupRun, Problem};
use agent_yaml::{Bytes, Document};
use deserr::Deserr;

/// The `drop_box` section of `agent.yml`.
#[derive(Clone, Debug, Deserr)]
#[deserr(deny_unknown_fields)]
pub struct Config {
    /// Files that may wait at once; more are rejected.
    #[deserr(default = Config::default().files_max)]
    pub files_max: u64,
    /// What the waiting files may hold together.
    #[deserr(default = Config::default().bytes_max)]
    pub bytes_max: Bytes,
    /// Which jobs a user may report; `*` stands for all. Root and the agent's own user may report any.
    #[deserr(default)]
    pub users: BTreeMap<String, Vec<String>>,
}

impl Default for Config {
    fn default() -> Self {
        Self { files_max: 1_000, bytes_max: Bytes(8 << 20), users: BTreeMap::new() }
    }
}

impl Config {
    /// Adds what is wrong across the keys of this section.
    pub fn check(&self, _document: &Document, _problems: &mut Vec<Problem>) {}
}

/// Why a result could not be handed over.
#[derive(Debug, thiserror::Error)]
pub enum DropBoxError {
    #[error("{} cannot be written; may this user write to the drop box?", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

/// Hands a backup run to the agent: written beside, synced, then renamed into `directory`. The agent takes it
/// when it runs.
pub fn hand_over(directory: &Path, run: &BackupRun) -> Result<(), DropBoxError> {
    let source = std::io::Error::other("not in this build yet");
    Err(DropBoxError::Write { path: directory.join(&run.job), source })
}
