//! Selecting: which series match, what of them is in the parts, the frozen and the open head, put together.
//! A reader holds locks only to match labels, copy pointers and copy head samples; never across a read of the disk.

use std::ops::RangeInclusive;
use std::sync::{Arc, RwLock};

use agent_model::{Labels, Matcher, Sample, Series};
use roaring::RoaringBitmap;

use crate::MetricStoreError;
use crate::head::{Frozen, Head, settle};
use crate::index::Index;
use crate::part::{Part, ReadBudget};
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
) -> Result<Vec<Series>, MetricStoreError> {
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
    Ok(View {
        parts: head.parts.iter().filter(|part| part.overlaps(range)).cloned().collect(),
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
) -> Result<Vec<Series>, MetricStoreError> {
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
    let mut series = Vec::with_capacity(labels.len());
    for (((slot, mut samples), labels), open) in view.slots.iter().zip(found).zip(labels).zip(open)
    {
        let in_parts = samples.len();
        if let Some(frozen) = &view.frozen {
            frozen.memory.read(*slot, range, &mut samples);
        }
        budget.spend(samples.len() - in_parts)?;
        samples.extend(open);
        settle(&mut samples);
        if !samples.is_empty() {
            series.push(Series { labels, samples });
        }
    }
    Ok(series)
}
