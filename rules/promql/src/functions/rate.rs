//! How fast something grows: rate, increase, delta and their instant forms, changes, resets.

use agent_model::{Millis, Sample};

use crate::number::seconds;
use crate::range::Window;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Rate,
    Increase,
    Delta,
}

/// What a window tells of growth.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretch {
    pub(super) first: Sample,
    pub(super) last: Sample,
    /// At least two.
    pub(super) samples: u64,
    /// What a counter had reached each time it started anew.
    pub(super) lost: f64,
    pub(super) start_ms: Millis,
    pub(super) end_ms: Millis,
}

pub(super) fn extrapolated(window: &Window, kind: Kind, resets: &[usize]) -> Option<f64> {
    let [first, .., last] = window.samples else { return None };
    let lost = if kind == Kind::Delta { 0.0 } else { lost_in_resets(window, resets) };
    let samples = window.samples.len() as u64;
    let (start_ms, end_ms) = (window.start_ms, window.end_ms);
    Some(Stretch { first: *first, last: *last, samples, lost, start_ms, end_ms }.extended(kind))
}

impl Stretch {
    /// The growth between the first and the last sample, extended to the window's ends: by at most half an average
    /// interval where the next sample would have been due, and for a counter never below zero
    /// (prometheus, promql/functions.go, `extrapolatedRate`).
    pub(super) fn extended(&self, kind: Kind) -> f64 {
        let Self { first, last, samples, lost, start_ms, end_ms } = self;
        let counter = kind != Kind::Delta;
        let mut growth = last.value - first.value;
        if counter && *lost != 0.0 {
            growth += lost;
        }
        let sampled = seconds(last.timestamp_ms - first.timestamp_ms);
        let average = sampled / (samples - 1) as f64;
        let within = |gap: f64| if gap >= average * 1.1 { average / 2.0 } else { gap };
        let mut before = within(seconds(first.timestamp_ms - start_ms));
        if counter && growth > 0.0 && first.value >= 0.0 {
            let since_zero = sampled * (first.value / growth);
            before = before.min(since_zero);
        }
        let after = within(seconds(end_ms - last.timestamp_ms));
        let mut factor = (sampled + before + after) / sampled;
        if kind == Kind::Rate {
            factor /= seconds(end_ms - start_ms);
        }
        growth * factor
    }
}

/// The places in a whole series at which its counter started anew, so that windows need not look for them each.
pub(super) fn reset_places(samples: &[Sample]) -> Vec<usize> {
    let pairs = samples.windows(2).enumerate();
    pairs.filter(|(_, pair)| pair[1].value < pair[0].value).map(|(place, _)| place + 1).collect()
}

/// What a counter had reached each time it started anew within the window.
fn lost_in_resets(window: &Window, resets: &[usize]) -> f64 {
    let after = resets.partition_point(|place| *place <= window.first);
    let end = window.first + window.samples.len();
    let within = resets[after..].iter().take_while(|place| **place < end);
    within.map(|place| window.samples[place - window.first - 1].value).sum()
}

/// Per second between the last two samples; after a reset the counter started at zero.
pub(super) fn instant_rate(samples: &[Sample]) -> Option<f64> {
    let [.., previous, last] = samples else { return None };
    let growth = if last.value < previous.value { last.value } else { last.value - previous.value };
    let interval = last.timestamp_ms - previous.timestamp_ms;
    (interval > 0).then(|| growth / seconds(interval))
}

pub(super) fn instant_delta(samples: &[Sample]) -> Option<f64> {
    let [.., previous, last] = samples else { return None };
    Some(last.value - previous.value)
}

/// Whether a value is another than the one before.
pub(super) fn differ(one: f64, other: f64) -> bool {
    one != other && !(one.is_nan() && other.is_nan())
}

pub(super) fn changes(samples: &[Sample]) -> f64 {
    samples.windows(2).filter(|pair| differ(pair[0].value, pair[1].value)).count() as f64
}

pub(super) fn resets(samples: &[Sample]) -> f64 {
    samples.windows(2).filter(|pair| pair[1].value < pair[0].value).count() as f64
}
