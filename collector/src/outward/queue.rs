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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use collector_journal::JournalConfig;

    use super::*;

    /// Segments of one record each.
    async fn journal(directory: &Path, records: usize) -> Journal {
        let config = JournalConfig {
            free_reserve_bytes: 0,
            segment_bytes_max: 64,
            ..JournalConfig::new(directory, || Duration::ZERO)
        };
        let journal = Journal::open(config).unwrap();
        for _ in 0..records {
            journal.append(vec![vec![0; 100].into()]).await.unwrap();
        }
        journal
    }

    fn target(queue_bytes_max: u64, queue_age_max_ms: i64) -> Target {
        let text = "remote_write: {targets: [{name: a, url: 'http://x/'}]}\n";
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let config = crate::config::Config::open(file.path()).unwrap();
        let target = config.remote_write.targets[0].clone();
        Target { queue_bytes_max, queue_age_max_ms, ..target }
    }

    #[tokio::test]
    async fn the_oldest_goes_by_bytes_age_and_disk_and_never_the_newest() {
        let directory = tempfile::tempdir().unwrap();
        let journal = journal(directory.path(), 4).await;
        let segments = journal.segments();
        assert_eq!(segments.len(), 4);
        let bytes = |from: usize| segments[from..].iter().map(|one| one.bytes).sum::<u64>();
        let now = segments[3].path.metadata().unwrap().modified().unwrap();
        let cut = |from, bytes_max, age_ms, full, now| {
            let target = target(bytes_max, age_ms);
            let cut = overflow(&journal, Position(from), &target, full, now);
            cut.map(|(position, why)| (position.0, why.name()))
        };
        let hour = 3_600_000;
        // At the bound everything stays, a byte below it one segment goes.
        assert_eq!(cut(0, bytes(0), hour, false, now), None);
        assert_eq!(cut(0, bytes(0) - 1, hour, false, now), Some((1, "queue_full")));
        assert_eq!(cut(0, bytes(2), hour, false, now), Some((2, "queue_full")));
        assert_eq!(cut(2, bytes(2), hour, false, now), None);
        assert_eq!(cut(0, 1, hour, false, now), Some((3, "queue_full")));
        assert_eq!(cut(0, bytes(0), hour, true, now), Some((3, "disk_full")));
        let later = now + Duration::from_secs(3_601);
        assert_eq!(cut(1, bytes(0), hour, false, later), Some((3, "too_old")));
        assert_eq!(cut(4, 0, hour, true, later), None, "nothing waits");
        assert_eq!(pending_bytes(&journal, Position(0)), bytes(0));
        assert_eq!(pending_bytes(&journal, Position(3)), bytes(3));
        assert_eq!(pending_bytes(&journal, Position(9)), 0);
    }
}
