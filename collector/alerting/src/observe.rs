//! Metric rules: from one evaluation of one rule to its alerts' next states.
//! Follows Prometheus (prometheus, rules/alerting.go): true -> pending -> after `for` firing -> gone -> after
//! `keep_firing_for` resolved. An evaluation that did not take place changes nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use agent_model::{Labels, Millis};

use crate::alert::{Alert, AlertSource, AlertState, Annotations};
use crate::limits::{ALERTS_MAX, EVALUATION_GAP_MS};
use crate::state::State;

/// Everything a rule found true at one time.
#[derive(Clone, Debug)]
pub struct RuleObservation {
    /// Names the rule for as long as it stays the same rule, also over restarts.
    pub rule_id: String,
    pub for_ms: Millis,
    pub keep_firing_for_ms: Millis,
    pub findings: Vec<Finding>,
    pub at_ms: Millis,
}

/// One true instance of a rule.
#[derive(Clone, Debug)]
pub struct Finding {
    /// All labels of the alert, `alertname` among them.
    pub labels: Labels,
    pub annotations: Annotations,
    pub value: f64,
}

/// An alert of a rule that is pending or firing.
#[derive(Clone, Debug)]
pub struct OpenAlert {
    /// As the rule gave them.
    pub labels: Labels,
    pub firing: bool,
    /// When it began to be true.
    pub active_since_ms: Millis,
}

/// The alerts that a rule keeps open.
fn open_alerts(state: &State, rule_id: &str) -> Vec<OpenAlert> {
    let owned = state.by_rule.get(rule_id).into_iter().flatten();
    let alerts = owned.filter_map(|fingerprint| state.alerts.get(fingerprint));
    let open = alerts.map(|alert| OpenAlert {
        labels: alert.given.clone(),
        firing: alert.is_firing(),
        active_since_ms: alert.active_since_ms,
    });
    open.collect()
}

/// Returns the alerts that the rule keeps open.
pub(crate) fn observe(state: &mut State, observation: &RuleObservation) -> Vec<OpenAlert> {
    let at_ms = observation.at_ms;
    let mut seen = BTreeSet::new();
    for finding in &observation.findings {
        let fingerprint = finding.labels.fingerprint();
        if seen.insert(fingerprint) {
            found(state, observation, finding, fingerprint);
        }
    }
    let owned = state.by_rule.get(&observation.rule_id).cloned().unwrap_or_default();
    for fingerprint in owned.difference(&seen) {
        absent(state, *fingerprint, observation.keep_firing_for_ms, at_ms);
    }
    open_alerts(state, &observation.rule_id)
}

/// Resolves the alerts of every rule that is not among `rules`.
pub(crate) fn retain_rules(state: &mut State, rules: &BTreeSet<String>, at_ms: Millis) {
    let gone = state.by_rule.iter().filter(|(rule, _)| !rules.contains(*rule));
    let alerts: Vec<u64> = gone.flat_map(|(_, alerts)| alerts.iter().copied()).collect();
    for fingerprint in alerts {
        let pending = state.alerts.get(&fingerprint).is_some_and(|alert| !alert.is_firing());
        if pending {
            state.clear(fingerprint, at_ms);
        } else {
            state.resolve(fingerprint, at_ms, at_ms, "the rule is gone");
        }
    }
}

fn found(state: &mut State, rule: &RuleObservation, finding: &Finding, fingerprint: u64) {
    let current = state.alerts.get(&fingerprint);
    let open = current.filter(|alert| alert.state != AlertState::Resolved);
    if let Some(alert) = open {
        if alert.source != AlertSource::Rule(rule.rule_id.clone()) {
            // Two rules that make the same labels: the first keeps the alert, the second gets it afterwards.
            state.batch.counted.findings_disputed += 1;
            return;
        }
    } else if current.is_none() && state.alerts.len() >= ALERTS_MAX {
        state.batch.counted.alerts_refused += 1;
        return;
    }
    let mut next = match open {
        Some(alert) => alert.clone(),
        None => begun(rule, finding, fingerprint, current),
    };
    let was_new = open.is_none();
    let gap_ms = rule.at_ms - next.last_true_ms;
    if next.state == AlertState::Pending && gap_ms > EVALUATION_GAP_MS {
        next.active_since_ms += gap_ms;
    }
    next.active_since_ms = next.active_since_ms.min(rule.at_ms);
    next.last_true_ms = rule.at_ms;
    next.absent_since_ms = None;
    next.value = finding.value;
    if *next.annotations != finding.annotations {
        next.annotations = Arc::new(finding.annotations.clone());
    }
    let fires =
        next.state == AlertState::Pending && rule.at_ms - next.active_since_ms >= rule.for_ms;
    if fires {
        next.state = AlertState::Firing;
        next.firing_since_ms = Some(rule.at_ms);
        next.resolved_ms = None;
    }
    if was_new || fires {
        state.put(next, rule.at_ms, "");
    } else {
        state.batch.touched.insert(fingerprint);
        state.alerts.insert(fingerprint, next);
    }
}

/// A new episode. Of an earlier one that somebody has yet to be told as resolved, start and end are kept.
fn begun(
    rule: &RuleObservation,
    finding: &Finding,
    fingerprint: u64,
    earlier: Option<&Alert>,
) -> Alert {
    Alert {
        labels: finding.labels.clone(),
        given: finding.labels.clone(),
        fingerprint,
        annotations: Arc::new(finding.annotations.clone()),
        source: AlertSource::Rule(rule.rule_id.clone()),
        state: AlertState::Pending,
        value: finding.value,
        active_since_ms: rule.at_ms,
        firing_since_ms: earlier.and_then(|alert| alert.firing_since_ms),
        last_true_ms: rule.at_ms,
        absent_since_ms: None,
        ends_ms: None,
        resolved_ms: earlier.and_then(|alert| alert.resolved_ms),
        acknowledgement: None,
        assignee: None,
        comments: 0,
    }
}

fn absent(state: &mut State, fingerprint: u64, keep_firing_for_ms: Millis, at_ms: Millis) {
    let Some(alert) = state.alerts.get_mut(&fingerprint) else { return };
    if alert.state == AlertState::Pending {
        state.clear(fingerprint, at_ms);
        return;
    }
    let since_ms = *alert.absent_since_ms.get_or_insert(at_ms);
    if at_ms - since_ms >= keep_firing_for_ms {
        state.resolve(fingerprint, at_ms, at_ms, "");
    } else if since_ms == at_ms {
        // The start of the hold must survive a restart, so it is written at once.
        state.batch.alerts.insert(fingerprint);
    }
}
