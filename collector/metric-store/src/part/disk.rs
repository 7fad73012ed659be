//! Reading a file of the store from the disk: what the disk cannot give back is damage, as bytes that changed are.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

#[cfg(test)]
use super::bad_sectors;
use crate::MetricStoreError;

/// `EIO` of errno(3): a sector that cannot be read.
pub(crate) const EIO: i32 = 5;

/// Reads all of `buffer`.
pub(super) fn read_at(
    file: &File,
    path: &Path,
    buffer: &mut [u8],
    offset: u64,
) -> Result<(), MetricStoreError> {
    let read = file.read_exact_at(buffer, offset);
    #[cfg(test)]
    let read = read.and_then(|()| bad_sectors::check(path, offset, buffer.len()));
    let lost = |error: &io::Error| {
        error.raw_os_error() == Some(EIO) || error.kind() == io::ErrorKind::UnexpectedEof
    };
    match read {
        Err(error) if lost(&error) => {
            let reason = "the disk cannot read it";
            tracing::error!(part = %path.display(), offset, bytes = buffer.len(), %error, "{reason}");
            Err(MetricStoreError::Damaged { path: path.to_path_buf(), reason })
        }
        read => read.map_err(MetricStoreError::io("read the metric part", path)),
    }
}
