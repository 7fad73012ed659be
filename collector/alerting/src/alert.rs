//! Alerts: what is wrong now, since when, and who has taken it.
//! An alert is named by the fingerprint of its labels; a new episode of the same trouble is the same alert again.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use agent_model::{Labels, Millis};

/// Annotations: name to text, such as `summary_vi`.
pub type Annotations = BTreeMap<String, String>;

#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// As everybody sees them: with the severity of the hour.
    pub labels: Labels,
    /// As its source gave them; who the alert is.
    pub given: Labels,
    pub fingerprint: u64,
    pub annotations: Arc<Annotations>,
    pub source: AlertSource,
    pub state: AlertState,
    /// The value of the rule's expression when it was last true; 1 for a detection.
    pub value: f64,
    /// When the condition became true.
    pub active_since_ms: Millis,
    /// When it began to fire; `None` while pending.
    pub firing_since_ms: Option<Millis>,
    pub last_true_ms: Millis,
    /// Since when the condition is gone, while `keep_firing_for` holds the alert up.
    pub absent_since_ms: Option<Millis>,
    /// When a detection's hold, or a posted alert, ends.
    pub ends_ms: Option<Millis>,
    pub resolved_ms: Option<Millis>,
    pub acknowledgement: Option<Acknowledgement>,
    /// Who is to deal with it, by name.
    pub assignee: Option<String>,
    /// Comments of this episode; their words are in the history.
    pub comments: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlertSource {
    /// The id of the metric rule whose evaluations decide on the alert.
    Rule(String),
    /// A security detection: resolved when its hold ends.
    Detection,
    /// Another program posted it: resolved when its end comes and it was not posted again.
    Posted {
        /// Where its sender shows it; may be empty.
        generator_url: Arc<str>,
        /// Whether the end is ours, because the sender gave none.
        by_timeout: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AlertState {
    Pending,
    Firing,
    Resolved,
}

/// Somebody has taken the alert; it is not repeated while it stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledgement {
    pub by: String,
    pub note: String,
    pub at_ms: Millis,
    /// When it runs out; `None` holds as long as the alert goes on.
    pub until_ms: Option<Millis>,
}

/// One change of an alert, as subscribers and the history see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub fingerprint: u64,
    pub at_ms: Millis,
    pub kind: ChangeKind,
    /// Who and why (`lan: on my way`), where a person made the change; else why, or empty.
    pub detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChangeKind {
    Pending,
    Firing,
    Resolved,
    /// Was pending and is gone: nobody was told.
    Cleared,
    Acknowledged,
    /// An acknowledgement was taken back.
    GivenBack,
    /// An acknowledgement ran out.
    RanOut,
    Assigned,
    Commented,
    /// The hour gave it another severity.
    Severity,
}

impl Alert {
    pub fn is_firing(&self) -> bool {
        self.state == AlertState::Firing
    }

    pub fn is_detection(&self) -> bool {
        self.source == AlertSource::Detection
    }

    pub fn is_of_rule(&self) -> bool {
        matches!(self.source, AlertSource::Rule(_))
    }

    pub fn is_posted(&self) -> bool {
        matches!(self.source, AlertSource::Posted { .. })
    }

    /// When its acknowledgement runs out, if it ever does.
    pub fn acknowledged_until_ms(&self) -> Option<Millis> {
        self.acknowledgement.as_ref().filter(|_| self.is_firing())?.until_ms
    }

    /// Where the sender of a posted alert shows it.
    pub fn generator_url(&self) -> Option<&Arc<str>> {
        match &self.source {
            AlertSource::Posted { generator_url, .. } => Some(generator_url),
            AlertSource::Rule(_) | AlertSource::Detection => None,
        }
    }

    /// Since when what it says now is so: of a pending one since when its condition holds, of any other its start.
    pub fn since_ms(&self) -> Millis {
        // A pending one may still carry the start of an earlier episode that somebody has yet to be told the end of.
        if self.state == AlertState::Pending { self.active_since_ms } else { self.starts_ms() }
    }

    /// The start that receivers are told: when it began to fire.
    pub fn starts_ms(&self) -> Millis {
        self.firing_since_ms.unwrap_or(self.active_since_ms)
    }
}

impl AlertState {
    pub const ALL: [Self; 3] = [Self::Pending, Self::Firing, Self::Resolved];

    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

impl ChangeKind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Firing => "firing",
            Self::Resolved => "resolved",
            Self::Cleared => "cleared",
            Self::Acknowledged => "acknowledged",
            Self::GivenBack => "given_back",
            Self::RanOut => "ran_out",
            Self::Assigned => "assigned",
            Self::Commented => "commented",
            Self::Severity => "severity",
        }
    }
}

/// The order of label sets in Alertmanager's lists: fewer labels first; of the first names that differ the later one, else
/// the lower value (prometheus/common, model/labelset.go).
pub fn label_order(one: &Labels, other: &Labels) -> Ordering {
    let pairs = one.iter().zip(other.iter());
    let mut orders = pairs
        .map(|(one, other)| other.name.cmp(&one.name).then_with(|| one.value.cmp(&other.value)));
    one.len()
        .cmp(&other.len())
        .then_with(|| orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal))
}

/// A fingerprint as it is written everywhere: 16 hexadecimal digits.
pub fn fingerprint_text(fingerprint: u64) -> String {
    format!("{fingerprint:016x}")
}

/// Labels as a JSON object has them.
pub fn label_map(labels: &Labels) -> BTreeMap<&str, &str> {
    labels.iter().map(|label| (label.name.as_ref(), label.value.as_ref())).collect()
}

/// Reads what [`fingerprint_text`] wrote; `None` for anything else.
pub fn parse_fingerprint(text: &str) -> Option<u64> {
    let plain = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if plain { u64::from_str_radix(text, 16).ok() } else { None }
}
