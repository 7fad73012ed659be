//! Wakes a source when the kernel reports a change in a directory (inotify), so that it need not look often.
//! Promises: a wake-up may be one too many, never relied upon: every source looks by itself as well, more slowly.
//! An overflow of the kernel's queue wakes too.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

/// How often a source looks by itself while the kernel wakes it.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);
/// How often without the kernel's help: a network file system, or no inotify instance left.
const LOOK_INTERVAL_UNWATCHED: Duration = Duration::from_millis(200);

/// Changes of one directory.
#[derive(Debug)]
pub(super) struct Watch {
    /// Stops when dropped; `None` when the kernel cannot help.
    watcher: Option<RecommendedWatcher>,
    changed: Arc<Notify>,
}

impl Watch {
    /// Wakes for changes of entries that `wanted` picks by path.
    pub(super) fn directory(
        directory: &Path,
        wanted: impl Fn(&Path) -> bool + Send + 'static,
    ) -> Self {
        let changed = Arc::new(Notify::new());
        let wake = Arc::clone(&changed);
        let handler = move |event: notify::Result<Event>| match event {
            // Our own reading is no change.
            Ok(event) if event.kind.is_access() => {}
            Ok(event) => {
                if event.need_rescan() || event.paths.iter().any(|path| wanted(path)) {
                    wake.notify_one();
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the kernel's file watch reports an error");
                wake.notify_one();
            }
        };
        let watcher = notify::recommended_watcher(handler).and_then(|mut watcher| {
            watcher.watch(directory, RecursiveMode::NonRecursive)?;
            Ok(watcher)
        });
        let watcher = watcher.inspect_err(|error| {
            let directory = directory.display();
            tracing::warn!(%error, %directory, "cannot be watched; it is looked at more often instead");
        });
        Self { watcher: watcher.ok(), changed }
    }

    /// Returns when something changed, or when it is time to look anyway.
    pub(super) async fn wait(&self) {
        let interval = match &self.watcher {
            Some(_) => LOOK_INTERVAL,
            None => LOOK_INTERVAL_UNWATCHED,
        };
        // Running into the interval is as good as a change.
        let _changed = tokio::time::timeout(interval, self.changed.notified()).await;
    }
}
