//! Dead letters: notifications that could not be delivered in the time that `delivery.give_up_after` states, or whose receiver is
//! gone. They are kept and counted until a person has them sent again or says that it was seen.

use std::collections::BTreeMap;
use std::sync::Arc;

use agent_model::Millis;

use crate::alert::Alert;
use crate::limits::OUTBOX_MAX;
use crate::notification::{NotificationRecord, NotifiedAlert};
use crate::outbox::Waiting;
use crate::state::State;
use crate::{Alerting, AlertingError};

impl Alerting {
    /// Notifications that were given up, or whose receiver is gone, newest first.
    pub async fn dead_letters(&self, limit: u32) -> Result<Vec<NotificationRecord>, AlertingError> {
        self.inner.store.dead_letters(limit).await
    }

    /// How many were given up and wait for a person, by receiver and integration.
    pub async fn dead_letter_counts(
        &self,
    ) -> Result<BTreeMap<(String, String), u64>, AlertingError> {
        self.inner.store.dead_letter_counts().await
    }

    /// Puts a dead letter into the outbox again, as a new notification that takes its place; what has resolved meanwhile is
    /// told as resolved. Returns the name of the new one.
    pub async fn resend(&self, id: &str, now_ms: Millis) -> Result<String, AlertingError> {
        let memory = self.lock().await;
        let found = self.inner.store.dead_letter(id).await?;
        let letter = found.ok_or_else(|| AlertingError::DeadLetterUnknown(id.to_owned()))?;
        self.change_locked(memory, None, now_ms, |state, _| again(state, &letter, now_ms)).await?
    }

    /// Notes that somebody has seen that a notification was never delivered: it is no longer counted.
    pub async fn dismiss(&self, id: &str, now_ms: Millis) -> Result<(), AlertingError> {
        let memory = self.lock().await;
        let found = self.inner.store.dead_letter(id).await?;
        found.ok_or_else(|| AlertingError::DeadLetterUnknown(id.to_owned()))?;
        self.change_locked(memory, None, now_ms, |state, _| {
            state.batch.dismissed.insert(id.to_owned(), now_ms);
        })
        .await
    }
}

fn again(state: &mut State, letter: &Waiting, now_ms: Millis) -> Result<String, AlertingError> {
    let receiver = &letter.notification.receiver;
    if state.routing.integration(receiver, &letter.integration).is_none() {
        return Err(AlertingError::ResendRefused(format!(
            "alerting.yml has no receiver {receiver:?} with {} any more; who is told instead is told anyway",
            letter.integration
        )));
    }
    if state.outbox.len() >= OUTBOX_MAX {
        return Err(AlertingError::ResendRefused(format!(
            "{OUTBOX_MAX} notifications wait already; first let the channels work that they wait for"
        )));
    }
    let mut notification = (*letter.notification).clone();
    for alert in &mut notification.alerts {
        refresh(alert, state.alerts.get(&alert.fingerprint), now_ms);
    }
    notification.created_ms = now_ms;
    notification.sort_alerts();
    let sequence = (letter.sequence + 1).max(now_ms.unsigned_abs());
    let id = notification.key_of(&letter.group_id, &letter.integration, sequence);
    notification.idempotency_key.clone_from(&id);
    state.batch.superseded.insert(letter.id.clone(), now_ms);
    state.batch.outbox.insert(id.clone());
    state.outbox.insert(
        id.clone(),
        Waiting {
            id: id.clone(),
            sequence,
            next_attempt_ms: now_ms,
            attempts: 0,
            tried_ms: 0,
            tried_at_ms: None,
            notification: Arc::new(notification),
            ..letter.clone()
        },
    );
    Ok(id)
}

/// What was firing when the letter was written may be over: nobody is to be called out for it. What fires, again or still, is
/// told as it is: a late letter must not be the last that is heard of it and say that it is over.
fn refresh(told: &mut NotifiedAlert, current: Option<&Alert>, now_ms: Millis) {
    if let Some(alert) = current.filter(|alert| alert.is_firing()) {
        *told = NotifiedAlert::of(alert);
    } else if told.resolved_ms.is_none() {
        let ended_ms = current.and_then(|alert| alert.resolved_ms).unwrap_or(now_ms);
        told.resolved_ms = Some(ended_ms.max(told.starts_ms));
    }
}
