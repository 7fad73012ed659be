//! Wakes a source when the kernel reports a change in a directory (inotify), so that it need not look often.
//! Promises: a wake-up may be one too many, never relied upon: every source looks by itself as well, more slowly.
//! An overflow of the kernel's queue wakes too.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
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
        let directories = watched([directory]).inspect_err(|error| {
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

/// Wakes for changes of these files, also where they are links to now, and at this interval.
pub(crate) fn files(
    files: &[PathBuf],
    look_interval: Duration,
) -> Watch<impl Fn(&Path) -> bool + use<>> {
    let links = files.iter().filter_map(|file| std::fs::canonicalize(file).ok());
    let paths: HashSet<PathBuf> = files.iter().cloned().chain(links).collect();
    let parents: HashSet<&Path> = paths.iter().filter_map(|path| path.parent()).collect();
    let directories = watched(parents).inspect_err(|error| {
        tracing::warn!(%error, ?files, "cannot be watched; they are looked at more often instead");
    });
    Watch {
        directories: directories.ok(),
        look_interval,
        wanted: move |path: &Path| paths.contains(path),
    }
}

fn watched<'a>(paths: impl IntoIterator<Item = &'a Path>) -> io::Result<Directories> {
    let mut directories = Directories::new()?;
    paths.into_iter().try_for_each(|directory| directories.watch(directory))?;
    Ok(directories)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test]
    async fn a_file_behind_a_link_wakes_although_its_directory_is_another() {
        let here = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let (link, file) = (here.path().join("log"), elsewhere.path().join("real.log"));
        fs::write(&file, "one\n").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let watch = files(&[link], Duration::from_secs(3_600));
        fs::write(elsewhere.path().join("other.log"), "not it\n").unwrap();
        fs::write(&file, "two\n").unwrap();
        tokio::time::timeout(Duration::from_secs(30), watch.wait()).await.unwrap();
        // Woken once for what was written once; the other file's change wakes nobody.
        let again = Duration::from_millis(200);
        fs::write(elsewhere.path().join("other.log"), "nor now\n").unwrap();
        assert!(tokio::time::timeout(again, watch.wait()).await.is_err());
    }
}
