//! Recording what came of attempts: whoever comes first writes for all that wait, in one transaction, so that a thousand receivers
//! that fail at once cost a few writes. Nobody goes on before his own outcome is on disk.

use std::sync::PoisonError;

use tokio::sync::oneshot;

use crate::channel::ChannelKey;
use crate::state::{Outcome, State};
use crate::{Alerting, AlertingError};

/// One that waits to be written. At most as many as there are attempts under way.
pub(crate) struct Unwritten {
    outcome: Outcome,
    key: ChannelKey,
    /// Is told whether the notification is given up.
    written: oneshot::Sender<bool>,
}

impl Alerting {
    /// Writes one outcome, with all others that wait; returns whether the notification is given up. After an error it is
    /// to be called again.
    pub(crate) async fn record(
        &self,
        outcome: &Outcome,
        key: &ChannelKey,
    ) -> Result<bool, AlertingError> {
        let (written, told) = oneshot::channel();
        let mine = Unwritten { outcome: outcome.clone(), key: key.clone(), written };
        self.unwritten(|waiting| waiting.push(mine));
        let memory = self.lock().await;
        let all = self.unwritten(std::mem::take);
        if all.is_empty() {
            drop(memory);
            // Somebody has taken it along; when he failed, he says nothing.
            return told.await.map_err(|_| AlertingError::Interrupted);
        }
        let dead = self
            .change_locked(memory, None, outcome.at_ms, |state, _| {
                all.iter().map(|one| note(state, &one.outcome, &one.key)).collect::<Vec<bool>>()
            })
            .await?;
        for (one, dead) in all.into_iter().zip(dead) {
            // Who waits no longer is being stopped.
            one.written.send(dead).ok();
        }
        told.await.map_err(|_| AlertingError::Interrupted)
    }

    fn unwritten<T>(&self, look: impl FnOnce(&mut Vec<Unwritten>) -> T) -> T {
        look(&mut self.inner.unwritten.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Changes the memory as one attempt ended; returns whether the notification is given up.
fn note(state: &mut State, outcome: &Outcome, key: &ChannelKey) -> bool {
    let give_up_after_ms = state.routing.delivery.give_up_after_ms;
    let dead = outcome.failure.is_some() && outcome.tried_ms >= give_up_after_ms;
    if outcome.failure.is_none() || dead {
        state.outbox.remove(&outcome.id);
    } else if let Some(row) = state.outbox.get_mut(&outcome.id) {
        row.attempts = outcome.number;
        row.next_attempt_ms = outcome.next_attempt_ms;
        row.tried_ms = outcome.tried_ms;
        row.tried_at_ms = Some(outcome.at_ms);
    }
    let channel = state.channels.entry(key.clone()).or_default();
    match &outcome.failure {
        None => channel.succeeded(outcome.at_ms),
        Some(why) => channel.failed(outcome.at_ms, why, outcome.asked_ms),
    }
    state.batch.channels.insert(key.clone());
    state.batch.counted.dead += u64::from(dead);
    state.batch.outcomes.push(Outcome { dead, ..outcome.clone() });
    dead
}
