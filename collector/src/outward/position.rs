//! How far a target has come: the journal position up to which it has taken everything, in a file of its own.
//! Promises: a file is whole or as it was before; what it says was taken.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use collector_journal::Position;

const EXTENSION: &str = "position";

/// The file of one target.
#[derive(Clone, Debug)]
pub(super) struct PositionFile(PathBuf);

impl PositionFile {
    pub(super) fn new(directory: &Path, target: &str) -> Self {
        Self(directory.join(format!("{target}.{EXTENSION}")))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// What is stored; `None` when the target is new.
    pub(super) fn read(&self) -> io::Result<Option<Position>> {
        match fs::read_to_string(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
            Ok(text) => {
                let number = text.trim().parse().map_err(io::Error::other)?;
                Ok(Some(Position(number)))
            }
        }
    }

    /// On disk when this returns.
    pub(super) fn write(&self, position: Position) -> io::Result<()> {
        let new = self.0.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(format!("{position}\n").as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &self.0)?;
        match self.0.parent() {
            Some(parent) => File::open(parent)?.sync_all(),
            None => Ok(()),
        }
    }
}

/// The furthest position that any target has taken: none at or below it may be handed out again.
pub(crate) fn furthest(directory: &Path) -> Position {
    let files = fs::read_dir(directory).into_iter().flatten().flatten();
    let ours = files.map(|entry| entry.path()).filter(|path| is_position(path));
    let positions = ours.filter_map(|path| PositionFile(path).read().ok().flatten());
    positions.max().unwrap_or_default()
}

/// Forgets targets that are no longer configured; the names of those that were.
pub(super) fn forget_others(directory: &Path, kept: &[String]) -> io::Result<Vec<String>> {
    let mut forgotten = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
        if is_position(&path) && !kept.contains(&name) {
            fs::remove_file(&path)?;
            forgotten.push(name);
        }
    }
    Ok(forgotten)
}

fn is_position(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == EXTENSION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_comes_back_and_a_damaged_one_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let file = PositionFile::new(directory.path(), "vm");
        assert_eq!(file.read().unwrap(), None);
        file.write(Position(7)).unwrap();
        file.write(Position(8)).unwrap();
        assert_eq!(file.read().unwrap(), Some(Position(8)));
        let other = PositionFile::new(directory.path(), "old");
        other.write(Position(99)).unwrap();
        assert_eq!(furthest(directory.path()), Position(99));
        let kept = ["vm".to_owned()];
        assert_eq!(forget_others(directory.path(), &kept).unwrap(), ["old"]);
        assert_eq!(furthest(directory.path()), Position(8));
        fs::write(file.path(), "rubbish").unwrap();
        assert!(file.read().is_err());
    }
}
