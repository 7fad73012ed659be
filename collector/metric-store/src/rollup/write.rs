//! Makes files of roll-ups: a day out of its parts, or days out of days. Reads one series at a time.

use std::path::Path;
use std::sync::{Arc, RwLock};

use agent_model::{Rollup, Sample};
use roaring::RoaringBitmap;

use super::file::encode_inputs;
use super::fold::fold;
use super::{Cuts, RollupName, RollupPart, columns};
use crate::MetricStoreError;
use crate::chunk::CHUNK_SAMPLES_MAX;
use crate::deletions::{Deletions, Hidden};
use crate::head::settle;
use crate::index::Index;
use crate::part::block::NewChunk;
use crate::part::{Kind, Meta, Part, PartName, PartWriter, TimesCache};
use crate::store::read;

/// Series worked on at once: their rows in all inputs are in memory, 24 bytes each.
const BATCH_SERIES_MAX: usize = 16_384;

/// What to do when a part of the day turns out to have lost something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lossy {
    /// What is left is better than nothing.
    Taken,
    /// A complete file is there already.
    Refused,
}

/// Rolls up one day out of all `parts`, which are in order of sequence. What of them is damaged is stepped over.
pub(crate) fn roll_up(
    directory: &Path,
    name: RollupName,
    parts: &[Arc<Part>],
    deletions: &Deletions,
    index: &RwLock<Index>,
    lossy: Lossy,
) -> Result<RollupPart, MetricStoreError> {
    let range = name.range();
    let parts: Vec<&Arc<Part>> = parts.iter().filter(|part| part.overlaps(&range)).collect();
    let mut writer = begin(directory, name, 0)?;
    let hidden: Vec<Hidden<'_>> = parts.iter().map(|part| deletions.of_part(part)).collect();
    let slots = parts.iter().fold(RoaringBitmap::new(), |slots, part| slots | &part.series);
    let mut times: Vec<TimesCache> = parts.iter().map(|_| TimesCache::default()).collect();
    let (mut samples, mut rows) = (Vec::<Sample>::new(), Vec::new());
    let order = read(index).in_order(&slots);
    for batch in order.chunks(BATCH_SERIES_MAX) {
        let wanted: RoaringBitmap = batch.iter().copied().collect();
        let places: Result<Vec<_>, _> = parts.iter().map(|part| part.sound_rows(&wanted)).collect();
        let places = places?;
        for slot in batch {
            samples.clear();
            let inputs = parts.iter().zip(&hidden).zip(&places).zip(&mut times);
            for (((part, hidden), places), times) in inputs {
                let Ok(at) = places.binary_search_by_key(slot, |row| row.slot) else { continue };
                match part.read_visible(&places[at], &range, hidden, times, &mut samples) {
                    // Counted and told by the part; the other parts still know something of the series.
                    Err(MetricStoreError::Damaged { .. }) => {}
                    done => done?,
                }
            }
            settle(&mut samples);
            rows.clear();
            fold(&samples, &mut rows);
            add(&mut writer, *slot, &rows)?;
        }
    }
    if lossy == Lossy::Refused
        && let Some(part) = parts.iter().find(|part| !part.is_whole())
    {
        return part.sound(Err("a complete roll-up of its day stays instead of one with a hole"));
    }
    let inputs = joined(parts.iter().map(|part| Cuts::of(&part.meta)));
    finish(writer, name, Some(inputs), deletions.newest, index)
}

/// Puts neighbouring days together, whose samples are gone.
pub(crate) fn merge(
    directory: &Path,
    run: &[Arc<RollupPart>],
    deletions: &Deletions,
    index: &RwLock<Index>,
) -> Result<RollupPart, MetricStoreError> {
    let (Some(first), Some(last)) = (run.first(), run.last()) else {
        return Err(MetricStoreError::Encode { reason: "nothing to merge".to_owned() });
    };
    let (from_day, to_day) = (first.name.from_day, last.name.to_day);
    let name = RollupName { from_day, to_day, revision: 0 };
    let writer = begin(directory, name, first.part.meta.level.saturating_add(1))?;
    write(writer, name, run, None, deletions, index)
}

/// Writes a file anew, without what deletions hide of it.
pub(crate) fn clean(
    directory: &Path,
    one: &Arc<RollupPart>,
    deletions: &Deletions,
    index: &RwLock<Index>,
) -> Result<RollupPart, MetricStoreError> {
    let name = RollupName { revision: one.name.revision + 1, ..one.name };
    let writer = begin(directory, name, one.part.meta.level)?;
    write(writer, name, std::slice::from_ref(one), one.inputs.clone(), deletions, index)
}

fn write(
    mut writer: PartWriter,
    name: RollupName,
    run: &[Arc<RollupPart>],
    inputs: Option<Vec<Cuts>>,
    deletions: &Deletions,
    index: &RwLock<Index>,
) -> Result<RollupPart, MetricStoreError> {
    let hidden: Vec<Hidden<'_>> = run.iter().map(|one| deletions.of_rollups(one)).collect();
    let slots = run.iter().fold(RoaringBitmap::new(), |slots, one| slots | &one.part.series);
    let mut times: Vec<TimesCache> = run.iter().map(|_| TimesCache::default()).collect();
    let mut rows = Vec::new();
    let order = read(index).in_order(&slots);
    for batch in order.chunks(BATCH_SERIES_MAX) {
        let wanted: RoaringBitmap = batch.iter().copied().collect();
        let places: Result<Vec<_>, _> = run.iter().map(|one| one.part.rows(&wanted)).collect();
        let places = places?;
        for slot in batch {
            rows.clear();
            let files = run.iter().zip(&hidden).zip(&places).zip(&mut times);
            for (((one, hidden), places), times) in files {
                if let Ok(at) = places.binary_search_by_key(slot, |row| row.slot) {
                    one.read_visible(&places[at], hidden, times, &mut rows)?;
                }
            }
            add(&mut writer, *slot, &rows)?;
        }
    }
    finish(writer, name, inputs, deletions.newest, index)
}

pub(crate) fn begin(
    directory: &Path,
    name: RollupName,
    level: u8,
) -> Result<PartWriter, MetricStoreError> {
    let none =
        PartName { first_sequence: 0, last_sequence: 0, from_position: 0, position: 0, cleaned: 0 };
    let meta = Meta::empty(none, level);
    PartWriter::begin(directory, name.path(directory), Kind::Rollups, meta)
}

/// Adds a series; roll-ups in order of time.
pub(crate) fn add(
    writer: &mut PartWriter,
    slot: u32,
    rows: &[Rollup],
) -> Result<(), MetricStoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut chunks = Vec::new();
    let count = rows.len().div_ceil(CHUNK_SAMPLES_MAX);
    for chunk in rows.chunks(rows.len().div_ceil(count)) {
        let first: Vec<i64> = chunk.iter().map(|row| row.first_ms).collect();
        let last: Vec<i64> = chunk.iter().map(|row| row.last_ms).collect();
        let end = chunk.last().map(|row| row.ended_ms.unwrap_or(row.last_ms));
        let (first_times, times) = (writer.times(&first)?, writer.times(&last)?);
        chunks.push(NewChunk {
            samples: chunk.len(),
            first_ms: first.first().copied().unwrap_or_default(),
            last_ms: end.unwrap_or_default(),
            times,
            values: columns::encode(chunk, first_times)?,
        });
    }
    writer.add_chunks(slot, &chunks)
}

pub(crate) fn finish(
    writer: PartWriter,
    name: RollupName,
    inputs: Option<Vec<Cuts>>,
    cleaned: u64,
    index: &RwLock<Index>,
) -> Result<RollupPart, MetricStoreError> {
    let part = writer.finish_with(index, encode_inputs(inputs.as_deref(), cleaned))?;
    Ok(RollupPart { name, inputs, cleaned, part })
}

/// Runs that follow each other become one.
fn joined(cuts: impl Iterator<Item = Cuts>) -> Vec<Cuts> {
    let mut joined: Vec<Cuts> = Vec::new();
    for cuts in cuts {
        match joined.last_mut() {
            Some(before) if before.last.checked_add(1) == Some(cuts.first) => {
                before.last = cuts.last;
            }
            _ => joined.push(cuts),
        }
    }
    joined
}
