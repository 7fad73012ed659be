//! A notification: what one receiver is told about one group, whole, so that a later one replaces an earlier.

use std::sync::Arc;

use agent_model::{Labels, Millis};

use crate::alert::{Alert, Annotations};
use crate::id::Id;

#[derive(Clone, Debug, PartialEq)]
pub struct Notification {
    /// The same in every attempt, also after a crash: receivers may drop what they have seen.
    pub idempotency_key: String,
    pub receiver: Arc<str>,
    /// Alertmanager's text for the group: `{}/{team="soc"}:{alertname="X"}`.
    pub group_key: String,
    pub group_labels: Labels,
    /// Firing ones first, oldest first.
    pub alerts: Vec<NotifiedAlert>,
    pub created_ms: Millis,
    /// The level of an escalation by which it goes out, from 1: because nobody took it.
    pub escalation: Option<u32>,
}

/// An alert as it stood when the notification was made.
#[derive(Clone, Debug, PartialEq)]
pub struct NotifiedAlert {
    pub fingerprint: u64,
    pub labels: Labels,
    /// As its source gave them: without the severity of the hour.
    pub given: Labels,
    pub annotations: Arc<Annotations>,
    pub starts_ms: Millis,
    /// When it resolved; `None` while it fires.
    pub resolved_ms: Option<Millis>,
    /// Where its sender shows it, of an alert that another program posted.
    pub generator_url: Option<Arc<str>>,
}

/// One notification as a page shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotificationRecord {
    pub id: String,
    pub group_key: String,
    pub receiver: String,
    pub integration: String,
    pub state: OutboxState,
    pub alerts_firing: usize,
    pub alerts_resolved: usize,
    pub created_ms: Millis,
    pub finished_ms: Option<Millis>,
    pub next_attempt_ms: Millis,
    pub attempts: u32,
    /// Empty when the last attempt went well, or there was none.
    pub last_error: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutboxState {
    Waiting,
    /// The receiver took it.
    Sent,
    /// A newer one of the same group took its place before it was delivered.
    Superseded,
    /// Its receiver is no longer configured.
    Undeliverable,
    /// It was tried in vain for `delivery.give_up_after`: a person has to see to it.
    Dead,
    /// Dead, and a person has seen it.
    Dismissed,
}

impl Notification {
    pub fn is_firing(&self) -> bool {
        self.alerts.iter().any(|alert| alert.resolved_ms.is_none())
    }

    /// The level of an escalation that has to be said: what is over needs nobody.
    pub(crate) fn escalation_to_say(&self) -> Option<u32> {
        self.escalation.filter(|_| self.is_firing())
    }

    pub(crate) fn sort_alerts(&mut self) {
        self.alerts
            .sort_by_key(|alert| (alert.resolved_ms.is_some(), alert.starts_ms, alert.fingerprint));
    }

    /// Unique to this state of this group for this integration.
    pub(crate) fn key_of(&self, group_id: &str, integration: &str, sequence: u64) -> String {
        let id = Id::default().text(group_id).text(&self.receiver).text(integration);
        let id = id.number(sequence).number(self.created_ms.cast_unsigned());
        let alerts = self.alerts.iter().fold(id, |id, alert| {
            let resolved_ms = alert.resolved_ms.unwrap_or(-1);
            let id = id.number(alert.fingerprint).number(alert.starts_ms.cast_unsigned());
            id.number(resolved_ms.cast_unsigned())
        });
        alerts.hex(16)
    }
}

impl NotifiedAlert {
    pub(crate) fn of(alert: &Alert) -> Self {
        Self {
            fingerprint: alert.fingerprint,
            labels: alert.labels.clone(),
            given: alert.given.clone(),
            annotations: Arc::clone(&alert.annotations),
            starts_ms: alert.starts_ms(),
            resolved_ms: alert.resolved_ms,
            generator_url: alert.generator_url().cloned(),
        }
    }
}

impl OutboxState {
    pub const ALL: [Self; 6] = [
        Self::Waiting,
        Self::Sent,
        Self::Superseded,
        Self::Undeliverable,
        Self::Dead,
        Self::Dismissed,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sent => "sent",
            Self::Superseded => "superseded",
            Self::Undeliverable => "undeliverable",
            Self::Dead => "dead",
            Self::Dismissed => "dismissed",
        }
    }
}
