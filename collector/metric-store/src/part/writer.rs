//! Writes a part: to a temporary name, synced, then renamed, then the directory synced.
//! A part that is not finished leaves nothing behind.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::RwLock;

use agent_model::Sample;
use roaring::RoaringBitmap;

use super::block::{self, NewChunk, Place};
use super::footer::{self, Footer};
use super::rows::{self, GROUP_ROWS, Group, Row};
use super::{HEADER_BYTES, Kind, Meta, Part};
use crate::MetricStoreError;
use crate::chunk::{CHUNK_SAMPLES_MAX, timestamps, values};
use crate::index::Index;
use crate::names;

/// What is unfinished at a start is thrown away.
pub const TEMPORARY_EXTENSION: &str = "tmp";

#[derive(Debug)]
pub(crate) struct PartWriter {
    directory: PathBuf,
    path: PathBuf,
    temporary: PathBuf,
    kind: Kind,
    out: BufWriter<File>,
    offset: u64,
    meta: Meta,
    /// In the order of the blocks.
    rows: Vec<Row>,
    times: TimesWritten,
    finished: bool,
}

/// Times that are in the file already, by a hash of 128 bits under keys that nobody outside knows.
#[derive(Debug, Default)]
struct TimesWritten {
    keys: (RandomState, RandomState),
    places: HashMap<(u64, u64), Place>,
}

impl PartWriter {
    /// A part of samples, under the name that its `meta` gives it.
    pub(crate) fn create(directory: &Path, meta: Meta) -> Result<Self, MetricStoreError> {
        Self::begin(directory, meta.name().path(directory), Kind::Samples, meta)
    }

    pub(crate) fn begin(
        directory: &Path,
        path: PathBuf,
        kind: Kind,
        meta: Meta,
    ) -> Result<Self, MetricStoreError> {
        let temporary = path.with_extension(TEMPORARY_EXTENSION);
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(true).open(&temporary);
        let file = file.map_err(MetricStoreError::io("create the metric part", &temporary))?;
        let mut writer = Self {
            directory: directory.to_path_buf(),
            path,
            temporary,
            kind,
            out: BufWriter::with_capacity(1 << 20, file),
            offset: 0,
            meta,
            rows: Vec::new(),
            times: TimesWritten::default(),
            finished: false,
        };
        let mut header = kind.magic().to_vec();
        header.extend_from_slice(&kind.versions().end().to_le_bytes());
        header.resize(usize::try_from(HEADER_BYTES).unwrap_or_default(), 0);
        writer.put(&header)?;
        Ok(writer)
    }

    /// Adds a series; `samples` in order of time, no time twice. Series that are read together come together.
    pub(crate) fn add(&mut self, slot: u32, samples: &[Sample]) -> Result<(), MetricStoreError> {
        if samples.is_empty() {
            return Ok(());
        }
        let mut chunks = Vec::new();
        // Chunks of equal length: a short rest would be coded badly.
        let count = samples.len().div_ceil(CHUNK_SAMPLES_MAX);
        for chunk in samples.chunks(samples.len().div_ceil(count)) {
            chunks.push(self.chunk(chunk)?);
        }
        self.add_chunks(slot, &chunks)
    }

    /// Adds a series whose times are in the file already.
    pub(crate) fn add_chunks(
        &mut self,
        slot: u32,
        chunks: &[NewChunk],
    ) -> Result<(), MetricStoreError> {
        let meta = &mut self.meta;
        for chunk in chunks {
            meta.min_ms = meta.min_ms.min(chunk.first_ms);
            meta.max_ms = meta.max_ms.max(chunk.last_ms);
            meta.samples += chunk.samples as u64;
        }
        let place = self.put(&block::seal(&block::encode(chunks)))?;
        self.rows.push(Row { slot, place });
        Ok(())
    }

    fn chunk(&mut self, samples: &[Sample]) -> Result<NewChunk, MetricStoreError> {
        let times: Vec<i64> = samples.iter().map(|sample| sample.timestamp_ms).collect();
        let values: Vec<f64> = samples.iter().map(|sample| sample.value).collect();
        Ok(NewChunk {
            samples: samples.len(),
            first_ms: times.first().copied().unwrap_or_default(),
            last_ms: times.last().copied().unwrap_or_default(),
            times: self.times(&times)?,
            values: values::encode(&values)?,
        })
    }

    /// Where these times lie; the same times are written once.
    pub(crate) fn times(&mut self, times: &[i64]) -> Result<Place, MetricStoreError> {
        let key = (self.times.keys.0.hash_one(times), self.times.keys.1.hash_one(times));
        if let Some(place) = self.times.places.get(&key) {
            return Ok(*place);
        }
        let place = self.put(&block::seal(&timestamps::encode(times)?))?;
        self.times.places.insert(key, place);
        Ok(place)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<Place, MetricStoreError> {
        let written = self.out.write_all(bytes);
        written.map_err(MetricStoreError::io("write the metric part", &self.temporary))?;
        let bytes = u32::try_from(bytes.len())
            .map_err(|error| MetricStoreError::Encode { reason: error.to_string() })?;
        let place = Place { offset: self.offset, bytes };
        self.offset += u64::from(bytes);
        Ok(place)
    }

    /// The part, on disk under its name when this returns. The index has the names of its series.
    pub(crate) fn finish(self, index: &RwLock<Index>) -> Result<Part, MetricStoreError> {
        self.finish_with(index, Vec::new())
    }

    /// With what else the footer of roll-ups is to say.
    pub(crate) fn finish_with(
        mut self,
        index: &RwLock<Index>,
        extra: Vec<u8>,
    ) -> Result<Part, MetricStoreError> {
        let footer = Footer { extra, ..self.footer(index)? };
        let offset = self.offset;
        self.put(&footer::encode(&footer, self.kind, offset)?)?;
        let path = std::mem::take(&mut self.path);
        let synced = self.out.flush().and_then(|()| self.out.get_ref().sync_all());
        synced.map_err(MetricStoreError::io("sync the metric part", &self.temporary))?;
        std::fs::rename(&self.temporary, &path)
            .map_err(MetricStoreError::io("name the metric part", &path))?;
        self.finished = true;
        sync_directory(&self.directory)?;
        let file = self.out.get_ref().try_clone();
        let file = file.map_err(MetricStoreError::io("open the metric part", &path))?;
        Ok(Part::new(path, file, self.offset, footer))
    }

    /// Writes rows and names, and tells where.
    fn footer(&mut self, index: &RwLock<Index>) -> Result<Footer, MetricStoreError> {
        let mut rows = std::mem::take(&mut self.rows);
        rows.sort_unstable_by_key(|row| row.slot);
        let mut series: RoaringBitmap = rows.iter().map(|row| row.slot).collect();
        series.optimize();
        let rows_offset = self.offset;
        let mut groups = Vec::with_capacity(rows.len().div_ceil(GROUP_ROWS));
        for group in rows.chunks(GROUP_ROWS) {
            self.put(&rows::encode(group))?;
            let end = u32::try_from(self.offset - rows_offset)
                .map_err(|error| MetricStoreError::Encode { reason: error.to_string() })?;
            groups.push(Group { first_slot: group[0].slot, end });
        }
        let names_offset = self.offset;
        names::encode_all(index, &series, |batch| self.put(batch).map(drop))?;
        let names_bytes = self.offset - names_offset;
        let meta = self.meta;
        let extra = Vec::new();
        Ok(Footer { meta, series, rows_offset, groups, names_offset, names_bytes, extra })
    }
}

impl Drop for PartWriter {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        // The next start would remove it as well; its bytes are worth freeing on a full disk.
        if let Err(error) = std::fs::remove_file(&self.temporary) {
            tracing::warn!(%error, part = %self.temporary.display(), "an unfinished metric part stays");
        }
    }
}

pub(crate) fn sync_directory(directory: &Path) -> Result<(), MetricStoreError> {
    let synced = File::open(directory).and_then(|opened| opened.sync_all());
    synced.map_err(MetricStoreError::io("sync the metric store's directory", directory))
}
