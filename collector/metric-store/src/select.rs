//! Selecting: which series match, what of them is in the parts, the frozen and the open head, put together; and of days
//! whose samples are gone, what is rolled up.
//! A reader holds locks only to match labels, copy pointers and copy head samples; never across a read of the disk.

use std::ops::RangeInclusive;
use std::sync::{Arc, RwLock};

use agent_model::{Labels, Matcher, RolledSeries, Rollup, Sample};
use roaring::RoaringBitmap;

use crate::MetricStoreError;
use crate::head::{Frozen, Head, settle};
use crate::index::Index;
use crate::part::{Part, ReadBudget};
use crate::rollup::RollupPart;
use crate::store::read;

/// Series whose head samples are copied under one lock: keeps each stop of the writer below a millisecond.
const HEAD_BATCH: usize = 128;
/// How often a cut may come between two batches before all of them are copied under one lock.
const RESTARTS_MAX: u32 = 3;

pub(crate) type TimeRange = RangeInclusive<i64>;

pub(crate) struct Limits {
    pub(crate) series_max: u64,
    pub(crate) samples_max: u64,
}

/// What a query reads from: consistent with itself, whatever is cut or merged meanwhile.
struct View {
    parts: Vec<Arc<Part>>,
    /// Of days that they alone tell.
    rollups: Vec<Arc<RollupPart>>,
    frozen: Option<Arc<Frozen>>,
    freezes: u64,
    /// Matching series that have samples near the range, in order.
    slots: Vec<u32>,
}

/// Those of the matching series that have samples in the range, to the precision of a part.
pub(crate) fn with_samples(
    matching: &RoaringBitmap,
    head: &Head,
    range: &TimeRange,
) -> RoaringBitmap {
    let mut in_parts = RoaringBitmap::new();
    for part in head.parts.iter().filter(|part| part.overlaps(range)) {
        in_parts |= &part.series & matching;
    }
    let answering = head.rollups.answering.iter().map(|rollups| &rollups.part);
    for part in answering.filter(|part| part.overlaps(range)) {
        in_parts |= &part.series & matching;
    }
    let others = matching - &in_parts;
    in_parts.extend(others.iter().filter(|slot| head.holds(*slot)));
    in_parts
}

pub(crate) fn select(
    index: &RwLock<Index>,
    head: &RwLock<Head>,
    matchers: &[Matcher],
    range: &TimeRange,
    limits: &Limits,
) -> Result<Vec<RolledSeries>, MetricStoreError> {
    for attempt in 0.. {
        let mut budget = ReadBudget::new(limits.samples_max);
        // Index before head, as everywhere, and held on: no slot changes its meaning in between. Appends need only
        // the head, so a slow match does not stop them.
        let locked_index = read(index);
        let matching = locked_index.matching(matchers);
        let locked_head = read(head);
        let view = view(&matching, &locked_head, range, limits)?;
        let mut open = Vec::new();
        if attempt == RESTARTS_MAX {
            copy_some(&locked_head, &view.slots, range, &mut budget, &mut open)?;
        }
        drop(locked_head);
        let labels: Vec<Labels> =
            view.slots.iter().map(|slot| locked_index.labels(*slot)).collect();
        drop(locked_index);
        if attempt == RESTARTS_MAX || copy_head(head, &view, range, &mut budget, &mut open)? {
            return assemble(&view, labels, open, range, &mut budget);
        }
    }
    Ok(Vec::new())
}

fn view(
    matching: &RoaringBitmap,
    head: &Head,
    range: &TimeRange,
    limits: &Limits,
) -> Result<View, MetricStoreError> {
    let slots = with_samples(matching, head, range);
    if slots.len() > limits.series_max {
        let (matched, max) = (slots.len(), limits.series_max);
        return Err(MetricStoreError::TooManySeries { matched, max });
    }
    let rollups = head.rollups.answering.iter();
    let reach = |days: &TimeRange| days.start() <= range.end() && days.end() >= range.start();
    Ok(View {
        parts: head.parts.iter().filter(|part| part.overlaps(range)).cloned().collect(),
        rollups: rollups.filter(|rollups| reach(&rollups.name.range())).cloned().collect(),
        frozen: head.frozen.clone(),
        freezes: head.freezes,
        slots: slots.iter().collect(),
    })
}

/// Copies the open head in batches; `false` when a cut came in between, so that the view misses what it froze.
fn copy_head(
    head: &RwLock<Head>,
    view: &View,
    range: &TimeRange,
    budget: &mut ReadBudget,
    out: &mut Vec<Vec<Sample>>,
) -> Result<bool, MetricStoreError> {
    for batch in view.slots.chunks(HEAD_BATCH) {
        let head = read(head);
        if head.freezes != view.freezes {
            return Ok(false);
        }
        copy_some(&head, batch, range, budget, out)?;
    }
    Ok(true)
}

/// Ends at the limit, before more is copied.
fn copy_some(
    head: &Head,
    slots: &[u32],
    range: &TimeRange,
    budget: &mut ReadBudget,
    out: &mut Vec<Vec<Sample>>,
) -> Result<(), MetricStoreError> {
    for slot in slots {
        let samples = head.copy(*slot, range);
        budget.spend(samples.len())?;
        out.push(samples);
    }
    Ok(())
}

/// Parts in order, then the frozen, then the open head: of equal times the later wins.
fn assemble(
    view: &View,
    labels: Vec<Labels>,
    open: Vec<Vec<Sample>>,
    range: &TimeRange,
    budget: &mut ReadBudget,
) -> Result<Vec<RolledSeries>, MetricStoreError> {
    let wanted: RoaringBitmap = view.slots.iter().copied().collect();
    let mut found: Vec<Vec<Sample>> = Vec::new();
    found.resize_with(view.slots.len(), Vec::new);
    for part in &view.parts {
        part.read(&wanted, range, budget, |slot, times, values| {
            if let Ok(at) = view.slots.binary_search(&slot) {
                let samples = times.iter().zip(values);
                found[at].extend(
                    samples.map(|(time, value)| Sample { timestamp_ms: *time, value: *value }),
                );
            }
        })?;
    }
    let mut rolled = rolled(view, &wanted, range, budget)?;
    let mut series = Vec::with_capacity(labels.len());
    for (at, (((slot, mut samples), labels), open)) in
        view.slots.iter().zip(found).zip(labels).zip(open).enumerate()
    {
        let in_parts = samples.len();
        if let Some(frozen) = &view.frozen {
            frozen.memory.read(*slot, range, &mut samples);
        }
        budget.spend(samples.len() - in_parts)?;
        samples.extend(open);
        settle(&mut samples);
        for rollups in &view.rollups {
            samples.retain(|sample| !rollups.name.range().contains(&sample.timestamp_ms));
        }
        let rollups = rolled.get_mut(at).map(std::mem::take).unwrap_or_default();
        if !samples.is_empty() || !rollups.is_empty() {
            series.push(RolledSeries { labels, rollups, samples });
        }
    }
    Ok(series)
}

/// The roll-ups of each slot of the view, in order of time; nothing at all when none are to be read.
fn rolled(
    view: &View,
    wanted: &RoaringBitmap,
    range: &TimeRange,
    budget: &mut ReadBudget,
) -> Result<Vec<Vec<Rollup>>, MetricStoreError> {
    let mut rolled: Vec<Vec<Rollup>> = Vec::new();
    if !view.rollups.is_empty() {
        rolled.resize_with(view.slots.len(), Vec::new);
    }
    for rollups in &view.rollups {
        rollups.read(wanted, range, budget, |slot, rows| {
            if let Ok(at) = view.slots.binary_search(&slot) {
                rolled[at].extend_from_slice(rows);
            }
        })?;
    }
    Ok(rolled)
}
