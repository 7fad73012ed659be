//! The questions that pages and APIs ask. None of them changes anything.

use std::collections::BTreeMap;
use std::sync::Arc;

use agent_model::{Matcher, Millis};

use crate::alert::Alert;
use crate::channel::{self, ChannelStatus};
use crate::detection::DetectionRecord;
use crate::group::GroupStatus;
use crate::limits::SILENCES_LISTED_MAX;
use crate::notification::NotificationRecord;
use crate::routing::Routing;
use crate::silence::Silence;
use crate::stats::{Sendings, Stats};
use crate::store::{AttemptRecord, HistoryEntry};
use crate::view::{self, AlertFilter, AlertStatus};
use crate::{Alerting, AlertingError};

impl Alerting {
    /// The alerts that are open: pending, firing, or resolved and not yet told to everybody; newest first.
    pub async fn alerts(
        &self,
        filter: &AlertFilter,
        now_ms: Millis,
    ) -> Result<Vec<AlertStatus>, AlertingError> {
        self.look(now_ms, |state| view::alerts(state, filter, now_ms)).await
    }

    /// One alert, open or (its last episode) from the history; a firing one also by Alertmanager's fingerprint.
    pub async fn alert(
        &self,
        fingerprint: u64,
        now_ms: Millis,
    ) -> Result<Option<AlertStatus>, AlertingError> {
        let open = self
            .look(now_ms, |state| {
                let fingerprint = state.firing_by_any_name(fingerprint).unwrap_or(fingerprint);
                let found = state.alerts.get(&fingerprint).cloned();
                found.map(|alert| view::alert(state, alert, now_ms))
            })
            .await?;
        if open.is_some() {
            return Ok(open);
        }
        let Some(alert) = self.inner.store.alert(fingerprint).await? else { return Ok(None) };
        self.look(now_ms, |state| Some(view::alert(state, alert, now_ms))).await
    }

    /// The last episode of alerts with these labels that resolved after `since_ms`, newest first, and how many there are
    /// beyond the limit.
    pub async fn resolved(
        &self,
        since_ms: Millis,
        matchers: &[Matcher],
        limit: usize,
    ) -> Result<(Vec<Alert>, usize), AlertingError> {
        self.inner.store.resolved(since_ms, matchers, limit).await
    }

    /// What happened to an alert, newest first, over all its episodes.
    pub async fn history(
        &self,
        fingerprint: u64,
        limit: u32,
    ) -> Result<Vec<HistoryEntry>, AlertingError> {
        self.inner.store.history(fingerprint, limit).await
    }

    pub async fn groups(&self, now_ms: Millis) -> Result<Vec<GroupStatus>, AlertingError> {
        self.look(now_ms, |state| {
            let holding = state.routing.intervals_holding(now_ms);
            state.groups.values().map(|group| group.status(&holding)).collect()
        })
        .await
    }

    /// The silences that end after `since_ms`, also those that ended; the one that ends last first, and at most
    /// [`crate::SILENCES_LISTED_MAX`].
    pub async fn silences(&self, since_ms: Millis) -> Result<Vec<Silence>, AlertingError> {
        self.inner.store.silences(since_ms, SILENCES_LISTED_MAX).await
    }

    /// One silence, also one that has ended.
    pub async fn silence(&self, id: &str) -> Result<Option<Silence>, AlertingError> {
        self.inner.store.silence(id).await
    }

    /// Notifications in whatever state, newest first.
    pub async fn notifications(
        &self,
        limit: u32,
    ) -> Result<Vec<NotificationRecord>, AlertingError> {
        self.inner.store.notifications(limit).await
    }

    /// The attempts to send one notification, by its id, newest first; of very many the last hundred.
    pub async fn attempts(&self, id: &str) -> Result<Vec<AttemptRecord>, AlertingError> {
        self.inner.store.attempts(id).await
    }

    /// Detections, newest first.
    pub async fn detections(&self, limit: u32) -> Result<Vec<DetectionRecord>, AlertingError> {
        self.inner.store.detections(limit).await
    }

    /// The routing in force.
    pub async fn routing(&self, now_ms: Millis) -> Result<Routing, AlertingError> {
        self.look(now_ms, |state| state.routing.clone()).await
    }

    /// Attempts that failed since the start of the process, by receiver; those that never failed have 0.
    pub async fn failed_by_receiver(
        &self,
        now_ms: Millis,
    ) -> Result<BTreeMap<Arc<str>, u64>, AlertingError> {
        self.look(now_ms, |state| self.inner.counters.failed_by_receiver(state)).await
    }

    /// What was sent since the start of the process, by kind of integration.
    pub fn sendings_by_kind(&self) -> BTreeMap<String, Sendings> {
        self.inner.counters.sendings_by_kind()
    }

    /// Every channel of the routing: whether it works, and what waits for it.
    pub async fn channels(&self, now_ms: Millis) -> Result<Vec<ChannelStatus>, AlertingError> {
        let dead = self.dead_letter_counts().await?;
        self.look(now_ms, |state| channel::statuses(state, &self.limiter(), &dead)).await
    }

    pub async fn stats(&self, now_ms: Millis) -> Result<Stats, AlertingError> {
        let limited = self.limiter().held_total();
        self.look(now_ms, |state| self.inner.counters.stats(state, limited, now_ms)).await
    }
}
