//! What a collector needs no more: the reports it has acknowledged, and those a gap record has named.
//! Ranges of sequences per epoch; in practice one range, and one hole for each outage that is still caught up.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::record::Position;

/// Inclusive ranges, sorted, apart by at least one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Held(BTreeMap<u64, Vec<(u64, u64)>>);

impl Held {
    pub(super) fn insert(&mut self, epoch: u64, first: u64, last: u64) {
        let ranges = self.0.entry(epoch).or_default();
        let (mut first, mut last) = (first, last);
        let from = ranges.partition_point(|range| range.1.saturating_add(1) < first);
        let to = ranges.partition_point(|range| range.0 <= last.saturating_add(1));
        if let Some(touched) = ranges.get(from..to).filter(|touched| !touched.is_empty()) {
            first = first.min(touched[0].0);
            last = last.max(touched[touched.len() - 1].1);
        }
        ranges.splice(from..to, [(first, last)]);
    }

    pub(super) fn extend(&mut self, other: &Self) {
        for (epoch, ranges) in &other.0 {
            ranges.iter().for_each(|(first, last)| self.insert(*epoch, *first, *last));
        }
    }

    pub(super) fn contains(&self, position: Position) -> bool {
        self.contains_all(position.epoch, position.sequence, position.sequence)
    }

    pub(super) fn contains_all(&self, epoch: u64, first: u64, last: u64) -> bool {
        let Some(ranges) = self.0.get(&epoch) else { return false };
        let at = ranges.partition_point(|range| range.1 < first);
        ranges.get(at).is_some_and(|range| range.0 <= first && last <= range.1)
    }

    /// The newest run within `first..=last` that is not held.
    pub(super) fn newest_missing(&self, epoch: u64, first: u64, last: u64) -> Option<(u64, u64)> {
        let ranges = self.0.get(&epoch).map_or(&[][..], Vec::as_slice);
        let below = &ranges[..ranges.partition_point(|range| range.0 <= last)];
        let (run_last, before) = match below.split_last() {
            Some((range, others)) if range.1 >= last => (range.0.checked_sub(1)?, others),
            _ => (last, below),
        };
        let run_first = before.last().map_or(first, |range| range.1 + 1).max(first);
        (run_first <= run_last && run_last >= first).then_some((run_first, run_last))
    }

    /// The oldest position from `first` up to `last_sequence` of its epoch that is not held.
    pub(super) fn oldest_missing(&self, first: Position, last_sequence: u64) -> Option<Position> {
        let ranges = self.0.get(&first.epoch).map_or(&[][..], Vec::as_slice);
        let at = ranges.partition_point(|range| range.1 < first.sequence);
        let sequence = match ranges.get(at) {
            Some(range) if range.0 <= first.sequence => range.1 + 1,
            _ => first.sequence,
        };
        (sequence <= last_sequence).then_some(Position { epoch: first.epoch, sequence })
    }

    /// How many of `first..=last` are held.
    pub(super) fn count(&self, epoch: u64, first: u64, last: u64) -> u64 {
        let ranges = self.0.get(&epoch).map_or(&[][..], Vec::as_slice);
        let overlap =
            |range: &(u64, u64)| (range.1.min(last) + 1).saturating_sub(range.0.max(first));
        ranges.iter().map(overlap).sum()
    }

    /// Forgets the epochs of which nothing can be asked any more.
    pub(super) fn keep_epochs(&mut self, keep: impl Fn(u64) -> bool) {
        self.0.retain(|&epoch, _| keep(epoch));
    }

    /// One line per range: `stream epoch first last`.
    pub(super) fn write(&self, stream: &str, out: &mut String) {
        for (epoch, ranges) in &self.0 {
            for (first, last) in ranges {
                // Writing to a string cannot fail.
                writeln!(out, "{stream} {epoch} {first} {last}").unwrap_or_default();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ranges_are_a_set_of_numbers(inserts in prop::collection::vec((1_u64..60, 0_u64..8), 0..30), first in 1_u64..60, length in 0_u64..30) {
            let mut held = Held::default();
            let mut set = BTreeSet::new();
            for (first, length) in inserts {
                held.insert(1, first, first + length);
                set.extend(first..=first + length);
            }
            let last = first + length;
            let missing: Vec<u64> = (first..=last).filter(|n| !set.contains(n)).collect();
            prop_assert_eq!(held.contains_all(1, first, last), missing.is_empty());
            prop_assert_eq!(held.count(1, first, last), length + 1 - missing.len() as u64);
            let newest = missing.last().map(|&end| {
                let run = missing.iter().rev().zip((0..=end).rev()).take_while(|(a, b)| **a == *b);
                (run.map(|(_, b)| b).last().unwrap(), end)
            });
            prop_assert_eq!(held.newest_missing(1, first, last), newest);
            let ranges = held.0.get(&1).cloned().unwrap_or_default();
            prop_assert!(ranges.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0));
        }
    }
}
