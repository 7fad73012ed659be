//! Functions over range vectors: names, and how each turns a window into a value.

use super::{over_time, rate, regression};
use crate::PromqlError;
use crate::evaluate::Evaluation;
use crate::number::{quantile, seconds};
use crate::plan::OverRange;
use crate::range::Window;
use crate::steps::Steps;
use crate::track::{Track, drop_names, join_alike};

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

impl RangeFunction {
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "rate" => Self::Rate,
            "increase" => Self::Increase,
            "delta" => Self::Delta,
            "irate" => Self::InstantRate,
            "idelta" => Self::InstantDelta,
            "changes" => Self::Changes,
            "resets" => Self::Resets,
            "deriv" => Self::Derivative,
            "predict_linear" => Self::PredictLinear,
            "double_exponential_smoothing" => Self::DoubleExponentialSmoothing,
            "avg_over_time" => Self::AverageOverTime,
            "min_over_time" => Self::MinimumOverTime,
            "max_over_time" => Self::MaximumOverTime,
            "sum_over_time" => Self::SumOverTime,
            "count_over_time" => Self::CountOverTime,
            "last_over_time" => Self::LastOverTime,
            "first_over_time" => Self::FirstOverTime,
            "present_over_time" => Self::PresentOverTime,
            "stddev_over_time" => Self::StddevOverTime,
            "stdvar_over_time" => Self::StdvarOverTime,
            "mad_over_time" => Self::MadOverTime,
            "quantile_over_time" => Self::QuantileOverTime,
            "ts_of_first_over_time" => Self::TimeOfFirst,
            "ts_of_last_over_time" => Self::TimeOfLast,
            "ts_of_min_over_time" => Self::TimeOfMinimum,
            "ts_of_max_over_time" => Self::TimeOfMaximum,
            _ => return None,
        })
    }

    /// The first and the last sample are still samples of the metric.
    fn keeps_name(self) -> bool {
        matches!(self, Self::LastOverTime | Self::FirstOverTime)
    }

    /// A window here always holds a sample. `parameter(0)` is the first scalar argument at this step.
    /// `resets` are the places at which a counter started anew, for those functions that need them.
    fn of(
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
    let ranges = evaluation.ranges(&plan.range, steps)?;
    let mut tracks = Vec::with_capacity(ranges.series.len());
    for series in &ranges.series {
        evaluation.spend(ranges.steps())?;
        let resets = match function {
            RangeFunction::Rate | RangeFunction::Increase => rate::reset_places(&series.samples),
            _ => Vec::new(),
        };
        let values = ranges.column(&series.samples, |window| {
            function.of(window, &resets, &|index| parameters[index][window.step])
        });
        let track = Track::new(series.labels.clone(), values);
        if !track.is_empty() {
            annotate(evaluation, plan, &track, &parameters);
            tracks.push(track);
        }
    }
    if function.keeps_name() { join_alike(tracks) } else { Ok(drop_names(tracks)) }
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
