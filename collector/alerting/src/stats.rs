//! Counters for `/metrics`: what was sent, what failed, what waits, what was refused.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use agent_model::Millis;

use crate::alert::AlertState;
use crate::outbox::Waiting;
use crate::state::{Counted, State};

/// Since the start of the process, except the lengths, which are as of now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Stats {
    /// Notifications that their receivers took.
    pub sent: u64,
    /// Attempts that failed; each is tried again.
    pub failed: u64,
    /// Attempts that were not the first of their notification.
    pub retried: u64,
    /// Notifications replaced by a newer one of the same group before they were delivered; nothing is lost by it.
    pub superseded: u64,
    /// Notifications whose receiver is no longer configured.
    pub undeliverable: u64,
    /// Notifications that were given up: dead letters, which wait for a person.
    pub dead: u64,
    /// Notifications that had to wait for a rate limit.
    pub limited: u64,
    /// New alerts refused because there are [`crate::ALERTS_MAX`].
    pub alerts_refused: u64,
    /// Findings of a rule whose labels another rule's alert has already.
    pub findings_disputed: u64,
    /// Detections that went into an alert about a storm instead of having one each.
    pub detections_grouped: u64,
    /// Templates that failed when they were rendered; the built-in text went out instead.
    pub template_failures: u64,
    /// Large messages that waited until the memory for such was free again.
    pub bodies_waited: u64,
    /// Times that a group had to wait because the outbox holds [`crate::OUTBOX_MAX`].
    pub outbox_full: u64,
    /// Alerts that others posted and that are none, or are too large.
    pub posts_invalid: u64,
    /// Silences that were asked for and cannot be.
    pub silences_refused: u64,
    pub outbox_length: usize,
    /// Those of them whose last attempt failed.
    pub outbox_failing: usize,
    pub oldest_unsent_seconds: u64,
    pub alerts_pending: usize,
    pub alerts_firing: usize,
    /// Nobody is notified: no receiver in use has a way to be reached. Worth an alert on the page.
    pub nobody_is_notified: bool,
}

#[derive(Default)]
pub(crate) struct Counters {
    sent: AtomicU64,
    failed: AtomicU64,
    retried: AtomicU64,
    superseded: AtomicU64,
    undeliverable: AtomicU64,
    dead: AtomicU64,
    alerts_refused: AtomicU64,
    findings_disputed: AtomicU64,
    outbox_full: AtomicU64,
    detections_grouped: AtomicU64,
    posts_invalid: AtomicU64,
    silences_refused: AtomicU64,
    pub(crate) composed: Arc<Composed>,
    /// Failed attempts by receiver; there are as many as `alerting.yml` names.
    failed_by_receiver: Mutex<BTreeMap<Arc<str>, u64>>,
    by_kind: Mutex<BTreeMap<String, Sendings>>,
}

/// What was sent by one kind of integration, as Alertmanager counts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sendings {
    /// Notifications that were tried, each once however often.
    pub notifications: u64,
    /// Those of them that were given up, or that a newer one replaced after they had failed.
    pub failed: u64,
    pub requests: u64,
    pub requests_failed: u64,
}

/// Counted where messages are composed.
#[derive(Default)]
pub(crate) struct Composed {
    pub(crate) template_failures: AtomicU64,
    pub(crate) bodies_waited: AtomicU64,
}

impl Counters {
    pub(crate) fn attempted(
        &self,
        receiver: &Arc<str>,
        integration: &str,
        number: u32,
        delivered: bool,
    ) {
        self.count(integration, |sendings| {
            sendings.notifications += u64::from(number == 1);
            sendings.requests += 1;
            sendings.requests_failed += u64::from(!delivered);
        });
        if !delivered {
            let mut failed = self.failed_by_receiver.lock().unwrap_or_else(PoisonError::into_inner);
            *failed.entry(Arc::clone(receiver)).or_default() += 1;
        }
        let counter = if delivered { &self.sent } else { &self.failed };
        counter.fetch_add(1, Ordering::Relaxed);
        if number > 1 {
            self.retried.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn add(&self, counted: Counted) {
        counted.replaced_in_vain.iter().for_each(|integration| self.failed_for_good(integration));
        for (counter, more) in [
            (&self.superseded, counted.superseded),
            (&self.undeliverable, counted.undeliverable),
            (&self.dead, counted.dead),
            (&self.alerts_refused, counted.alerts_refused),
            (&self.findings_disputed, counted.findings_disputed),
            (&self.outbox_full, counted.outbox_full),
            (&self.detections_grouped, counted.detections_grouped),
            (&self.posts_invalid, counted.posts_invalid),
            (&self.silences_refused, counted.silences_refused),
        ] {
            counter.fetch_add(more, Ordering::Relaxed);
        }
    }

    /// A notification will not be delivered any more, after attempts that failed.
    pub(crate) fn failed_for_good(&self, integration: &str) {
        self.count(integration, |sendings| sendings.failed += 1);
    }

    fn count(&self, integration: &str, count: impl FnOnce(&mut Sendings)) {
        let kind = integration.split('/').next().unwrap_or(integration);
        let mut by_kind = self.by_kind.lock().unwrap_or_else(PoisonError::into_inner);
        count(by_kind.entry(kind.to_owned()).or_default());
    }

    pub(crate) fn sendings_by_kind(&self) -> BTreeMap<String, Sendings> {
        self.by_kind.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Every receiver there is, also those that never failed: a counter begins at 0.
    pub(crate) fn failed_by_receiver(&self, state: &State) -> BTreeMap<Arc<str>, u64> {
        let failed = self.failed_by_receiver.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = failed.clone();
        for receiver in state.routing.receivers() {
            all.entry(Arc::clone(&receiver.name)).or_default();
        }
        all
    }

    /// `limited` is counted by the limiter.
    pub(crate) fn stats(&self, state: &State, limited: u64, now_ms: Millis) -> Stats {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let created = |row: &Waiting| row.notification.created_ms;
        let oldest_ms = state.outbox.values().map(created).min().unwrap_or(now_ms);
        let in_state = |wanted: AlertState| {
            state.alerts.values().filter(|alert| alert.state == wanted).count()
        };
        Stats {
            sent: of(&self.sent),
            failed: of(&self.failed),
            retried: of(&self.retried),
            superseded: of(&self.superseded),
            undeliverable: of(&self.undeliverable),
            dead: of(&self.dead),
            limited,
            alerts_refused: of(&self.alerts_refused),
            findings_disputed: of(&self.findings_disputed),
            outbox_full: of(&self.outbox_full),
            detections_grouped: of(&self.detections_grouped),
            posts_invalid: of(&self.posts_invalid),
            silences_refused: of(&self.silences_refused),
            template_failures: of(&self.composed.template_failures),
            bodies_waited: of(&self.composed.bodies_waited),
            outbox_length: state.outbox.len(),
            outbox_failing: state.outbox.values().filter(|row| row.attempts > 0).count(),
            oldest_unsent_seconds: u64::try_from((now_ms - oldest_ms) / 1_000).unwrap_or(0),
            alerts_pending: in_state(AlertState::Pending),
            alerts_firing: in_state(AlertState::Firing),
            nobody_is_notified: !state.routing.tells_somebody(),
        }
    }
}
