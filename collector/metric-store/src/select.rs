//! Selecting: which series match, what of them is in the parts, the frozen and the open head, put together; and of days
//! whose samples are gone, what is rolled up.
//! A reader holds locks only to match labels, copy pointers and copy head samples; never across a read of the disk.

use std::ops::{ControlFlow, RangeInclusive};
use std::sync::{Arc, RwLock};

use agent_model::{Labels, Matcher, RolledSeries};
use roaring::RoaringBitmap;

use crate::MetricStoreError;
use crate::deletions::{Deletions, Hidden};
use crate::head::{Frozen, Head};
use crate::index::Index;
use crate::memory::Copied;
use crate::part::{Part, ReadBudget};
use crate::rollup::RollupPart;
use crate::store::read;

mod assemble;
mod placed;

use assemble::{Wanted, assemble};

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
    deletions: Deletions,
    frozen: Option<Arc<Frozen>>,
    freezes: u64,
    /// Matching series that have samples near the range, in the order in which parts hold them.
    slots: Vec<u32>,
}

/// Those of the matching series that have samples in the range, to the precision of a part.
pub(crate) fn with_samples(
    matching: &RoaringBitmap,
    head: &Head,
    range: &TimeRange,
) -> RoaringBitmap {
    let deletions = head.deletions.about(matching, range);
    let mut in_parts = RoaringBitmap::new();
    for part in head.parts.iter().filter(|part| part.overlaps(range)) {
        in_parts |= seen(&(&part.series & matching), part, &deletions.of_part(part), range);
    }
    let answering = head.rollups.answering.iter();
    for rollups in answering.filter(|rollups| rollups.part.overlaps(range)) {
        let (part, hidden) = (&rollups.part, deletions.of_rollups(rollups));
        in_parts |= seen(&(&part.series & matching), part, &hidden, range);
    }
    let others = matching - &in_parts;
    in_parts.extend(others.iter().filter(|slot| head.holds(*slot)));
    in_parts
}

/// Without the series of which deletions hide all that the part can have in the range.
fn seen(
    matching: &RoaringBitmap,
    part: &Part,
    hidden: &Hidden<'_>,
    range: &TimeRange,
) -> RoaringBitmap {
    if hidden.is_empty() {
        return matching.clone();
    }
    let meta = &part.meta;
    let within = meta.min_ms.max(*range.start())..=meta.max_ms.min(*range.end());
    matching - hidden.whole_series(&within)
}

/// Gives `take` every matching series that has something in the range, until it breaks off. Parts come in order, then
/// the frozen, then the open head: of equal times the later wins.
pub(crate) fn for_each(
    index: &RwLock<Index>,
    head: &RwLock<Head>,
    matchers: &[Matcher],
    range: &TimeRange,
    limits: &Limits,
    take: &mut dyn FnMut(RolledSeries) -> ControlFlow<()>,
) -> Result<(), MetricStoreError> {
    for attempt in 0.. {
        // What is copied is counted again when it is read: only then it is known to lie in the range.
        let copying = ReadBudget::new(limits.samples_max);
        // Index before head, as everywhere, and held on: no slot changes its meaning in between. Appends need only
        // the head, so a slow match does not stop them.
        let locked_index = read(index);
        let matching = locked_index.matching(matchers);
        let locked_head = read(head);
        let view = view(&matching, &locked_index, &locked_head, range, limits)?;
        let mut open = Vec::new();
        if attempt == RESTARTS_MAX {
            copy_some(&locked_head, &view.slots, range, &copying, &mut open)?;
        }
        drop(locked_head);
        let labels: Vec<Labels> =
            view.slots.iter().map(|slot| locked_index.labels(*slot)).collect();
        drop(locked_index);
        if attempt == RESTARTS_MAX || copy_head(head, &view, range, &copying, &mut open)? {
            let wanted = labels.into_iter().zip(open);
            let wanted = wanted.map(|(labels, open)| Wanted { labels, open }).collect();
            let budget = ReadBudget::new(limits.samples_max);
            return assemble(&view, wanted, range, &budget, take);
        }
    }
    Ok(())
}

fn view(
    matching: &RoaringBitmap,
    index: &Index,
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
        deletions: head.deletions.about(&slots, range),
        frozen: head.frozen.clone(),
        freezes: head.freezes,
        slots: index.in_order(&slots),
    })
}

/// Copies the open head in batches; `false` when a cut came in between, so that the view misses what it froze.
fn copy_head(
    head: &RwLock<Head>,
    view: &View,
    range: &TimeRange,
    budget: &ReadBudget,
    out: &mut Vec<Copied>,
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

/// Ends at the limit, before more is copied: what lies in the range for certain is too much by itself then.
fn copy_some(
    head: &Head,
    slots: &[u32],
    range: &TimeRange,
    budget: &ReadBudget,
    out: &mut Vec<Copied>,
) -> Result<(), MetricStoreError> {
    for slot in slots {
        let copied = head.copy(*slot, range);
        budget.spend(copied.certain(range))?;
        out.push(copied);
    }
    Ok(())
}
