//! Reads a part: its footer once, then rows and blocks as queries need them. Holds no samples and no names in memory.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use agent_model::Sample;
use roaring::RoaringBitmap;

use super::block::{self, Place};
use super::disk::read_at;
use super::footer::{Footer, TRAILER_BYTES, Trailer};
use super::rows::{Group, Row};
use super::{DAMAGED_EXTENSION, HEADER_BYTES, Kind, Meta, PartName};
use crate::MetricStoreError;
use crate::chunk::{Decoded, timestamps, values};
use crate::deletions::Hidden;
use crate::index::Index;
use crate::names::{self, Renaming};
use crate::select::TimeRange;

/// Series blocks this near to each other are read in one go: a seek costs more than the bytes between.
const READ_GAP_BYTES: u64 = 16 << 10;
/// One read at most, whatever lies together.
pub(super) const READ_BYTES_MAX: u64 = 1 << 20;

/// Times kept while parts are read, 8 bytes each; beyond it they are read again.
pub(crate) const CACHED_TIMES_MAX: usize = 1 << 20;

#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) path: PathBuf,
    file: File,
    pub(crate) meta: Meta,
    pub(crate) bytes: u64,
    pub(crate) series: RoaringBitmap,
    pub(super) rows_offset: u64,
    /// In order of slot.
    pub(super) groups: Box<[Group]>,
    names_offset: u64,
    names_bytes: u64,
    /// Blocks that could not be read so far; such a part is served as far as it goes, and never merged.
    damaged_blocks: AtomicU64,
    /// A repair put it in the place of a damaged one that lies beside.
    repaired: bool,
}

/// Takes the number of a block, and the block.
type BlockSink<'a> = dyn FnMut(u32, &[u8]) -> Result<(), MetricStoreError> + 'a;

/// How many samples a query may still read, on all of its threads.
#[derive(Debug)]
pub(crate) struct ReadBudget {
    left: AtomicU64,
    max: u64,
}

/// Times of one part that were read already: series sampled together share them. And room for what is decoded once.
#[derive(Debug)]
pub(crate) struct TimesCache {
    known: HashMap<u64, Rc<Vec<i64>>>,
    times: usize,
    max: usize,
    /// For the values of a chunk.
    values: Vec<f64>,
}

impl Default for TimesCache {
    fn default() -> Self {
        Self::new(CACHED_TIMES_MAX)
    }
}

impl TimesCache {
    pub(crate) fn new(max: usize) -> Self {
        Self { known: HashMap::new(), times: 0, max, values: Vec::new() }
    }

    fn insert(&mut self, offset: u64, times: &Rc<Vec<i64>>) {
        if self.times > self.max {
            *self = Self::new(self.max);
        }
        self.times += times.len();
        self.known.insert(offset, Rc::clone(times));
    }
}

impl ReadBudget {
    pub(crate) fn new(max: u64) -> Self {
        Self { left: AtomicU64::new(max), max }
    }

    pub(crate) fn spend(&self, samples: usize) -> Result<(), MetricStoreError> {
        let less = |left: u64| left.checked_sub(samples as u64);
        let spent = self.left.fetch_update(Relaxed, Relaxed, less);
        spent.map(drop).map_err(|_| MetricStoreError::TooManySamples { max: self.max })
    }
}

impl Part {
    pub(crate) fn new(path: PathBuf, file: File, bytes: u64, footer: Footer) -> Self {
        Self {
            repaired: path.with_extension(DAMAGED_EXTENSION).exists(),
            path,
            file,
            meta: footer.meta,
            bytes,
            series: footer.series,
            rows_offset: footer.rows_offset,
            groups: footer.groups.into(),
            names_offset: footer.names_offset,
            names_bytes: footer.names_bytes,
            damaged_blocks: AtomicU64::new(0),
        }
    }

    pub(crate) fn open(path: &Path) -> Result<Self, MetricStoreError> {
        Self::open_kind(path, Kind::Samples).map(|(part, _)| part)
    }

    /// With what else the footer says.
    pub(crate) fn open_kind(path: &Path, kind: Kind) -> Result<(Self, Vec<u8>), MetricStoreError> {
        let read = MetricStoreError::io("read the metric part", path);
        let file = File::open(path).map_err(MetricStoreError::io("open the metric part", path))?;
        let bytes = file.metadata().map_err(read)?.len();
        let mut footer = read_footer(&file, path, kind, bytes)?;
        let extra = std::mem::take(&mut footer.extra);
        footer.meta.cleaned = PartName::parse(path).map_or(0, |name| name.cleaned);
        Ok((Self::new(path.to_path_buf(), file, bytes, footer), extra))
    }

    /// Puts the names of its series into the index; damage is an error.
    pub(crate) fn restore_names(&self, index: &mut Index) -> Result<(), MetricStoreError> {
        let bytes = self.bytes_at(self.names_offset, self.names_bytes)?;
        self.sound(names::decode_into(index, &bytes, Renaming::Damage))?;
        let named = self.series.is_subset(index.all());
        self.sound(if named { Ok(()) } else { Err("it does not name all of its series") })
    }

    pub(crate) fn overlaps(&self, range: &TimeRange) -> bool {
        self.meta.min_ms <= *range.end() && self.meta.max_ms >= *range.start()
    }

    pub(crate) fn damaged_blocks(&self) -> u64 {
        self.damaged_blocks.load(Relaxed)
    }

    /// Whether nothing that was put into it is known to be lost: else it is not merged, and its days are told by their
    /// roll-ups where there are some.
    pub(crate) fn is_whole(&self) -> bool {
        self.damaged_blocks() == 0 && !self.repaired
    }

    /// Gives `sink` these blocks as they lie in the file, with the number of each; what it finds damaged is counted,
    /// logged and stepped over. `blocks` in order of offset.
    pub(crate) fn read_blocks(
        &self,
        blocks: &[(u32, Place)],
        sink: &mut BlockSink<'_>,
    ) -> Result<(), MetricStoreError> {
        let mut rest = blocks;
        while let Some((_, first)) = rest.first() {
            let (run, later) = rest.split_at(run_length(rest));
            rest = later;
            let end = run.last().map_or(0, |(_, place)| end_of(*place));
            let bytes = match self.bytes_at(first.offset, end - first.offset) {
                // A bad sector between them: each by itself, so that only its own series misses something.
                Err(MetricStoreError::Damaged { .. }) if run.len() > 1 => {
                    for one in run {
                        self.read_blocks(std::slice::from_ref(one), sink)?;
                    }
                    continue;
                }
                Err(MetricStoreError::Damaged { reason, .. }) => {
                    self.count_damage(first.offset, reason);
                    continue;
                }
                read => read?,
            };
            for (number, place) in run {
                let start = usize::try_from(place.offset - first.offset);
                let block = start.ok().and_then(|start| bytes.get(start..)).unwrap_or_default();
                let block = block.get(..place.bytes as usize).unwrap_or(block);
                match sink(*number, block) {
                    Err(MetricStoreError::Damaged { reason, .. }) => {
                        self.count_damage(place.offset, reason);
                    }
                    done => done?,
                }
            }
        }
        Ok(())
    }

    /// Adds every sample of one series; damage is an error. `times` is for this part alone.
    pub(crate) fn read_series(
        &self,
        row: &Row,
        times: &mut TimesCache,
        samples: &mut Vec<Sample>,
    ) -> Result<(), MetricStoreError> {
        self.read_series_in(row, &(i64::MIN..=i64::MAX), times, samples)
    }

    /// As [`Part::read_series`], of this range only.
    pub(crate) fn read_series_in(
        &self,
        row: &Row,
        range: &TimeRange,
        times: &mut TimesCache,
        samples: &mut Vec<Sample>,
    ) -> Result<(), MetricStoreError> {
        let block = self.block(row);
        let mut give = |times: &[i64], values: &[f64]| {
            let pairs = times.iter().zip(values);
            samples
                .extend(pairs.map(|(time, value)| Sample { timestamp_ms: *time, value: *value }));
            Ok(())
        };
        let read = block.and_then(|block| self.read_block(&block, range, times, &mut give));
        self.note(row, read)
    }

    /// As [`Part::read_series_in`], without what deletions hide.
    pub(crate) fn read_visible(
        &self,
        row: &Row,
        range: &TimeRange,
        hidden: &Hidden<'_>,
        times: &mut TimesCache,
        samples: &mut Vec<Sample>,
    ) -> Result<(), MetricStoreError> {
        let before = samples.len();
        self.read_series_in(row, range, times, samples)?;
        for hidden in hidden.of(row.slot) {
            let mut at = 0;
            samples.retain(|sample| {
                at += 1;
                at <= before || !hidden.contains(&sample.timestamp_ms)
            });
        }
        Ok(())
    }

    /// The block of one series as it lies in the file.
    pub(crate) fn block(&self, row: &Row) -> Result<Vec<u8>, MetricStoreError> {
        self.bytes_at(row.place.offset, u64::from(row.place.bytes))
    }

    /// Counts a block that turned out to be damaged.
    pub(crate) fn note<T>(
        &self,
        row: &Row,
        read: Result<T, MetricStoreError>,
    ) -> Result<T, MetricStoreError> {
        if let Err(MetricStoreError::Damaged { reason, .. }) = &read {
            self.count_damage(row.place.offset, reason);
        }
        read
    }

    /// Gives `give` the samples of a block within the range, chunk by chunk, in order of time.
    pub(crate) fn read_block(
        &self,
        block: &[u8],
        range: &TimeRange,
        times: &mut TimesCache,
        give: &mut impl FnMut(&[i64], &[f64]) -> Result<(), MetricStoreError>,
    ) -> Result<(), MetricStoreError> {
        let content = self.sound(block::unseal(block))?;
        for chunk in self.sound(block::decode(content))? {
            if chunk.last_ms < *range.start() || chunk.first_ms > *range.end() {
                continue;
            }
            let chunk_times = self.times(chunk.times, chunk.samples, times)?;
            times.values.resize(chunk.samples, 0.0);
            self.sound(values::decode(chunk.values, &mut times.values))?;
            let start = chunk_times.partition_point(|time| time < range.start());
            let end = chunk_times.partition_point(|time| time <= range.end());
            if start < end {
                give(&chunk_times[start..end], &times.values[start..end])?;
            }
        }
        Ok(())
    }

    /// Times that many series share are read and decoded once per query.
    pub(crate) fn times(
        &self,
        place: Place,
        samples: usize,
        cache: &mut TimesCache,
    ) -> Result<Rc<Vec<i64>>, MetricStoreError> {
        if let Some(times) = cache.known.get(&place.offset) {
            return self.sound(if times.len() == samples {
                Ok(Rc::clone(times))
            } else {
                Err("times differ")
            });
        }
        let block = self.bytes_at(place.offset, u64::from(place.bytes))?;
        let mut times = vec![0; samples];
        let content = block::unseal(&block);
        self.sound(content.and_then(|content| timestamps::decode(content, &mut times)))?;
        let times = Rc::new(times);
        cache.insert(place.offset, &times);
        Ok(times)
    }

    pub(super) fn bytes_at(&self, offset: u64, length: u64) -> Result<Vec<u8>, MetricStoreError> {
        let inside = offset.checked_add(length).is_some_and(|end| end <= self.bytes);
        let length = usize::try_from(length).ok().filter(|_| inside);
        let length = self.sound(length.ok_or("a block lies outside of the file"))?;
        let mut bytes = vec![0; length];
        read_at(&self.file, &self.path, &mut bytes, offset)?;
        Ok(bytes)
    }

    pub(crate) fn sound<T>(&self, decoded: Decoded<T>) -> Result<T, MetricStoreError> {
        decoded.map_err(|reason| MetricStoreError::Damaged { path: self.path.clone(), reason })
    }

    pub(super) fn count_damage(&self, offset: u64, reason: &str) {
        if self.damaged_blocks.fetch_add(1, Relaxed) == 0 {
            tracing::error!(part = %self.path.display(), offset, reason,
                "a block of this metric part cannot be read; its other series are served");
        }
    }
}

fn end_of(place: Place) -> u64 {
    place.offset + u64::from(place.bytes)
}

/// How many of these blocks, in order of offset, are read together.
fn run_length(blocks: &[(u32, Place)]) -> usize {
    let Some((_, first)) = blocks.first() else { return 0 };
    let together = blocks.windows(2).take_while(|pair| {
        let [(_, one), (_, next)] = pair else { return false };
        next.offset <= end_of(*one) + READ_GAP_BYTES
            && end_of(*next) - first.offset <= READ_BYTES_MAX
    });
    1 + together.count()
}

fn read_footer(
    file: &File,
    path: &Path,
    kind: Kind,
    bytes: u64,
) -> Result<Footer, MetricStoreError> {
    let damaged = |reason| MetricStoreError::Damaged { path: path.to_path_buf(), reason };
    let smallest = HEADER_BYTES + TRAILER_BYTES as u64;
    if bytes < smallest {
        return Err(damaged("it is cut short"));
    }
    let mut header = [0; 12];
    read_at(file, path, &mut header, 0)?;
    if header[..8] != kind.magic() {
        return Err(damaged("it does not begin as a metric part does"));
    }
    let got = u32::from_le_bytes([header[8], header[9], header[10], header[11]]);
    if !kind.versions().contains(&got) {
        let (path, supported) = (path.to_path_buf(), *kind.versions().end());
        return Err(MetricStoreError::FormatVersion { path, got, supported });
    }
    let mut trailer = [0; TRAILER_BYTES];
    let end = bytes - TRAILER_BYTES as u64;
    read_at(file, path, &mut trailer, end)?;
    let trailer = Trailer::decode(&trailer, kind).map_err(damaged)?;
    if trailer.offset.checked_add(u64::from(trailer.packed_bytes)) != Some(end) {
        return Err(damaged("its trailer points elsewhere"));
    }
    let mut packed = vec![0; trailer.packed_bytes as usize];
    read_at(file, path, &mut packed, trailer.offset)?;
    trailer.unpack(&packed, kind).map_err(damaged)
}
