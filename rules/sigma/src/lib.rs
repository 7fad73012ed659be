//! Sigma detections and correlations over events: load, check, evaluate; pure.
//!
//! Matching one event is rsigma's work. Correlating many is ours: rsigma keeps that state inside its engine, in
//! whole seconds and without the events behind it, while ours is a value that the caller saves in the same
//! transaction as the detections it led to, counts in event time, and gives the same answer on every replay.
//! Leaves to others: where state and detections are kept, and whom they are sent to.

mod correlation;
mod detection;
mod document;
mod load;
mod logsource;
mod rule;
mod rules;
mod state;
mod text;
mod view;
mod window;

#[cfg(test)]
mod tests;

pub use detection::{Detection, DetectionId, EVENT_IDS_MAX, SINGLE_HOLD_MS};
pub use load::{DOCUMENT_BYTES_MAX, THRESHOLD_MAX, TIMESPAN_SECONDS_MAX};
pub use rules::{SigmaRules, SigmaStats};
pub use state::{
    CorrelationCounters, CorrelationState, EVENTS_MAX, EVENTS_PER_GROUP_MAX, GROUPS_MAX,
    LATE_MS_MAX, StateError,
};
