//! Puts each selected series together, a batch of them at a time. Of a long selection of more than one batch a second thread
//! reads and decodes as well, so that a query has two processors: whoever is free takes the next batch, and who asked is given
//! them all. What is held of samples is three batches: one that is given away, one that waits and one that is read.

use std::ops::{ControlFlow, Range};
use std::panic::resume_unwind;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::{thread, vec};

use agent_model::{Labels, RolledSeries, Rollup, Sample};
use roaring::RoaringBitmap;

use super::placed::Placed;
use super::{TimeRange, View};
use crate::MetricStoreError;
use crate::deletions::Hidden;
use crate::head::settle;
use crate::memory::Copied;
use crate::part::{CACHED_TIMES_MAX, ReadBudget, TimesCache};

/// Series read in one go: enough that neighbours in a file are read together, few enough that the memory of hours of
/// them goes from one batch to the next, and not back to the system in between.
const BATCH: usize = 32;

/// Of less, the windows of rules mostly, a series has so little to read that two threads cost more than they share:
/// 1,000 rules over 1,000 series of five minutes each took almost twice the time with both.
const SHARED_RANGE_MS: i64 = 30 * 60_000;

/// A selected series, before its samples on disk are read.
pub(super) struct Wanted {
    pub(super) labels: Labels,
    /// What the open head has of it.
    pub(super) open: Copied,
}

#[derive(Default)]
struct Found {
    samples: Vec<Sample>,
    rollups: Vec<Rollup>,
}

/// Gives `take` the series until it breaks off; nothing more is read then but the rest of a batch.
pub(super) fn assemble(
    view: &View,
    wanted: Vec<Wanted>,
    range: &TimeRange,
    budget: &ReadBudget,
    take: &mut dyn FnMut(RolledSeries) -> ControlFlow<()>,
) -> Result<(), MetricStoreError> {
    let alone =
        wanted.len() <= BATCH || range.end().saturating_sub(*range.start()) < SHARED_RANGE_MS;
    let reading = Reading::new(view, wanted, range, budget)?;
    if alone {
        let mut caches = reading.caches();
        while let Some(batch) = reading.batch(&mut caches)? {
            if batch.into_iter().try_for_each(&mut *take).is_break() {
                break;
            }
        }
        return Ok(());
    }
    thread::scope(|scope| {
        let (batches, given) = sync_channel(1);
        let (reading, mut caches) = (&reading, reading.caches());
        let helper = scope.spawn(move || read_all(reading, &batches));
        loop {
            let batch = match given.try_recv() {
                Ok(batch) => batch,
                Err(_) => match reading.batch(&mut caches)? {
                    Some(batch) => batch,
                    // Nothing is left but what the other has.
                    None => match given.recv() {
                        Ok(batch) => batch,
                        Err(_) => break,
                    },
                },
            };
            if batch.into_iter().try_for_each(&mut *take).is_break() {
                // The other ends when nobody takes its batch.
                return Ok(());
            }
        }
        helper.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

fn read_all(
    reading: &Reading<'_>,
    batches: &SyncSender<Vec<RolledSeries>>,
) -> Result<(), MetricStoreError> {
    let mut caches = reading.caches();
    while let Some(batch) = reading.batch(&mut caches)? {
        if batches.send(batch).is_err() {
            break;
        }
    }
    Ok(())
}

/// The selection, all files that hold something of it, and how far it is read. For several threads.
struct Reading<'a> {
    view: &'a View,
    range: &'a TimeRange,
    budget: &'a ReadBudget,
    /// In the order of the view's parts, and of its roll-ups.
    parts: Vec<Placed<'a>>,
    rollups: Vec<Placed<'a>>,
    /// What deletions hide of each.
    hidden: Vec<Hidden<'a>>,
    hidden_rollups: Vec<Hidden<'a>>,
    waiting: Mutex<Waiting>,
}

/// The series that are not read yet.
struct Waiting {
    /// The place of the first in the selection.
    first: u32,
    wanted: vec::IntoIter<Wanted>,
}

/// Of one thread, for each file.
struct Caches {
    parts: Vec<TimesCache>,
    rollups: Vec<TimesCache>,
}

impl<'a> Reading<'a> {
    fn new(
        view: &'a View,
        wanted: Vec<Wanted>,
        range: &'a TimeRange,
        budget: &'a ReadBudget,
    ) -> Result<Self, MetricStoreError> {
        let slots: RoaringBitmap = view.slots.iter().copied().collect();
        let mut by_slot: Vec<(u32, u32)> = view.slots.iter().copied().zip(0..).collect();
        by_slot.sort_unstable();
        let find = |part: &'a _| Placed::find(part, &slots, &by_slot);
        let parts = view.parts.iter().map(|part| find(part)).collect::<Result<_, _>>()?;
        let rollups = view.rollups.iter().map(|rollups| find(&rollups.part));
        let rollups = rollups.collect::<Result<_, _>>()?;
        let hidden = view.parts.iter().map(|part| view.deletions.of_part(part)).collect();
        let hidden_rollups = view.rollups.iter();
        let hidden_rollups = hidden_rollups.map(|one| view.deletions.of_rollups(one)).collect();
        let waiting = Mutex::new(Waiting { first: 0, wanted: wanted.into_iter() });
        Ok(Self { view, range, budget, parts, rollups, hidden, hidden_rollups, waiting })
    }

    fn caches(&self) -> Caches {
        let files = self.parts.len() + self.rollups.len();
        // Two threads have some.
        let times_max = CACHED_TIMES_MAX / 2 / files.max(1);
        let some = |files: &[Placed<'_>]| {
            files.iter().map(|_| TimesCache::new(times_max)).collect::<Vec<_>>()
        };
        Caches { parts: some(&self.parts), rollups: some(&self.rollups) }
    }

    /// The next series, put together; none when all have been taken, or one thread has failed.
    fn batch(&self, caches: &mut Caches) -> Result<Option<Vec<RolledSeries>>, MetricStoreError> {
        let Some((places, wanted)) = self.take() else { return Ok(None) };
        self.read(&places, wanted, caches).map(Some).inspect_err(|_| self.stop())
    }

    fn read(
        &self,
        places: &Range<u32>,
        wanted: Vec<Wanted>,
        caches: &mut Caches,
    ) -> Result<Vec<RolledSeries>, MetricStoreError> {
        let found = self.find(places, &wanted, caches)?;
        let mut batch = Vec::with_capacity(wanted.len());
        let slots = &self.view.slots[places.start as usize..places.end as usize];
        for ((slot, found), wanted) in slots.iter().zip(found).zip(wanted) {
            let series = self.put_together(*slot, found, wanted)?;
            if !series.samples.is_empty() || !series.rollups.is_empty() {
                batch.push(series);
            }
        }
        Ok(batch)
    }

    /// What failed once has no answer: the other thread need not read on.
    fn stop(&self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.wanted = Vec::new().into_iter();
    }

    fn take(&self) -> Option<(Range<u32>, Vec<Wanted>)> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted: Vec<Wanted> = waiting.wanted.by_ref().take(BATCH).collect();
        let first = waiting.first;
        waiting.first += u32::try_from(wanted.len()).unwrap_or(u32::MAX);
        (!wanted.is_empty()).then(|| (first..waiting.first, wanted))
    }

    /// Parts come in order, then the frozen, then the open head.
    fn put_together(
        &self,
        slot: u32,
        found: Found,
        wanted: Wanted,
    ) -> Result<RolledSeries, MetricStoreError> {
        let Found { mut samples, rollups } = found;
        let in_parts = samples.len();
        if let Some(frozen) = &self.view.frozen {
            frozen.memory.read(slot, self.range, &mut samples);
        }
        wanted.open.read(self.range, &mut samples);
        self.budget.spend(samples.len() - in_parts)?;
        settle(&mut samples);
        for rollups in &self.view.rollups {
            samples.retain(|sample| !rollups.name.range().contains(&sample.timestamp_ms));
        }
        Ok(RolledSeries { labels: wanted.labels, rollups, samples })
    }

    /// What the files have of the series at these places.
    fn find(
        &self,
        places: &Range<u32>,
        wanted: &[Wanted],
        caches: &mut Caches,
    ) -> Result<Vec<Found>, MetricStoreError> {
        let (range, slots) = (self.range, &self.view.slots);
        let mut found: Vec<Found> = Vec::new();
        found.resize_with(places.len(), Found::default);
        let parts =
            self.parts.iter().zip(&mut caches.parts).zip(&self.view.parts).zip(&self.hidden);
        for (((placed, cache), part), hidden) in parts {
            placed.read(places, cache, |at, block, cache| {
                let hidden = hidden.of(slots[at as usize]);
                let place = (at - places.start) as usize;
                let (samples, open) = (&mut found[place].samples, wanted[place].open.len());
                part.read_block(block, range, cache, &mut |times: &[i64], values: &[f64]| {
                    self.budget.spend(times.len())?;
                    // With what is put behind them: else all of them move once more.
                    samples.reserve(times.len() + open);
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
        let rollups = self.rollups.iter().zip(&mut caches.rollups);
        let rollups = rollups.zip(&self.view.rollups).zip(&self.hidden_rollups);
        for (((placed, cache), rollups), hidden) in rollups {
            placed.read(places, cache, |at, block, cache| {
                let rows = &mut found[(at - places.start) as usize].rollups;
                let before = rows.len();
                rollups.read(block, range, cache, self.budget, rows)?;
                hidden.hide_rollups(slots[at as usize], before, rows);
                Ok(())
            })?;
        }
        Ok(found)
    }
}
