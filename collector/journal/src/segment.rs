//! Segment files: their names, their header, and making a new one so that it survives a crash.
//!
//! Header, integers little-endian: `magic 8 | format version u32 | first position u64 | salt u64 | crc32 u32`. The salt is
//! random: bytes inside a payload cannot pass for a record when a reader searches behind damage.

use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::{JournalError, Position, disk};

const MAGIC: [u8; 8] = *b"hdjournl";
pub(crate) const FORMAT_VERSION: u32 = 1;
pub(crate) const HEADER_BYTES: u64 = 32;
const EXTENSION: &str = "journal";

/// The header of a segment, as read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) first: Position,
    pub(crate) salt: u64,
}

impl SegmentHeader {
    fn encode(self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes.extend_from_slice(&self.first.0.to_le_bytes());
        bytes.extend_from_slice(&self.salt.to_le_bytes());
        let crc = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// `Ok(None)` when the header is torn or damaged; an error when a newer program wrote it.
    pub(crate) fn read(file: &File, path: &Path) -> Result<Option<Self>, JournalError> {
        let mut bytes = [0; 32];
        if disk::read_up_to(file, path, &mut bytes, 0)?.bytes < bytes.len() {
            return Ok(None);
        }
        let eight = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| bytes[at + byte]));
        let four = |at: usize| u32::from_le_bytes(std::array::from_fn(|byte| bytes[at + byte]));
        if bytes[..8] != MAGIC || crc32fast::hash(&bytes[..28]) != four(28) {
            return Ok(None);
        }
        let got = four(8);
        if got != FORMAT_VERSION {
            let path = path.to_path_buf();
            return Err(JournalError::FormatVersion { path, got, supported: FORMAT_VERSION });
        }
        Ok(Some(Self { first: Position(eight(12)), salt: eight(20) }))
    }
}

pub(crate) fn path_of(directory: &Path, first: Position) -> PathBuf {
    // 20 digits hold every u64, so that the order of names is the order of positions.
    directory.join(format!("{first:020}.{EXTENSION}", first = first.0))
}

/// The first position that a segment's name tells; `None` for any other file.
pub(crate) fn first_of(path: &Path) -> Option<Position> {
    let ours = path.extension().is_some_and(|extension| extension == EXTENSION);
    let stem = path.file_stem()?.to_str()?;
    (ours && stem.len() == 20).then(|| stem.parse().ok().map(Position)).flatten()
}

/// Makes the segment that begins with `first`, on disk with its directory entry when this returns.
///
/// A file of that name can only hold records that were never acknowledged, so it is replaced: by a new inode, because
/// the pages of one whose sync failed are not to be trusted.
pub(crate) fn create(directory: &Path, first: Position) -> Result<(File, u64), JournalError> {
    let path = path_of(directory, first);
    remove_if_there(&path)?;
    let salt = RandomState::new().build_hasher().finish();
    let made = OpenOptions::new().read(true).write(true).create_new(true).open(&path);
    let made = made.and_then(|mut file| {
        file.write_all(&SegmentHeader { first, salt }.encode())?;
        sync(&file)?;
        Ok(file)
    });
    match made.map_err(JournalError::io("create the journal segment", &path)) {
        Ok(file) => {
            sync_directory(directory)?;
            Ok((file, salt))
        }
        Err(error) => {
            // The next attempt replaces the file anyway; its bytes are worth freeing on a full disk.
            if let Err(error) = remove_if_there(&path) {
                tracing::warn!(%error, "a half-made journal segment stays until the next attempt");
            }
            Err(error)
        }
    }
}

fn remove_if_there(path: &Path) -> Result<(), JournalError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(JournalError::io("remove the journal segment", path)(error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Data and the length of the file, on disk.
///
/// The question afterwards is part of it: an XFS that gives up while a sync waits (its log cannot be written, the power of
/// the disk went) lets go of the file, and the sync returns as if all were written. Seen in the story of the power cut,
/// on Linux 6.18. Such a file system answers every question from then on with an error.
pub(crate) fn sync(file: &File) -> io::Result<()> {
    file.sync_data()?;
    file.metadata().map(drop)
}

pub(crate) fn sync_directory(directory: &Path) -> Result<(), JournalError> {
    let synced = File::open(directory).and_then(|opened| opened.sync_all());
    synced.map_err(JournalError::io("sync the journal directory", directory))
}
