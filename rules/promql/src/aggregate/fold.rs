//! Aggregations that take one value after the other: sum, avg, count, group, min, max, stddev, stdvar.

use super::Group;
use crate::number::{Mean, Sum};
use crate::plan::FoldKind;
use crate::track::{Track, absent, is_present};

/// What has been seen at one step. Each kind uses its own variant.
#[derive(Clone, Copy, Debug)]
enum State {
    Empty,
    Mean(Mean),
    Count(f64),
    Extreme(f64),
    Spread { count: f64, mean: f64, squares: f64 },
}

pub(super) fn fold(
    kind: FoldKind,
    tracks: &[Track],
    groups: Vec<Group>,
    steps: usize,
) -> Vec<Track> {
    let mut states = vec![State::Empty; steps];
    let of_group = |group: Group| {
        states.fill(State::Empty);
        for member in &group.members {
            for (state, value) in states.iter_mut().zip(&tracks[*member].values) {
                if is_present(*value) {
                    *state = take(kind, *state, *value);
                }
            }
        }
        let values = states.iter().map(|state| result(kind, *state)).collect();
        group.track(values)
    };
    groups.into_iter().map(of_group).collect()
}

/// Sums, which are most of what is asked: without a state of many kinds for each value.
pub(super) fn sum(tracks: &[Track], groups: Vec<Group>, steps: usize) -> Vec<Track> {
    // No sum of values can become the mark of none.
    let none = Sum { total: absent(), lost: 0.0 };
    let mut sums = vec![none; steps];
    let of_group = |group: Group| {
        sums.fill(none);
        for member in &group.members {
            for (sum, value) in sums.iter_mut().zip(&tracks[*member].values) {
                if is_present(*value) {
                    let some = is_present(sum.total);
                    *sum = if some { sum.plus(*value) } else { Sum { total: *value, lost: 0.0 } };
                }
            }
        }
        let value = |sum: &Sum| if is_present(sum.total) { sum.value() } else { absent() };
        group.track(sums.iter().map(value).collect())
    };
    groups.into_iter().map(of_group).collect()
}

fn take(kind: FoldKind, state: State, value: f64) -> State {
    match (kind, state) {
        (FoldKind::Avg, State::Mean(mean)) => State::Mean(mean.plus(value)),
        (FoldKind::Avg, _) => State::Mean(Mean::default().plus(value)),
        (FoldKind::Count | FoldKind::Group, State::Count(count)) => State::Count(count + 1.0),
        (FoldKind::Count | FoldKind::Group, _) => State::Count(1.0),
        (FoldKind::Min, State::Extreme(kept)) => {
            State::Extreme(if value < kept || kept.is_nan() { value } else { kept })
        }
        (FoldKind::Max, State::Extreme(kept)) => {
            State::Extreme(if value > kept || kept.is_nan() { value } else { kept })
        }
        (FoldKind::Min | FoldKind::Max, _) => State::Extreme(value),
        (FoldKind::Stddev | FoldKind::Stdvar, State::Spread { count, mean, squares }) => {
            // Welford's algorithm.
            let count = count + 1.0;
            let delta = value - mean;
            let mean = mean + delta / count;
            State::Spread { count, mean, squares: squares + delta * (value - mean) }
        }
        (FoldKind::Stddev | FoldKind::Stdvar, _) => {
            let squares = if value.is_finite() { 0.0 } else { f64::NAN };
            State::Spread { count: 1.0, mean: value, squares }
        }
    }
}

fn result(kind: FoldKind, state: State) -> f64 {
    match state {
        State::Empty => absent(),
        State::Mean(mean) => mean.value(),
        State::Count(_) if kind == FoldKind::Group => 1.0,
        State::Count(count) => count,
        State::Extreme(value) => value,
        State::Spread { count, squares, .. } if kind == FoldKind::Stddev => {
            (squares / count).sqrt()
        }
        State::Spread { count, squares, .. } => squares / count,
    }
}
