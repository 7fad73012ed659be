//! Reading a segment from the disk. A sector that the disk cannot give back reads as zeros, so that the search behind
//! damage goes on behind it and names what it held.
//! Promises: nothing counts as lost while the whole file cannot be read: a disk that is away may come back, so that is an
//! error, and the same call is tried again.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

use crate::JournalError;

/// `EIO` of errno(3): a sector that cannot be read.
const EIO: i32 = 5;

/// What the kernel reads, and so loses, at once.
const SECTOR_BYTES: u64 = 4096;

/// Fills `buffer` from `offset` on, up to the end of the file; how many bytes there are.
pub(crate) fn read_up_to(
    file: &File,
    path: &Path,
    buffer: &mut [u8],
    offset: u64,
) -> Result<usize, JournalError> {
    let mut read = 0;
    while read < buffer.len() {
        let at = offset + read as u64;
        match read_at(file, path, &mut buffer[read..], at) {
            Ok(0) => break,
            Ok(count) => read += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.raw_os_error() == Some(EIO) && is_there(file, path) => {
                let left = usize::try_from(SECTOR_BYTES - at % SECTOR_BYTES).unwrap_or(usize::MAX);
                let lost = left.min(buffer.len() - read);
                tracing::error!(segment = %path.display(), offset = at, bytes = lost, %error,
                    "the disk cannot read a part of the journal");
                buffer[read..read + lost].fill(0);
                read += lost;
            }
            Err(error) => return Err(JournalError::io("read the journal segment", path)(error)),
        }
    }
    Ok(read)
}

/// Whether the disk gives anything of the file: its first sector or its last. What is in memory does not count, so it is
/// put aside first; where the system does not do that, a disk that is away may pass for one with bad sectors.
fn is_there(file: &File, path: &Path) -> bool {
    let advised = posix_fadvise(file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED);
    if let Err(error) = advised {
        tracing::debug!(segment = %path.display(), %error, "cannot put the file's pages aside");
    }
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    let last = length.saturating_sub(1) / SECTOR_BYTES * SECTOR_BYTES;
    let gives = |at| matches!(read_at(file, path, &mut [0; 1], at), Ok(count) if count > 0);
    gives(0) || gives(last)
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

    /// The bytes that are bad from now on: from, and to, which is not among them.
    pub(crate) fn set(path: &Path, bytes: &[(u64, u64)]) {
        let mut bad = BAD.lock().unwrap_or_else(PoisonError::into_inner);
        bad.retain(|(of, ..)| of != path);
        bad.extend(bytes.iter().map(|(from, to)| (path.to_path_buf(), *from, *to)));
    }

    /// As the kernel reads: up to the bad sector, or not at all when it is the first.
    pub(crate) fn read_at(
        file: &File,
        path: &Path,
        buffer: &mut [u8],
        offset: u64,
    ) -> io::Result<usize> {
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
