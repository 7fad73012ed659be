//! Groups of an escalation: one for each receiver of each level of a route. Such a group holds an alert back until it has
//! gone on firing, and nobody has taken it, for as long as its level says; then it is a group as any other. That the receiver
//! of the route is told before is checked in `alerting.yml`: a level waits longer than the groups of its route.
//! Time in which the alert is muted or taken does not count, and it begins anew afterwards.

use std::collections::BTreeMap;

use agent_model::Millis;

use super::Group;
use crate::alert::Alert;

/// What makes a group one of an escalation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Escalating {
    pub(crate) level: u32,
    pub(crate) after_ms: Millis,
    /// Alerts that fire and are not taken, with the moment since which they are so.
    pub(crate) waits: BTreeMap<u64, Millis>,
    /// The last look: what had waited long enough was let through then, whoever was there to be told.
    pub(crate) looked_ms: Millis,
}

impl Escalating {
    /// When the next alert that still waits has waited long enough.
    pub(super) fn due_ms(&self) -> Option<Millis> {
        let due = self.waits.values().map(|since| since.saturating_add(self.after_ms));
        due.filter(|due| *due > self.looked_ms).min()
    }
}

impl Group {
    /// Takes what the routing says now, and keeps since when alerts wait.
    pub(super) fn escalates_as(&mut self, fresh: Option<Escalating>) {
        let waits = self.escalating.take().map(|before| before.waits).unwrap_or_default();
        // Looked at anew: `after` may be another.
        self.escalating = fresh.map(|fresh| Escalating { waits, looked_ms: Millis::MIN, ..fresh });
    }

    /// Of the firing alerts that are not muted, those that this group tells of now.
    pub(super) fn let_through<'a>(
        &mut self,
        firing: Vec<&'a Alert>,
        now_ms: Millis,
    ) -> Vec<&'a Alert> {
        let Some(mut escalating) = self.escalating.take() else { return firing };
        let untaken = |alert: &&&Alert| alert.acknowledgement.is_none();
        let before = std::mem::take(&mut escalating.waits);
        for alert in firing.iter().filter(untaken) {
            // A clock that went back must not make anybody wait for ever.
            let since = before.get(&alert.fingerprint).map_or(now_ms, |since| *since.min(&now_ms));
            escalating.waits.insert(alert.fingerprint, since);
        }
        let has_waited = |alert: &Alert| {
            let since = escalating.waits.get(&alert.fingerprint);
            since.is_some_and(|since| since.saturating_add(escalating.after_ms) <= now_ms)
        };
        let told = |alert: &Alert| self.has_told_lately(alert.fingerprint);
        let mut through = firing;
        through.retain(|alert| told(alert) || has_waited(alert));
        escalating.looked_ms = now_ms;
        self.escalating = Some(escalating);
        through
    }
}
