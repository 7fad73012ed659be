//! The kernel's word on changed files (inotify), bounded: paths that changed, or "look at everything".

use std::collections::{BTreeSet, HashMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::inotify::{Changed, Directories};

/// Changed paths that wait to be looked at; more, and everything is looked at.
const DIRTY_MAX: usize = 4_096;

#[derive(Debug)]
pub(super) struct Watcher {
    directories: Option<Directories>,
    /// With device and inode: a directory that was made anew needs a new watch.
    watched: HashMap<PathBuf, (u64, u64)>,
    dirty: BTreeSet<PathBuf>,
    everything: bool,
}

impl Watcher {
    pub(super) fn new() -> Self {
        let directories = Directories::new().inspect_err(|error| {
            tracing::warn!(%error, "no file watch; changes are seen at the next look only");
        });
        let (watched, dirty) = (HashMap::new(), BTreeSet::new());
        Self { directories: directories.ok(), watched, dirty, everything: false }
    }

    /// Watches exactly these directories; returns how many could not be watched.
    pub(super) fn set(&mut self, directories: &[PathBuf]) -> usize {
        let Some(kernel) = &mut self.directories else { return directories.len() };
        let wanted: HashSet<_> = directories.iter().map(PathBuf::as_path).collect();
        self.watched.retain(|directory, id| {
            let keep = wanted.contains(directory.as_path()) && identify(directory) == Some(*id);
            if !keep {
                kernel.unwatch(directory);
            }
            keep
        });
        let mut unwatched = 0;
        for directory in directories {
            if self.watched.contains_key(directory) {
                continue;
            }
            // Identified first: one that changes in between is watched again next time.
            let id = identify(directory);
            match (id, kernel.watch(directory)) {
                (Some(id), Ok(())) => _ = self.watched.insert(directory.clone(), id),
                _ => unwatched += 1,
            }
        }
        unwatched
    }

    /// Waits for a change.
    pub(super) async fn changed(&mut self) {
        if self.everything {
            return;
        }
        let Some(directories) = &self.directories else { return std::future::pending().await };
        match directories.changed().await {
            Ok(changes) => self.note(changes),
            Err(error) => {
                tracing::warn!(%error, "the file watch ended; changes are seen at the next look only");
                self.directories = None;
                self.everything = true;
            }
        }
    }

    /// What changed since the last call; `None` means everything may have.
    pub(super) fn take(&mut self) -> Option<BTreeSet<PathBuf>> {
        while let Some(directories) = &self.directories {
            let changes = directories.changed_now();
            if changes.is_empty() || self.everything {
                break;
            }
            self.note(changes);
        }
        let dirty = std::mem::take(&mut self.dirty);
        (!std::mem::take(&mut self.everything)).then_some(dirty)
    }

    fn note(&mut self, changes: Vec<Changed>) {
        for change in changes {
            match change {
                Changed::Path(path) => _ = self.dirty.insert(path),
                Changed::Anything => self.everything = true,
            }
        }
        if self.dirty.len() > DIRTY_MAX {
            self.everything = true;
            self.dirty.clear();
        }
    }

    /// As if the kernel had reported a change; for what it may have missed.
    #[cfg(test)]
    pub(super) fn overflow(&mut self) {
        self.everything = true;
    }
}

fn identify(directory: &Path) -> Option<(u64, u64)> {
    let metadata = std::fs::metadata(directory).ok()?;
    Some((metadata.dev(), metadata.ino()))
}
