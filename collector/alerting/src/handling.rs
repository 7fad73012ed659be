//! Who deals with an alert: taken with a note and until when, given back, handed to somebody, commented on.
//!
//! Promises: what a person did stands in the alert's history with their name; an acknowledgement that has run out, or was
//! taken back, has everybody told again who was told before. Leaves to others: who may do so, and whether a name is known.

use agent_model::Millis;

use crate::AlertingError;
use crate::alert::{Acknowledgement, Alert, Change, ChangeKind, fingerprint_text};
use crate::group::TELL_AGAIN;
use crate::limits::COMMENTS_MAX;
use crate::state::State;

/// What somebody does about a firing alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Takes it; nobody is told again while it goes on, at most until then.
    Acknowledge {
        note: String,
        until_ms: Option<Millis>,
    },
    /// Takes an acknowledgement back, whoever gave it.
    GiveBack {
        note: String,
    },
    /// Names who is to deal with it; nobody for an empty name.
    Assign {
        to: String,
        note: String,
    },
    Comment {
        text: String,
    },
}

impl Deed {
    fn check(&self, alert: &Alert, now_ms: Millis) -> Result<(), String> {
        match self {
            Self::Acknowledge { until_ms: Some(until_ms), .. } if *until_ms <= now_ms => {
                Err("it would have run out already; give a later end".to_owned())
            }
            Self::GiveBack { .. } if alert.acknowledgement.is_none() => {
                Err("nobody has taken this alert".to_owned())
            }
            Self::Comment { text } if text.trim().is_empty() => {
                Err("a comment needs words".to_owned())
            }
            Self::Comment { .. } if alert.comments >= COMMENTS_MAX => {
                Err(format!("an alert has at most {COMMENTS_MAX} comments"))
            }
            _ => Ok(()),
        }
    }
}

/// Does it to a firing alert.
pub(crate) fn act(
    state: &mut State,
    fingerprint: u64,
    by: &str,
    deed: Deed,
    now_ms: Millis,
) -> Result<(), AlertingError> {
    let alert = state.alerts.get_mut(&fingerprint).filter(|alert| alert.is_firing());
    let alert = alert.ok_or_else(|| AlertingError::AlertUnknown(fingerprint_text(fingerprint)))?;
    deed.check(alert, now_ms).map_err(AlertingError::DeedRefused)?;
    let (kind, detail) = match deed {
        Deed::Acknowledge { note, until_ms } => {
            let detail = note.clone();
            let by = by.to_owned();
            alert.acknowledgement = Some(Acknowledgement { by, note, at_ms: now_ms, until_ms });
            (ChangeKind::Acknowledged, detail)
        }
        Deed::GiveBack { note } => {
            alert.acknowledgement = None;
            (ChangeKind::GivenBack, note)
        }
        Deed::Assign { to, note } => {
            let detail = if note.is_empty() { to.clone() } else { format!("{to}: {note}") };
            alert.assignee = Some(to).filter(|to| !to.is_empty());
            (ChangeKind::Assigned, detail)
        }
        Deed::Comment { text } => {
            alert.comments += 1;
            (ChangeKind::Commented, text)
        }
    };
    let is_given_back = kind == ChangeKind::GivenBack;
    note_change(state, fingerprint, kind, format!("{by}: {detail}"), now_ms);
    if is_given_back {
        tell_again(state, fingerprint);
    }
    Ok(())
}

/// Ends the acknowledgements that have run out.
pub(crate) fn end_acknowledgements(state: &mut State, now_ms: Millis) {
    let ends = |alert: &&Alert| alert.acknowledged_until_ms().is_some_and(|end| end <= now_ms);
    let ended: Vec<u64> =
        state.alerts.values().filter(ends).map(|alert| alert.fingerprint).collect();
    for fingerprint in ended {
        let Some(alert) = state.alerts.get_mut(&fingerprint) else { continue };
        let by = alert.acknowledgement.take().map_or_else(String::new, |taken| taken.by);
        note_change(state, fingerprint, ChangeKind::RanOut, by, now_ms);
        tell_again(state, fingerprint);
    }
}

/// When the next one runs out.
pub(crate) fn next_end(state: &State) -> Option<Millis> {
    state.alerts.values().filter_map(Alert::acknowledged_until_ms).min()
}

fn note_change(state: &mut State, fingerprint: u64, kind: ChangeKind, detail: String, at: Millis) {
    state.batch.changes.push(Change { fingerprint, at_ms: at, kind, detail });
    state.batch.alerts.insert(fingerprint);
    for group in state.groups.values_mut() {
        group.changed |= group.members.contains(&fingerprint);
    }
}

/// Whoever was told that it fires is told so once more, as of something new.
fn tell_again(state: &mut State, fingerprint: u64) {
    for group in state.groups.values_mut() {
        for told in group.told.values_mut() {
            if let Some(start) = told.alerts.get_mut(&fingerprint) {
                *start = TELL_AGAIN;
                state.batch.groups.insert(group.id.clone());
            }
        }
    }
}
