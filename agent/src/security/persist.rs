//! Small state files of the security sources, replaced as a whole; and the cursors that earlier versions kept in files.
//! Promises: after a kill a file holds its last content. After a power loss it may hold an older one, which its source
//! mends from its bookmark; that is why the directory is not synced as well.

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
    let beside = with_suffix(path, ".tmp");
    let write = || -> io::Result<()> {
        let mut file = File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_data()?;
        fs::rename(&beside, path)
    };
    write().map_err(|source| PersistError::Write { path: path.to_owned(), source })
}

/// The cursor of an earlier version, which kept it in a file and a synced copy of it; the newer one that `is_whole`.
/// Empty when there is one and none is whole.
pub(super) fn earlier_cursor(
    path: &Path,
    is_whole: impl Fn(&[u8]) -> bool,
) -> Result<Option<Vec<u8>>, PersistError> {
    let mut found = None;
    for path in [path, &with_suffix(path, SYNCED)] {
        match read(path)? {
            Some(bytes) if is_whole(&bytes) => return Ok(Some(bytes)),
            Some(_) => found = Some(Vec::new()),
            None => {}
        }
    }
    Ok(found)
}

/// Removes it, once the spool has its content: two truths would contradict each other one day.
pub(super) fn forget_earlier_cursor(path: &Path) {
    for path in [path, &with_suffix(path, SYNCED)] {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                let path = path.display();
                tracing::warn!(%path, %error, "a cursor of an earlier version cannot be removed");
            }
            Ok(()) | Err(_) => {}
        }
    }
}

const SYNCED: &str = ".synced";

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut with = path.as_os_str().to_owned();
    with.push(suffix);
    with.into()
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn of_an_earlier_cursor_the_synced_copy_counts_when_the_file_is_damaged() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("cursor.json");
        let cursor = || earlier_cursor(&path, |bytes| !bytes.is_empty()).unwrap();
        assert_eq!(cursor(), None);
        fs::write(with_suffix(&path, SYNCED), "old").unwrap();
        fs::write(&path, "new").unwrap();
        assert_eq!(cursor(), Some(b"new".to_vec()));
        fs::write(&path, "").unwrap();
        assert_eq!(cursor(), Some(b"old".to_vec()));
        fs::remove_file(with_suffix(&path, SYNCED)).unwrap();
        assert_eq!(cursor(), Some(Vec::new()));
        forget_earlier_cursor(&path);
        assert_eq!(cursor(), None);
    }
}
