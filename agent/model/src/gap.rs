//! Gap records: what will never arrive, said aloud.

use crate::{Epoch, Millis, Stream};

/// A run of reports that a collector will not get, or got too late to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    pub stream: Stream,
    pub epoch: Epoch,
    /// Both ends are missing.
    pub first_sequence: u64,
    pub last_sequence: u64,
    /// When the missing reports were made.
    pub from_ms: Millis,
    pub to_ms: Millis,
    /// What they held, as far as it is known.
    pub samples: u64,
    pub events: u64,
    pub reason: GapReason,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GapReason {
    /// The agent's spool was full.
    SpoolOverflow = 1,
    /// The agent found its spool damaged on disk.
    SpoolDamaged = 2,
    /// The collector refused the report for good.
    Refused = 3,
    /// The collector saw a hole that no agent explained.
    Unexplained = 4,
    /// A view fell beyond what the journal keeps.
    ViewSetAside = 5,
    /// The collector began again from a snapshot: what came after that is not there.
    Restored = 6,
}

impl Gap {
    /// How many reports are missing; 0 when nobody knows, and the first comes after the last.
    pub fn reports(&self) -> u64 {
        self.last_sequence.saturating_add(1).saturating_sub(self.first_sequence)
    }
}

impl GapReason {
    pub const ALL: [Self; 6] = [
        Self::SpoolOverflow,
        Self::SpoolDamaged,
        Self::Refused,
        Self::Unexplained,
        Self::ViewSetAside,
        Self::Restored,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::SpoolOverflow => "spool_overflow",
            Self::SpoolDamaged => "spool_damaged",
            Self::Refused => "refused",
            Self::Unexplained => "unexplained",
            Self::ViewSetAside => "view_set_aside",
            Self::Restored => "restored",
        }
    }
}
