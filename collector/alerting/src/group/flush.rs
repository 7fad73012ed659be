//! Looking at a group: who must be told what now, as rows of the outbox.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use agent_model::Millis;

use crate::alert::{Alert, AlertState};
use crate::channel::lies_ahead;
use crate::duty::{self, Duty, note_duties};
use crate::limits::OUTBOX_MAX;
use crate::mute::Mutes;
use crate::notification::{Notification, NotifiedAlert};
use crate::outbox::Waiting;
use crate::routing::{Integration, Routing};
use crate::silence::SilenceState;
use crate::state::{Batch, State};

use super::{Group, TELL_AGAIN, Told};

/// Looks at every group whose time has come. Rows in `in_flight` are on their way and stay as they are.
pub(crate) fn flush_due(state: &mut State, in_flight: &BTreeSet<String>, now_ms: Millis) {
    settle_clock(state, now_ms);
    note_silences(state, now_ms);
    note_intervals(state, now_ms);
    note_duties(state, now_ms);
    let all_stirred = std::mem::take(&mut state.all_stirred);
    for group in state.groups.values_mut() {
        group.stirred |= all_stirred;
        group.take_turn(now_ms);
    }
    let is_due = |group: &Group| group.due_ms().is_some_and(|due| due <= now_ms);
    let due: Vec<String> =
        state.groups.values().filter(|group| is_due(group)).map(|group| group.id.clone()).collect();
    if due.is_empty() {
        return;
    }
    let State {
        routing, alerts, groups, silences, intervals_holding, duties, outbox, batch, ..
    } = state;
    let waiting = waiting_of(outbox, &due, in_flight);
    let mutes = Mutes::new(alerts, silences, &routing.inhibit_rules, now_ms);
    for id in due {
        let Some(group) = groups.get_mut(&id) else { continue };
        let waiting = waiting.get(&id).map_or(&[][..], Vec::as_slice);
        let mut flush = Flush { routing, duties, outbox, batch, waiting, now_ms };
        let told_now = group.timing.muted_by(intervals_holding).is_empty();
        let mut members = Members::of(group, alerts, told_now.then_some(&mutes));
        members.firing = group.let_through(members.firing, now_ms);
        flush.group(group, &members);
        if group.members.is_empty() {
            groups.remove(&id);
            batch.groups.remove(&id);
            batch.groups_removed.insert(id);
        } else {
            batch.groups.insert(id);
        }
    }
    close_told(state);
}

/// The clock was set back: a group that was told something in what is the future now would be silent until then.
fn settle_clock(state: &mut State, now_ms: Millis) {
    for group in state.groups.values_mut() {
        let marks = [group.last_flush_ms, group.looked_ms].into_iter().flatten();
        let last_ms = marks.fold(group.created_ms, Millis::max);
        if !lies_ahead(last_ms, now_ms) {
            continue;
        }
        group.created_ms = group.created_ms.min(now_ms);
        group.last_flush_ms = group.last_flush_ms.map(|at_ms| at_ms.min(now_ms));
        group.looked_ms = group.looked_ms.map(|at_ms| at_ms.min(now_ms));
        group.turn_ms = None;
        for told in group.told.values_mut() {
            told.last_ms = told.last_ms.min(now_ms);
        }
        group.changed = true;
        state.batch.groups.insert(group.id.clone());
    }
}

/// The rows of the given groups that wait and are not on their way, oldest first.
fn waiting_of(
    outbox: &BTreeMap<String, Waiting>,
    groups: &[String],
    in_flight: &BTreeSet<String>,
) -> BTreeMap<String, Vec<String>> {
    let groups: BTreeSet<&str> = groups.iter().map(String::as_str).collect();
    let mut rows: Vec<&Waiting> = outbox
        .values()
        .filter(|row| groups.contains(row.group_id.as_str()) && !in_flight.contains(&row.id))
        .collect();
    rows.sort_by_key(|row| row.sequence);
    let mut waiting: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in rows {
        waiting.entry(row.group_id.clone()).or_default().push(row.id.clone());
    }
    waiting
}

/// When a silence begins or ends, every group is looked at again.
fn note_silences(state: &mut State, now_ms: Millis) {
    let active = state.silences.values().filter(|s| s.state(now_ms) == SilenceState::Active);
    let active = active.map(|silence| &silence.id);
    // Both are in the order of their ids; there may be thousands, and this is asked often.
    if !active.clone().eq(&state.silences_active) {
        state.silences_active = active.cloned().collect();
        state.mark_all_groups();
    }
}

/// When a time interval begins or ends, likewise.
fn note_intervals(state: &mut State, now_ms: Millis) {
    let holding = state.routing.intervals_holding(now_ms);
    if holding != state.intervals_holding {
        if state.routing.severity_rules.is_empty() {
            state.intervals_holding = holding;
            state.mark_all_groups();
        } else {
            state.regroup(now_ms);
        }
    }
}

/// Resolved alerts that no group waits for are history.
pub(crate) fn close_told(state: &mut State) {
    let resolved = state.alerts.values().filter(|alert| alert.state == AlertState::Resolved);
    let resolved: Vec<u64> = resolved.map(|alert| alert.fingerprint).collect();
    if resolved.is_empty() {
        return;
    }
    let awaited: BTreeSet<u64> =
        state.groups.values().flat_map(|group| group.members.iter().copied()).collect();
    for fingerprint in resolved.into_iter().filter(|alert| !awaited.contains(alert)) {
        // The row itself is written first if it also changed in this transaction.
        if let Some(alert) = state.alerts.remove(&fingerprint) {
            state.batch.touched.remove(&fingerprint);
            state.batch.alerts.remove(&fingerprint);
            state.batch.closed.insert(fingerprint, alert);
        }
    }
}

/// The members of a group as they are now.
struct Members<'a> {
    firing: Vec<&'a Alert>,
    resolved: Vec<&'a Alert>,
    /// Not firing, muted or not.
    ended: BTreeSet<u64>,
}

impl<'a> Members<'a> {
    /// Without `mutes` all of the group is muted.
    fn of(group: &Group, alerts: &'a BTreeMap<u64, Alert>, mutes: Option<&Mutes<'_>>) -> Self {
        let mut members = Self { firing: Vec::new(), resolved: Vec::new(), ended: BTreeSet::new() };
        for fingerprint in &group.members {
            let alert = alerts.get(fingerprint);
            if !alert.is_some_and(Alert::is_firing) {
                members.ended.insert(*fingerprint);
            }
            match alert {
                Some(alert) if mutes.is_none_or(|mutes| mutes.is_muted(&alert.labels)) => {}
                Some(alert) if alert.is_firing() && group.left.contains(fingerprint) => {}
                Some(alert) if alert.is_firing() => members.firing.push(alert),
                Some(alert) => members.resolved.push(alert),
                None => {}
            }
        }
        members
    }
}

struct Flush<'a> {
    routing: &'a Routing,
    duties: &'a BTreeMap<Arc<str>, Duty>,
    outbox: &'a mut BTreeMap<String, Waiting>,
    batch: &'a mut Batch,
    /// Undelivered rows of the group, oldest first.
    waiting: &'a [String],
    now_ms: Millis,
}

impl Flush<'_> {
    fn group(&mut self, group: &mut Group, members: &Members<'_>) {
        let receiver = self.routing.receiver(&group.receiver);
        let integrations = receiver.map_or(&[][..], |receiver| &receiver.integrations);
        group.told.retain(|name, _| integrations.iter().any(|one| one.name == *name));
        group.changed = false;
        group.stirred = false;
        group.turn_ms = None;
        group.looked_ms = Some(self.now_ms);
        group.repeat_due_ms = None;
        for integration in integrations {
            self.integration(group, members, integration);
        }
        let waits = |group: &Group, alert: &u64| group.has_told(*alert);
        let done: Vec<u64> =
            members.ended.iter().filter(|alert| !waits(group, alert)).copied().collect();
        for alert in done {
            group.members.remove(&alert);
        }
    }

    fn integration(&mut self, group: &mut Group, members: &Members<'_>, integration: &Integration) {
        let mut told = group.told.get(&integration.name).cloned().unwrap_or_default();
        let is_new =
            |alert: &&Alert| told.alerts.get(&alert.fingerprint) != Some(&alert.starts_ms());
        let on_duty = duty::is_on(self.duties, integration);
        let has_new = on_duty && members.firing.iter().any(is_new);
        // Who is off duty hears the end of what they were told, and nothing else.
        let concerns = |alert: &&&Alert| on_duty || told.alerts.contains_key(&alert.fingerprint);
        let firing: Vec<&Alert> = members.firing.iter().filter(concerns).copied().collect();
        let replaced = self.replaceable(&integration.name);
        let ended: Vec<&Alert> = members
            .resolved
            .iter()
            .filter(|alert| told.alerts.contains_key(&alert.fingerprint))
            .filter(|alert| {
                integration.send_resolved || self.says_firing(&replaced, alert.fingerprint)
            })
            .copied()
            .collect();
        let unacknowledged = members.firing.iter().any(|alert| alert.acknowledgement.is_none());
        let repeat_ms = told.last_ms.saturating_add(group.timing.repeat_ms());
        let repeats = on_duty && unacknowledged && self.now_ms >= repeat_ms;
        if has_new || !ended.is_empty() || repeats {
            let fits = self.outbox.len() < OUTBOX_MAX + replaced.len();
            if !fits {
                self.batch.counted.outbox_full += 1;
                group.changed = true;
                return;
            }
            self.tell(group, integration, &mut told, &firing, &ended, &replaced);
        }
        if !integration.send_resolved {
            told.alerts.retain(|alert, _| !members.ended.contains(alert));
        }
        if on_duty && unacknowledged && !told.alerts.is_empty() {
            let due = told.last_ms.saturating_add(group.timing.repeat_ms());
            group.repeat_due_ms = group.repeat_due_ms.into_iter().chain([due]).min();
        }
        // Who is in the roster and was never told is no part of what a group keeps.
        if told != Told::default() {
            group.told.insert(Arc::clone(&integration.name), told);
        }
    }

    /// Puts a notification into the outbox; it takes the place of undelivered ones and carries what they said.
    fn tell(
        &mut self,
        group: &mut Group,
        integration: &Integration,
        told: &mut Told,
        firing: &[&Alert],
        ended: &[&Alert],
        replaced: &[String],
    ) {
        let mut alerts: BTreeMap<u64, NotifiedAlert> = BTreeMap::new();
        // What it takes the place of was tried in vain: without that a channel that is dead would never be given up.
        let (mut tried_ms, mut tried_at_ms) = (0, None);
        for id in replaced {
            let Some(row) = self.outbox.remove(id) else { continue };
            tried_ms = tried_ms.max(row.tried_ms);
            tried_at_ms = tried_at_ms.max(row.tried_at_ms);
            let carried = row.notification.alerts.iter();
            alerts.extend(carried.map(|alert| (alert.fingerprint, alert.clone())));
            self.batch.outbox.remove(id);
            self.batch.superseded.insert(id.clone(), self.now_ms);
            self.batch.counted.superseded += 1;
            if row.attempts > 0 {
                self.batch.counted.replaced_in_vain.push(Arc::clone(&row.integration));
            }
        }
        for alert in firing.iter().chain(ended) {
            let mut notified = NotifiedAlert::of(alert);
            if !alert.is_firing() && notified.resolved_ms.is_none() {
                notified.resolved_ms = Some(self.now_ms);
            }
            alerts.insert(alert.fingerprint, notified);
        }
        // Beyond any number of a group of the same name that ended: its last message may still be under way.
        told.sequence = (told.sequence + 1).max(self.now_ms.unsigned_abs());
        told.last_ms = self.now_ms;
        told.alerts.values_mut().for_each(|start_ms| *start_ms = TELL_AGAIN);
        told.alerts.extend(firing.iter().map(|alert| (alert.fingerprint, alert.starts_ms())));
        for alert in ended {
            told.alerts.remove(&alert.fingerprint);
        }
        let mut notification = Notification {
            idempotency_key: String::new(),
            receiver: Arc::clone(&group.receiver),
            group_key: group.key.clone(),
            group_labels: group.labels.clone(),
            alerts: alerts.into_values().collect(),
            created_ms: self.now_ms,
            escalation: group.escalating.as_ref().map(|escalating| escalating.level),
        };
        notification.sort_alerts();
        let id = notification.key_of(&group.id, &integration.name, told.sequence);
        notification.idempotency_key.clone_from(&id);
        group.last_flush_ms = Some(self.now_ms);
        self.batch.outbox.insert(id.clone());
        self.outbox.insert(
            id.clone(),
            Waiting {
                id,
                group_id: group.id.clone(),
                integration: Arc::clone(&integration.name),
                sequence: told.sequence,
                next_attempt_ms: self.now_ms,
                attempts: 0,
                tried_ms,
                tried_at_ms,
                notification: Arc::new(notification),
            },
        );
    }

    /// Undelivered notifications of this group to this integration, oldest first.
    fn replaceable(&self, integration: &str) -> Vec<String> {
        let rows = self.waiting.iter().filter(|id| {
            self.outbox.get(*id).is_some_and(|row| row.integration.as_ref() == integration)
        });
        rows.cloned().collect()
    }

    fn says_firing(&self, rows: &[String], fingerprint: u64) -> bool {
        rows.iter().filter_map(|id| self.outbox.get(id)).any(|row| {
            let mut alerts = row.notification.alerts.iter();
            alerts.any(|alert| alert.fingerprint == fingerprint && alert.resolved_ms.is_none())
        })
    }
}
