//! Drills: prepared plans (`drills/*.yml`), the state of one that is run, and the minutes of it.
//!
//! Pure but for reading files. A run is rebuilt from its records, so it survives a restart. Leaves to others: running
//! probes and queries, storing records, asking people.

mod minutes;
mod plan;
mod raw;
mod record;
mod run;
mod state;

pub use minutes::minutes_html;
pub use plan::{
    DrillPlan, Expectation, Measure, Objectives, Participant, Precondition, Step, StepKind, Title,
};
pub use record::{DrillError, DrillRecord};
pub use run::DrillRun;
pub use state::{DrillState, PreconditionRun, StepRun, StepState};

#[cfg(test)]
mod tests;
