//! The kernel's word on what changed in directories (inotify(7)), on the agent's one thread.
//! Promises: opening and reading are no changes and wake nobody (every program that starts opens files in `/etc`); what
//! the kernel had to drop is told. Leaves to others: to look by themselves as well, because a network file system says nothing.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::path::{Path, PathBuf};

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Entries that come, go, are written or get other rights, and the same of the directory itself.
const CHANGES: AddWatchFlags = AddWatchFlags::IN_ATTRIB
    .union(AddWatchFlags::IN_CREATE)
    .union(AddWatchFlags::IN_DELETE)
    .union(AddWatchFlags::IN_MODIFY)
    .union(AddWatchFlags::IN_MOVE)
    .union(AddWatchFlags::IN_DELETE_SELF)
    .union(AddWatchFlags::IN_MOVE_SELF);

/// Directories that are watched.
#[derive(Debug)]
pub(crate) struct Directories {
    kernel: AsyncFd<Kernel>,
    watched: HashMap<WatchDescriptor, PathBuf>,
}

#[derive(Debug)]
struct Kernel(Inotify);

impl AsRawFd for Kernel {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Changed {
    /// This entry, or watched directory.
    Path(PathBuf),
    /// The kernel's queue was full: anything may have changed.
    Anything,
}

impl Directories {
    /// Watches nothing yet. An error when the kernel has no instance left for this user.
    pub(crate) fn new() -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        #[allow(
            deprecated,
            reason = "sound here: Kernel owns its one descriptor; what replaces it is unsafe"
        )]
        let kernel = AsyncFd::with_interest(Kernel(inotify), Interest::READABLE)?;
        Ok(Self { kernel, watched: HashMap::new() })
    }

    pub(crate) fn watch(&mut self, directory: &Path) -> io::Result<()> {
        let flags = CHANGES | AddWatchFlags::IN_ONLYDIR;
        let watch = self.kernel.get_ref().0.add_watch(directory, flags)?;
        self.watched.insert(watch, directory.to_owned());
        Ok(())
    }

    pub(crate) fn unwatch(&mut self, directory: &Path) {
        let kernel = &self.kernel.get_ref().0;
        self.watched.retain(|watch, watched| {
            let keep = watched != directory;
            if !keep {
                // A directory that is gone is not watched any more either way.
                kernel.rm_watch(*watch).unwrap_or_default();
            }
            keep
        });
    }

    /// Waits for the next changes. Nothing is lost when it is cancelled.
    pub(crate) async fn changed(&self) -> io::Result<Vec<Changed>> {
        loop {
            let mut ready = self.kernel.readable().await?;
            if let Ok(read) = ready.try_io(|kernel| Ok(kernel.get_ref().0.read_events()?)) {
                let changes = self.name(read?);
                if !changes.is_empty() {
                    return Ok(changes);
                }
            }
        }
    }

    /// What has changed by now; empty if nothing has.
    pub(crate) fn changed_now(&self) -> Vec<Changed> {
        // An empty queue is an error too, and one that keeps on shows itself when it is waited for.
        self.kernel.get_ref().0.read_events().map(|read| self.name(read)).unwrap_or_default()
    }

    fn name(&self, events: Vec<InotifyEvent>) -> Vec<Changed> {
        let name = |event: InotifyEvent| {
            if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
                return Some(Changed::Anything);
            }
            // The end of a watch is no change: what ended it is one, and was told before.
            if event.mask.contains(AddWatchFlags::IN_IGNORED) {
                return None;
            }
            let directory = self.watched.get(&event.wd)?;
            Some(Changed::Path(match event.name {
                Some(name) => directory.join(name),
                None => directory.clone(),
            }))
        };
        events.into_iter().filter_map(name).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;

    async fn next(directories: &Directories) -> Vec<Changed> {
        let deadline = Duration::from_secs(20);
        tokio::time::timeout(deadline, directories.changed()).await.unwrap().unwrap()
    }

    #[tokio::test]
    async fn changes_are_told_and_readers_are_not() {
        let directory = tempfile::tempdir().unwrap();
        let (file, last) = (directory.path().join("file"), directory.path().join("last"));
        fs::write(&file, "before").unwrap();
        let mut directories = Directories::new().unwrap();
        directories.watch(directory.path()).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "before");
        assert_eq!(directories.changed_now(), []);
        fs::write(&file, "after").unwrap();
        assert!(next(&directories).await.contains(&Changed::Path(file.clone())));
        fs::remove_file(&file).unwrap();
        fs::write(&last, "").unwrap();
        let changes = next(&directories).await;
        assert!(changes.contains(&Changed::Path(file)), "{changes:?}");
        assert!(changes.contains(&Changed::Path(last.clone())), "{changes:?}");
        directories.unwatch(directory.path());
        fs::write(&last, "nobody is told").unwrap();
        assert_eq!(directories.changed_now(), []);
    }

    #[tokio::test]
    async fn what_the_kernel_had_to_drop_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let mut directories = Directories::new().unwrap();
        directories.watch(directory.path()).unwrap();
        let queue = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
        let queue: u32 = queue.trim().parse().unwrap();
        // Each makes at least one event, and equal neighbours only are joined.
        for number in 0..=queue {
            fs::create_dir(directory.path().join(number.to_string())).unwrap();
        }
        let mut told = false;
        while !told {
            told = next(&directories).await.contains(&Changed::Anything);
        }
    }

    #[tokio::test]
    async fn a_directory_that_goes_is_a_change_and_one_that_is_not_there_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let inner = directory.path().join("inner");
        fs::create_dir(&inner).unwrap();
        let mut directories = Directories::new().unwrap();
        directories.watch(&inner).unwrap();
        fs::remove_dir(&inner).unwrap();
        assert_eq!(next(&directories).await, [Changed::Path(inner.clone())]);
        assert!(directories.watch(&inner).is_err());
    }
}
