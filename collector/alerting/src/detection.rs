//! Security detections: each is an event that fires at once and resolves after a stated hold.
//! The same detection again, by its id, has no effect; another one with the same labels prolongs the alert; one too
//! many of its rule within a minute goes into the alert about the storm.

use std::sync::Arc;

use agent_model::{Labels, Millis};

use crate::alert::{Alert, AlertSource, AlertState, Annotations};
use crate::limits::{ALERTS_MAX, LATE_MS};
use crate::state::State;
use crate::storm;

/// The annotation of an alert that is told long after its event, for instance after an outage of the network.
pub const LATE_ANNOTATION: &str = "late";

#[derive(Clone, Debug, PartialEq)]
pub struct DetectionAlert {
    /// Made from the rule, its version and the events: the same detection has it again.
    pub id: [u8; 16],
    pub labels: Labels,
    pub annotations: Annotations,
    /// When it happened.
    pub time_ms: Millis,
    /// How long the alert fires after the last detection.
    pub hold_ms: Millis,
}

/// A recorded detection, for pages.
#[derive(Clone, Debug, PartialEq)]
pub struct DetectionRecord {
    pub id: [u8; 16],
    pub fingerprint: u64,
    pub labels: Labels,
    pub annotations: Annotations,
    pub time_ms: Millis,
    pub recorded_ms: Millis,
}

/// What became of a commit of detections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct DetectionsCommitted {
    pub new: usize,
    /// Known by their id already: without effect.
    pub repeated: usize,
}

/// Raises or prolongs the alert of a detection that is known to be new, or the alert about its rule's storm.
pub(crate) fn detect(state: &mut State, detection: DetectionAlert, now_ms: Millis) {
    let fingerprint = detection.labels.fingerprint();
    let open = state.alerts.get(&fingerprint).is_some_and(|alert| alert.is_firing());
    if !open && !storm::admits(state, &detection, now_ms) {
        state.batch.counted.detections_grouped += 1;
        raise(state, &storm::alert(state, &detection), now_ms);
    } else {
        raise(state, &detection, now_ms);
    }
    state.batch.detections.push((detection, now_ms));
}

fn raise(state: &mut State, detection: &DetectionAlert, now_ms: Millis) {
    let fingerprint = detection.labels.fingerprint();
    let mut annotations = detection.annotations.clone();
    if now_ms - detection.time_ms > LATE_MS {
        annotations.insert(LATE_ANNOTATION.to_owned(), "true".to_owned());
    }
    // The hold counts from when people can know, so that one that comes late is seen at all.
    let ends_ms = now_ms.saturating_add(detection.hold_ms.max(1));
    if state.alerts.get(&fingerprint).is_some_and(|alert| alert.state == AlertState::Pending) {
        // A rule was still waiting with the same labels: a detection does not wait.
        state.clear(fingerprint, now_ms);
    }
    let current = state.alerts.get(&fingerprint);
    match current.filter(|alert| alert.state != AlertState::Resolved) {
        Some(alert) if alert.is_of_rule() => {
            // The rule knows when it ends; a hold of ours would end it while it is true.
            state.batch.counted.findings_disputed += 1;
        }
        Some(alert) => {
            let mut next = alert.clone();
            next.last_true_ms = detection.time_ms;
            next.annotations = Arc::new(annotations);
            next.ends_ms = Some(alert.ends_ms.map_or(ends_ms, |before| before.max(ends_ms)));
            state.batch.alerts.insert(fingerprint);
            state.alerts.insert(fingerprint, next);
        }
        None if current.is_none() && state.alerts.len() >= ALERTS_MAX => {
            state.batch.counted.alerts_refused += 1;
        }
        None => {
            let next = Alert {
                labels: detection.labels.clone(),
                given: detection.labels.clone(),
                fingerprint,
                annotations: Arc::new(annotations),
                source: AlertSource::Detection,
                state: AlertState::Firing,
                value: 1.0,
                active_since_ms: detection.time_ms,
                firing_since_ms: Some(detection.time_ms),
                last_true_ms: detection.time_ms,
                absent_since_ms: None,
                ends_ms: Some(ends_ms),
                resolved_ms: None,
                acknowledgement: None,
                assignee: None,
                comments: 0,
            };
            state.put(next, now_ms, "");
        }
    }
}

/// Resolves detections whose hold has ended, and posted alerts whose end has come.
pub(crate) fn end_holds(state: &mut State, now_ms: Millis) {
    let ended = |alert: &&Alert| own_end(alert).is_some_and(|at| at <= now_ms);
    let end = |alert: &Alert| {
        let said_ms = alert.ends_ms.filter(|_| alert.is_posted());
        (alert.fingerprint, said_ms.unwrap_or(now_ms))
    };
    let ended: Vec<(u64, Millis)> = state.alerts.values().filter(ended).map(end).collect();
    for (fingerprint, ended_ms) in ended {
        state.resolve(fingerprint, ended_ms, now_ms, "");
    }
}

/// When the next hold, or posted alert, ends.
pub(crate) fn next_end(state: &State) -> Option<Millis> {
    state.alerts.values().filter_map(own_end).min()
}

/// When a firing alert ends by itself; that of a rule ends with its condition.
fn own_end(alert: &Alert) -> Option<Millis> {
    alert.ends_ms.filter(|_| alert.is_firing() && !alert.is_of_rule())
}
