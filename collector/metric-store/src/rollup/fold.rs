//! Samples to roll-ups, by the rules that `rules/promql` has for samples, so that both give the same answers.

use agent_model::{Rollup, Sample, is_stale};

/// Adds a roll-up for every window that holds a sample or a stale marker; `samples` in order of time, no time twice.
/// Where a marker comes before the first sample of a window it has a roll-up of its own, so that an instant between
/// the two finds the series ended.
pub(crate) fn fold(samples: &[Sample], out: &mut Vec<Rollup>) {
    let mut rest = samples;
    while let Some(first) = rest.first() {
        let (_, end_ms) = Rollup::window(first.timestamp_ms);
        let inside = rest.iter().take_while(|sample| sample.timestamp_ms <= end_ms).count();
        let (window, later) = rest.split_at(inside);
        rest = later;
        let some = window.iter().position(|sample| !is_stale(sample.value));
        let (before, window) = window.split_at(some.unwrap_or(window.len()));
        out.extend(before.first().map(|marker| Rollup::of(*marker)));
        out.extend(of_window(window));
    }
}

/// Of samples of which the first is no stale marker.
fn of_window(samples: &[Sample]) -> Option<Rollup> {
    let mut rows = samples.iter();
    let mut row = Rollup::of(*rows.next()?);
    let mut sum = Sum { total: row.sum, lost: 0.0 };
    for sample in rows {
        if is_stale(sample.value) {
            // The first behind a sample is where the series ended.
            row.ended_ms = row.ended_ms.or(Some(sample.timestamp_ms));
        } else {
            append(&mut row, *sample);
            sum.add(sample.value);
        }
    }
    row.sum = sum.total + sum.lost;
    Some(row)
}

fn append(row: &mut Rollup, sample: Sample) {
    let value = sample.value;
    if value < row.last {
        row.resets += 1;
        row.lost += row.last;
    }
    if value != row.last && !(value.is_nan() && row.last.is_nan()) {
        row.changes += 1;
    }
    if value < row.min || row.min.is_nan() {
        row.min = value;
    }
    if value > row.max || row.max.is_nan() {
        row.max = value;
    }
    row.count += 1;
    (row.last, row.last_ms, row.ended_ms) = (value, sample.timestamp_ms, None);
}

/// Neumaier's compensated sum: a window's sum is rounded once.
struct Sum {
    total: f64,
    lost: f64,
}

impl Sum {
    fn add(&mut self, value: f64) {
        let total = self.total + value;
        if total.is_infinite() {
            self.lost = 0.0;
        } else if self.total.abs() >= value.abs() {
            self.lost += (self.total - total) + value;
        } else {
            self.lost += (value - total) + self.total;
        }
        self.total = total;
    }
}

#[cfg(test)]
mod tests {
    use agent_model::stale_marker;

    use super::*;

    fn rows(samples: &[(i64, f64)]) -> Vec<Rollup> {
        let samples: Vec<_> =
            samples.iter().map(|(at, value)| Sample { timestamp_ms: *at, value: *value }).collect();
        let mut rows = Vec::new();
        fold(&samples, &mut rows);
        rows
    }

    #[test]
    fn a_window_tells_growth_through_resets_and_extremes() {
        let found = rows(&[(1, 5.0), (10, 9.0), (20, 2.0), (300_000, 4.0), (300_001, 7.0)]);
        let [row, next] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((row.first_ms, row.last_ms, row.first, row.last), (1, 300_000, 5.0, 4.0));
        assert_eq!((row.min, row.max, row.sum, row.count), (2.0, 9.0, 20.0, 4));
        assert_eq!((row.lost, row.resets, row.changes, row.ended_ms), (9.0, 1, 3, None));
        assert_eq!((next.first_ms, next.count), (300_001, 1));
    }

    #[test]
    fn only_a_marker_behind_the_last_sample_ends_the_series() {
        let stale = stale_marker();
        let found = rows(&[(1, stale), (2, 1.0), (3, stale), (4, 1.0), (5, stale), (6, stale)]);
        let [before, row] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((before.count, before.ended_ms), (0, Some(1)));
        assert_eq!((row.first_ms, row.last_ms, row.count, row.changes), (2, 4, 2, 0));
        assert_eq!((row.sum, row.ended_ms), (2.0, Some(5)));
        let alone = rows(&[(7, stale), (8, stale)]);
        assert_eq!((alone[0].count, alone[0].ended_ms), (0, Some(7)));
    }

    #[test]
    fn a_sum_keeps_small_values_beside_huge_ones_and_nan_is_no_extreme() {
        let row = rows(&[(1, 1.0), (2, 1e100), (3, 1.0), (4, -1e100)])[0];
        assert_eq!(row.sum, 2.0);
        let row = rows(&[(1, f64::NAN), (2, 3.0), (3, f64::NAN)])[0];
        assert_eq!((row.min, row.max, row.changes, row.resets), (3.0, 3.0, 2, 0));
        assert!(row.sum.is_nan());
    }
}
