//! The writer's thread: takes whatever waits, writes it as one group, syncs once, answers all.
//!
//! Idle, a single append is synced at once; under load a group holds what arrived during the last sync. Nothing is
//! retried on a file whose sync failed: after a failure the kernel may count the lost pages as clean, so that the next
//! sync succeeds without the data ("fsyncgate"). Such a file is left at its last good length, and the next append starts
//! a new segment with fresh pages; what was acknowledged before lies below that length and stays.

use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use crate::recover::Active;
use crate::segment::{self, HEADER_BYTES};
use crate::shared::{Mark, Segment, Shared};
use crate::{JournalError, Position, record, space};

/// One group: an eighth of a second of writing on a slow disk (100 MB/s), so that the last waiter is answered in time.
pub(crate) const GROUP_BYTES_MAX: usize = 8 << 20;

/// One call of `Journal::append`.
pub(crate) struct Append {
    pub(crate) records: Vec<Bytes>,
    /// On disk, with headers.
    pub(crate) bytes: usize,
    pub(crate) answer: oneshot::Sender<Result<Position, JournalError>>,
    /// Held until the answer: bounds the bytes that wait.
    pub(crate) room: OwnedSemaphorePermit,
}

pub(crate) struct Writer {
    pub(crate) directory: PathBuf,
    pub(crate) segment_bytes_max: u64,
    pub(crate) free_reserve_bytes: u64,
    pub(crate) bytes_max: u64,
    pub(crate) clock: fn() -> Duration,
    pub(crate) shared: Arc<Shared>,
    /// `None` when there is no segment, or none that is trusted.
    pub(crate) active: Option<Active>,
    pub(crate) durable: Position,
    pub(crate) buffer: Vec<u8>,
}

impl Writer {
    /// Until every handle of the journal is gone and the queue is empty.
    pub(crate) fn run(mut self, mut queue: mpsc::Receiver<Append>) {
        while let Some(append) = queue.blocking_recv() {
            let mut bytes = append.bytes;
            let mut group = vec![append];
            while bytes < GROUP_BYTES_MAX
                && let Ok(append) = queue.try_recv()
            {
                bytes += append.bytes;
                group.push(append);
            }
            let before = self.durable;
            let committed = self.commit(&group, bytes);
            if let Err(error) = &committed {
                self.count_refusal(error, group.len());
            }
            answer(group, before, committed);
        }
    }

    /// Writes and syncs the group; on an error nothing of it counts.
    fn commit(&mut self, group: &[Append], bytes: usize) -> Result<(), JournalError> {
        let free = self.free()?;
        if free < self.free_reserve_bytes.saturating_add(bytes as u64) {
            return Err(JournalError::NoSpace { free, reserve: self.free_reserve_bytes });
        }
        self.check_held(bytes as u64)?;
        let mut active = match self.active.take() {
            Some(active) if self.fits(&active, bytes) => active,
            _ => self.create_segment()?,
        };
        let last = self.encode(group, active.salt);
        let written = active.file.write_all_at(&self.buffer, active.offset);
        if let Err(error) = written.map_err(JournalError::io("append to", &active.path)) {
            // A full disk is ordinary: the part that was written goes away and the segment stays in use.
            match active.file.set_len(active.offset) {
                Ok(()) => self.active = Some(active),
                Err(error) => distrust(&active, &error),
            }
            return Err(self.refine(error));
        }
        self.sync(&active)?;
        active.offset += self.buffer.len() as u64;
        self.publish(group, active.offset, last);
        self.active = Some(active);
        Ok(())
    }

    /// Bounds what is kept because somebody is behind. A segment alone is no backlog: it cannot be released.
    fn check_held(&self, bytes: u64) -> Result<(), JournalError> {
        let (segments, held) = {
            let state = self.shared.state();
            (state.segments.len(), state.segments.iter().map(|segment| segment.end).sum::<u64>())
        };
        let full = segments > 1 && held.saturating_add(bytes) > self.bytes_max;
        self.shared.counters.full.store(full, Relaxed);
        if full { Err(JournalError::Full { held, max: self.bytes_max }) } else { Ok(()) }
    }

    fn sync(&self, active: &Active) -> Result<(), JournalError> {
        let started = (self.clock)();
        let synced = self.sync_file(active);
        let seconds = (self.clock)().saturating_sub(started).as_secs_f64();
        let counters = &self.shared.counters;
        counters.syncs.fetch_add(1, Relaxed);
        counters.last_sync_seconds.store(seconds.to_bits(), Relaxed);
        let Err(error) = synced else { return Ok(()) };
        counters.sync_failures.fetch_add(1, Relaxed);
        distrust(active, &error);
        // Best effort: were it to fail, the records behind the good length are superseded by the next segment.
        if let Err(error) = active.file.set_len(active.offset) {
            tracing::warn!(%error, "the unacknowledged tail of the segment stays on disk");
        }
        Err(self.refine(JournalError::io("sync the journal segment", &active.path)(error)))
    }

    fn sync_file(&self, active: &Active) -> std::io::Result<()> {
        #[cfg(test)]
        if self.shared.syncs_to_fail.swap(0, Relaxed) > 0 {
            return Err(std::io::Error::other("injected: the disk did not take it"));
        }
        segment::sync(&active.file)
    }

    fn fits(&self, active: &Active, bytes: usize) -> bool {
        let empty = active.offset == HEADER_BYTES;
        empty || active.offset.saturating_add(bytes as u64) <= self.segment_bytes_max
    }

    fn create_segment(&mut self) -> Result<Active, JournalError> {
        let first = self.durable.next();
        let path = segment::path_of(&self.directory, first);
        let made = segment::create(&self.directory, first);
        let (file, salt) = made.map_err(|error| self.refine(error))?;
        let mut state = self.shared.state();
        // A distrusted segment without a durable record has the same name and was replaced.
        state.segments.retain(|segment| segment.first != first);
        state.segments.push(Segment::new(first, path.clone(), HEADER_BYTES));
        Ok(Active { file, path, salt, offset: HEADER_BYTES })
    }

    /// Fills the buffer; returns the position of the last record.
    fn encode(&mut self, group: &[Append], salt: u64) -> Position {
        self.buffer.clear();
        // One group of one giant append must not be held in memory for ever.
        self.buffer.shrink_to(2 * GROUP_BYTES_MAX);
        let mut position = self.durable;
        for payload in group.iter().flat_map(|append| &append.records) {
            position = position.next();
            record::encode(&mut self.buffer, salt, position, self.durable, payload);
        }
        position
    }

    fn publish(&mut self, group: &[Append], end: u64, last: Position) {
        let payloads = group.iter().flat_map(|append| &append.records);
        let bytes: usize = payloads.map(Bytes::len).sum();
        let counters = &self.shared.counters;
        counters.appended_records.fetch_add(last.0 - self.durable.0, Relaxed);
        counters.appended_bytes.fetch_add(bytes as u64, Relaxed);
        let first = self.durable.next();
        self.durable = last;
        let mut state = self.shared.state();
        state.durable = last;
        if let Some(segment) = state.segments.last_mut() {
            let (of_segment, offset) = (segment.first, segment.end);
            segment.end = end;
            state.mark(of_segment, Mark { position: first, offset });
        }
    }

    fn free(&self) -> Result<u64, JournalError> {
        #[cfg(test)]
        if let told @ 1.. = self.shared.free_bytes_told.swap(0, Relaxed) {
            return Ok(told);
        }
        space::free_bytes(&self.directory)
            .map_err(JournalError::io("ask for the free space of", &self.directory))
    }

    /// A full disk has its own error.
    fn refine(&self, error: JournalError) -> JournalError {
        match error {
            JournalError::Io { source, .. } if space::is_full(&source) => JournalError::NoSpace {
                free: self.free().unwrap_or(0),
                reserve: self.free_reserve_bytes,
            },
            other => other,
        }
    }

    fn count_refusal(&self, error: &JournalError, appends: usize) {
        let counters = &self.shared.counters;
        let refusals = match error {
            JournalError::NoSpace { .. } => &counters.no_space_refusals,
            JournalError::Full { .. } => &counters.full_refusals,
            _ => return,
        };
        refusals.fetch_add(appends as u64, Relaxed);
    }
}

fn distrust(active: &Active, error: &std::io::Error) {
    tracing::error!(%error, segment = %active.path.display(),
        "this journal segment is no longer written; the next append starts a new one");
}

fn answer(group: Vec<Append>, before: Position, committed: Result<(), JournalError>) {
    let mut last = before;
    for append in group {
        last = last.plus(append.records.len() as u64);
        let result = committed.clone().map(|()| last);
        if append.answer.send(result).is_err() {
            tracing::debug!(%last, "nobody waits for this append any more");
        }
        drop(append.room);
    }
}
