//! Whether the collector does its work, measured every second, and if not, why.

use std::path::PathBuf;
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
    loop {
        let now = measure(Stores::free_bytes(&state_dir), reserve_bytes, journal.stats().full);
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

fn measure(free_bytes: Option<u64>, reserve_bytes: u64, journal_is_full: bool) -> Health {
    let mut reasons = Vec::new();
    match free_bytes {
        None => reasons.push("the free space of the state directory is not known".to_owned()),
        Some(free) if free <= reserve_bytes => reasons.push(format!(
            "the disk is full: {free} bytes are free, and {reserve_bytes} are kept in reserve \
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
        assert!(measure(Some(101), 100, false).ready);
        let full = measure(Some(100), 100, false);
        assert!(!full.ready && full.reasons[0].contains("the disk is full"));
        assert!(!measure(None, 100, false).ready);
        let behind = measure(Some(101), 100, true);
        assert!(!behind.ready && behind.reasons[0].contains("the journal is full"));
    }
}
