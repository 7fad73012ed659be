//! One stream of one epoch: everything up to the watermark has been seen, and some ranges above it.
//! A hole lies below each range. A hole that is given a name as a gap stays open: should its reports come after
//! all, they are stored.

use std::collections::VecDeque;

use agent_model::Millis;

/// Ranges above the watermark: an agent fills its backlog downwards from the newest, which needs a few. Beyond it
/// the lowest hole is closed for ever and named as a gap.
pub(crate) const RANGES_MAX: usize = 256;

/// Hashes of the latest reports kept to tell a repeat from another report under the same number.
pub(crate) const RECENT_MAX: usize = 16;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StreamLedger {
    /// Every sequence up to this one was seen or explained; 0 when none was.
    pub(crate) watermark: u64,
    /// When the report at the watermark was made.
    pub(crate) watermark_created_ms: Millis,
    /// Sorted, apart from each other and from the watermark by at least one sequence.
    pub(crate) ranges: Vec<Range>,
    /// Sequence and the first eight bytes of the hash, the oldest first.
    pub(crate) recent: VecDeque<(u64, u64)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) first: u64,
    pub(crate) last: u64,
    /// When its first and last reports were made.
    pub(crate) first_created_ms: Millis,
    pub(crate) last_created_ms: Millis,
    /// The hole below it: when it last shrank, and whether a gap record names it.
    pub(crate) hole_changed_ms: Millis,
    pub(crate) hole_named: bool,
}

/// Sequences that have not come; both ends are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hole {
    pub(crate) first: u64,
    pub(crate) last: u64,
    /// When the reports on its two sides were made.
    pub(crate) from_ms: Millis,
    pub(crate) to_ms: Millis,
}

impl StreamLedger {
    pub(crate) fn seen(&self, sequence: u64) -> bool {
        sequence <= self.watermark
            || self.ranges.iter().any(|range| (range.first..=range.last).contains(&sequence))
    }

    /// Whether the report seen under this number had this hash; `None` when it is too long ago to know.
    pub(crate) fn same_content(&self, sequence: u64, hash: &[u8; 32]) -> Option<bool> {
        let known = self.recent.iter().find(|(seen, _)| *seen == sequence)?;
        Some(known.1 == short(hash))
    }

    pub(crate) fn record(
        &mut self,
        sequence: u64,
        hash: &[u8; 32],
        created_ms: Millis,
        now_ms: Millis,
    ) {
        if self.seen(sequence) {
            return;
        }
        self.fill(sequence, sequence, created_ms, created_ms, now_ms);
        if self.recent.len() == RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back((sequence, short(hash)));
    }

    /// Takes `first..=last` as seen and joins what now touches.
    pub(crate) fn fill(
        &mut self,
        first: u64,
        last: u64,
        from_ms: Millis,
        to_ms: Millis,
        now_ms: Millis,
    ) {
        let new = Range {
            first,
            last,
            first_created_ms: from_ms,
            last_created_ms: to_ms,
            hole_changed_ms: now_ms,
            hole_named: false,
        };
        let above = self.ranges.partition_point(|range| range.first <= first);
        // What lies above the new range has its hole shrunk, unless nothing was there before.
        if let Some(next) = self.ranges.get_mut(above) {
            next.hole_changed_ms = now_ms;
        }
        let named = self.ranges.get(above).is_some_and(|next| next.hole_named);
        self.ranges.insert(above, Range { hole_named: named, ..new });
        self.join();
    }

    fn join(&mut self) {
        let mut joined: Vec<Range> = Vec::with_capacity(self.ranges.len());
        for range in self.ranges.drain(..) {
            if range.first <= self.watermark.saturating_add(1) {
                if range.last > self.watermark {
                    self.watermark = range.last;
                    self.watermark_created_ms = range.last_created_ms;
                }
                continue;
            }
            match joined.last_mut() {
                Some(below) if range.first <= below.last.saturating_add(1) => {
                    if range.last > below.last {
                        below.last = range.last;
                        below.last_created_ms = range.last_created_ms;
                    }
                }
                _ => joined.push(range),
            }
        }
        self.ranges = joined;
    }

    /// Names the holes that have not shrunk since `before_ms`, each once.
    pub(crate) fn name_holes(&mut self, before_ms: Millis) -> Vec<Hole> {
        let mut holes = Vec::new();
        let (mut below, mut below_created_ms) = (self.watermark, self.watermark_created_ms);
        for range in &mut self.ranges {
            if !range.hole_named && range.hole_changed_ms < before_ms {
                range.hole_named = true;
                holes.push(Hole {
                    first: below + 1,
                    last: range.first - 1,
                    from_ms: below_created_ms,
                    to_ms: range.first_created_ms,
                });
            }
            (below, below_created_ms) = (range.last, range.last_created_ms);
        }
        holes
    }

    /// Closes the lowest holes until the bound holds; the holes that no gap had named yet are returned.
    pub(crate) fn close_beyond_bound(&mut self) -> Vec<Hole> {
        let mut holes = Vec::new();
        while self.ranges.len() > RANGES_MAX {
            let lowest = self.ranges.remove(0);
            if !lowest.hole_named {
                holes.push(Hole {
                    first: self.watermark + 1,
                    last: lowest.first - 1,
                    from_ms: self.watermark_created_ms,
                    to_ms: lowest.first_created_ms,
                });
            }
            self.watermark = lowest.last;
            self.watermark_created_ms = lowest.last_created_ms;
        }
        holes
    }
}

fn short(hash: &[u8; 32]) -> u64 {
    u64::from_be_bytes(std::array::from_fn(|at| hash[at]))
}
