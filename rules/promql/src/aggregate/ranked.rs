//! Aggregations that keep some series of each group as they are: topk, bottomk, limitk.

use std::cmp::Ordering;

use super::Group;
use crate::PromqlError;
use crate::number::{to_text, whole};
use crate::track::{Track, absent, is_present};

/// How many are wanted at each step; what no whole number can hold is refused, as in Prometheus.
pub(super) fn checked_counts(parameter: Vec<f64>) -> Result<Vec<f64>, PromqlError> {
    const BOUND: f64 = 9_223_372_036_854_775_808.0;
    let refused = |text: String| Err(PromqlError::Parameter(text));
    for count in &parameter {
        if count.is_nan() {
            return refused("Parameter value is NaN".to_owned());
        }
        if *count >= BOUND {
            return refused(format!("Scalar value {} overflows int64", to_text(*count)));
        }
        if *count <= -BOUND {
            return refused(format!("Scalar value {} underflows int64", to_text(*count)));
        }
    }
    Ok(parameter)
}

/// The largest (or smallest) values of each group at each step; NaN ranks last either way. At a single step the
/// result is in the order of rank within each group.
pub(super) fn top(
    tracks: Vec<Track>,
    groups: &[Group],
    parameter: &[f64],
    largest: bool,
) -> Vec<Track> {
    let rank = |one: f64, other: f64| by_rank(one, other, largest);
    let mut order = Vec::with_capacity(tracks.len());
    let mut kept: Vec<Vec<f64>> = tracks.iter().map(|track| nothing(track.values.len())).collect();
    for group in groups {
        let mut ranked: Vec<usize> = Vec::with_capacity(group.members.len());
        for (step, count) in parameter.iter().enumerate() {
            ranked.clear();
            ranked.extend(group.members.iter().filter(|place| tracks[**place].is_present_at(step)));
            // A stable sort: equal values keep the order of the series.
            ranked
                .sort_by(|one, other| rank(tracks[*one].values[step], tracks[*other].values[step]));
            for place in ranked.iter().take(at_most(*count)) {
                kept[*place][step] = tracks[*place].values[step];
            }
        }
        if parameter.len() == 1 {
            order.append(&mut ranked);
        } else {
            order.extend(&group.members);
        }
    }
    in_order(&tracks, kept, &order)
}

/// The first series of each group at each step.
pub(super) fn limit(tracks: Vec<Track>, groups: &[Group], parameter: &[f64]) -> Vec<Track> {
    let mut kept: Vec<Vec<f64>> = tracks.iter().map(|track| nothing(track.values.len())).collect();
    for group in groups {
        for (step, count) in parameter.iter().enumerate() {
            let present = group.members.iter().filter(|place| tracks[**place].is_present_at(step));
            for place in present.take(at_most(*count)) {
                kept[*place][step] = tracks[*place].values[step];
            }
        }
    }
    let order: Vec<usize> = groups.iter().flat_map(|group| group.members.clone()).collect();
    in_order(&tracks, kept, &order)
}

fn nothing(steps: usize) -> Vec<f64> {
    vec![absent(); steps]
}

fn in_order(tracks: &[Track], mut kept: Vec<Vec<f64>>, order: &[usize]) -> Vec<Track> {
    let track = |place: &usize| {
        let (of, values) = (&tracks[*place], std::mem::take(&mut kept[*place]));
        Track { labels: of.labels.clone(), values, drops_name: of.drops_name }
    };
    let tracks = order.iter().map(track);
    tracks.filter(|track| track.values.iter().any(|value| is_present(*value))).collect()
}

/// Fewer than one is none; more than there are is all.
fn at_most(count: f64) -> usize {
    if count < 1.0 {
        return 0;
    }
    whole(count).and_then(|count| usize::try_from(count).ok()).unwrap_or(usize::MAX)
}

fn by_rank(one: f64, other: f64, largest: bool) -> Ordering {
    match (one.is_nan(), other.is_nan()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => {
            let order = one.partial_cmp(&other).unwrap_or(Ordering::Equal);
            if largest { order.reverse() } else { order }
        }
    }
}
