//! Follows a log file through rotations, truncations and restarts, line by line.
//!
//! Promises: a complete line is handed out once, as long as the file that holds it keeps a name beside the log
//! (`log.1`, `log-20261121`) or is still open here; lines written to a rotated file late are read too. Where it stands
//! after a batch is [`Tail::cursor`]: whoever keeps it together with the batch repeats and loses nothing.
//! Cannot be promised: `copytruncate` drops what is written between its copy and its cut, for every reader.
//! A log that was cut with no copy of it beside, or whose unread part is gone or compressed, yields a [`Notice`].

mod cursor;
mod followed;
mod siblings;

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cursor::{Cursor, Mark};
use followed::{Followed, Outcome};
use siblings::{Candidate, Rank};

use crate::security::persist::PersistError;

/// A longer line is cut here: syslog daemons cut at 8 KiB themselves, and rules read no further.
pub const LINE_BYTES_MAX: usize = 16 << 10;
/// Lines of one batch: what a report holds comfortably.
pub const BATCH_LINES_MAX: usize = 500;
/// Bytes of one batch, for long lines: all of it is one report.
pub const BATCH_BYTES_MAX: usize = 128 << 10;
/// How long a rotated file is watched for late writers: logrotate signals the daemon within seconds.
const ROTATED_LINGER: Duration = Duration::from_secs(60);
/// Rotated files remembered as read; logrotate keeps 4 to 52.
const FINISHED_MAX: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartAt {
    /// The first start reads only what is written from now on.
    End,
    Beginning,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub text: String,
    /// Longer than [`LINE_BYTES_MAX`]; only the beginning is kept.
    pub cut: bool,
}

/// Something about the log itself that people should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Cut in place, and no copy with the unread part was found.
    Truncated { unread_after: u64 },
    /// The file that was being read is gone; what it held after this offset is not known.
    Lost { unread_after: u64 },
    /// The cursor cannot be understood; the log is read from its beginning, lines may repeat.
    CursorDamaged,
}

#[derive(Debug, Default)]
pub struct Batch {
    pub lines: Vec<Line>,
    pub notices: Vec<Notice>,
    /// More can be read at once.
    pub more: bool,
    bytes: usize,
}

#[derive(Debug, thiserror::Error)]
pub enum TailError {
    #[error("{} cannot be read; is the agent in the group that may read it?", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Persist(#[from] PersistError),
}

#[derive(Debug)]
pub struct Tail {
    path: PathBuf,
    /// Oldest first; the last one is the log itself unless it is missing at the moment.
    files: VecDeque<Followed>,
    finished: VecDeque<Mark>,
    /// When the log was last seen changed, in nanoseconds since 1970.
    modified_ns: i64,
    notices: Vec<Notice>,
}

impl Tail {
    /// Resumes at the cursor, or starts where `start` says when there is none.
    pub fn open(path: &Path, cursor: Option<&[u8]>, start: StartAt) -> Result<Self, TailError> {
        let mut tail = Self {
            path: path.to_owned(),
            files: VecDeque::new(),
            finished: VecDeque::new(),
            modified_ns: 0,
            notices: Vec::new(),
        };
        let resumed = match cursor.map(Cursor::parse) {
            None => tail.begin(start),
            Some(Some(cursor)) => tail.resume(cursor),
            Some(None) => {
                tail.notices.push(Notice::CursorDamaged);
                tail.begin(StartAt::Beginning)
            }
        };
        resumed.map_err(|source| TailError::Read { path: path.to_owned(), source })?;
        Ok(tail)
    }

    /// Whether these bytes are a cursor, of this version or an earlier one.
    pub fn is_cursor(bytes: &[u8]) -> bool {
        Cursor::parse(bytes).is_some()
    }

    /// Reads what is new, up to the bounds of a batch. `elapsed` is any clock that never steps back.
    pub fn poll(&mut self, elapsed: Duration) -> Result<Batch, TailError> {
        let mut batch = Batch::default();
        let polled = self.read_all(elapsed, &mut batch);
        polled.map_err(|source| TailError::Read { path: self.path.clone(), source })?;
        batch.notices = std::mem::take(&mut self.notices);
        Ok(batch)
    }

    /// The place behind everything that was polled.
    pub fn cursor(&self) -> Vec<u8> {
        let cursor = Cursor {
            version: cursor::VERSION,
            modified_ns: self.modified_ns,
            files: self.files.iter().map(Followed::mark).collect(),
            finished: self.finished.iter().cloned().collect(),
        };
        cursor.to_bytes()
    }

    fn begin(&mut self, start: StartAt) -> io::Result<()> {
        for candidate in siblings::snapshot(&self.path)? {
            let current = candidate.rank == Rank::Log;
            if current {
                self.modified_ns = candidate.modified_ns;
            }
            match (start, current) {
                (StartAt::Beginning, true) => self.files.push_back(Followed::new(candidate)),
                (StartAt::End, true) => self.files.push_back(Followed::at_end(candidate)?),
                (_, false) => self.finish(&Followed::at_size(candidate)?),
            }
        }
        Ok(())
    }

    /// Finds every file of the cursor again, then the files that came after them.
    fn resume(&mut self, cursor: Cursor) -> io::Result<()> {
        self.finished = cursor.finished.iter().cloned().collect();
        self.modified_ns = cursor.modified_ns;
        let mut candidates = siblings::snapshot(&self.path)?;
        let mut anchor = None;
        let mut found = Vec::new();
        // What was read is known again by its content. A file that nothing was read of is known by its inode alone, which
        // may be another file's by now: it comes after those.
        let (unread, read): (Vec<_>, Vec<_>) =
            cursor.files.iter().partition(|mark| mark.offset == 0);
        for mark in read.into_iter().chain(unread) {
            match mark.find(&candidates)? {
                Some(at) => {
                    let candidate = candidates.remove(at);
                    anchor = anchor.max(Some(candidate.rank));
                    found.push((candidate.rank, Followed::resume(candidate, mark)?));
                }
                None if mark.offset > 0 => {
                    self.notices.push(Notice::Lost { unread_after: mark.offset });
                }
                None => {}
            }
        }
        let unread = cursor.files.last().is_none_or(|mark| mark.offset == 0);
        let newer = self.newer(candidates, anchor, unread)?;
        found.extend(newer.into_iter().map(|one| (one.rank, Followed::new(one))));
        found.sort_by_key(|(rank, _)| *rank);
        self.files = found.into_iter().map(|(_, file)| file).collect();
        Ok(())
    }

    /// Of files that are not followed: those that came after `anchor` and were not read yet, and the log itself.
    /// Without an anchor, or when nothing of the log was read (so that a copy cannot be told by its content), those
    /// that changed since the log was last seen.
    fn newer(
        &self,
        candidates: Vec<Candidate>,
        anchor: Option<Rank>,
        by_time: bool,
    ) -> io::Result<Vec<Candidate>> {
        let mut newer = Vec::new();
        for candidate in candidates {
            let wanted = candidate.rank == Rank::Log
                || anchor.is_some_and(|anchor| candidate.rank > anchor)
                || ((by_time || anchor.is_none()) && candidate.modified_ns >= self.modified_ns);
            let followed = self.files.iter().any(|file| file.is(&candidate));
            if wanted && !followed && !self.is_finished(&candidate)? {
                newer.push(candidate);
            }
        }
        Ok(newer)
    }

    fn is_finished(&self, candidate: &Candidate) -> io::Result<bool> {
        for mark in &self.finished {
            let same = mark.is(candidate) && candidate.size == 0 && mark.offset == 0;
            if same || (mark.offset == candidate.size && mark.fits(candidate)?) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn read_all(&mut self, elapsed: Duration, batch: &mut Batch) -> io::Result<()> {
        self.look_for_rotation()?;
        let mut at = 0;
        while at < self.files.len() {
            match self.files[at].read(batch)? {
                Outcome::Full => {
                    batch.more = true;
                    break;
                }
                Outcome::Truncated => self.truncated(at)?,
                Outcome::End => at += 1,
            }
        }
        self.retire(elapsed, batch)
    }

    /// Takes up the log's new file, and those that came and went since the last look.
    fn look_for_rotation(&mut self) -> io::Result<()> {
        let Some((id, modified_ns)) = siblings::identify(&self.path)? else {
            return Ok(());
        };
        // A rotated file that got its name back is the log again.
        if let Some(at) = self.files.iter().position(|file| file.id() == id) {
            let file = self.files.remove(at);
            self.files.extend(file);
        }
        let last = self.files.back();
        let same = last.is_some_and(|file| file.id() == id);
        let unread = last.is_none_or(|file| file.offset() == 0);
        if same && !unread {
            self.modified_ns = modified_ns;
            return Ok(());
        }
        let candidates = siblings::snapshot(&self.path)?;
        let anchor = last
            .and_then(|file| candidates.iter().find(|one| file.is(one)))
            .map(|candidate| candidate.rank);
        let newer = self.newer(candidates, anchor, unread)?;
        // What is found beside a log that nothing was read of is older than the log.
        let log = if same { self.files.pop_back() } else { None };
        self.files.extend(newer.into_iter().map(Followed::new));
        self.files.extend(log);
        self.modified_ns = modified_ns;
        Ok(())
    }

    /// The file at `at` was cut: it is read from its new beginning, after its copy and what came in between, if found.
    fn truncated(&mut self, at: usize) -> io::Result<()> {
        let mark = self.files[at].mark();
        self.files[at].restart();
        let mut candidates = siblings::snapshot(&self.path)?;
        candidates.retain(|one| !self.files.iter().any(|file| file.is(one)));
        let Some(found) = mark.find(&candidates)? else {
            self.notices.push(Notice::Truncated { unread_after: mark.offset });
            return Ok(());
        };
        let copy = candidates.remove(found);
        let anchor = Some(copy.rank);
        let mut before = vec![Followed::resume(copy, &mark)?];
        candidates.retain(|one| one.rank != Rank::Log);
        before.extend(self.newer(candidates, anchor, false)?.into_iter().map(Followed::new));
        for file in before.into_iter().rev() {
            self.files.insert(at, file);
        }
        Ok(())
    }

    /// Lets go of rotated files that nobody writes to any more.
    fn retire(&mut self, elapsed: Duration, batch: &mut Batch) -> io::Result<()> {
        let mut at = 0;
        while at + 1 < self.files.len() {
            if !self.files[at].is_over(elapsed, ROTATED_LINGER) || batch.more {
                at += 1;
                continue;
            }
            if let Some(mut file) = self.files.remove(at) {
                file.take_rest(batch)?;
                self.finish(&file);
            }
        }
        Ok(())
    }

    fn finish(&mut self, file: &Followed) {
        self.finished.push_back(file.mark());
        if self.finished.len() > FINISHED_MAX {
            self.finished.pop_front();
        }
    }
}

#[cfg(test)]
mod tests;
