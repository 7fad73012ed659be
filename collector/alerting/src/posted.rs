//! Alerts that other programs post, as Prometheus does: each says itself how long it fires unless it is posted again.
//!
//! Follows Alertmanager (alertmanager, api/v2 and provider/mem): a start or an end that is not given, overlapping
//! posts of one alert, and what is refused. One thing differs: a restart forgets no alert, and who posts has the time
//! of `resolve_timeout` after it to say so again.

use std::sync::Arc;

use agent_model::{Labels, Millis};

use crate::alert::{Alert, AlertSource, AlertState, Annotations};
use crate::limits::{ALERTS_MAX, POSTED_BYTES_MAX, POSTED_LABELS_MAX};
use crate::state::State;

/// One alert as it was posted. Labels with an empty value are none.
#[derive(Clone, Debug, PartialEq)]
pub struct PostedAlert {
    pub labels: Labels,
    pub annotations: Annotations,
    pub generator_url: String,
    pub starts_ms: Option<Millis>,
    /// Without it the alert ends after `resolve_timeout`.
    pub ends_ms: Option<Millis>,
}

/// What became of the alerts of one post.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PostOutcome {
    pub firing: usize,
    pub resolved: usize,
    /// Why each of the others is no alert; the valid ones were taken.
    pub invalid: Vec<String>,
    /// Not taken: there are [`ALERTS_MAX`] already.
    pub refused: usize,
    /// The names of the alerts that began to fire by it; most posts only prolong.
    pub begun: Vec<String>,
    /// The names of those that it ended.
    pub ended: Vec<String>,
}

/// An alert with its times filled in.
struct Timed<'a> {
    posted: &'a PostedAlert,
    starts_ms: Millis,
    ends_ms: Millis,
    by_timeout: bool,
}

pub(crate) fn post(state: &mut State, posts: &[PostedAlert], now_ms: Millis) -> PostOutcome {
    let mut outcome = PostOutcome::default();
    for posted in posts {
        let timed = Timed::new(posted, state.routing.resolve_timeout_ms, now_ms);
        if timed.ends_ms > now_ms {
            outcome.firing += 1;
        } else {
            outcome.resolved += 1;
        }
        match timed.check() {
            Ok(()) => {
                let taken = take(state, &timed, now_ms);
                outcome.note(taken, &posted.labels);
            }
            Err(reason) => outcome.invalid.push(reason),
        }
    }
    state.batch.counted.posts_invalid += outcome.invalid.len() as u64;
    outcome
}

/// What a post made of one alert.
#[derive(Clone, Copy)]
enum Taken {
    Begun,
    Ended,
    /// It fires on, or had ended before.
    Unchanged,
    /// There was no room for it.
    Refused,
}

impl PostOutcome {
    fn note(&mut self, taken: Taken, labels: &Labels) {
        let name = || labels.get("alertname").map_or_else(|| labels.to_string(), str::to_owned);
        match taken {
            Taken::Begun => self.begun.push(name()),
            Taken::Ended => self.ended.push(name()),
            Taken::Unchanged => {}
            Taken::Refused => self.refused += 1,
        }
    }
}

/// The time within which whoever posts alerts with an end of its own says each again, at least: Prometheus does so every
/// minute, or once in an evaluation.
const SAID_AGAIN_MS: Millis = 300_000;

/// After state was read back from disk: who posts could not reach us while we were away, and the last ends that were
/// posted may not have been written. Every alert has as long as if it had been posted just now.
pub(crate) fn forgive_absence(state: &mut State, now_ms: Millis) {
    let timeout_ms = state.routing.resolve_timeout_ms;
    for alert in state.alerts.values_mut().filter(|alert| alert.is_firing()) {
        let AlertSource::Posted { by_timeout, .. } = &alert.source else { continue };
        let wait_ms = if *by_timeout { timeout_ms } else { timeout_ms.max(SAID_AGAIN_MS) };
        let until_ms = now_ms.saturating_add(wait_ms);
        if alert.ends_ms.is_none_or(|at| at < until_ms) {
            alert.ends_ms = Some(until_ms);
            state.batch.touched.insert(alert.fingerprint);
        }
    }
}

impl<'a> Timed<'a> {
    fn new(posted: &'a PostedAlert, resolve_timeout_ms: Millis, now_ms: Millis) -> Self {
        let timeout_ms = now_ms.saturating_add(resolve_timeout_ms);
        Self {
            posted,
            starts_ms: posted.starts_ms.or(posted.ends_ms).unwrap_or(now_ms),
            ends_ms: posted.ends_ms.unwrap_or(timeout_ms),
            by_timeout: posted.ends_ms.is_none(),
        }
    }

    fn check(&self) -> Result<(), String> {
        if self.ends_ms < self.starts_ms {
            return Err("start time must be before end time".to_owned());
        }
        if self.posted.labels.is_empty() {
            return Err("at least one label pair required".to_owned());
        }
        if self.posted.labels.iter().any(|label| label.name.is_empty()) {
            return Err("invalid label set: invalid name \"\"".to_owned());
        }
        if self.posted.annotations.contains_key("") {
            return Err("invalid annotations: invalid name \"\"".to_owned());
        }
        self.check_size()
    }

    fn check_size(&self) -> Result<(), String> {
        for (what, count) in
            [("labels", self.posted.labels.len()), ("annotations", self.posted.annotations.len())]
        {
            if count > POSTED_LABELS_MAX {
                return Err(format!(
                    "an alert has {count} {what}, and {POSTED_LABELS_MAX} are the most that is taken"
                ));
            }
        }
        let labels = self.posted.labels.iter().map(|label| label.name.len() + label.value.len());
        let annotations = &self.posted.annotations;
        let annotations = annotations.iter().map(|(name, text)| name.len() + text.len());
        let bytes: usize =
            labels.chain(annotations).sum::<usize>() + self.posted.generator_url.len();
        if bytes > POSTED_BYTES_MAX {
            return Err(format!(
                "an alert has {bytes} bytes of labels and annotations, and {POSTED_BYTES_MAX} are the \
                 most that is taken; shorten its annotations"
            ));
        }
        Ok(())
    }

    /// Whether it is the same episode as a resolved one that somebody has yet to be told of.
    fn overlaps(&self, old: &Alert) -> bool {
        old.is_posted()
            && self.ends_ms >= old.starts_ms()
            && old.resolved_ms.is_some_and(|ended_ms| self.starts_ms <= ended_ms)
    }

    fn alert(&self, now_ms: Millis) -> Alert {
        Alert {
            labels: self.posted.labels.clone(),
            given: self.posted.labels.clone(),
            fingerprint: self.posted.labels.fingerprint(),
            annotations: Arc::new(self.posted.annotations.clone()),
            source: AlertSource::Posted {
                generator_url: Arc::from(self.posted.generator_url.as_str()),
                by_timeout: self.by_timeout,
            },
            state: AlertState::Firing,
            value: 1.0,
            active_since_ms: self.starts_ms,
            firing_since_ms: Some(self.starts_ms),
            last_true_ms: now_ms,
            absent_since_ms: None,
            ends_ms: Some(self.ends_ms),
            resolved_ms: None,
            acknowledgement: None,
            assignee: None,
            comments: 0,
        }
    }
}

fn take(state: &mut State, timed: &Timed<'_>, now_ms: Millis) -> Taken {
    let mut next = timed.alert(now_ms);
    let fingerprint = next.fingerprint;
    let current = state.alerts.get(&fingerprint);
    match current.filter(|alert| alert.state != AlertState::Resolved) {
        Some(alert) if !alert.is_posted() => {
            // A rule of ours has the same labels: it knows better when they hold.
            state.batch.counted.findings_disputed += 1;
            Taken::Unchanged
        }
        Some(alert) => {
            merge(alert, &mut next, now_ms);
            prolong(state, next, now_ms)
        }
        // Ends that overlap are one: the latest counts, with what was said last, as long as it was not told.
        None if timed.ends_ms <= now_ms && current.is_some_and(|old| timed.overlaps(old)) => {
            if let Some(old) = state.alerts.get_mut(&fingerprint) {
                old.resolved_ms = old.resolved_ms.max(Some(timed.ends_ms));
                old.annotations = next.annotations;
                state.batch.alerts.insert(fingerprint);
            }
            Taken::Unchanged
        }
        // It ended before anybody heard of it: nobody is told.
        None if timed.ends_ms <= now_ms => Taken::Unchanged,
        None if current.is_none() && state.alerts.len() >= ALERTS_MAX => {
            state.batch.counted.alerts_refused += 1;
            Taken::Refused
        }
        None => {
            state.put(next, now_ms, "");
            Taken::Begun
        }
    }
}

/// Two posts of one alert whose times overlap are one episode: the earlier start counts, and an end that was said
/// outright is not taken back by an earlier one that is still to come.
fn merge(old: &Alert, next: &mut Alert, now_ms: Millis) {
    let (old_starts_ms, old_ends_ms) = (old.starts_ms(), old.ends_ms.unwrap_or(now_ms));
    let (starts_ms, ends_ms) = (next.starts_ms(), next.ends_ms.unwrap_or(now_ms));
    next.labels = old.labels.clone();
    next.acknowledgement.clone_from(&old.acknowledgement);
    next.assignee.clone_from(&old.assignee);
    next.comments = old.comments;
    let overlap = (ends_ms > old_starts_ms && ends_ms < old_ends_ms)
        || (starts_ms > old_starts_ms && starts_ms < old_ends_ms);
    if !overlap {
        return;
    }
    next.active_since_ms = starts_ms.min(old_starts_ms);
    next.firing_since_ms = Some(next.active_since_ms);
    let by_timeout = matches!(old.source, AlertSource::Posted { by_timeout: true, .. });
    if ends_ms > now_ms && old_ends_ms > ends_ms && !by_timeout {
        next.ends_ms = Some(old_ends_ms);
    }
}

fn prolong(state: &mut State, next: Alert, now_ms: Millis) -> Taken {
    let fingerprint = next.fingerprint;
    let ends_ms = next.ends_ms.unwrap_or(now_ms);
    let said = |alert: &Alert| (alert.starts_ms(), Arc::clone(&alert.annotations));
    let by_timeout = matches!(next.source, AlertSource::Posted { by_timeout: true, .. });
    let forgiven_ms = now_ms.saturating_add(state.routing.resolve_timeout_ms);
    let must_last = state.alerts.get(&fingerprint).is_none_or(|old| {
        // An end that was said is kept, unless it is so near that a restart gives as long anyway.
        let said_end = !by_timeout && (ends_ms > forgiven_ms || old.ends_ms > Some(ends_ms));
        said(old) != said(&next) || said_end
    });
    if must_last {
        state.batch.alerts.insert(fingerprint);
    } else {
        state.batch.touched.insert(fingerprint);
    }
    state.alerts.insert(fingerprint, next);
    if ends_ms > now_ms {
        return Taken::Unchanged;
    }
    state.resolve(fingerprint, ends_ms, now_ms, "");
    Taken::Ended
}
