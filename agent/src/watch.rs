//! Wakes a source when the kernel reports a change in a directory (inotify), so that it need not look often.
//! Promises: a wake-up may be one too many, never relied upon: every source looks by itself as well, more slowly.
//! An overflow of the kernel's queue wakes too.

use std::path::Path;
use std::time::Duration;

use crate::inotify::{Changed, Directories};

/// How often without the kernel's help: a network file system, or no inotify instance left.
const LOOK_INTERVAL_UNWATCHED: Duration = Duration::from_millis(200);

/// Changes of one directory.
pub(crate) struct Watch<F> {
    /// `None` when the kernel cannot help.
    directories: Option<Directories>,
    look_interval: Duration,
    wanted: F,
}

impl<F: Fn(&Path) -> bool> Watch<F> {
    /// Wakes for changes of entries that `wanted` picks by path, and at this interval.
    pub(crate) fn directory(directory: &Path, look_interval: Duration, wanted: F) -> Self {
        let directories = Directories::new().and_then(|mut directories| {
            directories.watch(directory)?;
            Ok(directories)
        });
        let directories = directories.inspect_err(|error| {
            let directory = directory.display();
            tracing::warn!(%error, %directory, "cannot be watched; it is looked at more often instead");
        });
        Self { directories: directories.ok(), look_interval, wanted }
    }

    /// Returns when something changed, or when it is time to look anyway.
    pub(crate) async fn wait(&self) {
        let Some(directories) = &self.directories else {
            return tokio::time::sleep(LOOK_INTERVAL_UNWATCHED).await;
        };
        let wanted = |change: &Changed| match change {
            Changed::Path(path) => (self.wanted)(path),
            Changed::Anything => true,
        };
        let changed = async {
            loop {
                match directories.changed().await {
                    Ok(changes) if changes.iter().any(wanted) => return,
                    Ok(_) => {}
                    Err(_) => std::future::pending().await,
                }
            }
        };
        // Running into the interval is as good as a change.
        let _changed = tokio::time::timeout(self.look_interval, changed).await;
    }
}
