//! Alerts as people see them: with who is told, and what mutes them just now.

use std::sync::Arc;

use agent_model::{Matcher, Millis};

use crate::alert::{Alert, AlertState};
use crate::mute::Mutes;
use crate::state::State;

#[derive(Clone, Debug, PartialEq)]
pub struct AlertStatus {
    pub alert: Alert,
    pub receivers: Vec<Arc<str>>,
    /// Ids of the silences that mute it.
    pub silenced_by: Vec<String>,
    /// Fingerprints of the alerts that mute it.
    pub inhibited_by: Vec<u64>,
}

/// What to show; the default is everything that is open.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertFilter {
    pub matchers: Vec<Matcher>,
    /// Empty is every state.
    pub states: Vec<AlertState>,
    pub with_silenced: bool,
    pub with_inhibited: bool,
    pub receiver: Option<String>,
}

impl Default for AlertFilter {
    fn default() -> Self {
        Self {
            matchers: Vec::new(),
            states: Vec::new(),
            with_silenced: true,
            with_inhibited: true,
            receiver: None,
        }
    }
}

/// The open alerts that pass the filter, the newest first.
pub(crate) fn alerts(state: &State, filter: &AlertFilter, now_ms: Millis) -> Vec<AlertStatus> {
    let rules = &state.routing.inhibit_rules;
    let mutes = Mutes::new(&state.alerts, &state.silences, rules, now_ms);
    let mut found: Vec<AlertStatus> = state
        .alerts
        .values()
        .filter(|alert| filter.states.is_empty() || filter.states.contains(&alert.state))
        .filter(|alert| filter.matchers.iter().all(|one| one.matches_labels(&alert.labels)))
        .map(|alert| status(state, &mutes, alert.clone()))
        .filter(|status| filter.with_silenced || status.silenced_by.is_empty())
        .filter(|status| filter.with_inhibited || status.inhibited_by.is_empty())
        .filter(|status| {
            let wanted = filter.receiver.as_deref();
            wanted.is_none_or(|name| status.receivers.iter().any(|one| one.as_ref() == name))
        })
        .collect();
    found.sort_by_key(|status| {
        (std::cmp::Reverse(status.alert.starts_ms()), status.alert.fingerprint)
    });
    found
}

/// One alert with what holds for it now.
pub(crate) fn alert(state: &State, alert: Alert, now_ms: Millis) -> AlertStatus {
    let rules = &state.routing.inhibit_rules;
    let mutes = Mutes::new(&state.alerts, &state.silences, rules, now_ms);
    status(state, &mutes, alert)
}

fn status(state: &State, mutes: &Mutes<'_>, alert: Alert) -> AlertStatus {
    AlertStatus {
        receivers: state.routing.receiver_names(&alert.labels),
        silenced_by: mutes.silenced_by(&alert.labels),
        inhibited_by: mutes.inhibited_by(&alert.labels),
        alert,
    }
}
