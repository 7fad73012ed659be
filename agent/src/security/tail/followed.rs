//! One file that is being read: how far, and the last bytes that were read, which tell whether it was cut since.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use super::cursor::{FINGERPRINT_BYTES_MAX, Mark, fingerprint};
use super::siblings::{Candidate, bytes_before};
use super::{BATCH_BYTES_MAX, BATCH_LINES_MAX, Batch, LINE_BYTES_MAX, Line};

/// Bytes of one read; a line without an end in so many is cut.
const CHUNK_BYTES: usize = 64 << 10;

#[derive(Debug)]
pub(super) struct Followed {
    file: File,
    id: (u64, u64),
    offset: u64,
    /// The last bytes before the offset, as they were read.
    tail: Vec<u8>,
    skipping: bool,
    /// When it was first seen not to be the log any more.
    rotated_at: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nothing more at the moment.
    End,
    /// The batch is full.
    Full,
    /// The bytes before the offset are others than those that were read.
    Truncated,
}

impl Followed {
    pub(super) fn new(candidate: Candidate) -> Self {
        Self {
            id: candidate.id,
            file: candidate.file,
            offset: 0,
            tail: Vec::new(),
            skipping: false,
            rotated_at: None,
        }
    }

    /// Everything it holds counts as read.
    pub(super) fn at_size(candidate: Candidate) -> io::Result<Self> {
        let offset = candidate.size;
        let tail = candidate.bytes_before(offset, FINGERPRINT_BYTES_MAX)?;
        Ok(Self { offset, tail, ..Self::new(candidate) })
    }

    /// Every complete line it holds counts as read.
    pub(super) fn at_end(candidate: Candidate) -> io::Result<Self> {
        let last = candidate.bytes_before(candidate.size, CHUNK_BYTES)?;
        let partial = last.iter().rev().take_while(|byte| **byte != b'\n').count();
        let offset = match u64::try_from(partial) {
            Ok(partial) if partial < candidate.size => candidate.size - partial,
            _ => 0,
        };
        let tail = candidate.bytes_before(offset, FINGERPRINT_BYTES_MAX)?;
        Ok(Self { offset, tail, ..Self::new(candidate) })
    }

    /// Goes on where `mark` says, in a file that fits it.
    pub(super) fn resume(candidate: Candidate, mark: &Mark) -> io::Result<Self> {
        let tail = candidate.bytes_before(mark.offset, FINGERPRINT_BYTES_MAX)?;
        Ok(Self { offset: mark.offset, tail, skipping: mark.skipping, ..Self::new(candidate) })
    }

    pub(super) fn mark(&self) -> Mark {
        Mark {
            device: self.id.0,
            inode: self.id.1,
            offset: self.offset,
            fingerprint: fingerprint(&self.tail),
            skipping: self.skipping,
        }
    }

    pub(super) fn id(&self) -> (u64, u64) {
        self.id
    }

    pub(super) fn is(&self, candidate: &Candidate) -> bool {
        self.id == candidate.id
    }

    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether a file that is not the log any more has been so for longer than `linger`. It counts from the first
    /// call: after a restart nobody knows when it was rotated.
    pub(super) fn is_over(&mut self, elapsed: Duration, linger: Duration) -> bool {
        let since = *self.rotated_at.get_or_insert(elapsed);
        elapsed.saturating_sub(since) >= linger
    }

    /// Starts again at the beginning, after a cut.
    pub(super) fn restart(&mut self) {
        self.offset = 0;
        self.tail.clear();
        self.skipping = false;
    }

    /// Adds complete lines until the file or the batch is at its end.
    pub(super) fn read(&mut self, batch: &mut Batch) -> io::Result<Outcome> {
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            if is_full(batch) {
                return Ok(Outcome::Full);
            }
            let length = self.read_chunk(&mut chunk)?;
            // Looked at after the read: what was read before a cut is then known to be whole.
            if bytes_before(&self.file, self.offset, FINGERPRINT_BYTES_MAX)? != self.tail {
                return Ok(Outcome::Truncated);
            }
            let used = self.take_lines(&chunk[..length], length == CHUNK_BYTES, batch);
            self.advance(&chunk[..used]);
            if used == 0 {
                return Ok(Outcome::End);
            }
        }
    }

    /// Hands out a last line that never got its end.
    pub(super) fn take_rest(&mut self, batch: &mut Batch) -> io::Result<()> {
        let mut chunk = vec![0; CHUNK_BYTES];
        let length = self.read_chunk(&mut chunk)?;
        if length > 0 && !self.skipping && !chunk[..length].contains(&b'\n') {
            batch.push(line(&chunk[..length]));
            self.advance(&chunk[..length]);
        }
        Ok(())
    }

    fn read_chunk(&self, chunk: &mut [u8]) -> io::Result<usize> {
        let mut length = 0;
        while length < chunk.len() {
            let at = self.offset + u64::try_from(length).unwrap_or(0);
            match self.file.read_at(&mut chunk[length..], at) {
                Ok(0) => break,
                Ok(read) => length += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(length)
    }

    /// Returns how many bytes are done with.
    fn take_lines(&mut self, chunk: &[u8], whole_chunk: bool, batch: &mut Batch) -> usize {
        let mut used = 0;
        while let Some(length) = chunk[used..].iter().position(|byte| *byte == b'\n') {
            if is_full(batch) {
                return used;
            }
            if !self.skipping {
                batch.push(line(&chunk[used..used + length]));
            }
            self.skipping = false;
            used += length + 1;
        }
        let endless = used == 0 && whole_chunk;
        if self.skipping {
            used = chunk.len();
        } else if endless {
            batch.push(line(chunk));
            self.skipping = true;
            used = chunk.len();
        }
        used
    }

    fn advance(&mut self, read: &[u8]) {
        self.offset += u64::try_from(read.len()).unwrap_or(0);
        self.tail.extend_from_slice(&read[read.len().saturating_sub(FINGERPRINT_BYTES_MAX)..]);
        let excess = self.tail.len().saturating_sub(FINGERPRINT_BYTES_MAX);
        self.tail.drain(..excess);
    }
}

impl Batch {
    fn push(&mut self, line: Line) {
        self.bytes += line.text.len();
        self.lines.push(line);
    }
}

fn is_full(batch: &Batch) -> bool {
    batch.lines.len() >= BATCH_LINES_MAX || batch.bytes >= BATCH_BYTES_MAX
}

fn line(bytes: &[u8]) -> Line {
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    let kept = &bytes[..bytes.len().min(LINE_BYTES_MAX)];
    Line { text: String::from_utf8_lossy(kept).into_owned(), cut: kept.len() < bytes.len() }
}
