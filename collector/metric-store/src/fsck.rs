//! Checking a store that nobody has open: every byte is read, what is damaged is named, and on demand the rest is saved.
//!
//! Promises: checking changes nothing; a repair puts a part without its damaged series in the place of the damaged one,
//! and keeps that one beside it as `….damaged`. A part whose footer is gone cannot be read: the journal's records that
//! it held are named, and the start sets it aside.

use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use agent_model::{Labels, Sample};
use roaring::RoaringBitmap;

use crate::cardinality::Limiter;
use crate::catalogue::Catalogue;
use crate::deletions::Deletion;
use crate::index::Index;
use crate::part::{DAMAGED_EXTENSION, Part, PartName, PartWriter, Row, TimesCache};
use crate::rollup::{RollupName, RollupPart};
use crate::store::{lock, read};
use crate::{MetricStoreError, part};

mod rollups;

pub use rollups::{CheckedRollups, RollupState};

/// Series that are looked at together: their rows are in memory.
const BATCH_SERIES_MAX: usize = 16_384;

/// What a check found.
#[derive(Debug, Default)]
pub struct Checked {
    /// In order of their cuts.
    pub parts: Vec<CheckedPart>,
    /// In order of time.
    pub rollups: Vec<CheckedRollups>,
    /// Whether the catalogue of series is sound; a start makes it anew from the parts when it is not.
    pub catalogue: bool,
    /// Deletions that cannot be read, and why: what they hid is seen again from the next start on.
    pub damaged_deletions: Vec<(PathBuf, &'static str)>,
    /// Files of earlier damage, kept aside.
    pub aside: Vec<PathBuf>,
}

#[derive(Debug)]
pub struct CheckedPart {
    pub path: PathBuf,
    pub series: u64,
    pub samples: u64,
    pub state: PartState,
}

#[derive(Debug)]
pub enum PartState {
    Sound,
    /// These series of it cannot be read; after a repair they are what is lost.
    Damaged {
        series: Vec<(Labels, &'static str)>,
        repaired: bool,
    },
    /// Nothing of it can be read; it held the journal's records behind the first position, up to the second.
    Unreadable {
        reason: &'static str,
        from_position: u64,
        to_position: u64,
    },
}

impl Checked {
    pub fn is_sound(&self) -> bool {
        self.damaged_deletions.is_empty()
            && self.parts.iter().all(|part| matches!(part.state, PartState::Sound))
            && self.rollups.iter().all(|rollups| matches!(rollups.state, RollupState::Sound))
    }
}

/// Reads all of the store below `directory`; with `repair` damaged parts are replaced by what of them can be read.
pub fn check(directory: &Path, repair: bool) -> Result<Checked, MetricStoreError> {
    let _lock = lock(directory)?;
    let mut checked = Checked::default();
    let (mut opened, mut rollups) = (Vec::new(), Vec::new());
    for path in files(directory)? {
        if path.extension().is_some_and(|extension| extension == DAMAGED_EXTENSION) {
            checked.aside.push(path);
        } else if Deletion::is_one(&path) {
            if let Err(reason) = or_reason(Deletion::open(&path))? {
                checked.damaged_deletions.push((path, reason));
            }
        } else if let Some(name) = PartName::parse(&path) {
            opened.push((name, path.clone(), or_reason(Part::open(&path))?));
        } else if let Some(name) = RollupName::parse(&path) {
            rollups.push(((name, path.clone()), or_reason(RollupPart::open(&path, name))?));
        }
    }
    let mut index = empty();
    checked.catalogue = Catalogue::load(directory, &mut index)?.is_some();
    if !checked.catalogue {
        index = empty();
        for part in opened.iter().filter_map(|(_, _, part)| part.as_ref().ok()) {
            // A part whose names are damaged as well is told below, without them.
            drop(part.restore_names(&mut index));
        }
        for rollups in rollups.iter().filter_map(|(_, rollups)| rollups.as_ref().ok()) {
            drop(rollups.part.restore_names(&mut index));
        }
    }
    let index = RwLock::new(index);
    let mut readable = Vec::new();
    for (name, path, part) in opened {
        checked.parts.push(match part {
            Ok(part) => {
                let found = check_part(directory, &part, &index, repair)?;
                readable.push(Arc::new(part));
                found
            }
            Err(reason) => {
                let (from_position, to_position) = (name.from_position, name.position);
                let state = PartState::Unreadable { reason, from_position, to_position };
                CheckedPart { path, series: 0, samples: 0, state }
            }
        });
    }
    for (named, opened) in rollups {
        checked.rollups.push(rollups::check(directory, named, opened, &readable, &index, repair)?);
    }
    Ok(checked)
}

/// What was opened, or why it is damaged.
fn or_reason<T>(
    opened: Result<T, MetricStoreError>,
) -> Result<Result<T, &'static str>, MetricStoreError> {
    match opened {
        Ok(opened) => Ok(Ok(opened)),
        Err(MetricStoreError::Damaged { reason, .. }) => Ok(Err(reason)),
        Err(error) => Err(error),
    }
}

fn empty() -> Index {
    Index::new(Limiter::new(u64::MAX, u64::MAX))
}

fn files(directory: &Path) -> Result<Vec<PathBuf>, MetricStoreError> {
    let failed = |error| MetricStoreError::io("list the metric store", directory)(error);
    let entries = std::fs::read_dir(directory).map_err(failed)?;
    let paths: Result<Vec<_>, _> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut paths = paths.map_err(failed)?;
    paths.sort_unstable();
    Ok(paths)
}

fn check_part(
    directory: &Path,
    part: &Part,
    index: &RwLock<Index>,
    repair: bool,
) -> Result<CheckedPart, MetricStoreError> {
    let mut damaged = Vec::new();
    let mut samples = 0;
    read_samples(part, index, |slot, found| {
        match found {
            Ok(found) => samples += found.len() as u64,
            Err(reason) => damaged.push((slot, reason)),
        }
        Ok(())
    })?;
    let state = if damaged.is_empty() {
        PartState::Sound
    } else {
        if repair {
            replace(directory, part, index)?;
        }
        let index = read(index);
        let named = damaged.into_iter().map(|(slot, reason)| (index.labels(slot), reason));
        PartState::Damaged { series: named.collect(), repaired: repair }
    };
    Ok(CheckedPart { path: part.path.clone(), series: part.series.len(), samples, state })
}

/// Gives `sink` every series of the part: its samples, or why they cannot be read.
fn read_samples(
    part: &Part,
    index: &RwLock<Index>,
    sink: impl FnMut(u32, Result<&[Sample], &'static str>) -> Result<(), MetricStoreError>,
) -> Result<(), MetricStoreError> {
    read_all(part, index, |row, times, out| part.read_series(row, times, out), sink)
}

/// Gives `sink` every series of the part: what `read_series` makes of it (samples or roll-ups), or why it cannot be read.
fn read_all<T>(
    part: &Part,
    index: &RwLock<Index>,
    read_series: impl Fn(&Row, &mut TimesCache, &mut Vec<T>) -> Result<(), MetricStoreError>,
    mut sink: impl FnMut(u32, Result<&[T], &'static str>) -> Result<(), MetricStoreError>,
) -> Result<(), MetricStoreError> {
    let mut times = TimesCache::default();
    let mut found = Vec::new();
    let order = read(index).in_order(&part.series);
    for batch in order.chunks(BATCH_SERIES_MAX) {
        let wanted: RoaringBitmap = batch.iter().copied().collect();
        let rows = part.sound_rows(&wanted)?;
        for slot in batch {
            found.clear();
            let Ok(at) = rows.binary_search_by_key(slot, |row| row.slot) else {
                sink(*slot, Err("where it lies is damaged"))?;
                continue;
            };
            match read_series(&rows[at], &mut times, &mut found) {
                Ok(()) => sink(*slot, Ok(&found))?,
                Err(MetricStoreError::Damaged { reason, .. }) => sink(*slot, Err(reason))?,
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

/// Keeps the damaged file under another name and puts a part of what can be read in its place.
fn replace(directory: &Path, part: &Part, index: &RwLock<Index>) -> Result<(), MetricStoreError> {
    keep_aside(&part.path)?;
    let mut meta = part.meta;
    (meta.min_ms, meta.max_ms, meta.samples) = (i64::MAX, i64::MIN, 0);
    let mut writer = PartWriter::create(directory, meta)?;
    read_samples(part, index, |slot, found| found.map_or(Ok(()), |found| writer.add(slot, found)))?;
    writer.finish(index)?;
    part::sync_directory(directory)
}

fn keep_aside(path: &Path) -> Result<(), MetricStoreError> {
    let aside = path.with_extension(DAMAGED_EXTENSION);
    match std::fs::hard_link(path, &aside) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked.map_err(MetricStoreError::io("keep the damaged metric part", &aside)),
    }
}
