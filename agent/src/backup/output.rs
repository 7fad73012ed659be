//! What a backup command wrote, told by the files themselves: those of a pattern that are new or changed since the start.

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Files that are looked at: a base backup of a large database has tens of thousands.
const FILES_MAX: usize = 200_000;
/// Directories in directories that are entered.
const DEPTH_MAX: usize = 16;

/// Which files match now, each with what changes when it is written.
#[derive(Debug, Default)]
pub(super) struct Files {
    files: HashMap<PathBuf, Stamp>,
    /// More files than are looked at: the sums are then too small.
    pub(super) cut: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

/// What is new.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) bytes: u64,
    pub(super) files: u64,
    pub(super) newest: Option<PathBuf>,
}

impl Files {
    /// Every file that a pattern names; directories count with all that is in them, links are not followed.
    pub(super) fn look(pattern: &glob::Pattern) -> Self {
        let mut found = Self::default();
        // The pattern was parsed before; a directory that cannot be read holds nothing we could prove.
        for path in glob::glob(pattern.as_str()).into_iter().flatten().flatten() {
            found.add(path, DEPTH_MAX);
        }
        found
    }

    fn add(&mut self, path: PathBuf, depth: usize) {
        let Ok(metadata) = fs::symlink_metadata(&path) else { return };
        if metadata.is_dir() && depth > 0 {
            let entries = fs::read_dir(&path).into_iter().flatten().flatten();
            entries.for_each(|entry| self.add(entry.path(), depth - 1));
        } else if metadata.is_file() {
            if self.files.len() < FILES_MAX {
                self.files.insert(path, Stamp::of(&metadata));
            } else {
                self.cut = true;
            }
        }
    }

    /// What these hold that `before` did not.
    pub(super) fn since(&self, before: &Self) -> Written {
        let mut written = Written::default();
        let mut newest: Option<((i64, i64), &Path)> = None;
        for (path, stamp) in &self.files {
            if before.files.get(path) == Some(stamp) {
                continue;
            }
            written.bytes = written.bytes.saturating_add(stamp.size);
            written.files += 1;
            newest = newest.max(Some((stamp.modified, path)));
        }
        written.newest = newest.map(|(_, path)| path.to_owned());
        written
    }
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        let modified = (metadata.mtime(), metadata.mtime_nsec());
        Self { inode: metadata.ino(), size: metadata.len(), modified }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn only_what_is_new_or_changed_counts() {
        let dir = TempDir::new().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("old.dump"), "old").unwrap();
        fs::write(at("grows.dump"), "1").unwrap();
        let pattern = glob::Pattern::new(&format!("{}/*.dump", dir.path().display())).unwrap();
        let before = Files::look(&pattern);
        assert_eq!(before.since(&before), Written::default());
        fs::write(at("grows.dump"), "12345").unwrap();
        fs::write(at("other.txt"), "123").unwrap();
        fs::create_dir(at("base.dump")).unwrap();
        let part = at("base.dump").join("part");
        fs::write(&part, "1234567").unwrap();
        let later = fs::metadata(&part).unwrap().modified().unwrap() + Duration::from_secs(1);
        fs::File::open(&part).unwrap().set_modified(later).unwrap();
        let written = Files::look(&pattern).since(&before);
        assert_eq!((written.bytes, written.files), (12, 2));
        assert_eq!(written.newest, Some(part));
    }
}
