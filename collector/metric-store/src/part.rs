//! A part: one immutable file of samples, complete in itself (names, index, samples) and written whole or not at all.
//!
//! `header 16 | blocks | rows | names | footer (zstd) | trailer 28`. Blocks are times (shared by series that were sampled
//! together) and series (a directory of chunks, then their values); rows say where the block of a slot lies, in groups
//! in order of slot; names say which series a slot is, and are read only when the catalogue cannot tell. Blocks, groups
//! and batches of names each have a CRC: a bad block loses one series of the part, a bad group of rows some, a bad
//! footer the part, and never another part.

#[cfg(test)]
pub(crate) mod bad_sectors;
pub(crate) mod block;
mod disk;
mod footer;
mod places;
mod reader;
mod rows;
mod writer;

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

pub(crate) use disk::EIO;
pub(crate) use reader::{CACHED_TIMES_MAX, Part, ReadBudget, TimesCache};
pub(crate) use rows::Row;
pub use writer::TEMPORARY_EXTENSION;
pub(crate) use writer::{PartWriter, sync_directory};

/// Of the catalogue.
pub(crate) const FORMAT_VERSION: u32 = 2;
/// Those of before know no code for decimals.
const SAMPLES_VERSIONS: RangeInclusive<u32> = 2..=3;
const ROLLUP_VERSIONS: RangeInclusive<u32> = 1..=2;
const HEADER_BYTES: u64 = 16;
pub(crate) const EXTENSION: &str = "part";
/// Of a part that was set aside.
pub(crate) const DAMAGED_EXTENSION: &str = "damaged";

/// What the blocks of a file of this shape hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Samples,
    /// See `rollup`; the footer tells more of them.
    Rollups,
}

impl Kind {
    fn magic(self) -> [u8; 8] {
        match self {
            Self::Samples => *b"hdmetric",
            Self::Rollups => *b"hdrollup",
        }
    }

    /// The versions that are read; the last one is written.
    fn versions(self) -> RangeInclusive<u32> {
        match self {
            Self::Samples => SAMPLES_VERSIONS,
            Self::Rollups => ROLLUP_VERSIONS,
        }
    }
}

/// What a part is, besides its samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Meta {
    /// Cuts are numbered; a merged part covers a run of them. A later cut's value wins.
    pub(crate) first_sequence: u64,
    pub(crate) last_sequence: u64,
    /// How often its samples have been merged.
    pub(crate) level: u8,
    /// Holds the journal's records behind this position …
    pub(crate) from_position: u64,
    /// … up to and including this one.
    pub(crate) position: u64,
    /// Written without what the deletions up to this one hide; the name tells it.
    pub(crate) cleaned: u64,
    pub(crate) min_ms: i64,
    pub(crate) max_ms: i64,
    pub(crate) samples: u64,
}

/// What a part's name tells, for a file that tells nothing else any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PartName {
    pub(crate) first_sequence: u64,
    pub(crate) last_sequence: u64,
    pub(crate) from_position: u64,
    pub(crate) position: u64,
    pub(crate) cleaned: u64,
}

impl Meta {
    /// Of a part that holds nothing yet.
    pub(crate) fn empty(name: PartName, level: u8) -> Self {
        Self {
            first_sequence: name.first_sequence,
            last_sequence: name.last_sequence,
            level,
            from_position: name.from_position,
            position: name.position,
            cleaned: name.cleaned,
            min_ms: i64::MAX,
            max_ms: i64::MIN,
            samples: 0,
        }
    }

    pub(crate) fn name(&self) -> PartName {
        PartName {
            first_sequence: self.first_sequence,
            last_sequence: self.last_sequence,
            from_position: self.from_position,
            position: self.position,
            cleaned: self.cleaned,
        }
    }
}

impl PartName {
    pub(crate) fn path(self, directory: &Path) -> PathBuf {
        let Self { first_sequence, last_sequence, from_position, position, cleaned } = self;
        let cleaned = if cleaned == 0 { String::new() } else { format!("-cleaned-{cleaned}") };
        directory.join(format!(
            "{first_sequence:010}-{last_sequence:010}-journal-{from_position}-{position}{cleaned}.{EXTENSION}"
        ))
    }

    pub(crate) fn parse(path: &Path) -> Option<Self> {
        if path.extension()? != EXTENSION {
            return None;
        }
        let mut fields = path.file_stem()?.to_str()?.split('-');
        let mut number = || fields.next()?.parse().ok();
        let (first_sequence, last_sequence) = (number()?, number()?);
        let rest: Vec<&str> = fields.collect();
        let (from, to, cleaned) = match rest[..] {
            ["journal", from, to] => (from, to, "0"),
            ["journal", from, to, "cleaned", cleaned] => (from, to, cleaned),
            _ => return None,
        };
        let (from_position, position) = (from.parse().ok()?, to.parse().ok()?);
        let cleaned = cleaned.parse().ok()?;
        Some(Self { first_sequence, last_sequence, from_position, position, cleaned })
    }

    /// Whether a part of this name, which is not less clean, holds everything that `other` holds.
    pub(crate) fn covers(self, other: Self) -> bool {
        self.first_sequence <= other.first_sequence && other.last_sequence <= self.last_sequence
    }
}
