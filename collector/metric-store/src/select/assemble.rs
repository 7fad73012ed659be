//! Puts each selected series together, a batch of them at a time. One batch is read and decoded on a thread of its own while
//! another is given away, so that a query has two processors; what it holds of samples is those two.

use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use agent_model::{Labels, RolledSeries, Rollup, Sample};
use roaring::RoaringBitmap;

use super::placed::Placed;
use super::{TimeRange, View};
use crate::MetricStoreError;
use crate::deletions::Hidden;
use crate::head::settle;
use crate::part::{CACHED_TIMES_MAX, ReadBudget};

/// Series read in one go: enough that neighbours in a file are read together, few enough that the memory of hours of
/// them goes from one batch to the next, and not back to the system in between.
const BATCH: usize = 32;

/// A selected series, before its samples on disk are read.
pub(super) struct Wanted {
    pub(super) labels: Labels,
    /// What the open head has of it.
    pub(super) open: Vec<Sample>,
}

#[derive(Default)]
struct Found {
    samples: Vec<Sample>,
    rollups: Vec<Rollup>,
}

/// Gives `take` the series in the order of the view, until it breaks off; nothing more is read then but the rest of a batch.
pub(super) fn assemble(
    view: &View,
    wanted: Vec<Wanted>,
    range: &TimeRange,
    budget: &mut ReadBudget,
    take: &mut dyn FnMut(RolledSeries) -> ControlFlow<()>,
) -> Result<(), MetricStoreError> {
    if wanted.len() <= BATCH {
        // One batch: there is nothing to read beside it.
        return read(view, wanted, range, budget, &mut |batch| {
            batch.into_iter().try_for_each(&mut *take)
        });
    }
    thread::scope(|scope| {
        // Without room: the next batch waits in the hands of its reader.
        let (batches, given) = sync_channel(0);
        let reader = scope.spawn(move || {
            read(view, wanted, range, budget, &mut |batch| hand_over(&batches, batch))
        });
        let flow = given.iter().flatten().try_for_each(take);
        // The reader ends when nobody takes its batch.
        drop(given);
        let done = reader.join().unwrap_or_else(|panic| resume_unwind(panic));
        if flow.is_break() { Ok(()) } else { done }
    })
}

fn hand_over(batches: &SyncSender<Vec<RolledSeries>>, batch: Vec<RolledSeries>) -> ControlFlow<()> {
    match batches.send(batch) {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(()),
    }
}

/// Gives `take` batches until it breaks off.
fn read(
    view: &View,
    wanted: Vec<Wanted>,
    range: &TimeRange,
    budget: &mut ReadBudget,
    take: &mut dyn FnMut(Vec<RolledSeries>) -> ControlFlow<()>,
) -> Result<(), MetricStoreError> {
    let mut reading = Reading::new(view, range)?;
    let mut wanted = wanted.into_iter();
    for slots in view.slots.chunks(BATCH) {
        let mut batch = Vec::with_capacity(slots.len());
        let found = reading.batch(slots.len(), budget)?;
        for ((slot, found), wanted) in slots.iter().zip(found).zip(wanted.by_ref()) {
            let series = put_together(view, *slot, found, wanted, range, budget)?;
            if !series.samples.is_empty() || !series.rollups.is_empty() {
                batch.push(series);
            }
        }
        if take(batch).is_break() {
            break;
        }
    }
    Ok(())
}

/// Parts come in order, then the frozen, then the open head.
fn put_together(
    view: &View,
    slot: u32,
    found: Found,
    wanted: Wanted,
    range: &TimeRange,
    budget: &mut ReadBudget,
) -> Result<RolledSeries, MetricStoreError> {
    let Found { mut samples, rollups } = found;
    let in_parts = samples.len();
    if let Some(frozen) = &view.frozen {
        frozen.memory.read(slot, range, &mut samples);
    }
    budget.spend(samples.len() - in_parts)?;
    samples.extend(wanted.open);
    settle(&mut samples);
    for rollups in &view.rollups {
        samples.retain(|sample| !rollups.name.range().contains(&sample.timestamp_ms));
    }
    Ok(RolledSeries { labels: wanted.labels, rollups, samples })
}

/// All files that hold something of the selection, read in step.
struct Reading<'a> {
    view: &'a View,
    range: &'a TimeRange,
    /// In the order of the view's parts, and of its roll-ups.
    parts: Vec<Placed<'a>>,
    rollups: Vec<Placed<'a>>,
    /// What deletions hide of each.
    hidden: Vec<Hidden<'a>>,
    hidden_rollups: Vec<Hidden<'a>>,
    /// The next series, by its place in the selection.
    next: u32,
}

impl<'a> Reading<'a> {
    fn new(view: &'a View, range: &'a TimeRange) -> Result<Self, MetricStoreError> {
        let wanted: RoaringBitmap = view.slots.iter().copied().collect();
        let mut by_slot: Vec<(u32, u32)> = view.slots.iter().copied().zip(0..).collect();
        by_slot.sort_unstable();
        let files = view.parts.len() + view.rollups.len();
        let times_max = CACHED_TIMES_MAX / files.max(1);
        let find = |part: &'a _| Placed::find(part, &wanted, &by_slot, times_max);
        let parts = view.parts.iter().map(|part| find(part)).collect::<Result<_, _>>()?;
        let rollups = view.rollups.iter().map(|rollups| find(&rollups.part));
        let rollups = rollups.collect::<Result<_, _>>()?;
        let hidden = view.parts.iter().map(|part| view.deletions.of_part(part)).collect();
        let hidden_rollups = view.rollups.iter();
        let hidden_rollups = hidden_rollups.map(|one| view.deletions.of_rollups(one)).collect();
        Ok(Self { view, range, parts, rollups, hidden, hidden_rollups, next: 0 })
    }

    /// What the files have of the next so many series.
    fn batch(
        &mut self,
        series: usize,
        budget: &mut ReadBudget,
    ) -> Result<Vec<Found>, MetricStoreError> {
        let (first, range) = (self.next, self.range);
        self.next += u32::try_from(series).unwrap_or(u32::MAX);
        let end = self.next;
        let mut found: Vec<Found> = Vec::new();
        found.resize_with(series, Found::default);
        let slots = &self.view.slots;
        let parts = self.view.parts.iter().zip(&self.hidden).zip(&mut self.parts);
        for ((part, hidden), placed) in parts {
            placed.read(end, |at, block, cache| {
                let hidden = hidden.of(slots[at as usize]);
                let samples = &mut found[(at - first) as usize].samples;
                part.read_block(block, range, cache, &mut |times: &[i64], values: &[f64]| {
                    budget.spend(times.len())?;
                    let pairs = times.iter().zip(values);
                    let pairs =
                        pairs.map(|(time, value)| Sample { timestamp_ms: *time, value: *value });
                    if hidden.is_empty() {
                        samples.extend(pairs);
                    } else {
                        let seen =
                            |at: &Sample| !hidden.iter().any(|of| of.contains(&at.timestamp_ms));
                        samples.extend(pairs.filter(seen));
                    }
                    Ok(())
                })
            })?;
        }
        let rollups = self.view.rollups.iter().zip(&self.hidden_rollups).zip(&mut self.rollups);
        for ((rollups, hidden), placed) in rollups {
            placed.read(end, |at, block, cache| {
                let rows = &mut found[(at - first) as usize].rollups;
                let before = rows.len();
                rollups.read(block, range, cache, budget, rows)?;
                hidden.hide_rollups(slots[at as usize], before, rows);
                Ok(())
            })?;
        }
        Ok(found)
    }
}
