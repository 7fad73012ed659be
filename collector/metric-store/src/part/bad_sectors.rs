//! Bytes of files that a test wants the disk to fail at: no file system makes that happen for real.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::disk::EIO;

static BAD: Mutex<Vec<(PathBuf, Range<u64>)>> = Mutex::new(Vec::new());

pub(crate) fn make(path: &Path, bytes: Range<u64>) {
    BAD.lock().unwrap_or_else(PoisonError::into_inner).push((path.to_path_buf(), bytes));
}

pub(super) fn check(path: &Path, offset: u64, length: usize) -> io::Result<()> {
    let end = offset + length as u64;
    let bad = BAD.lock().unwrap_or_else(PoisonError::into_inner);
    let hit = bad.iter().any(|(of, bytes)| of == path && bytes.start < end && offset < bytes.end);
    if hit { Err(io::Error::from_raw_os_error(EIO)) } else { Ok(()) }
}
