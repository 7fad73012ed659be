//! Where each source stands: the newest bookmark of every source, whichever record brought it.
//!
//! A record holds evidence and the bookmark behind it, so a torn tail takes back both. The table of all of them is
//! written down before a record that brought one is deleted, and when a bookmark moves without evidence.
//! The file: version (u8), count (u8), then for each epoch (u64), sequence (u64) and the mark as in a record, and the
//! CRC-32 of all that (u32); little-endian.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use super::record::Position;
use super::{SpoolError, disk};
use crate::files;
use crate::source;

/// Sources that are remembered: three times what one agent can have. Beyond it the one that was silent longest goes.
pub(super) const SOURCES_MAX: usize = 64;

/// One bookmark: a hundred changed files with long names fit. It is written with every batch of its source.
pub(super) const MARK_BYTES_MAX: usize = 256 << 10;

const VERSION: u8 = 1;

/// A source and what it wrote.
pub(super) type Mark = (Arc<str>, Vec<u8>);

#[derive(Debug)]
pub(super) struct Bookmarks {
    path: PathBuf,
    marks: BTreeMap<Arc<str>, Placed>,
    dirty: bool,
    damaged: bool,
    file_bytes: u64,
}

#[derive(Debug)]
struct Placed {
    /// The record that brought it, or the last one before it moved alone.
    position: Position,
    content: Vec<u8>,
}

impl Bookmarks {
    pub(super) fn open(path: PathBuf) -> Result<Self, SpoolError> {
        let bytes = match fs::read(&path) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(disk("reading", &path)(error)),
        };
        let marks = bytes.as_deref().map(parse);
        let damaged = matches!(marks, Some(None));
        if damaged {
            let path = path.display();
            tracing::error!(%path, "the bookmarks are damaged: sources may repeat what they read");
        }
        let marks = marks.flatten().unwrap_or_default();
        let file_bytes = bytes.map_or(0, |bytes| bytes.len() as u64);
        Ok(Self { path, marks, dirty: false, damaged, file_bytes })
    }

    /// A bookmark as it was found in a record; an older one than is known changes nothing.
    pub(super) fn replay(&mut self, position: Position, (source, content): Mark) {
        if self.marks.get(&source).is_none_or(|known| known.position < position) {
            self.put(position, (source, content));
        }
    }

    pub(super) fn put(&mut self, position: Position, (source, content): Mark) {
        self.dirty = true;
        if self.marks.len() >= SOURCES_MAX && !self.marks.contains_key(&source) {
            let oldest = self.marks.iter().min_by_key(|(_, placed)| placed.position);
            if let Some(oldest) = oldest.map(|(source, _)| Arc::clone(source)) {
                tracing::warn!(source = %oldest, "too many sources: this one's place is forgotten");
                self.marks.remove(&oldest);
            }
        }
        self.marks.insert(source, Placed { position, content });
    }

    /// What every source is given at its start.
    pub(super) fn all(&self) -> source::Bookmarks {
        let marks = self.marks.iter();
        let found = marks.map(|(source, placed)| (Arc::clone(source), placed.content.clone()));
        source::Bookmarks::new(found.collect(), self.damaged)
    }

    pub(super) fn last_epoch(&self) -> u64 {
        self.marks.values().map(|placed| placed.position.epoch).max().unwrap_or(0)
    }

    pub(super) fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// Writes the table down. The records that brought its bookmarks must be durable before.
    pub(super) fn save(&mut self) -> Result<(), SpoolError> {
        if !self.dirty {
            return Ok(());
        }
        let mut bytes = vec![VERSION, u8::try_from(self.marks.len()).unwrap_or(u8::MAX)];
        for (source, Placed { position, content }) in &self.marks {
            bytes.extend_from_slice(&position.epoch.to_le_bytes());
            bytes.extend_from_slice(&position.sequence.to_le_bytes());
            put_mark(source, content, &mut bytes);
        }
        let checksum = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        files::replace(&self.path, &bytes, 0o600).map_err(disk("writing", &self.path))?;
        self.file_bytes = bytes.len() as u64;
        self.dirty = false;
        Ok(())
    }

    pub(super) fn bytes(&self) -> u64 {
        self.file_bytes
    }
}

fn parse(bytes: &[u8]) -> Option<BTreeMap<Arc<str>, Placed>> {
    let (content, checksum) = bytes.split_last_chunk::<4>()?;
    if u32::from_le_bytes(*checksum) != crc32fast::hash(content) {
        return None;
    }
    let (&[version, count], mut rest) = content.split_first_chunk::<2>()?;
    if version != VERSION {
        return None;
    }
    let mut marks = BTreeMap::new();
    for _ in 0..count {
        let (epoch, after) = rest.split_first_chunk::<8>()?;
        let (sequence, after) = after.split_first_chunk::<8>()?;
        let ((source, content), after) = take_mark(after)?;
        let (epoch, sequence) = (u64::from_le_bytes(*epoch), u64::from_le_bytes(*sequence));
        marks.insert(source, Placed { position: Position { epoch, sequence }, content });
        rest = after;
    }
    rest.is_empty().then_some(marks)
}

/// The bookmarks of a record: count (u8), and each as length (u16) and name of its source, length (u32) and content.
pub(super) fn encode(marks: &[Mark], out: &mut Vec<u8>) {
    out.push(u8::try_from(marks.len()).unwrap_or(u8::MAX));
    marks.iter().for_each(|(source, content)| put_mark(source, content, out));
}

pub(super) fn decode(bytes: &[u8]) -> Option<Vec<Mark>> {
    if bytes.is_empty() {
        return Some(Vec::new());
    }
    take_all(bytes).map(|(marks, _)| marks)
}

/// How many of the bytes are bookmarks.
pub(super) fn length(bytes: &[u8]) -> Option<usize> {
    let (_, rest) = take_all(bytes)?;
    Some(bytes.len() - rest.len())
}

fn take_all(bytes: &[u8]) -> Option<(Vec<Mark>, &[u8])> {
    let (&count, mut rest) = bytes.split_first()?;
    let mut marks = Vec::new();
    for _ in 0..count {
        let (mark, after) = take_mark(rest)?;
        marks.push(mark);
        rest = after;
    }
    Some((marks, rest))
}

/// Names and contents are bounded far below what their lengths can tell; see [`fits`].
fn put_mark(source: &str, content: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&u16::try_from(source.len()).unwrap_or(u16::MAX).to_le_bytes());
    out.extend_from_slice(source.as_bytes());
    out.extend_from_slice(&u32::try_from(content.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(content);
}

fn take_mark(bytes: &[u8]) -> Option<(Mark, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    let (source, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let (content, rest) = rest.split_at_checked(length)?;
    Some(((std::str::from_utf8(source).ok()?.into(), content.to_vec()), rest))
}

/// Whether a bookmark is within its bound.
pub(super) fn fits((source, content): &Mark) -> bool {
    source.len() <= usize::from(u16::MAX) && content.len() <= MARK_BYTES_MAX
}
