//! Free space of a file system.

use std::io;
use std::path::Path;

/// Bytes that an ordinary user may still write to the file system of `path` (statvfs(3): `f_bavail * f_frsize`).
pub(crate) fn free_bytes(path: &Path) -> io::Result<u64> {
    let statistics = nix::sys::statvfs::statvfs(path)?;
    Ok(statistics.blocks_available().saturating_mul(statistics.fragment_size()))
}

/// Whether an error means that the disk or the quota is full.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
