//! The outbox: notifications that are to be delivered, tried again until they are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use agent_model::Millis;
use sha2::{Digest, Sha256};

use crate::channel::{ChannelKey, ChannelState, lies_ahead};
use crate::limiter::Look;
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
    /// How long it, or one that it took the place of, has been tried in vain.
    pub(crate) tried_ms: Millis,
    /// When one of them was tried last.
    pub(crate) tried_at_ms: Option<Millis>,
    pub(crate) notification: Arc<Notification>,
}

/// The first wait after a failed attempt; it doubles with each.
const BACK_OFF_FIRST_MS: i64 = 1_000;

/// The longest wait of our own: a receiver that is back is found within minutes.
const BACK_OFF_MAX_MS: i64 = 300_000;

/// The longest wait that a receiver may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);

/// Of the time between two attempts so much counts towards giving up: longer is a collector that was off, or a clock that
/// was set, and says nothing about the receiver.
const TRIED_STEP_MAX_MS: i64 = 2 * 3_600_000;

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
    own.max(asked_ms(retry_after).unwrap_or(0))
}

/// How long the receiver wants us to wait, as far as we do.
pub(crate) fn asked_ms(retry_after: Option<Duration>) -> Option<Millis> {
    let asked = retry_after?.min(RETRY_AFTER_MAX);
    i64::try_from(asked.as_millis()).ok().filter(|wait_ms| *wait_ms > 0)
}

/// The rows to send now: due, the oldest of its group, by a channel that wants to be sent to, and within the limits of each.
pub(crate) fn sendable(
    outbox: &BTreeMap<String, Waiting>,
    in_flight: &BTreeSet<String>,
    channels: &BTreeMap<ChannelKey, ChannelState>,
    limits: &mut Look<'_>,
    now_ms: Millis,
) -> Vec<Waiting> {
    let held: BTreeSet<(&str, &str)> = channels
        .iter()
        .filter(|(_, channel)| channel.is_held(now_ms))
        .map(|((receiver, integration), _)| (&**receiver, &**integration))
        .collect();
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
        .filter(|row| row.is_due(now_ms) && !in_flight.contains(&row.id))
        .filter(|row| !held.contains(&row.channel()))
        .collect();
    due.sort_by_key(|row| (row.next_attempt_ms, row.notification.created_ms));
    let mut chosen = Vec::new();
    for row in due {
        let sending = busy.entry(row.channel()).or_default();
        if *sending < SENDS_PER_INTEGRATION_MAX && limits.admits(&row.id, row.channel()) {
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
    /// Its time has come, or the clock was set back since that time was chosen.
    fn is_due(&self, now_ms: Millis) -> bool {
        let chosen_ms = self.tried_at_ms.unwrap_or(self.notification.created_ms);
        self.next_attempt_ms <= now_ms || lies_ahead(chosen_ms, now_ms)
    }

    /// How long it has been tried in vain if an attempt fails at this time.
    pub(crate) fn tried_until_ms(&self, at_ms: Millis) -> Millis {
        let last_ms = self.tried_at_ms.unwrap_or(self.notification.created_ms);
        let step_ms = at_ms.saturating_sub(last_ms).clamp(0, TRIED_STEP_MAX_MS);
        self.tried_ms.saturating_add(step_ms)
    }

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
