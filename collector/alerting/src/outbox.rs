//! The outbox: notifications that are to be delivered, tried again until they are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use agent_model::Millis;
use sha2::{Digest, Sha256};

use crate::limits::SENDS_PER_INTEGRATION_MAX;
use crate::notification::Notification;

/// A row that has not been delivered.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) id: String,
    pub(crate) group_id: String,
    pub(crate) integration: Arc<str>,
    /// Grows with every notification of the group to this integration.
    pub(crate) sequence: u64,
    pub(crate) next_attempt_ms: Millis,
    pub(crate) attempts: u32,
    pub(crate) notification: Arc<Notification>,
}

/// The first wait after a failed attempt; it doubles with each.
const BACK_OFF_FIRST_MS: i64 = 1_000;

/// The longest wait of our own: a receiver that is back is found within minutes.
const BACK_OFF_MAX_MS: i64 = 300_000;

/// The longest wait that a receiver may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);

/// How long to wait after the given number of failed attempts. The spread (up to a quarter less) comes from the
/// row's name, so that receivers which come back are not hit by all rows at once.
pub(crate) fn back_off_ms(id: &str, attempts: u32, retry_after: Option<Duration>) -> Millis {
    let doubled = BACK_OFF_FIRST_MS << attempts.saturating_sub(1).min(20);
    let wait = doubled.min(BACK_OFF_MAX_MS);
    let mut hash = Sha256::new();
    hash.update(id.as_bytes());
    hash.update(attempts.to_be_bytes());
    let spread = i64::from(hash.finalize()[0]);
    let own = wait - wait / 4 * spread / 255;
    let asked = retry_after.unwrap_or_default().min(RETRY_AFTER_MAX);
    own.max(i64::try_from(asked.as_millis()).unwrap_or(own))
}

/// The rows to send now: due, the oldest of its group, and within the limit of each integration.
pub(crate) fn sendable(
    outbox: &BTreeMap<String, Waiting>,
    in_flight: &BTreeSet<String>,
    now_ms: Millis,
) -> Vec<Waiting> {
    let mut first: BTreeMap<(&str, &str), &Waiting> = BTreeMap::new();
    let mut busy: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for row in outbox.values() {
        if in_flight.contains(&row.id) {
            *busy.entry(row.channel()).or_default() += 1;
        }
        let oldest = first.entry((&row.group_id, &row.integration)).or_insert(row);
        if row.sequence < oldest.sequence {
            *oldest = row;
        }
    }
    let mut due: Vec<&Waiting> = first
        .into_values()
        .filter(|row| row.next_attempt_ms <= now_ms && !in_flight.contains(&row.id))
        .collect();
    due.sort_by_key(|row| (row.next_attempt_ms, row.notification.created_ms));
    let mut chosen = Vec::new();
    for row in due {
        let sending = busy.entry(row.channel()).or_default();
        if *sending < SENDS_PER_INTEGRATION_MAX {
            *sending += 1;
            chosen.push(row.clone());
        }
    }
    chosen
}

/// When the next row is due that is not due yet; those that are due wait for another to end.
pub(crate) fn next_attempt(outbox: &BTreeMap<String, Waiting>, now_ms: Millis) -> Option<Millis> {
    outbox.values().map(|row| row.next_attempt_ms).filter(|at| *at > now_ms).min()
}

impl Waiting {
    /// The receiver's integration that sends it.
    fn channel(&self) -> (&str, &str) {
        (&self.notification.receiver, &self.integration)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_and_heed_the_receiver() {
        let wait = |attempts| back_off_ms("a", attempts, None);
        assert!((750..=1_000).contains(&wait(1)), "{}", wait(1));
        assert!((6_000..=8_000).contains(&wait(4)), "{}", wait(4));
        assert!((225_000..=300_000).contains(&wait(u32::MAX)));
        assert_ne!(back_off_ms("a", 9, None), back_off_ms("b", 9, None));
        let asked = |seconds| back_off_ms("a", 1, Some(Duration::from_secs(seconds)));
        assert_eq!(asked(120), 120_000);
        assert_eq!(asked(u64::MAX), 3_600_000);
    }
}
