//! Merging: runs of neighbouring parts become one, with longer chunks that compress better and one dictionary.
//! Only neighbours merge, so that "the later cut wins" stays a matter of order. Reads one series at a time.

use std::path::Path;
use std::sync::{Arc, RwLock};

use agent_model::Sample;
use roaring::RoaringBitmap;

use crate::MetricStoreError;
use crate::deletions::{Deletions, Hidden};
use crate::head::settle;
use crate::index::Index;
use crate::part::{Meta, Part, PartName, PartWriter, TimesCache};
use crate::store::read;

/// Parts of one level that become one of the next: a cut of 5 minutes becomes 40 minutes, 5 hours, 2 days.
pub(crate) const FAN_IN: usize = 8;
/// Beyond it a part would keep expired samples too long: parts are deleted whole.
pub(crate) const LEVEL_MAX: u8 = 3;

/// The next run to merge, of all parts in order of sequence.
pub(crate) fn plan(parts: &[Arc<Part>]) -> Option<&[Arc<Part>]> {
    parts.windows(FAN_IN).find(|run| {
        let level = run[0].meta.level;
        let same = |part: &Arc<Part>| part.meta.level == level && part.is_whole();
        // A part that was set aside leaves a hole: whoever repairs it must find its place free.
        let next_to = |pair: &[Arc<Part>]| {
            pair[0].meta.last_sequence.checked_add(1) == Some(pair[1].meta.first_sequence)
        };
        level < LEVEL_MAX && run.iter().all(same) && run.windows(2).all(next_to)
    })
}

/// Series merged at once: their rows in all inputs are in memory, 24 bytes each.
const BATCH_SERIES_MAX: usize = 16_384;

/// Writes the merged part.
pub(crate) fn merge(
    directory: &Path,
    run: &[Arc<Part>],
    deletions: &Deletions,
    index: &RwLock<Index>,
) -> Result<Part, MetricStoreError> {
    let (Some(first), Some(last)) = (run.first(), run.last()) else {
        return Err(MetricStoreError::Encode { reason: "nothing to merge".to_owned() });
    };
    let name = PartName {
        first_sequence: first.meta.first_sequence,
        last_sequence: last.meta.last_sequence,
        from_position: first.meta.from_position,
        position: last.meta.position,
        cleaned: deletions.newest,
    };
    let level = first.meta.level.saturating_add(1);
    write(directory, Meta::empty(name, level), run, deletions, index)
}

/// Writes a part anew, without what deletions hide of it.
pub(crate) fn clean(
    directory: &Path,
    part: &Arc<Part>,
    deletions: &Deletions,
    index: &RwLock<Index>,
) -> Result<Part, MetricStoreError> {
    let name = PartName { cleaned: deletions.newest, ..part.meta.name() };
    let meta = Meta::empty(name, part.meta.level);
    write(directory, meta, std::slice::from_ref(part), deletions, index)
}

fn write(
    directory: &Path,
    meta: Meta,
    run: &[Arc<Part>],
    deletions: &Deletions,
    index: &RwLock<Index>,
) -> Result<Part, MetricStoreError> {
    let mut writer = PartWriter::create(directory, meta)?;
    let hidden: Vec<Hidden<'_>> = run.iter().map(|part| deletions.of_part(part)).collect();
    let mut slots = RoaringBitmap::new();
    for part in run {
        slots |= &part.series;
    }
    let mut times: Vec<TimesCache> = run.iter().map(|_| TimesCache::default()).collect();
    let order = read(index).in_order(&slots);
    for batch in order.chunks(BATCH_SERIES_MAX) {
        merge_batch(&mut writer, (run, &hidden), &mut times, batch)?;
    }
    writer.finish(index)
}

fn merge_batch(
    writer: &mut PartWriter,
    (run, hidden): (&[Arc<Part>], &[Hidden<'_>]),
    times: &mut [TimesCache],
    batch: &[u32],
) -> Result<(), MetricStoreError> {
    let wanted: RoaringBitmap = batch.iter().copied().collect();
    let rows: Result<Vec<_>, _> = run.iter().map(|part| part.rows(&wanted)).collect();
    let rows = rows?;
    let mut samples: Vec<Sample> = Vec::new();
    for slot in batch {
        samples.clear();
        let inputs = run.iter().zip(hidden).zip(&rows).zip(&mut *times);
        for (((part, hidden), rows), times) in inputs {
            if let Ok(at) = rows.binary_search_by_key(slot, |row| row.slot) {
                let all = i64::MIN..=i64::MAX;
                part.read_visible(&rows[at], &all, hidden, times, &mut samples)?;
            }
        }
        settle(&mut samples);
        writer.add(*slot, &samples)?;
    }
    Ok(())
}
