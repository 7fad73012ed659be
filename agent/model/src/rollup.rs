//! What is kept of a series' samples of five minutes when the samples themselves are gone.
//!
//! Promises: enough that counts, extremes, sums and the growth of counters over whole windows come out as from the
//! samples. A sample is a roll-up of one ([`Rollup::of`]), so both can be worked on together.

use crate::{Labels, Millis, Sample, is_stale, stale_marker};

/// Length of a window. Windows are open on the left, as PromQL's ranges are: `(k · 5 min, (k + 1) · 5 min]`.
pub const ROLLUP_WINDOW_MS: Millis = 300_000;

/// What a query's limits count a roll-up as: it is as large as so many samples.
pub const ROLLUP_SAMPLES: usize = 6;

/// The samples of one window, or a stale marker that comes before any of them. Markers are no samples otherwise; the
/// one behind the last sample is told by `ended_ms`.
#[derive(Clone, Copy, Debug)]
pub struct Rollup {
    /// Times of the first and the last sample; both are `ended_ms` when there is none.
    pub first_ms: Millis,
    pub last_ms: Millis,
    pub first: f64,
    pub last: f64,
    /// NaN only where there is nothing else.
    pub min: f64,
    pub max: f64,
    pub sum: f64,
    pub count: u64,
    /// What a counter had reached each time it started anew: its growth is `last - first + lost`.
    pub lost: f64,
    /// How often a value was smaller than the one before, and how often it was another.
    pub resets: u64,
    pub changes: u64,
    /// The stale marker behind the last sample: the series ended there.
    pub ended_ms: Option<Millis>,
}

/// A series of which some of the samples may be gone.
#[derive(Clone, Debug)]
pub struct RolledSeries {
    pub labels: Labels,
    /// In order of time. No sample lies in one of their windows.
    pub rollups: Vec<Rollup>,
    /// In order of time, no time twice; stale markers are samples here.
    pub samples: Vec<Sample>,
}

impl Rollup {
    /// A sample or a stale marker by itself.
    pub fn of(sample: Sample) -> Self {
        let Sample { timestamp_ms, value } = sample;
        let ended = is_stale(value);
        Self {
            first_ms: timestamp_ms,
            last_ms: timestamp_ms,
            first: value,
            last: value,
            min: value,
            max: value,
            sum: if ended { 0.0 } else { value },
            count: u64::from(!ended),
            lost: 0.0,
            resets: 0,
            changes: 0,
            ended_ms: ended.then_some(timestamp_ms),
        }
    }

    /// Where a window lies that holds this time: behind the first, up to and including the second.
    pub fn window(timestamp_ms: Millis) -> (Millis, Millis) {
        let start = timestamp_ms.saturating_sub(1).div_euclid(ROLLUP_WINDOW_MS);
        let start = start.saturating_mul(ROLLUP_WINDOW_MS);
        (start, start.saturating_add(ROLLUP_WINDOW_MS))
    }

    /// The samples that are known as they were: the first, the last, and the stale marker.
    pub fn known_samples(&self) -> impl Iterator<Item = Sample> {
        let some = self.count > 0;
        let first = Sample { timestamp_ms: self.first_ms, value: self.first };
        let last = Sample { timestamp_ms: self.last_ms, value: self.last };
        let ended =
            self.ended_ms.map(|timestamp_ms| Sample { timestamp_ms, value: stale_marker() });
        let first = (some && self.first_ms < self.last_ms).then_some(first);
        first.into_iter().chain(some.then_some(last)).chain(ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_open_on_the_left() {
        assert_eq!(Rollup::window(0), (-300_000, 0));
        assert_eq!(Rollup::window(1), (0, 300_000));
        assert_eq!(Rollup::window(300_000), (0, 300_000));
        assert_eq!(Rollup::window(300_001), (300_000, 600_000));
    }

    #[test]
    fn a_stale_marker_is_no_sample_and_is_not_forgotten() {
        let ended = Rollup::of(Sample { timestamp_ms: 7, value: stale_marker() });
        assert_eq!((ended.count, ended.ended_ms, ended.known_samples().count()), (0, Some(7), 1));
        let one = Rollup::of(Sample { timestamp_ms: 7, value: 2.0 });
        let known: Vec<_> = one.known_samples().map(|one| (one.timestamp_ms, one.value)).collect();
        assert_eq!((one.count, known), (1, vec![(7, 2.0)]));
    }
}
