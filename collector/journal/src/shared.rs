//! What the writer tells the readers: which segments there are, and how far they are on disk.
//! The lock is held for a few reads or writes of memory only, never across a system call.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::stats::Counters;
use crate::{JournalStats, Position};

#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    pub(crate) counters: Counters,
    /// A test sets it to have the next sync fail: no file system here does so at will.
    #[cfg(test)]
    pub(crate) syncs_to_fail: std::sync::atomic::AtomicU64,
    /// A test sets it to have the check of free space pass, once.
    #[cfg(test)]
    pub(crate) free_bytes_told: std::sync::atomic::AtomicU64,
}

#[derive(Clone, Debug)]
pub(crate) struct State {
    /// In order of position.
    pub(crate) segments: Vec<Segment>,
    pub(crate) durable: Position,
}

#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) first: Position,
    pub(crate) path: PathBuf,
    /// Bytes that are synced; readers look no further.
    pub(crate) end: u64,
    /// Records and where they start, in order and some way apart: a reader begins at one instead of at the start.
    pub(crate) marks: Vec<Mark>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) position: Position,
    pub(crate) offset: u64,
}

/// Bytes between marks: what a reader may have to skip, and 4 kB of marks for a segment of the usual size.
const MARK_BYTES: u64 = 256 << 10;

impl Segment {
    pub(crate) fn new(first: Position, path: PathBuf, end: u64) -> Self {
        Self { first, path, end, marks: Vec::new() }
    }

    /// Where to begin for this position; `None` is the start of the segment.
    pub(crate) fn mark_before(&self, position: Position) -> Option<Mark> {
        let after = self.marks.partition_point(|mark| mark.position <= position);
        after.checked_sub(1).and_then(|at| self.marks.get(at)).copied()
    }
}

/// A segment as its owner sees it, to decide what to release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentInfo {
    pub first: Position,
    /// `first - 1` when it holds nothing yet.
    pub last: Position,
    pub bytes: u64,
    pub path: PathBuf,
}

impl Shared {
    pub(crate) fn new(segments: Vec<Segment>, durable: Position, counters: Counters) -> Self {
        Self {
            state: Mutex::new(State { segments, durable }),
            counters,
            #[cfg(test)]
            syncs_to_fail: std::sync::atomic::AtomicU64::new(0),
            #[cfg(test)]
            free_bytes_told: std::sync::atomic::AtomicU64::new(0),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock, and the state is whole between any two statements.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn stats(&self) -> JournalStats {
        let (segments, bytes) = {
            let state = self.state();
            (state.segments.len() as u64, state.bytes())
        };
        self.counters.read(segments, bytes)
    }
}

impl State {
    pub(crate) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.end).sum()
    }

    /// The segment where `position` is or would be.
    pub(crate) fn find(&self, position: Position) -> Option<usize> {
        self.segments.partition_point(|segment| segment.first <= position).checked_sub(1)
    }

    /// Notes where a record of this segment starts, if the last note is far enough away.
    pub(crate) fn mark(&mut self, first: Position, mark: Mark) {
        let Some(segment) = self.segments.iter_mut().rfind(|segment| segment.first == first) else {
            return;
        };
        let last = segment.marks.last().map_or(0, |last| last.offset);
        if mark.offset >= last + MARK_BYTES {
            segment.marks.push(mark);
        }
    }

    /// The last position that belongs to the segment with this index.
    pub(crate) fn last_of(&self, index: usize) -> Position {
        self.segments.get(index + 1).map_or(self.durable, |next| next.first.previous())
    }

    pub(crate) fn infos(&self) -> Vec<SegmentInfo> {
        let info = |(index, segment): (usize, &Segment)| SegmentInfo {
            first: segment.first,
            last: self.last_of(index),
            bytes: segment.end,
            path: segment.path.clone(),
        };
        self.segments.iter().enumerate().map(info).collect()
    }
}
