//! Reading a segment from the disk. A sector that the disk cannot give back reads as zeros, so that the search behind
//! damage goes on behind it and names what it held.
//! Promises: nothing counts as lost while the disk gives nothing of the file and takes nothing new: a disk that is away may
//! come back, so that is an error, and the same call is tried again.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, PosixFadviseAdvice, posix_fadvise};

use crate::JournalError;

/// `EIO` of errno(3): a sector that cannot be read.
const EIO: i32 = 5;

/// What the kernel reads, and so loses, at once.
const SECTOR_BYTES: u64 = 4096;

/// Places of a file that are tried before it counts as away: bad sectors lie together.
const PLACES_TRIED: u64 = 8;

/// Written beside the segments when nothing of one can be read, and removed again.
const TRIAL_NAME: &str = "is-the-disk-there";

/// What was read of a file.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Read {
    pub(crate) bytes: usize,
    /// The end of the last bytes that the disk could not give back, as an offset in the file; 0 when there are none.
    pub(crate) unreadable_to: u64,
}

/// Fills `buffer` from `offset` on, up to the end of the file.
pub(crate) fn read_up_to(
    file: &File,
    path: &Path,
    buffer: &mut [u8],
    offset: u64,
) -> Result<Read, JournalError> {
    let mut read = Read::default();
    let mut unreadable: Option<(u64, io::Error)> = None;
    let mut asked_at = None;
    while read.bytes < buffer.len() {
        let at = offset + read.bytes as u64;
        match read_at(file, path, &mut buffer[read.bytes..], at) {
            Ok(0) => break,
            Ok(count) => read.bytes += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.raw_os_error() == Some(EIO) && asked_at == Some(at) => {
                let left = usize::try_from(SECTOR_BYTES - at % SECTOR_BYTES).unwrap_or(usize::MAX);
                let lost = left.min(buffer.len() - read.bytes);
                buffer[read.bytes..read.bytes + lost].fill(0);
                read.bytes += lost;
                read.unreadable_to = at + lost as u64;
                unreadable.get_or_insert((at, error));
            }
            // The disk may have been away for a moment and be back: only what fails again is lost.
            Err(error) if error.raw_os_error() == Some(EIO) && is_there(file, path) => {
                asked_at = Some(at);
            }
            Err(error) => return Err(JournalError::io("read the journal segment", path)(error)),
        }
    }
    if let Some((from, error)) = unreadable {
        let to = read.unreadable_to;
        tracing::error!(segment = %path.display(), from, to, %error,
            "the disk cannot give back all of the journal between these bytes");
    }
    Ok(read)
}

/// Whether the disk gives anything of the file, or else takes a new one and gives it back.
fn is_there(file: &File, path: &Path) -> bool {
    let sectors = file.metadata().map_or(0, |metadata| metadata.len()).div_ceil(SECTOR_BYTES);
    let last = sectors.saturating_sub(1);
    let places = (0..=PLACES_TRIED).map(|place| last * place / PLACES_TRIED * SECTOR_BYTES);
    let mut given = places.map(|at| gives(path, at));
    given.any(|given| given.unwrap_or(false)) || takes(path)
}

/// Whether the disk itself gives the sector: what the system keeps in memory does not count, so it is read past. Where the
/// file system cannot do that, what is in memory is put aside first; what is not, may pass for given by the disk.
fn gives(path: &Path, at: u64) -> io::Result<bool> {
    let sector = usize::try_from(SECTOR_BYTES).unwrap_or(usize::MAX);
    let mut memory = vec![0; 2 * sector];
    let from = memory.as_ptr().align_offset(sector).min(sector);
    let memory = &mut memory[from..from + sector];
    let past = OpenOptions::new().read(true).custom_flags(OFlag::O_DIRECT.bits()).open(path);
    let given = past.and_then(|file| read_at(&file, path, memory, at));
    let given = given.or_else(|error| {
        if error.kind() != io::ErrorKind::InvalidInput {
            return Err(error);
        }
        let file = File::open(path)?;
        posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?;
        read_at(&file, path, memory, at)
    });
    Ok(given? > 0)
}

fn takes(path: &Path) -> bool {
    let trial: PathBuf = path.with_file_name(TRIAL_NAME);
    let written = File::create(&trial).and_then(|mut file| {
        file.write_all(&[1; 1 << 12])?;
        file.sync_all()
    });
    let there = written.and_then(|()| gives(&trial, 0)).unwrap_or(false);
    if let Err(error) = std::fs::remove_file(&trial) {
        tracing::debug!(trial = %trial.display(), %error, "cannot remove the trial file");
    }
    there
}

#[cfg(not(test))]
fn read_at(file: &File, _: &Path, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    file.read_at(buffer, offset)
}

#[cfg(test)]
pub(crate) use bad_sectors::read_at;

/// Bytes of files that a test wants the disk to fail at: no file system makes that happen for real.
#[cfg(test)]
pub(crate) mod bad_sectors {
    use std::path::PathBuf;
    use std::sync::{Mutex, PoisonError};

    use super::*;

    static BAD: Mutex<Vec<(PathBuf, u64, u64)>> = Mutex::new(Vec::new());

    /// A file whose next read fails, and no other.
    static PASSING: Mutex<Option<PathBuf>> = Mutex::new(None);

    pub(crate) fn fail_once(path: &Path) {
        *PASSING.lock().unwrap_or_else(PoisonError::into_inner) = Some(path.to_path_buf());
    }

    /// The bytes that are bad from now on: from, and to, which is not among them.
    pub(crate) fn set(path: &Path, bytes: &[(u64, u64)]) {
        let mut bad = BAD.lock().unwrap_or_else(PoisonError::into_inner);
        bad.retain(|(of, ..)| of != path);
        bad.extend(bytes.iter().map(|(from, to)| (path.to_path_buf(), *from, *to)));
    }

    /// Nothing of the file can be read, nor of a new one beside it; or all of both.
    pub(crate) fn set_away(path: &Path, away: bool) {
        let all = [(0, u64::MAX)];
        let bytes = if away { &all[..] } else { &[] };
        set(path, bytes);
        set(&path.with_file_name(TRIAL_NAME), bytes);
    }

    /// As the kernel reads: up to the bad sector, or not at all when it is the first.
    pub(crate) fn read_at(
        file: &File,
        path: &Path,
        buffer: &mut [u8],
        offset: u64,
    ) -> io::Result<usize> {
        let mut passing = PASSING.lock().unwrap_or_else(PoisonError::into_inner);
        if passing.take_if(|of| of == path).is_some() {
            return Err(io::Error::from_raw_os_error(EIO));
        }
        drop(passing);
        let end = offset + buffer.len() as u64;
        let bad = BAD.lock().unwrap_or_else(PoisonError::into_inner);
        let of_file = bad.iter().filter(|(of, _, to)| of == path && *to > offset);
        let first = of_file.map(|(_, from, _)| *from).min().unwrap_or(u64::MAX);
        if first <= offset {
            return Err(io::Error::from_raw_os_error(EIO));
        }
        let good = usize::try_from(first.min(end) - offset).unwrap_or(usize::MAX);
        file.read_at(&mut buffer[..good], offset)
    }
}
