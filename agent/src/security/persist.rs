//! Small state files of the security sources: cursors and baselines, replaced as a whole.
//! Promises: after a crash a file holds its old or its new content, never a mixture. After a power loss it may be the old
//! one, which makes a source repeat and never skip; that is why the directory is not synced as well.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A state file could not be read or replaced.
#[derive(Debug, thiserror::Error)]
pub enum PersistError {
    #[error("{} cannot be read; check its owner, or remove it to start afresh", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} cannot be written; check space and owner of its directory", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// The content of a state file; `None` when there is none yet.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, PersistError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(PersistError::Read { path: path.to_owned(), source }),
    }
}

/// Replaces a state file.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), PersistError> {
    let beside = path.with_extension("tmp");
    let write = || -> io::Result<()> {
        let mut file = File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_data()?;
        fs::rename(&beside, path)
    };
    write().map_err(|source| PersistError::Write { path: path.to_owned(), source })
}
