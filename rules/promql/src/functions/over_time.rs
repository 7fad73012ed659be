//! Aggregates of one series over its window. Every window here holds at least one sample.

use agent_model::Sample;

use crate::number::{Mean, Sum, quantile};

pub(super) fn values(samples: &[Sample]) -> Vec<f64> {
    samples.iter().map(|sample| sample.value).collect()
}

pub(super) fn sum(samples: &[Sample]) -> f64 {
    samples.iter().fold(Sum::default(), |sum, sample| sum.plus(sample.value)).value()
}

pub(super) fn average(samples: &[Sample]) -> f64 {
    samples.iter().fold(Mean::default(), |mean, sample| mean.plus(sample.value)).value()
}

/// The first smallest sample; NaN only where there is nothing else.
pub(super) fn minimum(samples: &[Sample]) -> Sample {
    extreme(samples, |value, kept| value < kept)
}

/// The first largest sample; NaN only where there is nothing else.
pub(super) fn maximum(samples: &[Sample]) -> Sample {
    extreme(samples, |value, kept| value > kept)
}

fn extreme(samples: &[Sample], better: impl Fn(f64, f64) -> bool) -> Sample {
    let none = Sample { timestamp_ms: 0, value: f64::NAN };
    let first = samples.first().copied().unwrap_or(none);
    samples.iter().fold(first, |kept, sample| {
        let replaces = better(sample.value, kept.value) || kept.value.is_nan();
        if replaces { *sample } else { kept }
    })
}

/// The population variance, by Welford's algorithm with compensated sums.
pub(super) fn variance(samples: &[Sample]) -> f64 {
    let (mut count, mut mean, mut squares) = (0.0, Sum::default(), Sum::default());
    for sample in samples {
        count += 1.0;
        let delta = sample.value - mean.value();
        mean = mean.plus(delta / count);
        squares = squares.plus(delta * (sample.value - mean.value()));
    }
    squares.value() / count
}

/// The median of the distances from the median.
pub(super) fn median_deviation(samples: &[Sample]) -> f64 {
    let mut sorted = values(samples);
    if sorted.iter().any(|value| value.is_nan()) {
        return f64::NAN;
    }
    let median = quantile(0.5, &mut sorted);
    let mut distances: Vec<f64> = sorted.iter().map(|value| (value - median).abs()).collect();
    quantile(0.5, &mut distances)
}
