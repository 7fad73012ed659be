//! One measurement of one series.
//! The stale marker is Prometheus' own NaN, so that remote write and PromQL agree on it.

use crate::{Labels, Millis};

#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub timestamp_ms: Millis,
    pub value: f64,
}

/// A series and its samples, in order of time, no time twice.
#[derive(Clone, Debug)]
pub struct Series {
    pub labels: Labels,
    pub samples: Vec<Sample>,
}

/// The bits of Prometheus' StaleNaN (prometheus, model/value/value.go): "the series ended here".
pub const STALE_NAN_BITS: u64 = 0x7ff0_0000_0000_0002;

pub fn stale_marker() -> f64 {
    f64::from_bits(STALE_NAN_BITS)
}

/// An ordinary NaN is a value; only this one NaN ends a series.
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE_NAN_BITS
}
