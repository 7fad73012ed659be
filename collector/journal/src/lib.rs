//! The journal: what was acknowledged, in order, on disk.
//!
//! Promises: [`Journal::append`] resolves only after its records were synced to disk; what was acknowledged is read
//! back in the same order after any crash; a full disk refuses, forgets nothing and ends by itself; damage is found,
//! named and stepped over. Leaves to others: what a record means, and when old records may go ([`Journal::release`]).

mod cursor;
mod disk;
mod error;
mod handle;
mod reader;
mod record;
mod recover;
mod segment;
mod shared;
mod space;
mod stats;
mod writer;

#[cfg(test)]
mod tests;

pub use error::{GapCause, JournalError};
pub use handle::{Journal, JournalConfig};
pub use reader::JournalReader;
pub use recover::{DamagedRange, Recovery};
pub use shared::SegmentInfo;
pub use stats::JournalStats;

/// The number of a record. The first record is 1; 0 stands before every record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position(pub u64);

impl Position {
    pub(crate) fn next(self) -> Self {
        self.plus(1)
    }

    pub(crate) fn plus(self, records: u64) -> Self {
        Self(self.0.saturating_add(records))
    }

    pub(crate) fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

impl std::fmt::Display for Position {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(formatter)
    }
}
