//! The head: what was appended since the last cut, and everything else that holds samples, behind one lock.
//! Sorting and repeats are settled when samples are read or cut: [`settle`] keeps, of equal times, the one appended last.

use std::sync::Arc;

use agent_model::Sample;
use roaring::RoaringBitmap;

use crate::deletions::Deletions;
use crate::memory::{Copied, Memory};
use crate::part::Part;
use crate::rollup::Rollups;
use crate::select::TimeRange;
use crate::{MetricStoreError, SeriesRef};

/// Everything that holds samples, so that one short lock gives a reader a consistent view.
#[derive(Debug, Default)]
pub(crate) struct Head {
    memory: Memory,
    /// Of the series in each slot.
    generations: Vec<u32>,
    pub(crate) samples: u64,
    pub(crate) dropped_samples: u64,
    pub(crate) appended_samples: u64,
    /// The journal position up to which everything has been appended.
    pub(crate) position: u64,
    /// What is being cut; replaced by its part.
    pub(crate) frozen: Option<Arc<Frozen>>,
    /// In order of their sequence.
    pub(crate) parts: Arc<Vec<Arc<Part>>>,
    pub(crate) rollups: Arc<Rollups>,
    pub(crate) deletions: Arc<Deletions>,
    /// Whether something came since the last [`Head::advance`]: then a record may be half in.
    pub(crate) within_record: bool,
    /// Counts the freezes, so that a reader notices one between two looks.
    pub(crate) freezes: u64,
}

/// A head on its way to disk.
#[derive(Debug)]
pub(crate) struct Frozen {
    pub(crate) position: u64,
    pub(crate) memory: Memory,
}

impl Head {
    /// The position that is on disk.
    pub(crate) fn position_in_parts(&self) -> u64 {
        self.parts.iter().map(|part| part.meta.position).max().unwrap_or(0)
    }

    /// Takes samples for this slot, under this generation.
    pub(crate) fn admit(&mut self, series: SeriesRef) {
        let slot = series.slot as usize;
        if slot >= self.generations.len() {
            self.generations.resize(slot + 1, 0);
        }
        self.generations[slot] = series.generation;
    }

    /// Refs to this slot are refused from now on.
    pub(crate) fn retire(&mut self, slot: u32) {
        if let Some(generation) = self.generations.get_mut(slot as usize) {
            *generation = generation.wrapping_add(1);
        }
    }

    /// One value for each series; a refused series' is dropped and counted.
    pub(crate) fn append(
        &mut self,
        series: &Arc<[SeriesRef]>,
        timestamp_ms: i64,
        values: &[f64],
    ) -> Result<(), MetricStoreError> {
        // Series that have samples in memory are not forgotten, so a known registration is a good one.
        if !self.memory.knows(series) && !series.iter().all(|series| self.is_current(*series)) {
            return Err(MetricStoreError::SeriesForgotten);
        }
        let kept = self.memory.append(series, timestamp_ms, values);
        self.samples += kept;
        self.appended_samples += kept;
        self.dropped_samples += values.len() as u64 - kept;
        self.within_record = true;
        Ok(())
    }

    fn is_current(&self, series: SeriesRef) -> bool {
        let generation = self.generations.get(series.slot as usize);
        series.is_refused() || generation == Some(&series.generation)
    }

    /// One sample; a refused series' is dropped and counted.
    pub(crate) fn push(
        &mut self,
        series: SeriesRef,
        sample: Sample,
    ) -> Result<(), MetricStoreError> {
        if series.is_refused() {
            self.dropped_samples += 1;
            return Ok(());
        }
        if !self.is_current(series) {
            return Err(MetricStoreError::SeriesForgotten);
        }
        self.memory.push(series.slot, sample);
        self.samples += 1;
        self.appended_samples += 1;
        self.within_record = true;
        Ok(())
    }

    pub(crate) fn advance(&mut self, position: u64) {
        self.position = self.position.max(position);
        self.within_record = false;
    }

    /// The samples of a slot within the range, to be read when no lock is held any more.
    pub(crate) fn copy(&self, slot: u32, range: &TimeRange) -> Copied {
        self.memory.copy(slot, range)
    }

    #[cfg(test)]
    pub(crate) fn tables(&self) -> usize {
        self.memory.tables()
    }

    /// Whether the slot has samples here, or being cut.
    pub(crate) fn holds(&self, slot: u32) -> bool {
        let frozen = self.frozen.as_ref();
        self.memory.holds(slot) || frozen.is_some_and(|frozen| frozen.memory.holds(slot))
    }

    /// The slots with samples here, or being cut.
    pub(crate) fn slots(&self) -> RoaringBitmap {
        let frozen = self.frozen.as_ref().map(|frozen| frozen.memory.slots());
        self.memory.slots() | frozen.unwrap_or_default()
    }

    /// Moves all samples, with the position they reach, aside for a cut. Readers go on seeing them.
    pub(crate) fn freeze(&mut self) -> Arc<Frozen> {
        let memory = std::mem::take(&mut self.memory);
        let frozen = Arc::new(Frozen { position: self.position, memory });
        self.frozen = Some(Arc::clone(&frozen));
        self.samples = 0;
        self.freezes += 1;
        frozen
    }
}

/// Puts samples in order of time; of equal times the last one stays.
pub(crate) fn settle(samples: &mut Vec<Sample>) {
    if samples.is_sorted_by(|one, next| one.timestamp_ms < next.timestamp_ms) {
        return;
    }
    samples.sort_by_key(|sample| sample.timestamp_ms);
    samples.dedup_by(|later, kept| {
        let equal = later.timestamp_ms == kept.timestamp_ms;
        if equal {
            *kept = *later;
        }
        equal
    });
}
