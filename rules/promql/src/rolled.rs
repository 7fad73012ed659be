//! Windows over series of which samples are gone and roll-ups of five minutes are left.
//!
//! Promises: a window that cuts no roll-up is told exactly; one that cuts some is moved to their bounds and says so.
//! A roll-up belongs to a window by its last sample, so none is counted twice or left out between neighbouring windows.

use agent_model::{Millis, ROLLUP_SAMPLES, RolledSeries, Rollup, Sample};

use crate::evaluate::Evaluation;
use crate::range::Windows;
use crate::track::absent;

/// A window of one step; the roll-ups and samples in it do not overlap, and either may come first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RolledWindow<'a> {
    pub(crate) rollups: &'a [Rollup],
    pub(crate) samples: &'a [Sample],
    /// The bounds after moving.
    pub(crate) start_ms: Millis,
    pub(crate) end_ms: Millis,
    /// The length that was asked for.
    pub(crate) range_ms: Millis,
    /// Whether no roll-up was cut.
    pub(crate) exact: bool,
    pub(crate) at_ms: Millis,
    pub(crate) step: usize,
}

pub(crate) fn cost(series: &RolledSeries) -> usize {
    series.samples.len() + series.rollups.len() * ROLLUP_SAMPLES
}

/// The samples that are known as they were, in order of time.
pub(crate) fn known_samples(series: &RolledSeries) -> Vec<Sample> {
    let mut known: Vec<Sample> = series.rollups.iter().flat_map(Rollup::known_samples).collect();
    known.extend(&series.samples);
    known.sort_by_key(|sample| sample.timestamp_ms);
    known
}

/// Whether any of these instants, which do not move backwards, lies within a roll-up.
pub(crate) fn are_cut(rollups: &[Rollup], instants: &[Millis]) -> bool {
    let mut rest = rollups;
    instants.iter().any(|instant| {
        while let Some((first, later)) = rest.split_first()
            && first.last_ms <= *instant
        {
            rest = later;
        }
        rest.first().is_some_and(|row| row.first_ms <= *instant)
    })
}

impl Windows {
    /// Gives `compute` the window of every step that holds something of the series.
    pub(crate) fn rolled_windows(
        &self,
        series: &RolledSeries,
        mut compute: impl FnMut(&RolledWindow) -> Option<f64>,
    ) -> Vec<f64> {
        let mut rows = Span::default();
        let mut samples = Span::default();
        let windows = self.references.iter().enumerate().map(|(step, end_ms)| {
            let start_ms = end_ms.saturating_sub(self.range_ms);
            rows.advance(&series.rollups, |row| row.last_ms, start_ms, *end_ms);
            samples.advance(&series.samples, |sample| sample.timestamp_ms, start_ms, *end_ms);
            let mut window = RolledWindow {
                rollups: &series.rollups[rows.first..rows.end],
                samples: &series.samples[samples.first..samples.end],
                start_ms,
                end_ms: *end_ms,
                range_ms: self.range_ms,
                exact: true,
                at_ms: self.steps.at(step),
                step,
            };
            window.fit(&series.rollups[rows.end..]);
            let some = !window.rollups.is_empty() || !window.samples.is_empty();
            let value = if some { compute(&window) } else { None };
            value.unwrap_or_else(absent)
        });
        windows.collect()
    }

    /// 1 at every step at which the series has a sample in its window.
    pub(crate) fn presence(&self, series: &RolledSeries, evaluation: &Evaluation) -> Vec<f64> {
        if series.rollups.is_empty() {
            return self.column(&series.samples, |_| Some(1.0));
        }
        self.rolled_windows(series, |window| {
            if !window.exact {
                evaluation.annotations.rolled_up_edges(None);
            }
            Some(1.0)
        })
    }
}

impl<'a> RolledWindow<'a> {
    /// Moves the bounds to those of roll-ups that they cut; `following` are those behind the window's own.
    fn fit(&mut self, following: &'a [Rollup]) {
        let cut = following.first().filter(|next| next.first_ms <= self.end_ms);
        if let Some(next) = cut {
            self.exact = false;
            if self.rollups.is_empty() && self.samples.is_empty() {
                // All of the window lies within one roll-up, which is the nearest that is known of it.
                self.rollups = &following[..1];
                (self.start_ms, self.end_ms) = Rollup::window(next.last_ms);
                return;
            }
            self.end_ms = Rollup::window(next.last_ms).0;
        }
        if let Some(first) = self.rollups.first()
            && first.first_ms <= self.start_ms
        {
            self.exact = false;
            self.start_ms = Rollup::window(first.last_ms).0;
        }
    }

    /// The samples of the window as far as they are known: of each roll-up the last.
    pub(crate) fn last_samples(&self) -> Vec<Sample> {
        let last = |row: &Rollup| Sample { timestamp_ms: row.last_ms, value: row.last };
        let mut all: Vec<Sample> = self.rollups.iter().map(last).collect();
        all.extend(self.samples);
        all.sort_by_key(|sample| sample.timestamp_ms);
        all
    }

    /// Roll-ups and samples in order of time, a sample as a roll-up of one.
    pub(crate) fn in_order(&self) -> impl Iterator<Item = Rollup> {
        let (mut rows, mut samples) = (self.rollups, self.samples);
        std::iter::from_fn(move || {
            let row_first = match (rows.first(), samples.first()) {
                (Some(row), Some(sample)) => row.last_ms < sample.timestamp_ms,
                (row, _) => row.is_some(),
            };
            if row_first {
                let (row, later) = rows.split_first()?;
                rows = later;
                return Some(*row);
            }
            let (sample, later) = samples.split_first()?;
            samples = later;
            Some(Rollup::of(*sample))
        })
    }
}

/// The places in a list whose times lie in a window; both ends only move forward.
#[derive(Default)]
struct Span {
    first: usize,
    end: usize,
}

impl Span {
    fn advance<T>(
        &mut self,
        all: &[T],
        time: impl Fn(&T) -> Millis,
        start_ms: Millis,
        end_ms: Millis,
    ) {
        while self.end < all.len() && time(&all[self.end]) <= end_ms {
            self.end += 1;
        }
        while self.first < self.end && time(&all[self.first]) <= start_ms {
            self.first += 1;
        }
    }
}
