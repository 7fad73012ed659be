//! Groups: alerts that one receiver is told about together, and when.
//!
//! A new group waits `group_wait`; alerts that come or go later wait for the group's next turn, one every
//! `group_interval` from its last message on, as in Alertmanager (dispatch/dispatch.go); a mute that begins or ends waits
//! only until `group_interval` after the last message. An unchanged group that still fires is told again after
//! `repeat_interval`, unless all of it is acknowledged.
//! Promises: an alert that fires and is not muted is told to every integration of its receivers; whoever was
//! told that it fires is told that it resolved, if he wants that (also when it resolved while muted: afterwards).

mod escalating;
mod flush;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use agent_model::{Labels, Millis};

use crate::alert::{Alert, AlertState};
use crate::id::Id;
use crate::routing::{Escalation, Level, Route, Timing, quote};
use crate::state::State;

pub(crate) use escalating::Escalating;
pub(crate) use flush::{close_told, flush_due};

#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) id: String,
    pub(crate) key: String,
    pub(crate) receiver: Arc<str>,
    pub(crate) labels: Labels,
    pub(crate) is_detection: bool,
    pub(crate) timing: Timing,
    pub(crate) created_ms: Millis,
    /// When something was last put into the outbox.
    pub(crate) last_flush_ms: Option<Millis>,
    /// Firing alerts, and others that somebody has yet to be told as resolved.
    pub(crate) members: BTreeSet<u64>,
    /// Those that go elsewhere since the hour gave them another severity: only their end is owed.
    pub(crate) left: BTreeSet<u64>,
    /// Whether it must be looked at again as soon as the interval allows.
    pub(crate) changed: bool,
    /// Whether alerts of it came or went: that waits for its turn.
    pub(crate) stirred: bool,
    pub(crate) turn_ms: Option<Millis>,
    /// When it was looked at last; a restart forgets it.
    pub(crate) looked_ms: Option<Millis>,
    pub(crate) repeat_due_ms: Option<Millis>,
    /// Integration to what it has been told.
    pub(crate) told: BTreeMap<Arc<str>, Told>,
    /// Of a group that a level of an escalation makes.
    pub(crate) escalating: Option<Escalating>,
}

/// What makes groups of a route's alerts: the route itself, and each receiver of each level of its escalation.
struct Way<'a> {
    route: &'a Route,
    receiver: &'a Arc<str>,
    level: Option<(&'a Escalation, &'a Level)>,
}

impl Route {
    fn ways(&self) -> impl Iterator<Item = Way<'_>> {
        let own = Way { route: self, receiver: &self.receiver, level: None };
        let levels = self.escalation.iter().flat_map(move |escalation| {
            escalation.levels.iter().flat_map(move |level| {
                let way =
                    move |receiver| Way { route: self, receiver, level: Some((escalation, level)) };
                level.receivers.iter().map(way)
            })
        });
        std::iter::once(own).chain(levels)
    }
}

impl Way<'_> {
    fn key(&self) -> String {
        let level = self
            .level
            .map(|(escalation, level)| format!("/{}~{}", quote(&escalation.name), level.number));
        format!("{}{}", self.route.key, level.unwrap_or_default())
    }

    /// A level has waited already.
    fn timing(&self, is_detection: bool) -> Timing {
        let timing = self.route.timing_of(is_detection).clone();
        match self.level {
            None => timing,
            Some(_) => Timing { group_wait_ms: 0, group_interval_ms: 0, ..timing },
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// The number of its last notification.
    pub(crate) sequence: u64,
    pub(crate) last_ms: Millis,
    /// Alerts told as firing and not yet as resolved, with the start that was told; [`TELL_AGAIN`] for those that a mute kept
    /// out of the last message.
    pub(crate) alerts: BTreeMap<u64, Millis>,
}

/// In place of the start that was told: the alert is to be told again, and its end is still owed.
pub(crate) const TELL_AGAIN: Millis = Millis::MIN;

/// A group as a page shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupStatus {
    pub key: String,
    pub labels: Labels,
    pub receiver: Arc<str>,
    pub fingerprints: Vec<u64>,
    pub last_notified_ms: Option<Millis>,
    /// When it is looked at next.
    pub next_due_ms: Option<Millis>,
    /// The names of the time intervals that mute it just now.
    pub muted_by: Vec<Arc<str>>,
}

impl Group {
    fn new(way: &Way<'_>, alert: &Alert, now_ms: Millis) -> Self {
        let timing = way.timing(alert.is_detection());
        let labels = timing.group_by.labels_of(&alert.labels);
        Self {
            id: group_id(way, &labels, alert.is_detection()),
            key: format!("{}:{}", way.key(), key_text(&labels)),
            receiver: Arc::clone(way.receiver),
            labels,
            is_detection: alert.is_detection(),
            timing,
            escalating: way.level.map(|(_, level)| Escalating {
                level: level.number,
                after_ms: level.after_ms,
                waits: BTreeMap::new(),
                looked_ms: Millis::MIN,
            }),
            created_ms: now_ms,
            last_flush_ms: None,
            members: BTreeSet::new(),
            left: BTreeSet::new(),
            changed: false,
            stirred: true,
            turn_ms: None,
            looked_ms: None,
            repeat_due_ms: None,
            told: BTreeMap::new(),
        }
    }

    pub(crate) fn due_ms(&self) -> Option<Millis> {
        let wait = match self.last_flush_ms {
            None => self.created_ms.saturating_add(self.timing.group_wait_ms),
            Some(last) => last.saturating_add(self.timing.group_interval_ms),
        };
        let change = self.changed.then_some(wait);
        let escalates = self.escalating.as_ref().and_then(Escalating::due_ms);
        let turn = self.stirred.then_some(self.turn_ms.unwrap_or(wait));
        let changes = change.into_iter().chain(turn);
        changes.chain(self.repeat_due_ms).chain(escalates).min()
    }

    /// Gives alerts that came or went the group's next turn from `now_ms` on.
    pub(crate) fn take_turn(&mut self, now_ms: Millis) {
        if !self.stirred || self.turn_ms.is_some() {
            return;
        }
        let interval_ms = self.timing.group_interval_ms;
        self.turn_ms = Some(match self.last_flush_ms.or(self.looked_ms) {
            None => self.created_ms.saturating_add(self.timing.group_wait_ms),
            Some(_) if interval_ms == 0 => now_ms,
            Some(last_ms) => {
                let turns = (now_ms - last_ms + interval_ms - 1).div_euclid(interval_ms).max(1);
                last_ms.saturating_add(turns.saturating_mul(interval_ms))
            }
        });
    }

    pub(crate) fn status(&self, holding: &BTreeSet<Arc<str>>) -> GroupStatus {
        GroupStatus {
            key: self.key.clone(),
            labels: self.labels.clone(),
            receiver: Arc::clone(&self.receiver),
            fingerprints: self.members.iter().copied().collect(),
            last_notified_ms: self.last_flush_ms,
            next_due_ms: self.due_ms(),
            muted_by: self.timing.muted_by(holding),
        }
    }
}

/// Labels as Alertmanager writes them into a group's key: with a space behind each comma.
fn key_text(labels: &Labels) -> String {
    let texts = labels.iter().map(|label| format!("{}={}", label.name, quote(&label.value)));
    format!("{{{}}}", texts.collect::<Vec<_>>().join(", "))
}

/// Stable over restarts and over reloads that leave the route as it is.
fn group_id(way: &Way<'_>, labels: &Labels, is_detection: bool) -> String {
    let kind = if is_detection { "detection" } else { "rule" };
    let id = Id::default().text(way.receiver).text(kind).text(&way.key());
    id.text(&labels.to_string()).hex(16)
}

fn group_id_of(way: &Way<'_>, alert: &Alert) -> String {
    let is_detection = alert.is_detection();
    let labels = way.route.timing_of(is_detection).group_by.labels_of(&alert.labels);
    group_id(way, &labels, is_detection)
}

impl State {
    /// Puts a firing alert into the group of every route that takes it.
    pub(crate) fn join_groups(&mut self, alert: &Alert, now_ms: Millis) {
        let routing = self.routing.clone();
        for way in routing.matching(&alert.labels).into_iter().flat_map(Route::ways) {
            let id = group_id_of(&way, alert);
            let group = self.groups.entry(id.clone()).or_insert_with(|| {
                self.batch.groups.insert(id.clone());
                self.batch.groups_removed.remove(&id);
                Group::new(&way, alert, now_ms)
            });
            group.members.insert(alert.fingerprint);
            group.left.remove(&alert.fingerprint);
            group.stirred = true;
            // As in Alertmanager: what began longer ago than the wait has waited elsewhere.
            if alert.starts_ms().saturating_add(group.timing.group_wait_ms) < now_ms {
                group.created_ms = group.created_ms.min(alert.starts_ms());
            }
        }
    }

    /// Has the groups of an alert looked at again.
    pub(crate) fn mark_groups_of(&mut self, alert: &Alert) {
        for seen in self.routing.ratings(alert) {
            for way in self.routing.matching(&seen.labels).into_iter().flat_map(Route::ways) {
                if let Some(group) = self.groups.get_mut(&group_id_of(&way, &seen)) {
                    group.stirred |= group.members.contains(&alert.fingerprint);
                }
            }
        }
    }

    /// Forms all groups anew from the alerts, after a start, a change of the routing, or when the hour changes severities. A
    /// group that the routing still makes, now or at another hour, keeps what it knows; the others end.
    pub(crate) fn regroup(&mut self, now_ms: Millis) {
        self.rate(now_ms);
        let before = std::mem::take(&mut self.groups);
        let alerts: Vec<Alert> = self.alerts.values().cloned().collect();
        let routing = self.routing.clone();
        for alert in &alerts {
            // Of a group that two severities share the first, which is the present one, decides.
            let mut joined = BTreeSet::new();
            for seen in routing.ratings(alert) {
                for way in routing.matching(&seen.labels).into_iter().flat_map(Route::ways) {
                    let fresh = Group::new(&way, &seen, now_ms);
                    if joined.insert(fresh.id.clone()) {
                        self.rejoin(fresh, &before, alert, seen.labels == alert.labels);
                    }
                }
            }
        }
        for id in before.into_keys().filter(|id| !self.groups.contains_key(id)) {
            self.batch.groups.remove(&id);
            self.batch.groups_removed.insert(id);
        }
    }

    /// Puts an alert into a group that the routing makes of it now, or, for the sake of its end, at another hour.
    fn rejoin(
        &mut self,
        fresh: Group,
        before: &BTreeMap<String, Group>,
        alert: &Alert,
        is_present: bool,
    ) {
        let known = self.groups.get(&fresh.id).or_else(|| before.get(&fresh.id));
        let told = known.is_some_and(|group| group.has_told(alert.fingerprint));
        if !(told || is_present && alert.state == AlertState::Firing) {
            return;
        }
        let mut group = known.cloned().unwrap_or_else(|| fresh.clone());
        if !self.groups.contains_key(&fresh.id) {
            group.members.clear();
            group.left.clear();
            group.receiver = fresh.receiver;
            group.key = fresh.key;
            group.timing = fresh.timing;
            group.escalates_as(fresh.escalating);
            group.changed = true;
            self.batch.groups.insert(fresh.id.clone());
        }
        group.members.insert(alert.fingerprint);
        if !is_present {
            group.left.insert(alert.fingerprint);
        }
        self.groups.insert(fresh.id, group);
    }
}

impl Group {
    pub(crate) fn has_told(&self, fingerprint: u64) -> bool {
        self.told.values().any(|told| told.alerts.contains_key(&fingerprint))
    }

    /// Somebody was told, and is not to be told as of something new.
    fn has_told_lately(&self, fingerprint: u64) -> bool {
        let mut starts = self.told.values().filter_map(|told| told.alerts.get(&fingerprint));
        starts.any(|start| *start != TELL_AGAIN)
    }
}

#[cfg(test)]
mod tests;
