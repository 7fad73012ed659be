//! The catalogue: one file that says which series each slot is, so that a start reads every series once, not once per
//! part. Batches of names (`names`) behind a header of 16 bytes; a later batch's word about a slot counts.
//!
//! It is on disk before any part that uses its slots. It holds nothing that the parts do not hold as well: damaged or
//! gone, it is made anew from them.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::RwLock;

use roaring::RoaringBitmap;

use crate::MetricStoreError;
use crate::index::Index;
use crate::names::{self, Renaming};
use crate::part::{EIO, FORMAT_VERSION, TEMPORARY_EXTENSION, sync_directory};
use crate::store::read;

const MAGIC: [u8; 8] = *b"hdseries";
const HEADER_BYTES: usize = 16;
/// Its name in the store's directory; a store without it makes it anew.
pub const FILE_NAME: &str = "series.catalogue";

/// Names of forgotten series beyond as many as are known, and beyond this many: the file is written anew.
const STALE_SERIES_MIN: u64 = 10_000;

#[derive(Debug)]
pub(crate) struct Catalogue {
    directory: PathBuf,
    path: PathBuf,
    /// Absent until there is something to write.
    file: Option<File>,
    bytes: u64,
    /// Names in the file, forgotten ones too.
    series: u64,
}

impl Catalogue {
    /// Restores every series that the file names. `None` when there is no file, or none that can be trusted.
    pub(crate) fn load(
        directory: &Path,
        index: &mut Index,
    ) -> Result<Option<Self>, MetricStoreError> {
        let path = directory.join(FILE_NAME);
        let bytes = match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.raw_os_error() == Some(EIO) => {
                tracing::error!(catalogue = %path.display(), %error,
                    "the disk cannot read the catalogue of series; it is made anew from the parts");
                return Ok(None);
            }
            read => read.map_err(MetricStoreError::io("read the catalogue of series", &path))?,
        };
        let Some((header, batches)) = bytes.split_at_checked(HEADER_BYTES) else { return Ok(None) };
        if header[..8] != MAGIC {
            return Ok(None);
        }
        let got = u32::from_le_bytes([header[8], header[9], header[10], header[11]]);
        if got != FORMAT_VERSION {
            return Err(MetricStoreError::FormatVersion { path, got, supported: FORMAT_VERSION });
        }
        let series = match names::decode_into(index, batches, Renaming::Allowed) {
            Ok(series) => series,
            Err(reason) => {
                tracing::warn!(catalogue = %path.display(), reason,
                    "the catalogue of series ends in something else, as after a power cut; it is made anew from the parts");
                return Ok(None);
            }
        };
        let opened = OpenOptions::new().write(true).open(&path);
        let file = opened.map_err(MetricStoreError::io("open the catalogue of series", &path))?;
        let directory = directory.to_path_buf();
        Ok(Some(Self { directory, path, file: Some(file), bytes: bytes.len() as u64, series }))
    }

    /// One that names nothing yet.
    pub(crate) fn empty(directory: &Path) -> Self {
        let path = directory.join(FILE_NAME);
        Self { directory: directory.to_path_buf(), path, file: None, bytes: 0, series: 0 }
    }

    /// Adds the series of these slots; on disk when this returns.
    pub(crate) fn add(
        &mut self,
        index: &RwLock<Index>,
        slots: &RoaringBitmap,
    ) -> Result<(), MetricStoreError> {
        if slots.is_empty() {
            return Ok(());
        }
        let Some(file) = &self.file else { return self.rewrite(index, slots) };
        let mut end = self.bytes;
        names::encode_all(index, slots, |batch| {
            // What an earlier failure left behind the end is written over.
            file.write_all_at(batch, end)
                .map_err(MetricStoreError::io("write the catalogue of series", &self.path))?;
            end += batch.len() as u64;
            Ok(())
        })?;
        let cut = file.set_len(end).and_then(|()| file.sync_data());
        cut.map_err(MetricStoreError::io("sync the catalogue of series", &self.path))?;
        self.bytes = end;
        self.series += slots.len();
        Ok(())
    }

    /// Writes the file anew when most of what it names is forgotten.
    pub(crate) fn tidy(&mut self, index: &RwLock<Index>) -> Result<(), MetricStoreError> {
        let known = read(index).all().clone();
        if self.series < known.len().saturating_mul(2) + STALE_SERIES_MIN {
            return Ok(());
        }
        self.rewrite(index, &known)
    }

    /// Replaces the file by one that names just these slots.
    pub(crate) fn rewrite(
        &mut self,
        index: &RwLock<Index>,
        slots: &RoaringBitmap,
    ) -> Result<(), MetricStoreError> {
        let temporary = self.path.with_extension(TEMPORARY_EXTENSION);
        let failed = |operation| MetricStoreError::io(operation, &temporary);
        let file = File::create(&temporary).map_err(failed("create the catalogue of series"))?;
        let mut header = MAGIC.to_vec();
        header.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        header.resize(HEADER_BYTES, 0);
        let mut end = 0;
        let mut put = |bytes: &[u8]| {
            file.write_all_at(bytes, end).map_err(failed("write the catalogue of series"))?;
            end += bytes.len() as u64;
            Ok(())
        };
        put(&header)?;
        names::encode_all(index, slots, put)?;
        file.sync_all().map_err(failed("sync the catalogue of series"))?;
        std::fs::rename(&temporary, &self.path)
            .map_err(MetricStoreError::io("name the catalogue of series", &self.path))?;
        sync_directory(&self.directory)?;
        (self.file, self.bytes, self.series) = (Some(file), end, slots.len());
        Ok(())
    }
}
