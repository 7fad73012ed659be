//! A detection: one finding of one rule, with the events it rests on.
//! Its id is made from the rule and those events alone, so finding it again on a replay is the same detection.

use std::collections::BTreeMap;
use std::fmt;

use agent_model::{EventId, Labels, Millis, Severity};
use sha2::{Digest, Sha256};

/// The most events that a detection names: enough to read the story, small enough for a message. When there are
/// more, the newest are named; `event_count` always tells how many there were.
pub const EVENT_IDS_MAX: usize = 32;

#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DetectionId(pub [u8; 16]);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detection {
    pub id: DetectionId,
    pub rule_id: String,
    /// Changes whenever the rule, or a rule it refers to, says something else.
    pub rule_version: String,
    pub title: String,
    pub level: Severity,
    /// Sigma's tags, such as `attack.t1110.001`.
    pub tags: Vec<String>,
    /// `summary_vi`, `summary_en`, `first_steps_vi` …, filled with what was found.
    pub annotations: BTreeMap<String, String>,
    /// For alerting: `alertname`, `severity` and what tells one culprit or victim from another. Two detections
    /// with the same labels are one alert.
    pub labels: Labels,
    /// Oldest first; at most [`EVENT_IDS_MAX`].
    pub event_ids: Vec<EventId>,
    pub event_count: u64,
    /// The time of the event that completed it.
    pub time_ms: Millis,
    /// How long it stands if nothing more comes: a correlation is held back for so long and then speaks again,
    /// so an alert that stays up at least this long does not flap while the cause goes on.
    pub hold_ms: Millis,
}

/// How long a detection of a single event stands.
pub const SINGLE_HOLD_MS: Millis = 15 * 60 * 1000;

impl DetectionId {
    pub(crate) fn new(rule_id: &str, rule_version: &str, event_ids: &[EventId]) -> Self {
        let mut hash = Sha256::new();
        for text in [rule_id, rule_version] {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text.as_bytes());
        }
        for EventId(id) in event_ids {
            hash.update(id);
        }
        let digest: [u8; 32] = hash.finalize().into();
        Self(std::array::from_fn(|at| digest[at]))
    }
}

impl fmt::Display for DetectionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for DetectionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "DetectionId({self})")
    }
}
