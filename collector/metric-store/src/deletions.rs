//! Deletions of series by hand: which samples no reader sees any more, until they are gone from the files as well.
//!
//! A deletion hides what was there when it was made, of its series within its range: everything is cut to disk before, so it is
//! bound to the newest part of that moment, and what arrives later, also for the same times, is seen. It is a file of its own,
//! written once: `magic 8 | version u32 | payload | crc32 of the payload u32`, the payload being
//! `number, last cut, journal position, from, to (varints), slots (roaring)`. Files say in their names (parts) or footers (roll-ups) up to which
//! deletion they were written without what it hides.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use agent_model::{ROLLUP_WINDOW_MS, Rollup};
use roaring::RoaringBitmap;

use crate::MetricStoreError;
use crate::chunk::{Decoded, varint};
use crate::part::{EIO, Part, TEMPORARY_EXTENSION, sync_directory};
use crate::rollup::RollupPart;
use crate::select::TimeRange;

const MAGIC: [u8; 8] = *b"hddelete";
const FORMAT_VERSION: u32 = 1;
const CRC_BYTES: usize = 4;
const EXTENSION: &str = "deletion";

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Deletion {
    /// Deletions are numbered in their order.
    pub(crate) number: u64,
    /// What later cuts bring is not hidden.
    pub(crate) last_sequence: u64,
    /// The journal's records up to here were there when it was made: should they come again, it is made again.
    pub(crate) position: u64,
    pub(crate) range: TimeRange,
    pub(crate) slots: RoaringBitmap,
}

/// All that files on disk still need, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deletions {
    pub(crate) all: Vec<Arc<Deletion>>,
    /// Of the newest one there ever was, as far as any file still knows.
    pub(crate) newest: u64,
}

/// What is hidden in one file.
#[derive(Debug, Default)]
pub(crate) struct Hidden<'a>(Vec<&'a Deletion>);

impl Deletion {
    fn path(&self, directory: &Path) -> PathBuf {
        directory.join(format!("{:010}.{EXTENSION}", self.number))
    }

    /// Whether this part holds something that it hides, to the precision of slots and of the part's range.
    pub(crate) fn touches(&self, part: &Part) -> bool {
        part.meta.last_sequence <= self.last_sequence
            && part.meta.cleaned < self.number
            && self.reaches(part)
    }

    /// As for a part.
    pub(crate) fn touches_rollups(&self, rollups: &RollupPart) -> bool {
        rollups.cleaned < self.number && self.reaches(&rollups.part)
    }

    fn reaches(&self, part: &Part) -> bool {
        part.overlaps(&self.range) && !part.series.is_disjoint(&self.slots)
    }

    /// Puts it on disk for good.
    pub(crate) fn write(&self, directory: &Path) -> Result<(), MetricStoreError> {
        let path = self.path(directory);
        let temporary = path.with_extension(TEMPORARY_EXTENSION);
        let bytes = self.encode()?;
        let written = File::create(&temporary)
            .and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_all()));
        written.map_err(MetricStoreError::io("write the deletion", &temporary))?;
        std::fs::rename(&temporary, &path)
            .map_err(MetricStoreError::io("name the deletion", &path))?;
        sync_directory(directory)
    }

    fn encode(&self) -> Result<Vec<u8>, MetricStoreError> {
        let mut payload = Vec::new();
        varint::put(&mut payload, self.number);
        varint::put(&mut payload, self.last_sequence);
        varint::put(&mut payload, self.position);
        varint::put_signed(&mut payload, *self.range.start());
        varint::put_signed(&mut payload, *self.range.end());
        let mut packed = self.slots.clone();
        packed.optimize();
        let slots = packed.serialize_into(&mut payload);
        slots.map_err(|error| MetricStoreError::Encode { reason: error.to_string() })?;
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes.extend_from_slice(&payload);
        bytes.extend_from_slice(&crc32fast::hash(&payload).to_le_bytes());
        Ok(bytes)
    }

    /// Whether a file of this name is one.
    pub(crate) fn is_one(path: &Path) -> bool {
        path.extension().is_some_and(|extension| extension == EXTENSION)
    }

    pub(crate) fn open(path: &Path) -> Result<Self, MetricStoreError> {
        let damaged = |reason| MetricStoreError::Damaged { path: path.to_path_buf(), reason };
        let bytes = match std::fs::read(path) {
            Err(error) if error.raw_os_error() == Some(EIO) => {
                return Err(damaged("the disk cannot read it"));
            }
            read => read.map_err(MetricStoreError::io("read the deletion", path))?,
        };
        let rest = bytes.strip_prefix(&MAGIC).ok_or(damaged("it does not begin as a deletion"))?;
        let (version, rest) = rest.split_first_chunk().ok_or(damaged("it is cut short"))?;
        let got = u32::from_le_bytes(*version);
        if got != FORMAT_VERSION {
            let (path, supported) = (path.to_path_buf(), FORMAT_VERSION);
            return Err(MetricStoreError::FormatVersion { path, got, supported });
        }
        let (payload, crc) =
            rest.split_last_chunk::<CRC_BYTES>().ok_or(damaged("it is cut short"))?;
        if crc32fast::hash(payload) != u32::from_le_bytes(*crc) {
            return Err(damaged("it fails its CRC"));
        }
        decode(payload).map_err(damaged)
    }
}

fn decode(mut payload: &[u8]) -> Decoded<Deletion> {
    let bytes = &mut payload;
    let (number, last_sequence) = (varint::take(bytes)?, varint::take(bytes)?);
    let position = varint::take(bytes)?;
    let range = varint::take_signed(bytes)?..=varint::take_signed(bytes)?;
    let slots = RoaringBitmap::deserialize_from(*bytes).map_err(|_| "its slots do not unpack")?;
    Ok(Deletion { number, last_sequence, position, range, slots })
}

impl Deletions {
    /// Those that can matter to a reader of these series and times: mostly none.
    pub(crate) fn about(&self, slots: &RoaringBitmap, range: &TimeRange) -> Self {
        // A roll-up may reach out of the range, to where it is deleted.
        let from_ms = range.start().saturating_sub(ROLLUP_WINDOW_MS);
        let to_ms = range.end().saturating_add(ROLLUP_WINDOW_MS);
        let about = |one: &&Arc<Deletion>| {
            *one.range.start() <= to_ms
                && from_ms <= *one.range.end()
                && !one.slots.is_disjoint(slots)
        };
        Self { all: self.all.iter().filter(about).cloned().collect(), newest: self.newest }
    }

    pub(crate) fn of_part(&self, part: &Part) -> Hidden<'_> {
        Hidden(self.all.iter().map(|one| &**one).filter(|one| one.touches(part)).collect())
    }

    pub(crate) fn of_rollups(&self, rollups: &RollupPart) -> Hidden<'_> {
        let all = self.all.iter().map(|one| &**one);
        Hidden(all.filter(|one| one.touches_rollups(rollups)).collect())
    }

    /// Deletes the files of these deletions, which no other file needs any more.
    pub(crate) fn remove(directory: &Path, gone: &[Arc<Deletion>]) -> Result<(), MetricStoreError> {
        for one in gone {
            let path = one.path(directory);
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                done => done.map_err(MetricStoreError::io("delete the deletion", &path))?,
            }
        }
        if gone.is_empty() { Ok(()) } else { sync_directory(directory) }
    }
}

impl Hidden<'_> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The ranges that are hidden of one series.
    pub(crate) fn of(&self, slot: u32) -> Vec<&TimeRange> {
        let of_slot = self.0.iter().filter(|one| one.slots.contains(slot));
        of_slot.map(|one| &one.range).collect()
    }

    /// Series of which nothing can be seen within these times.
    pub(crate) fn whole_series(&self, within: &TimeRange) -> RoaringBitmap {
        let covers = |one: &&&Deletion| {
            one.range.start() <= within.start() && within.end() <= one.range.end()
        };
        self.0.iter().filter(covers).fold(RoaringBitmap::new(), |slots, one| slots | &one.slots)
    }

    /// Takes hidden roll-ups away, from `from` on. Of five minutes that a range cuts nothing can be told any more, so they
    /// go as a whole.
    pub(crate) fn hide_rollups(&self, slot: u32, from: usize, rows: &mut Vec<Rollup>) {
        for range in self.of(slot) {
            let mut at = 0;
            rows.retain(|row| {
                at += 1;
                let end_ms = row.ended_ms.unwrap_or(row.last_ms);
                at <= from || end_ms < *range.start() || row.first_ms > *range.end()
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deletion_comes_back_and_a_damaged_one_does_not() {
        let directory = tempfile::tempdir().unwrap();
        let one = Deletion {
            number: 7,
            last_sequence: 40,
            position: 1 << 40,
            range: i64::MIN..=1_700_000_000_000,
            slots: (3..900).collect(),
        };
        one.write(directory.path()).unwrap();
        let path = one.path(directory.path());
        assert!(Deletion::is_one(&path));
        assert_eq!(Deletion::open(&path).unwrap(), one);
        let whole = std::fs::read(&path).unwrap();
        assert!(whole.len() < 100, "{}", whole.len());
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            std::fs::write(&path, &bytes).unwrap();
            let error = Deletion::open(&path).unwrap_err();
            let version = matches!(error, MetricStoreError::FormatVersion { .. });
            assert_eq!(version, (8..12).contains(&at), "byte {at}: {error}");
            std::fs::write(&path, &whole[..at]).unwrap();
            Deletion::open(&path).unwrap_err();
        }
    }
}
