//! Checking files of roll-ups, by the same rules as parts of samples.

use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use agent_model::{Labels, Rollup};

use super::{keep_aside, read_all};
use crate::MetricStoreError;
use crate::index::Index;
use crate::part::{self, DAMAGED_EXTENSION, Part};
use crate::rollup::{self, RollupName, RollupPart};
use crate::store::read;

#[derive(Debug)]
pub struct CheckedRollups {
    pub path: PathBuf,
    /// What it tells of: from the first to the second, both included.
    pub from_ms: i64,
    pub to_ms: i64,
    pub series: u64,
    pub rollups: u64,
    pub state: RollupState,
}

#[derive(Debug)]
pub enum RollupState {
    Sound,
    /// These series of it cannot be read; after a repair they are what is lost, unless the file is made again.
    Damaged {
        series: Vec<(Labels, &'static str)>,
        repaired: bool,
        /// The samples of its days are all there: a repair sets it aside, and the next upkeep makes it anew.
        again: bool,
    },
    /// Nothing of it can be read. Days of which the samples are still there are rolled up again.
    Unreadable {
        reason: &'static str,
    },
}

pub(super) fn check(
    directory: &Path,
    (name, path): (RollupName, PathBuf),
    opened: Result<RollupPart, &'static str>,
    parts: &[Arc<Part>],
    index: &RwLock<Index>,
    repair: bool,
) -> Result<CheckedRollups, MetricStoreError> {
    let (from_ms, to_ms) = name.range().into_inner();
    let mut checked =
        CheckedRollups { path, from_ms, to_ms, series: 0, rollups: 0, state: RollupState::Sound };
    let file = match opened {
        Ok(file) => file,
        Err(reason) => {
            checked.state = RollupState::Unreadable { reason };
            return Ok(checked);
        }
    };
    checked.series = file.part.series.len();
    let mut damaged = Vec::new();
    read_rollups(&file, index, |slot, found| {
        match found {
            Ok(found) => checked.rollups += found.len() as u64,
            Err(reason) => damaged.push((slot, reason)),
        }
        Ok(())
    })?;
    if !damaged.is_empty() {
        let again = file.has_all_samples(parts);
        match (repair, again) {
            (false, _) => {}
            (true, true) => set_aside(directory, &file)?,
            (true, false) => replace(directory, &file, index)?,
        }
        let index = read(index);
        let named = damaged.into_iter().map(|(slot, reason)| (index.labels(slot), reason));
        let series = named.collect();
        checked.state = RollupState::Damaged { series, repaired: repair, again };
    }
    Ok(checked)
}

/// Gives `sink` every series of the file: its roll-ups, or why they cannot be read.
fn read_rollups(
    file: &RollupPart,
    index: &RwLock<Index>,
    sink: impl FnMut(u32, Result<&[Rollup], &'static str>) -> Result<(), MetricStoreError>,
) -> Result<(), MetricStoreError> {
    read_all(&file.part, index, |row, times, out| file.read_series(row, times, out), sink)
}

/// Takes the damaged file out of use.
fn set_aside(directory: &Path, file: &RollupPart) -> Result<(), MetricStoreError> {
    let path = &file.part.path;
    std::fs::rename(path, path.with_extension(DAMAGED_EXTENSION))
        .map_err(MetricStoreError::io("set aside the damaged roll-ups", path))?;
    part::sync_directory(directory)
}

/// Keeps the damaged file under another name and puts one of what can be read in its place.
fn replace(
    directory: &Path,
    file: &RollupPart,
    index: &RwLock<Index>,
) -> Result<(), MetricStoreError> {
    keep_aside(&file.part.path)?;
    let mut writer = rollup::begin(directory, file.name, file.part.meta.level)?;
    read_rollups(file, index, |slot, found| {
        found.map_or(Ok(()), |found| rollup::add(&mut writer, slot, found))
    })?;
    rollup::finish(writer, file.name, file.inputs.clone(), file.cleaned, index)?;
    part::sync_directory(directory)
}
