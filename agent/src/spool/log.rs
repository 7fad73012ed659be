//! One log of the spool: a directory of segment files, appended at the new end and dropped whole.
//!
//! A segment's room is allocated before it is written, so that a disk that fills up stops the log at the edge of a
//! segment and nowhere else; one retired segment of the spool is kept as a spare for just that case. What is written
//! after a crash goes into a new segment; the torn tail of the old one is cut.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use agent_model::SchemaId;

use super::bookmarks::{self, Bookmarks};
use super::held::Held;
use super::record::{self, Found, Head, Position};
use super::{Allocate, SpoolError, disk, log_of};
use crate::files::sync_directory;

pub(super) struct Log {
    directory: PathBuf,
    /// Oldest first; the last one is being written when `active` is there.
    segments: VecDeque<Segment>,
    active: Option<Active>,
    segment_bytes: u64,
    /// Its index among the logs, which says what kinds of records belong here.
    index: usize,
}

/// A retired segment whose room may be written again, by whichever log needs it first.
pub(super) struct Spare {
    path: PathBuf,
    bytes: Option<u64>,
}

/// A segment as it is remembered; all its records are of one epoch.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    path: PathBuf,
    pub(super) first: Position,
    pub(super) last: Position,
    /// What the file takes of the disk.
    file_bytes: u64,
    pub(super) records: u64,
    /// The sequences that lie here; between them lie those of the stream's other log.
    runs: Vec<(u64, u64)>,
    /// The schemas its columns need.
    pub(super) schemas: Vec<SchemaId>,
}

struct Active {
    file: File,
    end: u64,
    capacity: u64,
    /// Up to where it is durable.
    synced: u64,
    /// Where each record begins, so that a fresh one is read without those before it.
    starts: Vec<(Position, u64)>,
}

/// Records of a segment, with the bytes they lie in.
pub(super) struct Records {
    pub(super) bytes: bytes::Bytes,
    pub(super) found: Vec<Found>,
}

/// What lies after the last good record of a segment that should have had more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Damage {
    pub(super) after: Position,
    /// The first good position behind it.
    pub(super) before: Position,
}

impl Log {
    /// Opens a log, cuts torn tails, takes the bookmarks out, and says where records were lost between good ones.
    pub(super) fn open(
        directory: PathBuf,
        segment_bytes: u64,
        index: usize,
        bookmarks: &mut Bookmarks,
    ) -> Result<(Self, Vec<Damage>), SpoolError> {
        fs::create_dir_all(&directory).map_err(disk("making", &directory))?;
        let mut names = Vec::new();
        for entry in fs::read_dir(&directory).map_err(disk("listing", &directory))? {
            let path = entry.map_err(disk("listing", &directory))?.path();
            match parse_name(&path) {
                Some(first) => names.push((first, path)),
                None => fs::remove_file(&path).map_err(disk("removing", &path))?,
            }
        }
        names.sort();
        let segments = VecDeque::new();
        let mut log = Self { directory, segments, active: None, segment_bytes, index };
        let mut damage = Vec::new();
        let mut torn: Option<Position> = None;
        for (first, path) in names {
            if let Some(after) = torn.take() {
                damage.push(Damage { after, before: first });
            }
            torn = log.adopt(first, path, bookmarks)?;
        }
        damage.retain(|hole| hole.after.epoch == hole.before.epoch);
        Ok((log, damage))
    }

    /// Takes over a file of an earlier run; tells after which record it was cut, if it was.
    fn adopt(
        &mut self,
        first: Position,
        path: PathBuf,
        bookmarks: &mut Bookmarks,
    ) -> Result<Option<Position>, SpoolError> {
        let bytes = fs::read(&path).map_err(disk("reading", &path))?;
        let (found, end) = record::scan(&bytes, first, |kind| log_of(kind) == self.index);
        let (Some(first_found), Some(last)) = (found.first(), found.last()) else {
            fs::remove_file(&path).map_err(disk("removing", &path))?;
            let before_first = Position { sequence: first.sequence.saturating_sub(1), ..first };
            return Ok(bytes.iter().any(|&byte| byte != 0).then_some(before_first));
        };
        let (first, last) = (first_found.head.position, last.head.position);
        let end_bytes = end as u64;
        if end < bytes.len() {
            let file = OpenOptions::new().write(true).open(&path);
            file.and_then(|file| file.set_len(end_bytes)).map_err(disk("cutting", &path))?;
        }
        let mut segment = Segment {
            path,
            first,
            last,
            file_bytes: end_bytes,
            records: 0,
            runs: Vec::new(),
            schemas: Vec::new(),
        };
        for one in &found {
            segment.count(&one.head);
            let marks = bookmarks::decode(&bytes[one.bookmarks.clone()]).unwrap_or_default();
            marks.into_iter().for_each(|mark| bookmarks.replay(one.head.position, mark));
        }
        self.segments.push_back(segment);
        Ok(bytes[end..].iter().any(|&byte| byte != 0).then_some(last))
    }

    /// Whether a record fits into the segment being written.
    pub(super) fn fits(&self, record_bytes: u64) -> bool {
        self.active.as_ref().is_some_and(|active| active.end + record_bytes <= active.capacity)
    }

    /// The room that a new segment would take.
    pub(super) fn room_for(&self, record_bytes: u64) -> u64 {
        self.segment_bytes.max(record_bytes)
    }

    /// Begins a new segment whose first record will be at `first`; out of a spare when the disk has no room.
    pub(super) fn rotate(
        &mut self,
        first: Position,
        record_bytes: u64,
        allocate: &Allocate,
        spare: &mut Spare,
    ) -> Result<(), SpoolError> {
        self.seal()?;
        let path = self.directory.join(name(first));
        let capacity = self.room_for(record_bytes);
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path);
        let file = file.map_err(disk("making", &path))?;
        let (file, capacity) = match (allocate(&file, capacity), spare.bytes) {
            (Ok(()), _) => (file, capacity),
            (Err(_), Some(bytes)) if bytes >= record_bytes => {
                fs::rename(&spare.path, &path).map_err(disk("renaming", &spare.path))?;
                spare.bytes = None;
                let file = OpenOptions::new().read(true).write(true).open(&path);
                (file.map_err(disk("opening", &path))?, bytes)
            }
            (Err(source), _) => {
                fs::remove_file(&path).map_err(disk("removing", &path))?;
                return Err(SpoolError::Disk { operation: "allocating", path, source });
            }
        };
        sync_directory(&self.directory).map_err(disk("syncing", &self.directory))?;
        self.segments.push_back(Segment {
            path,
            first,
            last: first,
            file_bytes: capacity,
            records: 0,
            runs: Vec::new(),
            schemas: Vec::new(),
        });
        self.active = Some(Active { file, end: 0, capacity, synced: 0, starts: Vec::new() });
        Ok(())
    }

    /// Writes a record into the segment being written; it fits. Not yet durable: see [`Log::sync`].
    pub(super) fn write(&mut self, head: &Head, bytes: &[u8]) -> Result<(), SpoolError> {
        let (Some(active), Some(segment)) = (self.active.as_mut(), self.segments.back_mut()) else {
            return Err(SpoolError::Full);
        };
        active.file.write_all_at(bytes, active.end).map_err(disk("writing", &segment.path))?;
        active.starts.push((head.position, active.end));
        active.end += bytes.len() as u64;
        segment.last = head.position;
        segment.count(head);
        Ok(())
    }

    /// Makes everything written durable.
    pub(super) fn sync(&mut self) -> Result<(), SpoolError> {
        let (Some(active), Some(segment)) = (self.active.as_mut(), self.segments.back()) else {
            return Ok(());
        };
        if active.synced < active.end {
            active.file.sync_data().map_err(disk("syncing", &segment.path))?;
            active.synced = active.end;
        }
        Ok(())
    }

    /// The segment being written, and up to where a power loss leaves it.
    #[cfg(test)]
    pub(super) fn durable(&self) -> Option<(PathBuf, u64)> {
        self.active
            .as_ref()
            .zip(self.segments.back())
            .map(|(active, segment)| (segment.path.clone(), active.synced))
    }

    /// Ends the segment being written and gives back the room it did not need.
    pub(super) fn seal(&mut self) -> Result<(), SpoolError> {
        self.sync()?;
        let Some(active) = self.active.take() else { return Ok(()) };
        let Some(segment) = self.segments.back_mut() else { return Ok(()) };
        if segment.records == 0 {
            fs::remove_file(&segment.path).map_err(disk("removing", &segment.path))?;
            self.segments.pop_back();
            return Ok(());
        }
        active.file.set_len(active.end).map_err(disk("cutting", &segment.path))?;
        segment.file_bytes = active.end;
        Ok(())
    }

    pub(super) fn segments(&self) -> &VecDeque<Segment> {
        &self.segments
    }

    /// How many segments may be dropped before the one being written must be.
    pub(super) fn sealed(&self) -> usize {
        self.segments.len() - usize::from(self.active.is_some())
    }

    /// Reads the records of a segment at and after a position.
    pub(super) fn read(&self, at: usize, from: Position) -> Result<Records, SpoolError> {
        let nothing = Records { bytes: bytes::Bytes::new(), found: Vec::new() };
        let Some(segment) = self.segments.get(at) else { return Ok(nothing) };
        let active = self.active.as_ref().filter(|_| at + 1 == self.segments.len());
        let bytes = match active {
            None => match fs::read(&segment.path) {
                // Somebody removed it: what it held is lost, which the caller finds and names.
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(nothing),
                read => read.map_err(disk("reading", &segment.path))?,
            },
            Some(active) => {
                let index = active.starts.partition_point(|(position, _)| *position < from);
                let Some(&(_, start)) = active.starts.get(index) else { return Ok(nothing) };
                let length = usize::try_from(active.end - start).unwrap_or(usize::MAX);
                let mut bytes = vec![0; length];
                let read = active.file.read_exact_at(&mut bytes, start);
                read.map_err(disk("reading", &segment.path))?;
                bytes
            }
        };
        let (found, _) = record::scan(&bytes, segment.first, |kind| log_of(kind) == self.index);
        Ok(Records { bytes: bytes.into(), found })
    }

    /// Forgets a segment and its file, which becomes the spare if there is none.
    pub(super) fn remove(&mut self, at: usize, spare: &mut Spare) -> Result<(), SpoolError> {
        if self.active.is_some() && at + 1 == self.segments.len() {
            self.active = None;
        }
        let Some(segment) = self.segments.remove(at) else { return Ok(()) };
        let large = segment.file_bytes * 2 >= self.segment_bytes;
        let gone = if spare.bytes.is_none() && large {
            let renamed = fs::rename(&segment.path, &spare.path);
            spare.bytes = renamed.is_ok().then_some(segment.file_bytes);
            renamed
        } else {
            fs::remove_file(&segment.path)
        };
        match gone {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(disk("removing", &segment.path)(error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// What the log takes of the disk.
    pub(super) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.file_bytes).sum()
    }
}

impl Spare {
    /// The spare of the last run is given back.
    pub(super) fn open(path: PathBuf) -> Result<Self, SpoolError> {
        let bytes = path.exists().then_some(0);
        let mut spare = Self { path, bytes };
        spare.give_back()?;
        Ok(spare)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.unwrap_or(0)
    }

    /// Gives its room back; tells whether there was any.
    pub(super) fn give_back(&mut self) -> Result<bool, SpoolError> {
        let there = self.bytes.take().is_some();
        if there {
            fs::remove_file(&self.path).map_err(disk("removing", &self.path))?;
        }
        Ok(there)
    }
}

impl Segment {
    fn count(&mut self, head: &Head) {
        self.records += 1;
        let sequence = head.position.sequence;
        match self.runs.last_mut() {
            Some(run) if run.1 + 1 == sequence => run.1 = sequence,
            _ => self.runs.push((sequence, sequence)),
        }
        for id in &head.schemas {
            if !self.schemas.contains(id) {
                self.schemas.push(*id);
            }
        }
    }

    pub(super) fn is_held(&self, held: &Held) -> bool {
        let epoch = self.first.epoch;
        self.runs.iter().all(|&(first, last)| held.contains_all(epoch, first, last))
    }

    /// How many of its reports are not held.
    pub(super) fn missing(&self, held: &Held) -> u64 {
        let epoch = self.first.epoch;
        let missing =
            |&(first, last): &(u64, u64)| last - first + 1 - held.count(epoch, first, last);
        self.runs.iter().map(missing).sum()
    }
}

fn name(first: Position) -> String {
    format!("{:020}-{:020}.log", first.epoch, first.sequence)
}

fn parse_name(path: &Path) -> Option<Position> {
    let (epoch, sequence) = path.file_name()?.to_str()?.strip_suffix(".log")?.split_once('-')?;
    Some(Position { epoch: epoch.parse().ok()?, sequence: sequence.parse().ok()? })
}
