//! The counting: given what a group remembers and the event that just joined it, is the condition met?
//! A window is `(end - timespan, end]` and ends at an event. Only windows that hold the new event are looked at,
//! so an event that arrives late completes what it would have completed in time.

use std::collections::VecDeque;

use agent_model::Millis;

use crate::correlation::{Correlation, Kind};
use crate::state::Entry;

/// The entries (by index, both ends included) that met the condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Met {
    pub(crate) first: usize,
    pub(crate) last: usize,
}

/// `entries` are in order of time; `joined` is the index of the new one.
pub(crate) fn met(
    correlation: &Correlation,
    entries: &VecDeque<Entry>,
    joined: usize,
) -> Option<Met> {
    let span = correlation.timespan_ms;
    let joined_ms = entries.get(joined)?.time_ms;
    let ends = (joined..entries.len())
        .take_while(|&end| entries[end].time_ms.saturating_sub(joined_ms) < span);
    for end in ends {
        let first = first_after(entries, entries[end].time_ms.saturating_sub(span));
        if holds(correlation, entries, first, end) {
            return Some(Met { first, last: end });
        }
    }
    None
}

fn holds(correlation: &Correlation, entries: &VecDeque<Entry>, first: usize, last: usize) -> bool {
    match &correlation.kind {
        Kind::EventCount(threshold) => threshold.met((last - first + 1) as u64),
        Kind::ValueCount(threshold, _) => {
            let mut values: Vec<u64> = entries.range(first..=last).map(|e| e.value).collect();
            values.sort_unstable();
            values.dedup();
            threshold.met(values.len() as u64)
        }
        Kind::Temporal(wanted) => {
            let slots = entries.range(first..=last).map(|entry| usize::from(entry.slot));
            let mut seen = vec![false; slots.clone().max().map_or(0, |slot| slot + 1)];
            slots.for_each(|slot| seen[slot] = true);
            wanted.met(&seen)
        }
        Kind::TemporalOrdered(slots) => {
            let mut next = 0;
            for entry in entries.range(first..=last) {
                if entry.slot == next {
                    next += 1;
                }
            }
            next == *slots
        }
    }
}

/// The index of the first entry later than `time_ms`.
fn first_after(entries: &VecDeque<Entry>, time_ms: Millis) -> usize {
    entries.partition_point(|entry| entry.time_ms <= time_ms)
}
