//! The kernel's word on changed files (inotify), bounded: paths that changed, or "look at everything".

use std::collections::{BTreeSet, HashMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;

/// Changed paths that wait to be looked at; more, and everything is looked at.
const DIRTY_MAX: usize = 4_096;

#[derive(Debug, Default)]
struct Dirty {
    paths: BTreeSet<PathBuf>,
    everything: bool,
}

#[derive(Debug)]
pub(super) struct Watcher {
    watcher: Option<RecommendedWatcher>,
    /// With device and inode: a directory that was made anew needs a new watch.
    watched: HashMap<PathBuf, (u64, u64)>,
    dirty: Arc<Mutex<Dirty>>,
    changed: Arc<Notify>,
}

impl Watcher {
    pub(super) fn new() -> Self {
        let (dirty, changed) = (Arc::new(Mutex::new(Dirty::default())), Arc::new(Notify::new()));
        let (mark, wake) = (Arc::clone(&dirty), Arc::clone(&changed));
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            let mut dirty = mark.lock().unwrap_or_else(PoisonError::into_inner);
            match event {
                Ok(event) if event.kind.is_access() => return,
                Ok(event) if event.need_rescan() => dirty.everything = true,
                Ok(event) => dirty.paths.extend(event.paths),
                Err(_) => dirty.everything = true,
            }
            if dirty.paths.len() > DIRTY_MAX {
                dirty.everything = true;
                dirty.paths.clear();
            }
            wake.notify_one();
        });
        let watcher = watcher
            .inspect_err(|error| {
                tracing::warn!(%error, "no file watch; changes are seen at the next look only");
            })
            .ok();
        Self { watcher, watched: HashMap::new(), dirty, changed }
    }

    /// Watches exactly these directories; returns how many could not be watched.
    pub(super) fn set(&mut self, directories: &[PathBuf]) -> usize {
        let Some(watcher) = &mut self.watcher else { return directories.len() };
        let wanted: HashSet<_> = directories.iter().map(PathBuf::as_path).collect();
        self.watched.retain(|directory, id| {
            let keep = wanted.contains(directory.as_path()) && identify(directory) == Some(*id);
            if !keep {
                // A directory that is gone is not watched any more either way.
                watcher.unwatch(directory).unwrap_or_default();
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
            match (id, watcher.watch(directory, RecursiveMode::NonRecursive)) {
                (Some(id), Ok(())) => _ = self.watched.insert(directory.clone(), id),
                _ => unwatched += 1,
            }
        }
        unwatched
    }

    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// What changed since the last call; `None` means everything may have.
    pub(super) fn take(&self) -> Option<BTreeSet<PathBuf>> {
        let dirty = std::mem::take(&mut *self.dirty.lock().unwrap_or_else(PoisonError::into_inner));
        (!dirty.everything).then_some(dirty.paths)
    }

    /// As if the kernel had reported a change; for what it may have missed.
    #[cfg(test)]
    pub(super) fn overflow(&self) {
        self.dirty.lock().unwrap().everything = true;
        self.changed.notify_one();
    }
}

fn identify(directory: &Path) -> Option<(u64, u64)> {
    let metadata = std::fs::metadata(directory).ok()?;
    Some((metadata.dev(), metadata.ino()))
}
