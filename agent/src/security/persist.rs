//! Small state files of the security sources: cursors and baselines, replaced as a whole.
//! Promises: after a kill a file holds its last content. After a power loss it may hold an older one, which makes a source
//! repeat and never skip; that is why the directory is not synced as well.
//! A [`StateFile`] is not synced at every save, for a log line must not wait for a slow disk twice; a synced copy follows
//! beside it within seconds.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::Duration;

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
    write(path, bytes, true)
}

fn write(path: &Path, bytes: &[u8], sync: bool) -> Result<(), PersistError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".tmp");
    let beside = PathBuf::from(beside);
    let write = || -> io::Result<()> {
        let mut file = File::create(&beside)?;
        file.write_all(bytes)?;
        if sync {
            file.sync_data()?;
        }
        fs::rename(&beside, path)
    };
    write().map_err(|source| PersistError::Write { path: path.to_owned(), source })
}

/// How far the synced copy may be behind: what a power loss may make a source repeat.
const SYNC_INTERVAL: Duration = Duration::from_secs(2);

/// A state file that is saved often, and its synced copy.
#[derive(Debug)]
pub(super) struct StateFile {
    path: PathBuf,
    synced: PathBuf,
    synced_at: Option<Duration>,
    syncing: Option<JoinHandle<()>>,
}

/// What a state file holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Loaded<T> {
    Nothing,
    Damaged,
    Content(T),
}

impl StateFile {
    pub(super) fn new(path: &Path) -> Self {
        let mut synced = path.as_os_str().to_owned();
        synced.push(".synced");
        Self { path: path.to_owned(), synced: synced.into(), synced_at: None, syncing: None }
    }

    /// What was saved last, or the synced copy when a power loss has damaged that.
    pub(super) fn load<T>(
        &self,
        parse: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<Loaded<T>, PersistError> {
        let mut found = false;
        for path in [&self.path, &self.synced] {
            if let Some(bytes) = read(path)? {
                found = true;
                if let Some(content) = parse(&bytes) {
                    return Ok(Loaded::Content(content));
                }
            }
        }
        Ok(if found { Loaded::Damaged } else { Loaded::Nothing })
    }

    /// Saves at once; the copy is synced by a thread of its own, one at a time.
    pub(super) fn save(&mut self, bytes: Vec<u8>, elapsed: Duration) -> Result<(), PersistError> {
        write(&self.path, &bytes, false)?;
        let due = self.synced_at.is_none_or(|at| elapsed.saturating_sub(at) >= SYNC_INTERVAL);
        let idle = self.syncing.as_ref().is_none_or(JoinHandle::is_finished);
        if due && idle {
            let path = self.synced.clone();
            let sync = move || {
                if let Err(error) = replace(&path, &bytes) {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "the copy of a state file is not synced");
                }
            };
            let spawned = thread::Builder::new().name("state-sync".to_owned()).spawn(sync);
            let failed = |source| PersistError::Write { path: self.synced.clone(), source };
            self.syncing = Some(spawned.map_err(failed)?);
            self.synced_at = Some(elapsed);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_damaged_file_is_replaced_by_its_synced_copy() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("cursor.json");
        let load = |state: &StateFile| {
            state.load(|bytes| (!bytes.is_empty()).then(|| bytes.to_vec())).unwrap()
        };
        let mut state = StateFile::new(&path);
        assert_eq!(load(&state), Loaded::Nothing);
        state.save(b"one".to_vec(), Duration::ZERO).unwrap();
        state.syncing.take().unwrap().join().unwrap();
        state.save(b"two".to_vec(), Duration::from_secs(1)).unwrap();
        assert!(state.syncing.is_none(), "not before its time");
        assert_eq!(load(&state), Loaded::Content(b"two".to_vec()));
        fs::write(&path, "").unwrap();
        assert_eq!(load(&state), Loaded::Content(b"one".to_vec()));
        state.save(b"three".to_vec(), SYNC_INTERVAL).unwrap();
        state.syncing.take().unwrap().join().unwrap();
        for file in [&path, &state.synced] {
            assert_eq!(fs::read(file).unwrap(), b"three");
            fs::write(file, "").unwrap();
        }
        assert_eq!(load(&state), Loaded::Damaged);
    }
}
