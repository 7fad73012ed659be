//! Trends: simple linear regression and double exponential smoothing.

use agent_model::{Millis, Sample};

use crate::PromqlError;
use crate::number::{Sum, seconds};

struct Line {
    slope: f64,
    /// The value at the origin that was chosen.
    intercept: f64,
}

/// Least squares, with time in seconds from `origin_ms`.
fn fit(samples: &[Sample], origin_ms: Millis) -> Line {
    let first = samples.first().map_or(f64::NAN, |sample| sample.value);
    if samples.iter().all(|sample| sample.value == first) {
        // A constant has no slope; the general formula would find a tiny one.
        return match first.is_infinite() {
            true => Line { slope: f64::NAN, intercept: f64::NAN },
            false => Line { slope: 0.0, intercept: first },
        };
    }
    let (mut xs, mut ys, mut xys, mut x2s) =
        (Sum::default(), Sum::default(), Sum::default(), Sum::default());
    for sample in samples {
        let x = seconds(sample.timestamp_ms - origin_ms);
        xs = xs.plus(x);
        ys = ys.plus(sample.value);
        xys = xys.plus(x * sample.value);
        x2s = x2s.plus(x * x);
    }
    let count = samples.len() as f64;
    let (x, y) = (xs.value(), ys.value());
    let covariance = xys.value() - x * y / count;
    let variance = x2s.value() - x * x / count;
    let slope = covariance / variance;
    Line { slope, intercept: y / count - slope * x / count }
}

pub(super) fn derivative(samples: &[Sample]) -> Option<f64> {
    let [first, _, ..] = samples else { return None };
    Some(fit(samples, first.timestamp_ms).slope)
}

/// The value `ahead_seconds` after the step.
pub(super) fn predict(samples: &[Sample], at_ms: Millis, ahead_seconds: f64) -> Option<f64> {
    let [_, _, ..] = samples else { return None };
    let line = fit(samples, at_ms);
    Some(line.slope * ahead_seconds + line.intercept)
}

/// Both factors must lie strictly between 0 and 1.
pub(super) fn check_factors(parameters: &[Vec<f64>]) -> Result<(), PromqlError> {
    for (name, column) in ["smoothing", "trend"].into_iter().zip(parameters) {
        if let Some(wrong) = column.iter().find(|factor| !(**factor > 0.0 && **factor < 1.0)) {
            let message = format!("the {name} factor must be between 0 and 1, not {wrong}");
            return Err(PromqlError::Parameter(message));
        }
    }
    Ok(())
}

/// Holt's linear method.
pub(super) fn smoothed(samples: &[Sample], smoothing: f64, trend_factor: f64) -> Option<f64> {
    let [first, second, ..] = samples else { return None };
    let mut trend = second.value - first.value;
    let (mut previous, mut level) = (0.0, first.value);
    for (at, sample) in samples.iter().enumerate().skip(1) {
        // The first trend is taken as it is; later ones follow the level.
        if at > 1 {
            trend = trend_factor * (level - previous) + (1.0 - trend_factor) * trend;
        }
        previous = level;
        level = smoothing * sample.value + (1.0 - smoothing) * (level + trend);
    }
    Some(level)
}
