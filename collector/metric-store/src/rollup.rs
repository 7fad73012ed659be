//! Roll-ups: five minutes of a series in one row, kept when its samples are gone. A file holds whole days of them.
//!
//! Promises: a day is rolled up from all parts that hold samples of it, the numbers of their cuts are kept with it, and
//! late data of a day whose parts are all there rewrites it. A day is answered from its samples as long as none of those
//! parts is missing or damaged, else from its roll-ups alone: nothing is counted twice. A file is whole or absent, as
//! a part is. Leaves to others: when days are due and parts go (`upkeep`), reading both together (`select`).
//!
//! Days are open on the left, as windows are: `(d · 24 h, (d + 1) · 24 h]`.

mod columns;
mod file;
mod fold;
mod plan;
mod write;

use std::sync::Arc;

pub(crate) use file::{RollupName, RollupPart};
pub(crate) use plan::{Needs, due, merge_run, unneeded};
pub(crate) use write::{Lossy, add, begin, clean, finish, merge, roll_up};

use crate::part::{Meta, Part};
use crate::select::TimeRange;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// The day that holds a time.
pub(crate) fn day_of(timestamp_ms: i64) -> i64 {
    timestamp_ms.saturating_sub(1).div_euclid(DAY_MS)
}

/// Its first and last millisecond, both included.
pub(crate) fn day_range(from_day: i64, to_day: i64) -> TimeRange {
    from_day.saturating_mul(DAY_MS).saturating_add(1)..=to_day.saturating_mul(DAY_MS)
}

/// A run of cuts, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cuts {
    pub(crate) first: u64,
    pub(crate) last: u64,
}

impl Cuts {
    pub(crate) fn of(meta: &Meta) -> Self {
        Self { first: meta.first_sequence, last: meta.last_sequence }
    }

    fn holds(self, other: Self) -> bool {
        self.first <= other.first && other.last <= self.last
    }
}

/// All files of roll-ups, in order of time, and which of them answer for their days.
#[derive(Debug, Default)]
pub(crate) struct Rollups {
    pub(crate) all: Vec<Arc<RollupPart>>,
    /// Of days whose samples are no longer all there.
    pub(crate) answering: Vec<Arc<RollupPart>>,
}

impl Rollups {
    /// `parts` in order of sequence.
    pub(crate) fn new(mut all: Vec<Arc<RollupPart>>, parts: &[Arc<Part>]) -> Self {
        all.sort_by_key(|one| one.name.from_day);
        let answering = all.iter().filter(|one| !one.has_all_samples(parts)).cloned().collect();
        Self { all, answering }
    }

    /// The file that holds a day.
    pub(crate) fn of_day(&self, day: i64) -> Option<&Arc<RollupPart>> {
        let behind = self.all.partition_point(|one| one.name.from_day <= day);
        let found = self.all.get(behind.checked_sub(1)?)?;
        (day < found.name.to_day).then_some(found)
    }
}
