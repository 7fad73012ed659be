//! Whether the collector does its work, measured every second, and if not, why.

use std::path::{Path, PathBuf};
use std::time::Duration;

use collector_journal::Journal;
use tokio::sync::watch;

use crate::stores::Stores;

/// A full disk should be known before an agent's next report.
const INTERVAL: Duration = Duration::from_secs(1);

/// Shown at `/-/ready`, on the overview and by `haidang status`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    pub ready: bool,
    pub reasons: Vec<String>,
    pub free_bytes: u64,
}

/// Measures until `stop` turns true.
pub async fn watch(
    state_dir: PathBuf,
    reserve_bytes: u64,
    journal: Journal,
    health: watch::Sender<Health>,
    mut stop: watch::Receiver<bool>,
) {
    // The journal may lie on a disk of its own; the other stores need theirs as much.
    let directories = [journal.directory().to_owned(), state_dir];
    loop {
        let free = tightest(&directories, Stores::free_bytes);
        let now = measure(free, reserve_bytes, journal.stats().full);
        health.send_if_modified(|before| {
            if before.ready != now.ready {
                tracing::info!(ready = now.ready, reasons = ?now.reasons, "readiness changed");
            }
            let changed = *before != now;
            *before = now;
            changed
        });
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

/// The directory with the least free space; one of which that is not known comes first.
fn tightest(
    directories: &[PathBuf; 2],
    free_bytes: impl Fn(&Path) -> Option<u64>,
) -> (&Path, Option<u64>) {
    let [first, second] = directories.each_ref().map(|path| (path.as_path(), free_bytes(path)));
    if second.1 < first.1 { second } else { first }
}

fn measure(
    (directory, free_bytes): (&Path, Option<u64>),
    reserve_bytes: u64,
    journal_is_full: bool,
) -> Health {
    let mut reasons = Vec::new();
    let directory = directory.display();
    match free_bytes {
        None => reasons.push(format!("the free space of {directory} is not known")),
        Some(free) if free <= reserve_bytes => reasons.push(format!(
            "the disk is full: {free} bytes are free in {directory}, and {reserve_bytes} are kept in reserve \
             (journal.free_reserve); reports wait at the agents"
        )),
        Some(_) => {}
    }
    if journal_is_full {
        reasons.push(
            "the journal is full (journal.bytes_max): a store is behind (haidang_collector_view_lag_records); \
             reports wait at the agents"
                .to_owned(),
        );
    }
    Health { ready: reasons.is_empty(), reasons, free_bytes: free_bytes.unwrap_or(0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_the_reserve_it_is_not_ready_and_says_why() {
        let measure = |free, full| measure((Path::new("/var/j"), free), 100, full);
        assert!(measure(Some(101), false).ready);
        let full = measure(Some(100), false);
        assert!(!full.ready && full.reasons[0].contains("the disk is full"));
        assert!(full.reasons[0].contains("100 bytes are free in /var/j"));
        assert!(!measure(None, false).ready);
        let behind = measure(Some(101), true);
        assert!(!behind.ready && behind.reasons[0].contains("the journal is full"));
    }

    #[test]
    fn of_two_disks_the_fuller_one_counts() {
        let directories = [PathBuf::from("journal"), PathBuf::from("state")];
        let least = |journal, state| {
            let free = |path: &Path| if path == Path::new("journal") { journal } else { state };
            let (path, free) = tightest(&directories, free);
            (path.to_str().unwrap().to_owned(), free)
        };
        assert_eq!(least(Some(1), Some(2)), ("journal".to_owned(), Some(1)));
        assert_eq!(least(Some(2), Some(1)), ("state".to_owned(), Some(1)));
        assert_eq!(least(Some(2), None), ("state".to_owned(), None));
        assert_eq!(least(Some(2), Some(2)), ("journal".to_owned(), Some(2)));
    }
}
