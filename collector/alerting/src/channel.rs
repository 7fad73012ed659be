//! What is known of each channel: an integration of a receiver. Whether it works, since when not, how long it asked us to wait.
//! Kept over restarts, so that a dead channel is not taken for a new one. Leaves to others: sending, and who is told.

use std::collections::BTreeMap;
use std::sync::Arc;

use agent_model::Millis;

use crate::limiter::Limiter;
use crate::state::State;

/// A receiver and the name of its integration.
pub(crate) type ChannelKey = (Arc<str>, Arc<str>);

/// The clock may be set back by this much without a wait being cut short.
const CLOCK_STEP_MS: Millis = 5_000;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ChannelState {
    pub(crate) last_attempt_ms: Millis,
    pub(crate) last_success_ms: Option<Millis>,
    /// When the first of the attempts failed that have failed since; `None` while it works.
    pub(crate) failing_since_ms: Option<Millis>,
    /// Why the last attempt failed; empty when it did not.
    pub(crate) last_error: String,
    pub(crate) tested_ms: Option<Millis>,
    /// Until when the receiver asked us to send nothing; forgotten by a restart.
    pub(crate) held_until_ms: Option<Millis>,
}

/// A channel as a page shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelStatus {
    pub receiver: Arc<str>,
    pub integration: Arc<str>,
    pub last_attempt_ms: Option<Millis>,
    pub last_success_ms: Option<Millis>,
    /// `None` while it works, and before the first attempt.
    pub failing_since_ms: Option<Millis>,
    /// Empty when the last attempt went well, or there was none.
    pub last_error: String,
    pub tested_ms: Option<Millis>,
    /// Until when the receiver asked us to send nothing.
    pub held_until_ms: Option<Millis>,
    /// Notifications that wait for it.
    pub waiting: usize,
    /// Those of them that a rate limit holds back.
    pub limited: usize,
    /// Notifications that were given up and that nobody has dealt with.
    pub dead: u64,
}

impl ChannelState {
    pub(crate) fn succeeded(&mut self, at_ms: Millis) {
        self.last_attempt_ms = at_ms;
        self.last_success_ms = Some(at_ms);
        self.failing_since_ms = None;
        self.held_until_ms = None;
        self.last_error.clear();
    }

    /// `asked_ms` is how long the receiver asked us to wait.
    pub(crate) fn failed(&mut self, at_ms: Millis, why: &str, asked_ms: Option<Millis>) {
        self.last_attempt_ms = at_ms;
        // The clock was set back: an outage cannot begin in the future.
        let since_ms = self.failing_since_ms.unwrap_or(at_ms).min(at_ms);
        self.failing_since_ms = Some(since_ms);
        self.held_until_ms = asked_ms.map(|wait_ms| at_ms.saturating_add(wait_ms));
        why.clone_into(&mut self.last_error);
    }

    /// Whether the receiver asked us to send nothing at this time.
    pub(crate) fn is_held(&self, now_ms: Millis) -> bool {
        self.held_until_ms.is_some_and(|until_ms| until_ms > now_ms)
            && !lies_ahead(self.last_attempt_ms, now_ms)
    }
}

/// Whether a time that was `now` once lies in the future: the clock was set back, and waits counted from it would be longer
/// than they were meant to be.
pub(crate) fn lies_ahead(past_ms: Millis, now_ms: Millis) -> bool {
    past_ms > now_ms.saturating_add(CLOCK_STEP_MS)
}

/// Every channel of the routing, also those that nothing was ever sent by; `dead` counts the dead letters of each.
pub(crate) fn statuses(
    state: &State,
    limiter: &Limiter,
    dead: &BTreeMap<(String, String), u64>,
) -> Vec<ChannelStatus> {
    let mut waiting: BTreeMap<(&str, &str), (usize, usize)> = BTreeMap::new();
    for row in state.outbox.values() {
        let (all, limited) =
            waiting.entry((&row.notification.receiver, &row.integration)).or_default();
        *all += 1;
        *limited += usize::from(limiter.holds(&row.id));
    }
    let mut found = Vec::new();
    for receiver in state.routing.receivers() {
        for integration in &receiver.integrations {
            let key = (Arc::clone(&receiver.name), Arc::clone(&integration.name));
            let known = state.channels.get(&key);
            let (waits, limited) =
                waiting.get(&(&*receiver.name, &*integration.name)).copied().unwrap_or_default();
            let named = (receiver.name.to_string(), integration.name.to_string());
            found.push(ChannelStatus {
                receiver: key.0,
                integration: key.1,
                last_attempt_ms: known.map(|one| one.last_attempt_ms),
                last_success_ms: known.and_then(|one| one.last_success_ms),
                failing_since_ms: known.and_then(|one| one.failing_since_ms),
                last_error: known.map(|one| one.last_error.clone()).unwrap_or_default(),
                tested_ms: known.and_then(|one| one.tested_ms),
                held_until_ms: known.and_then(|one| one.held_until_ms),
                waiting: waits,
                limited,
                dead: dead.get(&named).copied().unwrap_or(0),
            });
        }
    }
    found
}
