//! Which of the several requests of one notification were taken already, so that an attempt after a failed one does not
//! send those again. In memory only: after a restart all are sent anew, at least once each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

/// Notifications of one channel that are remembered; it has a few on their way at a time.
const KEPT_MAX: usize = 64;

#[derive(Default)]
pub(super) struct Sent(Mutex<BTreeMap<String, BTreeSet<usize>>>);

impl Sent {
    pub(super) fn is_taken(&self, key: &str, at: usize) -> bool {
        let sent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sent.get(key).is_some_and(|taken| taken.contains(&at))
    }

    pub(super) fn taken(&self, key: &str, at: usize) {
        let mut sent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !sent.contains_key(key) && sent.len() >= KEPT_MAX {
            sent.pop_first();
        }
        sent.entry(key.to_owned()).or_default().insert(at);
    }

    /// The notification is delivered whole.
    pub(super) fn done(&self, key: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}
