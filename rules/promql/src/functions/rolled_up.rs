//! Functions over windows with roll-ups: from their totals where these tell the same as the samples, else from the last
//! sample of each, with a warning.

use agent_model::{RolledSeries, Rollup, Sample};

use super::range_function::RangeFunction;
use super::rate::{self, Kind, Stretch};
use crate::evaluate::Evaluation;
use crate::number::{Sum, seconds};
use crate::parse::places::Place;
use crate::range::{Window, Windows};
use crate::rolled::RolledWindow;

/// One value per step of a series with roll-ups.
pub(super) fn column(
    evaluation: &Evaluation,
    (function, place): (RangeFunction, Option<Place>),
    windows: &Windows,
    series: &RolledSeries,
    parameters: &[Vec<f64>],
) -> Vec<f64> {
    let annotations = &evaluation.annotations;
    windows.rolled_windows(series, |window| {
        if !window.exact {
            annotations.rolled_up_edges(place);
        }
        if let Some(known) = Totals::of(window)?.value(function, window) {
            return known;
        }
        if !window.rollups.is_empty() {
            annotations.rolled_up_values(function.name(), place);
        }
        roughly(function, window, parameters)
    })
}

/// As if a sample had been taken every five minutes.
fn roughly(function: RangeFunction, window: &RolledWindow, parameters: &[Vec<f64>]) -> Option<f64> {
    let samples = window.last_samples();
    let RolledWindow { start_ms, end_ms, at_ms, step, .. } = *window;
    let resets = rate::reset_places(&samples);
    let window = Window { samples: &samples, first: 0, start_ms, end_ms, at_ms, step };
    function.of(&window, &resets, &|index| parameters[index][step])
}

/// What the roll-ups and samples of a window come to together.
#[derive(Clone, Copy, Debug)]
struct Totals {
    all: Rollup,
    sum: Sum,
}

impl Totals {
    /// `None` of nothing.
    fn of(window: &RolledWindow) -> Option<Self> {
        let mut rows = window.in_order();
        let all = rows.next()?;
        let mut totals = Self { all, sum: Sum::default().plus(all.sum) };
        rows.for_each(|row| totals.add(&row));
        Some(totals)
    }

    /// Adds what follows; the same rules hold between two roll-ups as between two samples.
    fn add(&mut self, next: &Rollup) {
        let all = &mut self.all;
        if next.first < all.last {
            all.resets += 1;
            all.lost += all.last;
        }
        if next.resets > 0 {
            all.resets += next.resets;
            all.lost += next.lost;
        }
        all.changes += next.changes + u64::from(rate::differ(all.last, next.first));
        if next.min < all.min || all.min.is_nan() {
            all.min = next.min;
        }
        if next.max > all.max || all.max.is_nan() {
            all.max = next.max;
        }
        all.count += next.count;
        (all.last, all.last_ms) = (next.last, next.last_ms);
        self.sum = self.sum.plus(next.sum);
    }

    /// `None` when roll-ups do not tell it.
    #[allow(clippy::option_option, reason = "the inner one is the function's own: no value here")]
    fn value(&self, function: RangeFunction, window: &RolledWindow) -> Option<Option<f64>> {
        let Self { all, sum } = self;
        let count = all.count as f64;
        Some(match function {
            RangeFunction::Rate => self.growth(Kind::Rate, window),
            RangeFunction::Increase => self.growth(Kind::Increase, window),
            RangeFunction::Delta => self.growth(Kind::Delta, window),
            RangeFunction::Changes => Some(all.changes as f64),
            RangeFunction::Resets => Some(all.resets as f64),
            RangeFunction::AverageOverTime => Some(sum.total / count + sum.lost / count),
            RangeFunction::MinimumOverTime => Some(all.min),
            RangeFunction::MaximumOverTime => Some(all.max),
            RangeFunction::SumOverTime => Some(sum.value()),
            RangeFunction::CountOverTime => Some(count),
            RangeFunction::LastOverTime => Some(all.last),
            RangeFunction::FirstOverTime => Some(all.first),
            RangeFunction::PresentOverTime => Some(1.0),
            RangeFunction::TimeOfFirst => Some(seconds(all.first_ms)),
            RangeFunction::TimeOfLast => Some(seconds(all.last_ms)),
            RangeFunction::InstantRate
            | RangeFunction::InstantDelta
            | RangeFunction::Derivative
            | RangeFunction::PredictLinear
            | RangeFunction::DoubleExponentialSmoothing
            | RangeFunction::StddevOverTime
            | RangeFunction::StdvarOverTime
            | RangeFunction::MadOverTime
            | RangeFunction::QuantileOverTime
            | RangeFunction::TimeOfMinimum
            | RangeFunction::TimeOfMaximum => return None,
        })
    }

    fn growth(&self, kind: Kind, window: &RolledWindow) -> Option<f64> {
        let all = &self.all;
        if all.count < 2 {
            return None;
        }
        let stretch = Stretch {
            first: Sample { timestamp_ms: all.first_ms, value: all.first },
            last: Sample { timestamp_ms: all.last_ms, value: all.last },
            samples: all.count,
            lost: all.lost,
            start_ms: window.start_ms,
            end_ms: window.end_ms,
        };
        let growth = stretch.extended(kind);
        if window.exact || kind == Kind::Rate {
            return Some(growth);
        }
        // The bounds were moved: what would have grown in the length that was asked for.
        Some(growth * (seconds(window.range_ms) / seconds(window.end_ms - window.start_ms)))
    }
}
