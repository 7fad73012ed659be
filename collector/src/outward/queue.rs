//! The queue of a target is the journal behind its position: what is held for it, and when the oldest must go.
//! Promises: a target that is away never fills the disk; what is dropped are whole segments, the oldest first.

use std::time::{Duration, SystemTime};

use collector_journal::{Journal, Position, SegmentInfo};

use super::config::Target;
use super::progress::Dropped;

/// Bytes of the journal behind a position, in proportion for the segment in which it lies.
pub(super) fn pending_bytes(journal: &Journal, position: Position) -> u64 {
    let segments = journal.segments();
    segments.iter().map(|segment| pending_of(segment, position)).sum()
}

fn pending_of(segment: &SegmentInfo, position: Position) -> u64 {
    let records = (segment.last.0 + 1).saturating_sub(segment.first.0);
    let pending = segment.last.0.saturating_sub(position.0.max(segment.first.0.saturating_sub(1)));
    segment.bytes.saturating_mul(pending).checked_div(records).unwrap_or(0)
}

/// Up to where records must go now, and why; `None` when everything may stay.
pub(super) fn overflow(
    journal: &Journal,
    position: Position,
    target: &Target,
    disk_is_full: bool,
    now: SystemTime,
) -> Option<(Position, Dropped)> {
    let mut held: Vec<SegmentInfo> =
        journal.segments().into_iter().filter(|segment| segment.last > position).collect();
    let mut bytes: u64 = held.iter().map(|segment| segment.bytes).sum();
    // The journal keeps its newest segment in any case.
    held.pop();
    let age_max = u64::try_from(target.queue_age_max_ms).map(Duration::from_millis);
    let mut cut = None;
    for segment in held {
        let reason = if bytes > target.queue_bytes_max {
            Dropped::QueueFull
        } else if disk_is_full {
            Dropped::DiskFull
        } else if age(&segment, now) > age_max.unwrap_or(Duration::MAX) {
            Dropped::TooOld
        } else {
            break;
        };
        bytes -= segment.bytes;
        cut = Some((segment.last, reason));
    }
    cut
}

/// How long ago a segment was written for the last time.
fn age(segment: &SegmentInfo, now: SystemTime) -> Duration {
    let written = std::fs::metadata(&segment.path).and_then(|metadata| metadata.modified());
    written.ok().and_then(|at| now.duration_since(at).ok()).unwrap_or_default()
}
