//! The whole of alerting in memory, and the list of what changed in it since it was last written.
//! Nothing here waits or does I/O; the handle writes the changes in one transaction before anybody sees them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use agent_model::Millis;

use crate::alert::{Alert, AlertSource, AlertState, Change, ChangeKind};
use crate::channel::{ChannelKey, ChannelState};
use crate::detection::DetectionAlert;
use crate::duty::{Duty, Swap};
use crate::group::Group;
use crate::outbox::Waiting;
use crate::routing::Routing;
use crate::routing::severity::severity_of;
use crate::silence::{Silence, SilenceState};
use crate::storm::DetectionRate;

pub(crate) struct State {
    pub(crate) routing: Routing,
    /// Pending, firing, and resolved while somebody still has to be told.
    pub(crate) alerts: BTreeMap<u64, Alert>,
    /// The alerts of each rule that are pending or firing.
    pub(crate) by_rule: BTreeMap<String, BTreeSet<u64>>,
    pub(crate) groups: BTreeMap<String, Group>,
    /// Alerts of any group may have come or gone.
    pub(crate) all_stirred: bool,
    pub(crate) silences: BTreeMap<String, Silence>,
    /// The silences that were active when groups were last looked at.
    pub(crate) silences_active: BTreeSet<String>,
    /// The time intervals that held then.
    pub(crate) intervals_holding: BTreeSet<Arc<str>>,
    pub(crate) swaps: BTreeMap<String, Swap>,
    /// Who was on duty then, by roster.
    pub(crate) duties: BTreeMap<Arc<str>, Duty>,
    pub(crate) outbox: BTreeMap<String, Waiting>,
    /// What is known of each channel that was ever used.
    pub(crate) channels: BTreeMap<ChannelKey, ChannelState>,
    pub(crate) checkpoint_ms: Millis,
    pub(crate) pruned_ms: Option<Millis>,
    /// New detection alerts of the running minute; forgotten by a restart, which lets a few more through.
    pub(crate) rate: DetectionRate,
    pub(crate) batch: Batch,
}

/// What is to be written.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) alerts: BTreeSet<u64>,
    /// Alerts that are in order but newer in memory than on disk; written at the next checkpoint.
    pub(crate) touched: BTreeSet<u64>,
    /// Resolved alerts that everybody was told of: kept as history, no longer open.
    pub(crate) closed: BTreeMap<u64, Alert>,
    pub(crate) cleared: BTreeSet<u64>,
    pub(crate) groups: BTreeSet<String>,
    pub(crate) groups_removed: BTreeSet<String>,
    pub(crate) silences: BTreeSet<String>,
    pub(crate) swaps: BTreeSet<String>,
    pub(crate) outbox: BTreeSet<String>,
    pub(crate) superseded: BTreeMap<String, Millis>,
    pub(crate) undeliverable: BTreeMap<String, Millis>,
    /// Dead letters that a person has seen.
    pub(crate) dismissed: BTreeMap<String, Millis>,
    pub(crate) channels: BTreeSet<ChannelKey>,
    /// Attempts to send, with what came of them.
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) changes: Vec<Change>,
    pub(crate) detections: Vec<(DetectionAlert, Millis)>,
    pub(crate) progress: Option<(u64, Vec<u8>)>,
    pub(crate) link_used: Option<LinkUse>,
    pub(crate) prune_at: Option<Millis>,
    /// Proof that the database takes what is written.
    pub(crate) beat: Option<Millis>,
    pub(crate) counted: Counted,
}

/// The link of a notification was used.
#[derive(Clone, Debug)]
pub(crate) struct LinkUse {
    pub(crate) id: String,
    pub(crate) by: String,
    pub(crate) at_ms: Millis,
}

/// One attempt to send a notification.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) id: String,
    pub(crate) number: u32,
    pub(crate) at_ms: Millis,
    /// `None` when it was delivered, else why not.
    pub(crate) failure: Option<String>,
    pub(crate) next_attempt_ms: Millis,
    /// How long the receiver asked us to wait.
    pub(crate) asked_ms: Option<Millis>,
    pub(crate) tried_ms: Millis,
    /// It is given up.
    pub(crate) dead: bool,
}

/// What happened in memory and is to be added to the counters once it is written.
#[derive(Clone, Default, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) superseded: u64,
    /// The integrations of those that a newer one replaced after attempts that failed.
    pub(crate) replaced_in_vain: Vec<Arc<str>>,
    pub(crate) undeliverable: u64,
    pub(crate) dead: u64,
    pub(crate) alerts_refused: u64,
    pub(crate) findings_disputed: u64,
    pub(crate) outbox_full: u64,
    pub(crate) detections_grouped: u64,
    pub(crate) posts_invalid: u64,
    pub(crate) silences_refused: u64,
}

impl State {
    pub(crate) fn new(routing: Routing) -> Self {
        Self {
            routing,
            alerts: BTreeMap::new(),
            by_rule: BTreeMap::new(),
            groups: BTreeMap::new(),
            all_stirred: false,
            silences: BTreeMap::new(),
            silences_active: BTreeSet::new(),
            intervals_holding: BTreeSet::new(),
            swaps: BTreeMap::new(),
            duties: BTreeMap::new(),
            outbox: BTreeMap::new(),
            channels: BTreeMap::new(),
            checkpoint_ms: 0,
            pruned_ms: None,
            rate: DetectionRate::default(),
            batch: Batch::default(),
        }
    }

    /// Puts an alert in its new state, and into the groups of everybody who is to be told.
    pub(crate) fn put(&mut self, mut alert: Alert, at_ms: Millis, detail: &str) {
        alert.labels = self.routing.rated(&alert.given, &self.intervals_holding);
        let fingerprint = alert.fingerprint;
        let kind = match alert.state {
            AlertState::Pending => ChangeKind::Pending,
            AlertState::Firing => ChangeKind::Firing,
            AlertState::Resolved => ChangeKind::Resolved,
        };
        let detail = detail.to_owned();
        self.batch.changes.push(Change { fingerprint, at_ms, kind, detail });
        self.batch.alerts.insert(fingerprint);
        self.batch.closed.remove(&fingerprint);
        self.batch.cleared.remove(&fingerprint);
        self.own(&alert);
        match alert.state {
            AlertState::Pending => {}
            AlertState::Firing => self.join_groups(&alert, at_ms),
            AlertState::Resolved => self.mark_groups_of(&alert),
        }
        self.alerts.insert(fingerprint, alert);
        if kind != ChangeKind::Pending && !self.routing.inhibit_rules.is_empty() {
            // What it inhibits came or went with it; noted once, for in a storm there are many and many groups.
            self.all_stirred = true;
        }
    }

    /// Drops an alert that was only pending, or puts it back to the resolved one it was before.
    pub(crate) fn clear(&mut self, fingerprint: u64, at_ms: Millis) {
        let Some(mut alert) = self.alerts.remove(&fingerprint) else { return };
        self.disown(&alert);
        if alert.resolved_ms.is_some() {
            alert.state = AlertState::Resolved;
            self.alerts.insert(fingerprint, alert);
            self.batch.alerts.insert(fingerprint);
            return;
        }
        self.batch.alerts.remove(&fingerprint);
        self.batch.touched.remove(&fingerprint);
        self.batch.cleared.insert(fingerprint);
        let kind = ChangeKind::Cleared;
        self.batch.changes.push(Change { fingerprint, at_ms, kind, detail: String::new() });
    }

    /// Resolves a firing alert as of `ended_ms`, which is learned at `now_ms`: a sender's clock is not ours.
    pub(crate) fn resolve(
        &mut self,
        fingerprint: u64,
        ended_ms: Millis,
        now_ms: Millis,
        detail: &str,
    ) {
        let Some(alert) = self.alerts.get(&fingerprint) else { return };
        let mut alert = alert.clone();
        alert.state = AlertState::Resolved;
        alert.resolved_ms = Some(ended_ms.max(alert.starts_ms()));
        alert.absent_since_ms = None;
        self.put(alert, now_ms, detail);
    }

    /// Keeps the index of rules: pending and firing alerts belong to their rule.
    pub(crate) fn own(&mut self, alert: &Alert) {
        let AlertSource::Rule(rule) = &alert.source else { return };
        if alert.state == AlertState::Resolved {
            self.disown(alert);
        } else {
            self.by_rule.entry(rule.clone()).or_default().insert(alert.fingerprint);
        }
    }

    fn disown(&mut self, alert: &Alert) {
        let AlertSource::Rule(rule) = &alert.source else { return };
        if let Some(alerts) = self.by_rule.get_mut(rule) {
            alerts.remove(&alert.fingerprint);
            if alerts.is_empty() {
                self.by_rule.remove(rule);
            }
        }
    }

    pub(crate) fn keep_silence(&mut self, silence: Silence) {
        self.batch.silences.insert(silence.id.clone());
        self.silences.insert(silence.id.clone(), silence);
    }

    /// Ends a silence now, unless it has ended.
    pub(crate) fn expire_silence(&mut self, id: &str, now_ms: Millis) {
        let Some(silence) = self.silences.get_mut(id) else { return };
        if silence.state(now_ms) != SilenceState::Expired {
            silence.expire(now_ms);
            self.batch.silences.insert(id.to_owned());
        }
    }

    /// The fingerprint of a firing alert that has this one, or that alone has it as Alertmanager counts.
    pub(crate) fn firing_by_any_name(&self, given: u64) -> Option<u64> {
        let firing = |alert: &&Alert| alert.is_firing();
        if self.alerts.get(&given).filter(firing).is_some() {
            return Some(given);
        }
        let named = |alert: &&Alert| alert.given.fnv_fingerprint() == given;
        let mut others = self.alerts.values().filter(firing).filter(named);
        others.next().filter(|_| others.next().is_none()).map(|alert| alert.fingerprint)
    }

    /// Gives every alert the severity of the hour; what changes stands in its history.
    pub(crate) fn rate(&mut self, now_ms: Millis) {
        self.intervals_holding = self.routing.intervals_holding(now_ms);
        for alert in self.alerts.values_mut() {
            let labels = self.routing.rated(&alert.given, &self.intervals_holding);
            if alert.labels == labels {
                continue;
            }
            let detail = format!("{} → {}", severity_of(&alert.labels), severity_of(&labels));
            alert.labels = labels;
            // Of what is only pending nothing is kept.
            if alert.is_firing() {
                let (fingerprint, kind) = (alert.fingerprint, ChangeKind::Severity);
                self.batch.changes.push(Change { fingerprint, at_ms: now_ms, kind, detail });
            }
        }
    }

    pub(crate) fn mark_all_groups(&mut self) {
        for group in self.groups.values_mut() {
            group.changed = true;
        }
    }

    /// Adds the checkpointed alerts to what is written, when it is time.
    pub(crate) fn checkpoint(&mut self, now_ms: Millis) {
        if now_ms - self.checkpoint_ms >= crate::limits::CHECKPOINT_MS
            || now_ms < self.checkpoint_ms
        {
            self.checkpoint_ms = now_ms;
            let touched = std::mem::take(&mut self.batch.touched);
            self.batch.alerts.extend(touched);
        }
    }
}

impl Batch {
    /// Takes what must be written now; what only waits for a checkpoint stays.
    pub(crate) fn take(&mut self) -> Self {
        let touched = std::mem::take(&mut self.touched);
        let mut taken = std::mem::take(self);
        for fingerprint in touched {
            if !taken.alerts.contains(&fingerprint) {
                self.touched.insert(fingerprint);
            }
        }
        taken.touched = BTreeSet::new();
        taken
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.alerts.is_empty()
            && self.closed.is_empty()
            && self.cleared.is_empty()
            && self.groups.is_empty()
            && self.groups_removed.is_empty()
            && self.silences.is_empty()
            && self.swaps.is_empty()
            && self.outbox.is_empty()
            && self.superseded.is_empty()
            && self.undeliverable.is_empty()
            && self.dismissed.is_empty()
            && self.channels.is_empty()
            && self.outcomes.is_empty()
            && self.changes.is_empty()
            && self.detections.is_empty()
            && self.progress.is_none()
            && self.link_used.is_none()
            && self.prune_at.is_none()
            && self.beat.is_none()
    }
}
