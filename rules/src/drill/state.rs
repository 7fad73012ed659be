//! Where a drill and its steps stand.

use agent_model::Millis;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrillState {
    /// Preconditions are being checked.
    Preparing,
    Running,
    /// Every step was done.
    Passed,
    /// A step failed or was not done in time.
    Failed,
    Aborted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepState {
    Waiting,
    Running,
    Passed,
    Failed,
    TimedOut,
    /// The drill ended before it.
    NotRun,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepRun {
    pub state: StepState,
    pub started_ms: Option<Millis>,
    pub finished_ms: Option<Millis>,
    pub who: String,
    pub detail: String,
    pub evidence: String,
}

/// `None` while it was not checked.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PreconditionRun {
    pub met: Option<bool>,
    pub checked_ms: Option<Millis>,
    pub evidence: String,
}

impl DrillState {
    pub fn name(self) -> &'static str {
        match self {
            Self::Preparing => "preparing",
            Self::Running => "running",
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Aborted => "aborted",
        }
    }

    pub fn is_over(self) -> bool {
        matches!(self, Self::Passed | Self::Failed | Self::Aborted)
    }
}

impl StepState {
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::NotRun => "not_run",
        }
    }
}
