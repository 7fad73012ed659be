//! Records of a drill: each change of its state, as text and time; and why a change is refused.

use agent_model::Millis;

use super::state::DrillState;

/// One change. All fields are text and time, as a store keeps them.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct DrillRecord {
    pub time_ms: Millis,
    /// The person, or the collector itself.
    pub who: String,
    /// The step's id, or the precondition's number counted from 0; empty for the drill as a whole.
    pub step: String,
    /// `precondition`, `begun`, `passed`, `failed`, `timed_out`, `aborted`.
    pub what: String,
    /// Of a precondition: `met` or `unmet`. Of a passed `rpo_seconds` step: the seconds.
    pub outcome: String,
    pub detail: String,
    pub evidence: String,
}

/// Why something cannot happen now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DrillError {
    #[error("the drill is {state}; this can only be done while it is {wanted}", state = .state.name())]
    State { state: DrillState, wanted: &'static str },
    #[error("precondition {0} is not met or was not checked")]
    Unmet(String),
    #[error("step {0:?} is not the one that is running")]
    NotRunning(String),
    #[error("step {0:?} is not a manual one: only its check can confirm it")]
    NotManual(String),
    #[error("step {0:?} is a manual one: only a person can confirm it")]
    Manual(String),
    #[error("step {0:?} measures the loss of data and needs its seconds")]
    NoSeconds(String),
    #[error("the record {what:?} of step {step:?} does not belong to this plan")]
    Foreign { what: String, step: String },
}

pub(super) fn record(time_ms: Millis, who: &str, step: &str, what: &str) -> DrillRecord {
    DrillRecord {
        time_ms,
        who: who.to_owned(),
        step: step.to_owned(),
        what: what.to_owned(),
        ..DrillRecord::default()
    }
}

pub(super) fn foreign(record: &DrillRecord) -> DrillError {
    DrillError::Foreign { what: record.what.clone(), step: record.step.clone() }
}
