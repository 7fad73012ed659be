//! What happens when room runs out: the least useful goes first, and what a collector will never get is told to it.
//!
//! Order: segments that another collector already holds, then old metrics, then old events, results last; and an
//! append never drops what is more useful than itself. On a disk that others have filled only metrics are dropped:
//! evidence waits at its source. Nothing is dropped before its gap records are durable.

use agent_model::{Epoch, Gap, GapReason, Millis, Stream};
use agent_wire::RawReport;

use super::cursor::Cursor;
use super::log::{Records, Segment};
use super::record::{EVERYBODY, Head, Kind, Position};
use super::{LOGS, PENDING_GAPS_MAX, Spool, SpoolError, content, log_of, logs_of};

/// Gaps in one report.
const GAPS_MAX: usize = 1_000;

impl Spool {
    /// Sees to it that a record fits into the segment being written.
    pub(super) fn make_room(
        &mut self,
        kind: Kind,
        record_bytes: u64,
        audience: u64,
    ) -> Result<(), SpoolError> {
        let log = log_of(kind);
        self.logs[log].seal()?;
        self.retire()?;
        // A gap record is what remains of what was dropped: it may go a little over the bound, and drops nothing.
        let is_gap = audience != EVERYBODY;
        let room = self.logs[log].room_for(record_bytes);
        if !is_gap {
            self.shed_for(log, room)?;
        }
        // A gap record of this log may have made the room already.
        if self.logs[log].fits(record_bytes) {
            return Ok(());
        }
        match self.rotate(kind, record_bytes) {
            Err(SpoolError::Disk { source, .. }) if is_full(&source) => {}
            rotated => return rotated,
        }
        // The disk is full. One segment of metrics becomes the spare, whose room needs no asking.
        if is_gap || !self.shed(0)? {
            return Err(SpoolError::Full);
        }
        if self.logs[log].fits(record_bytes) {
            return Ok(());
        }
        self.rotate(kind, record_bytes).map_err(|_| SpoolError::Full)
    }

    /// Drops what is less useful than `log`, or as useful, until so many bytes more are within the bound.
    pub(super) fn shed_for(&mut self, log: usize, bytes: u64) -> Result<(), SpoolError> {
        while self.bytes() + bytes > self.fill_max {
            if !self.spare.give_back()? && !self.shed(log)? {
                break;
            }
        }
        Ok(())
    }

    fn rotate(&mut self, kind: Kind, record_bytes: u64) -> Result<(), SpoolError> {
        let position = self.next_position(kind.stream());
        self.logs[log_of(kind)].rotate(position, record_bytes, &self.allocate, &mut self.spare)
    }

    /// Drops the least useful segment that `log` may displace; `false` when there is none.
    fn shed(&mut self, log: usize) -> Result<bool, SpoolError> {
        let candidates = || (0..=log).filter(|&other| self.logs[other].sealed() > 0);
        let held_elsewhere = candidates().find_map(|other| {
            let segments = self.logs[other].segments().iter().take(self.logs[other].sealed());
            let stream = if other == 0 { Stream::Metrics } else { Stream::Evidence };
            let held = |cursor: &Cursor, segment: &Segment| segment.is_held(cursor.held(stream));
            let mut segments = segments.enumerate();
            let found =
                segments.find(|(_, one)| self.cursors.iter().any(|cursor| held(cursor, one)));
            found.map(|(at, _)| (other, at))
        });
        let oldest = || candidates().next().map(|other| (other, 0));
        let Some((victim_log, at)) = held_elsewhere.or_else(oldest) else { return Ok(false) };
        self.drop_segment(victim_log, at)
    }

    /// Drops a segment; each collector that still waits for some of it gets a gap record, which is durable first.
    /// `false` when a gap record finds no room, or the bookmarks it holds none: then nothing is dropped.
    fn drop_segment(&mut self, log: usize, at: usize) -> Result<bool, SpoolError> {
        let stream = if log == 0 { Stream::Metrics } else { Stream::Evidence };
        if stream == Stream::Evidence
            && let Err(error) = self.save_bookmarks()
        {
            self.note_upkeep(&error);
            return Ok(false);
        }
        let first = self.logs[log].segments()[at].first;
        let records = self.logs[log].read(at, Position::FIRST)?;
        for collector in 0..self.cursors.len() {
            let held = self.cursors[collector].held(stream);
            let heads = records.found.iter().map(|found| &found.head);
            let missing: Vec<Head> =
                heads.filter(|head| !held.contains(head.position)).cloned().collect();
            let mut gaps = runs(stream, &missing, GapReason::SpoolOverflow);
            gaps.extend(self.gaps_within(collector, &records));
            let gaps = joined(gaps);
            if !self.name_gaps(collector, gaps)? {
                return Ok(false);
            }
            for Position { epoch, sequence } in missing.iter().map(|head| head.position) {
                self.cursors[collector].hold(stream, epoch, sequence, sequence);
            }
            let reports = missing.len() as u64;
            self.statistics.dropped_overflow += reports;
            if reports > 0 {
                let log = LOGS[log];
                tracing::warn!(log, reports, "the spool is full: its oldest reports are dropped");
            }
        }
        self.save();
        // Writing the gaps may have retired segments, so its place is looked up again.
        if let Some(at) = self.logs[log].segments().iter().position(|one| one.first == first) {
            self.logs[log].remove(at, &mut self.spare)?;
        }
        Ok(true)
    }

    /// The gaps that a collector would have been told of by these records: they outlive the records.
    fn gaps_within(&self, collector: usize, records: &Records) -> Vec<Gap> {
        let cursor = &self.cursors[collector];
        let told = records.found.iter().filter(|found| {
            cursor.is_named(found.head.audience) && !cursor.evidence.contains(found.head.position)
        });
        let reports = told.filter_map(|found| {
            let raw = RawReport::decode(records.bytes.slice(found.report.clone())).ok()?;
            raw.into_report(&self.schemas).ok()
        });
        reports.flat_map(|report| report.gaps).collect()
    }

    /// Writes gaps for a collector and makes them durable; `false` when there is no room for them.
    fn name_gaps(&mut self, collector: usize, gaps: Vec<Gap>) -> Result<bool, SpoolError> {
        let audience = self.cursors[collector].audience;
        for gaps in gaps.chunks(GAPS_MAX) {
            let now_ms = gaps.iter().map(|gap| gap.to_ms).max().unwrap_or(0);
            let draft = content::gaps(&self.host, gaps.to_vec(), now_ms);
            if self.append(draft, audience, Vec::new()).is_err() {
                return Ok(false);
            }
        }
        self.sync_stream(Stream::Evidence).map(|()| true)
    }

    /// Keeps a gap until it is written; it is joined to the one before where it goes on.
    fn note_gap(&mut self, collector: usize, gap: Gap) {
        if let Some((last_collector, last)) = self.pending_gaps.last_mut() {
            let same =
                (last.stream, last.epoch, last.reason) == (gap.stream, gap.epoch, gap.reason);
            if *last_collector == collector && same && last.last_sequence + 1 == gap.first_sequence
            {
                return extend(last, &gap);
            }
        }
        if self.pending_gaps.len() == PENDING_GAPS_MAX {
            self.statistics.failed_upkeep += 1;
            tracing::error!(?gap, "too many gap records wait for room; this one stays unwritten");
            return;
        }
        self.pending_gaps.push((collector, gap));
    }

    /// Names reports that the disk has lost; positions that some log still has are not lost.
    pub(super) fn declare_damage(
        &mut self,
        stream: Stream,
        epoch: u64,
        first: u64,
        last: u64,
    ) -> Result<(), SpoolError> {
        let mut present = super::held::Held::default();
        for &log in logs_of(stream) {
            for at in 0..self.logs[log].segments().len() {
                let segment = &self.logs[log].segments()[at];
                let apart = segment.last.sequence < first || segment.first.sequence > last;
                if segment.first.epoch != epoch || apart {
                    continue;
                }
                for found in self.logs[log].read(at, Position::FIRST)?.found {
                    present.insert(
                        epoch,
                        found.head.position.sequence,
                        found.head.position.sequence,
                    );
                }
            }
        }
        for collector in 0..self.cursors.len() {
            let mut last = last;
            while let Some((run_first, run_last)) = present.newest_missing(epoch, first, last) {
                let held = self.cursors[collector].held(stream);
                if let Some((a, b)) = held.newest_missing(epoch, run_first, run_last) {
                    self.statistics.dropped_damaged += b - a + 1;
                    let gap = gap_of(stream, Epoch(epoch), (a, b), GapReason::SpoolDamaged);
                    self.note_gap(collector, gap);
                    self.cursors[collector].hold(stream, epoch, a, b);
                    continue;
                }
                let Some(before) = run_first.checked_sub(1).filter(|&it| it >= first) else {
                    break;
                };
                last = before;
            }
        }
        tracing::error!(stream = stream.name(), first, last, "reports in the spool were damaged");
        Ok(())
    }

    /// Remembers that a collector refused reports for good.
    pub(super) fn name_refused(&mut self, collector: usize, stream: Stream, refused: &[Head]) {
        self.statistics.dropped_refused += refused.len() as u64;
        // A refused gap record would name itself for ever.
        let ordinary: Vec<_> =
            refused.iter().filter(|head| head.audience == EVERYBODY).cloned().collect();
        for gap in runs(stream, &ordinary, GapReason::Refused) {
            self.note_gap(collector, gap);
        }
    }

    /// Writes the gaps that wait, each into a report for its collector; without room they wait on.
    pub(super) fn write_gaps(&mut self, now_ms: Millis) {
        for collector in 0..self.cursors.len() {
            let of = |(index, _): &(usize, Gap)| *index == collector;
            loop {
                let mine = self.pending_gaps.iter().filter(|pair| of(pair)).take(GAPS_MAX);
                let gaps: Vec<Gap> = mine.map(|(_, gap)| gap.clone()).collect();
                if gaps.is_empty() {
                    break;
                }
                let count = gaps.len();
                let draft = content::gaps(&self.host, gaps, now_ms);
                if self.append(draft, self.cursors[collector].audience, Vec::new()).is_err() {
                    break;
                }
                let mut written = 0;
                self.pending_gaps.retain(|pair| {
                    let goes = of(pair) && written < count;
                    written += usize::from(goes);
                    !goes
                });
            }
        }
    }
}

fn is_full(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded)
}

/// One gap per run of sequences without a break.
fn runs(stream: Stream, missing: &[Head], reason: GapReason) -> Vec<Gap> {
    let mut gaps: Vec<Gap> = Vec::new();
    for head in missing {
        let Position { epoch, sequence } = head.position;
        let joins = |gap: &Gap| gap.epoch == Epoch(epoch) && gap.last_sequence + 1 == sequence;
        if !gaps.last().is_some_and(joins) {
            let mut gap = gap_of(stream, Epoch(epoch), (sequence, sequence), reason);
            (gap.from_ms, gap.to_ms) = (head.created_ms, head.created_ms);
            gaps.push(gap);
        }
        if let Some(gap) = gaps.last_mut() {
            gap.last_sequence = sequence;
            gap.from_ms = gap.from_ms.min(head.created_ms);
            gap.to_ms = gap.to_ms.max(head.created_ms);
            gap.samples += u64::from(head.samples);
            gap.events += u64::from(head.events);
        }
    }
    gaps
}

/// The same gaps, neighbours as one.
fn joined(mut gaps: Vec<Gap>) -> Vec<Gap> {
    gaps.sort_by_key(|gap| (gap.stream, gap.epoch, gap.reason, gap.first_sequence));
    gaps.dedup_by(|later, kept| {
        let same =
            (later.stream, later.epoch, later.reason) == (kept.stream, kept.epoch, kept.reason);
        let joins = same && kept.last_sequence + 1 == later.first_sequence;
        if joins {
            extend(kept, later);
        }
        joins
    });
    gaps
}

fn extend(gap: &mut Gap, later: &Gap) {
    gap.last_sequence = later.last_sequence;
    gap.from_ms = gap.from_ms.min(later.from_ms);
    gap.to_ms = gap.to_ms.max(later.to_ms);
    gap.samples += later.samples;
    gap.events += later.events;
}

fn gap_of(stream: Stream, epoch: Epoch, (first, last): (u64, u64), reason: GapReason) -> Gap {
    Gap {
        stream,
        epoch,
        first_sequence: first,
        last_sequence: last,
        from_ms: 0,
        to_ms: 0,
        samples: 0,
        events: 0,
        reason,
    }
}
