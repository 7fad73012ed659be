//! Answers of the store.

use agent_model::{HostEvent, Millis};

use crate::{Cursor, Day};

/// Events that match, the newest first.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct EventPage {
    pub events: Vec<HostEvent>,
    /// How many match in all, on this page and every other.
    pub total: u64,
    /// Give it as `before` for the next page; `None` on the last.
    pub next: Option<Cursor>,
    /// Days in the asked time that could not be read: the answer is incomplete.
    pub days_missing: Vec<Day>,
}

/// Events of one step of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    pub start_ms: Millis,
    pub events: u64,
}

/// A value of a field and how many events carry it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopValue {
    pub value: String,
    pub events: u64,
}
