//! Functions over range vectors: names, and how each turns a window into a value.

use agent_model::Sample;

use super::{over_time, rate, regression, rolled_up};
use crate::PromqlError;
use crate::evaluate::Evaluation;
use crate::number::{quantile, seconds};
use crate::plan::OverRange;
use crate::range::{Window, Windows};
use crate::steps::Steps;
use crate::track::{Track, drop_names, join_alike, sort};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RangeFunction {
    Rate,
    Increase,
    Delta,
    InstantRate,
    InstantDelta,
    Changes,
    Resets,
    Derivative,
    PredictLinear,
    DoubleExponentialSmoothing,
    AverageOverTime,
    MinimumOverTime,
    MaximumOverTime,
    SumOverTime,
    CountOverTime,
    LastOverTime,
    FirstOverTime,
    PresentOverTime,
    StddevOverTime,
    StdvarOverTime,
    MadOverTime,
    QuantileOverTime,
    TimeOfFirst,
    TimeOfLast,
    TimeOfMinimum,
    TimeOfMaximum,
}

/// Every name of PromQL.
const NAMES: [(&str, RangeFunction); 26] = [
    ("rate", RangeFunction::Rate),
    ("increase", RangeFunction::Increase),
    ("delta", RangeFunction::Delta),
    ("irate", RangeFunction::InstantRate),
    ("idelta", RangeFunction::InstantDelta),
    ("changes", RangeFunction::Changes),
    ("resets", RangeFunction::Resets),
    ("deriv", RangeFunction::Derivative),
    ("predict_linear", RangeFunction::PredictLinear),
    ("double_exponential_smoothing", RangeFunction::DoubleExponentialSmoothing),
    ("avg_over_time", RangeFunction::AverageOverTime),
    ("min_over_time", RangeFunction::MinimumOverTime),
    ("max_over_time", RangeFunction::MaximumOverTime),
    ("sum_over_time", RangeFunction::SumOverTime),
    ("count_over_time", RangeFunction::CountOverTime),
    ("last_over_time", RangeFunction::LastOverTime),
    ("first_over_time", RangeFunction::FirstOverTime),
    ("present_over_time", RangeFunction::PresentOverTime),
    ("stddev_over_time", RangeFunction::StddevOverTime),
    ("stdvar_over_time", RangeFunction::StdvarOverTime),
    ("mad_over_time", RangeFunction::MadOverTime),
    ("quantile_over_time", RangeFunction::QuantileOverTime),
    ("ts_of_first_over_time", RangeFunction::TimeOfFirst),
    ("ts_of_last_over_time", RangeFunction::TimeOfLast),
    ("ts_of_min_over_time", RangeFunction::TimeOfMinimum),
    ("ts_of_max_over_time", RangeFunction::TimeOfMaximum),
];

impl RangeFunction {
    pub(crate) fn named(name: &str) -> Option<Self> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, function)| *function)
    }

    pub(super) fn name(self) -> &'static str {
        NAMES.iter().find(|(_, known)| *known == self).map_or("", |(name, _)| name)
    }

    /// The first and the last sample are still samples of the metric.
    fn keeps_name(self) -> bool {
        matches!(self, Self::LastOverTime | Self::FirstOverTime)
    }

    /// A window here always holds a sample. `parameter(0)` is the first scalar argument at this step.
    /// `resets` are the places at which a counter started anew, for those functions that need them.
    pub(super) fn of(
        self,
        window: &Window,
        resets: &[usize],
        parameter: &dyn Fn(usize) -> f64,
    ) -> Option<f64> {
        let samples = window.samples;
        match self {
            Self::Rate => rate::extrapolated(window, rate::Kind::Rate, resets),
            Self::Increase => rate::extrapolated(window, rate::Kind::Increase, resets),
            Self::Delta => rate::extrapolated(window, rate::Kind::Delta, resets),
            Self::InstantRate => rate::instant_rate(samples),
            Self::InstantDelta => rate::instant_delta(samples),
            Self::Changes => Some(rate::changes(samples)),
            Self::Resets => Some(rate::resets(samples)),
            Self::Derivative => regression::derivative(samples),
            Self::PredictLinear => regression::predict(samples, window.at_ms, parameter(0)),
            Self::DoubleExponentialSmoothing => {
                regression::smoothed(samples, parameter(0), parameter(1))
            }
            Self::AverageOverTime => Some(over_time::average(samples)),
            Self::MinimumOverTime => Some(over_time::minimum(samples).value),
            Self::MaximumOverTime => Some(over_time::maximum(samples).value),
            Self::SumOverTime => Some(over_time::sum(samples)),
            Self::CountOverTime => Some(samples.len() as f64),
            Self::LastOverTime => samples.last().map(|sample| sample.value),
            Self::FirstOverTime => samples.first().map(|sample| sample.value),
            Self::PresentOverTime => Some(1.0),
            Self::StddevOverTime => Some(over_time::variance(samples).sqrt()),
            Self::StdvarOverTime => Some(over_time::variance(samples)),
            Self::MadOverTime => Some(over_time::median_deviation(samples)),
            Self::QuantileOverTime => Some(quantile(parameter(0), &mut over_time::values(samples))),
            Self::TimeOfFirst => samples.first().map(|sample| seconds(sample.timestamp_ms)),
            Self::TimeOfLast => samples.last().map(|sample| seconds(sample.timestamp_ms)),
            Self::TimeOfMinimum => Some(seconds(over_time::minimum(samples).timestamp_ms)),
            Self::TimeOfMaximum => Some(seconds(over_time::maximum(samples).timestamp_ms)),
        }
    }
}

pub(super) fn evaluate(
    evaluation: &Evaluation,
    plan: &OverRange,
    steps: Steps,
) -> Result<Vec<Track>, PromqlError> {
    let function = plan.function;
    let parameters: Vec<Vec<f64>> = plan
        .parameters
        .iter()
        .map(|parameter| evaluation.scalar(parameter, steps))
        .collect::<Result<_, _>>()?;
    if function == RangeFunction::DoubleExponentialSmoothing {
        regression::check_factors(&parameters)?;
    }
    let mut tracks = Vec::new();
    evaluation.each_range(&plan.range, steps, |windows, series| {
        evaluation.spend(windows.steps())?;
        let values = if series.rollups.is_empty() {
            plain(function, windows, &series.samples, &parameters)
        } else {
            rolled_up::column(evaluation, (function, plan.place), windows, &series, &parameters)
        };
        let track = Track::new(series.labels, values);
        if !track.is_empty() {
            annotate(evaluation, plan, &track, &parameters);
            tracks.push(track);
        }
        Ok(())
    })?;
    sort(&mut tracks);
    if function.keeps_name() { join_alike(tracks) } else { Ok(drop_names(tracks)) }
}

/// One value per step of a series that has all its samples.
fn plain(
    function: RangeFunction,
    windows: &Windows,
    samples: &[Sample],
    parameters: &[Vec<f64>],
) -> Vec<f64> {
    let resets = match function {
        RangeFunction::Rate | RangeFunction::Increase => rate::reset_places(samples),
        _ => Vec::new(),
    };
    windows.column(samples, |window| {
        function.of(window, &resets, &|index| parameters[index][window.step])
    })
}

/// What is to be said of a series that has a result.
fn annotate(evaluation: &Evaluation, plan: &OverRange, track: &Track, parameters: &[Vec<f64>]) {
    match plan.function {
        RangeFunction::Rate | RangeFunction::Increase => {
            evaluation.annotations.possible_non_counter(track.labels.metric_name(), plan.place);
        }
        RangeFunction::QuantileOverTime => {
            let present = (0..track.values.len()).filter(|step| track.is_present_at(*step));
            let given = present.filter_map(|step| parameters.first()?.get(step));
            for quantile in given.filter(|quantile| !(0.0..=1.0).contains(*quantile)) {
                evaluation.annotations.invalid_quantile(*quantile, plan.place);
            }
        }
        _ => {}
    }
}
