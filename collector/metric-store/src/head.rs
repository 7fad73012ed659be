//! The head: samples since the last cut, by series, in the order of arrival.
//! Sorting and repeats are settled when samples are read or cut: [`settle`] keeps, of equal times, the one appended last.

use std::sync::Arc;

use agent_model::Sample;
use roaring::RoaringBitmap;

use crate::part::Part;
use crate::select::TimeRange;
use crate::{MetricStoreError, SeriesRef};

/// Everything that holds samples, so that one short lock gives a reader a consistent view.
#[derive(Debug, Default)]
pub(crate) struct Head {
    /// By slot.
    buffers: Vec<Buffer>,
    pub(crate) samples: u64,
    pub(crate) dropped_samples: u64,
    pub(crate) appended_samples: u64,
    /// The journal position up to which everything has been appended.
    pub(crate) position: u64,
    /// What is being cut; replaced by its part.
    pub(crate) frozen: Option<Arc<Frozen>>,
    /// In order of their sequence.
    pub(crate) parts: Arc<Vec<Arc<Part>>>,
    /// Counts the freezes, so that a reader notices one between two looks.
    pub(crate) freezes: u64,
}

#[derive(Debug, Default)]
struct Buffer {
    generation: u32,
    samples: Vec<Sample>,
}

/// A head on its way to disk.
#[derive(Debug)]
pub(crate) struct Frozen {
    pub(crate) position: u64,
    /// In order of slot; each in order of arrival.
    pub(crate) series: Vec<(u32, Vec<Sample>)>,
}

impl Head {
    /// The position that is on disk.
    pub(crate) fn position_in_parts(&self) -> u64 {
        self.parts.iter().map(|part| part.meta.position).max().unwrap_or(0)
    }

    /// Makes room for this slot, under this generation.
    pub(crate) fn admit(&mut self, series: SeriesRef) {
        let slot = series.slot as usize;
        if slot >= self.buffers.len() {
            self.buffers.resize_with(slot + 1, Buffer::default);
        }
        self.buffers[slot].generation = series.generation;
    }

    /// Refs to this slot are refused from now on.
    pub(crate) fn retire(&mut self, slot: u32) {
        if let Some(buffer) = self.buffers.get_mut(slot as usize) {
            buffer.generation = buffer.generation.wrapping_add(1);
        }
    }

    /// One value for each series. On an error a part of the column may be in; appending it again mends that.
    pub(crate) fn append(
        &mut self,
        series: &[SeriesRef],
        timestamp_ms: i64,
        values: &[f64],
    ) -> Result<(), MetricStoreError> {
        let samples = values.iter().map(|value| Sample { timestamp_ms, value: *value });
        series.iter().zip(samples).try_for_each(|(series, sample)| self.push(*series, sample))
    }

    /// One sample. A refused series' is dropped and counted.
    pub(crate) fn push(
        &mut self,
        series: SeriesRef,
        sample: Sample,
    ) -> Result<(), MetricStoreError> {
        if series.is_refused() {
            self.dropped_samples += 1;
            return Ok(());
        }
        let buffer = self.buffers.get_mut(series.slot as usize);
        let buffer = buffer.filter(|buffer| buffer.generation == series.generation);
        let Some(buffer) = buffer else { return Err(MetricStoreError::SeriesForgotten) };
        buffer.samples.push(sample);
        self.samples += 1;
        self.appended_samples += 1;
        Ok(())
    }

    /// The samples of a slot within the range, in order of arrival.
    pub(crate) fn copy(&self, slot: u32, range: &TimeRange) -> Vec<Sample> {
        let Some(buffer) = self.buffers.get(slot as usize) else { return Vec::new() };
        let samples = buffer.samples.iter();
        samples.filter(|sample| range.contains(&sample.timestamp_ms)).copied().collect()
    }

    /// Whether the slot has samples here, or being cut.
    pub(crate) fn holds(&self, slot: u32) -> bool {
        let buffer = self.buffers.get(slot as usize);
        buffer.is_some_and(|buffer| !buffer.samples.is_empty())
            || self.frozen.as_ref().is_some_and(|frozen| frozen.find(slot).is_some())
    }

    /// The slots with samples here, or being cut.
    pub(crate) fn slots(&self) -> RoaringBitmap {
        let own = (0u32..).zip(&self.buffers).filter(|(_, buffer)| !buffer.samples.is_empty());
        let mut slots: RoaringBitmap = own.map(|(slot, _)| slot).collect();
        if let Some(frozen) = &self.frozen {
            slots.extend(frozen.series.iter().map(|(slot, _)| *slot));
        }
        slots
    }

    /// Moves all samples, with the position they reach, aside for a cut. Readers go on seeing them.
    pub(crate) fn freeze(&mut self) -> Arc<Frozen> {
        let mut series = Vec::new();
        for (slot, buffer) in (0u32..).zip(&mut self.buffers) {
            if !buffer.samples.is_empty() {
                series.push((slot, std::mem::take(&mut buffer.samples)));
            }
        }
        let frozen = Arc::new(Frozen { position: self.position, series });
        self.frozen = Some(Arc::clone(&frozen));
        self.samples = 0;
        self.freezes += 1;
        frozen
    }
}

impl Frozen {
    fn find(&self, slot: u32) -> Option<&[Sample]> {
        let at = self.series.binary_search_by_key(&slot, |(slot, _)| *slot).ok()?;
        Some(&self.series[at].1)
    }

    pub(crate) fn read(&self, slot: u32, range: &TimeRange, out: &mut Vec<Sample>) {
        let samples = self.find(slot).unwrap_or_default().iter();
        out.extend(samples.filter(|sample| range.contains(&sample.timestamp_ms)));
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
