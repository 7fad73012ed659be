//! Walks the records of one segment, and finds the next good one behind damage.

use std::fs::File;
use std::path::PathBuf;

use bytes::Bytes;

use crate::record::{self, MARKER, RecordHeader};
use crate::segment::{self, SegmentHeader};
use crate::shared::Mark;
use crate::{JournalError, Position, disk};

/// How much is read at a time: few system calls, and small beside a record of the largest size.
const WINDOW_BYTES: usize = 256 << 10;

#[derive(Debug)]
pub(crate) struct Cursor {
    file: File,
    pub(crate) path: PathBuf,
    pub(crate) salt: u64,
    /// Where the next record starts.
    pub(crate) offset: u64,
    /// The position of the next record.
    pub(crate) expected: Position,
    /// The end of the last bytes that the disk could not give back; 0 when it gave back all that was asked for.
    pub(crate) unreadable_to: u64,
    window: Vec<u8>,
    window_start: u64,
}

/// What stands at the cursor.
#[derive(Debug)]
pub(crate) enum Step {
    Record {
        header: RecordHeader,
        payload: Bytes,
    },
    /// Records from `first` on are unreadable; the cursor stands at the next good record, or at the end.
    Damage {
        first: Position,
    },
    End,
}

impl Cursor {
    /// `Ok(None)` when the segment's header is unreadable.
    pub(crate) fn open(path: PathBuf) -> Result<Option<Self>, JournalError> {
        let file =
            File::open(&path).map_err(JournalError::io("open the journal segment", &path))?;
        let Some(SegmentHeader { first, salt }) = SegmentHeader::read(&file, &path)? else {
            return Ok(None);
        };
        Ok(Some(Self {
            file,
            path,
            salt,
            offset: segment::HEADER_BYTES,
            expected: first,
            unreadable_to: 0,
            window: Vec::new(),
            window_start: 0,
        }))
    }

    /// Goes to a record that is known to start there.
    pub(crate) fn seek(&mut self, mark: Mark) {
        (self.offset, self.expected) = (mark.offset, mark.position);
    }

    /// The next step before the offset `end`; bytes from there on are not looked at.
    pub(crate) fn step(&mut self, end: u64) -> Result<Step, JournalError> {
        if self.offset >= end {
            return Ok(Step::End);
        }
        let first = self.expected;
        match self.record_at(self.offset, end)? {
            Some((header, payload)) if header.position == first => {
                self.offset += record::disk_bytes(header.length) as u64;
                self.expected = first.next();
                Ok(Step::Record { header, payload })
            }
            _ => {
                self.search(end)?;
                Ok(Step::Damage { first })
            }
        }
    }

    /// Stands the cursor at the next good record with a later position, or at `end`.
    fn search(&mut self, end: u64) -> Result<(), JournalError> {
        let mut offset = self.offset;
        while offset < end {
            let window = self.bytes(offset, record::HEADER_BYTES, end)?;
            if window.is_empty() {
                break;
            }
            let Some(at) = window.windows(MARKER.len()).position(|bytes| bytes == MARKER) else {
                // A marker may lie across the end of the window.
                offset += window.len().saturating_sub(MARKER.len() - 1).max(1) as u64;
                continue;
            };
            offset += at as u64;
            if let Some((header, _)) = self.record_at(offset, end)?
                && header.position > self.expected
            {
                (self.offset, self.expected) = (offset, header.position);
                return Ok(());
            }
            offset += 1;
        }
        self.offset = end;
        Ok(())
    }

    fn record_at(
        &mut self,
        offset: u64,
        end: u64,
    ) -> Result<Option<(RecordHeader, Bytes)>, JournalError> {
        let salt = self.salt;
        let Some(header) = RecordHeader::decode(self.bytes(offset, record::HEADER_BYTES, end)?)
        else {
            return Ok(None);
        };
        let whole = record::disk_bytes(header.length);
        if whole as u64 > end - offset {
            return Ok(None);
        }
        let bytes = self.bytes(offset, whole, end)?;
        let good = header.proves(salt, bytes);
        let payload = good.then(|| Bytes::copy_from_slice(&bytes[record::HEADER_BYTES..whole]));
        Ok(payload.map(|payload| (header, payload)))
    }

    /// The bytes from `offset`: at least `wanted`, unless `end` or the end of the file comes first.
    fn bytes(&mut self, offset: u64, wanted: usize, end: u64) -> Result<&[u8], JournalError> {
        let left = usize::try_from(end - offset).unwrap_or(usize::MAX);
        let wanted = wanted.min(left);
        let inside = offset.checked_sub(self.window_start).and_then(|at| usize::try_from(at).ok());
        if let Some(at) = inside.filter(|at| at + wanted <= self.window.len()) {
            return Ok(&self.window[at..self.window.len().min(at + left)]);
        }
        self.window.resize(wanted.max(WINDOW_BYTES.min(left)), 0);
        self.window_start = offset;
        let read = disk::read_up_to(&self.file, &self.path, &mut self.window, offset);
        // What was not read is no window.
        let read = read.inspect_err(|_| self.window.clear())?;
        self.unreadable_to = self.unreadable_to.max(read.unreadable_to);
        self.window.truncate(read.bytes);
        Ok(&self.window)
    }
}
