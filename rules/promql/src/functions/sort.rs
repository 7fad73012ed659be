//! The order of an instant query's result. A range query has none, its series come sorted by labels.

use std::cmp::Ordering;

use agent_model::Labels;

use crate::plan::Order;
use crate::track::Track;

pub(super) fn sort(mut tracks: Vec<Track>, order: &Order) -> Vec<Track> {
    match order {
        Order::Value { descending } => {
            // NaN comes last in both directions.
            tracks.sort_by(|one, other| match (first(one), first(other)) {
                (one, other) if one.is_nan() || other.is_nan() => one.is_nan().cmp(&other.is_nan()),
                (one, other) => {
                    let order = one.partial_cmp(&other).unwrap_or(Ordering::Equal);
                    if *descending { order.reverse() } else { order }
                }
            });
        }
        Order::Labels { names, descending } => {
            tracks.sort_by(|one, other| {
                let order = by_labels(&one.labels, &other.labels, names);
                if *descending { order.reverse() } else { order }
            });
        }
    }
    tracks
}

fn first(track: &Track) -> f64 {
    track.values.first().copied().unwrap_or(f64::NAN)
}

/// By the named labels in natural order, then by all labels, so that the order is always the same.
fn by_labels(one: &Labels, other: &Labels, names: &[String]) -> Ordering {
    let named = names
        .iter()
        .map(|name| natural(one.get(name).unwrap_or(""), other.get(name).unwrap_or("")));
    named.fold(Ordering::Equal, Ordering::then).then_with(|| one.cmp(other))
}

/// Runs of digits compare as numbers: `disk9` before `disk10`.
fn natural(one: &str, other: &str) -> Ordering {
    let (mut one, mut other) = (one, other);
    while !one.is_empty() && !other.is_empty() {
        let (one_run, one_rest) = split_run(one);
        let (other_run, other_rest) = split_run(other);
        let digits = |run: &str| run.starts_with(|first: char| first.is_ascii_digit());
        let order = if digits(one_run) && digits(other_run) {
            let (one, other) = (one_run.trim_start_matches('0'), other_run.trim_start_matches('0'));
            one.len().cmp(&other.len()).then_with(|| one.cmp(other))
        } else {
            one_run.cmp(other_run)
        };
        if order != Ordering::Equal {
            return order;
        }
        (one, other) = (one_rest, other_rest);
    }
    one.len().cmp(&other.len())
}

/// The leading run of digits, or of anything else.
fn split_run(text: &str) -> (&str, &str) {
    let digits = text.starts_with(|first: char| first.is_ascii_digit());
    let end = text.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(text.len());
    text.split_at(end)
}
