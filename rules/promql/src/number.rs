//! Arithmetic that must come out as in Prometheus: compensated sums, quantiles, Go's minimum and maximum.

/// A sum that keeps the digits lost by each addition (Neumaier's variant of Kahan's algorithm).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sum {
    pub(crate) total: f64,
    pub(crate) lost: f64,
}

impl Sum {
    pub(crate) fn plus(self, value: f64) -> Self {
        let total = self.total + value;
        let lost = if total.is_infinite() {
            0.0
        } else if self.total.abs() >= value.abs() {
            self.lost + ((self.total - total) + value)
        } else {
            self.lost + ((value - total) + self.total)
        };
        Self { total, lost }
    }

    pub(crate) fn value(self) -> f64 {
        self.total + self.lost
    }
}

/// A mean by sum and count, which goes over to an incremental mean where the sum would overflow.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mean {
    count: f64,
    sum: Sum,
    incremental: bool,
}

impl Mean {
    pub(crate) fn plus(self, value: f64) -> Self {
        let count = self.count + 1.0;
        let mut mean = Self { count, ..self };
        if !self.incremental {
            let sum = self.sum.plus(value);
            if count == 1.0 || !sum.total.is_infinite() {
                return Self { sum, ..mean };
            }
            mean.incremental = true;
            mean.sum.total /= self.count;
            mean.sum.lost /= self.count;
        }
        if mean.sum.total.is_infinite() {
            let same_infinity = value.is_infinite() && (value > 0.0) == (mean.sum.total > 0.0);
            if same_infinity || value.is_finite() {
                return mean;
            }
        }
        // Both sides are divided before they are added, or the addition would overflow again.
        let kept = (count - 1.0) / count;
        let scaled = Sum { total: kept * mean.sum.total, lost: kept * mean.sum.lost };
        mean.sum = scaled.plus(value / count);
        mean
    }

    pub(crate) fn value(self) -> f64 {
        if self.incremental {
            self.sum.value()
        } else {
            self.sum.total / self.count + self.sum.lost / self.count
        }
    }
}

/// Interpolated quantile as in Prometheus: NaN sorts below every number; outside 0..=1 it is infinite.
pub(crate) fn quantile(q: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    values.sort_by(|one, other| nan_first(*one, *other));
    let last = values.len() - 1;
    let rank = q * last as f64;
    let lower = whole(rank.floor()).and_then(|index| usize::try_from(index).ok());
    let lower = lower.unwrap_or(0).min(last);
    let upper = (lower + 1).min(last);
    let weight = rank - rank.floor();
    values[lower] * (1.0 - weight) + values[upper] * weight
}

fn nan_first(one: f64, other: f64) -> std::cmp::Ordering {
    match (one.is_nan(), other.is_nan()) {
        (true, true) => std::cmp::Ordering::Equal,
        (true, false) => std::cmp::Ordering::Less,
        (false, true) => std::cmp::Ordering::Greater,
        (false, false) => one.partial_cmp(&other).unwrap_or(std::cmp::Ordering::Equal),
    }
}

/// NaN if either is NaN, unlike `f64::min`.
pub(crate) fn minimum(one: f64, other: f64) -> f64 {
    if one.is_nan() || other.is_nan() { f64::NAN } else { one.min(other) }
}

/// NaN if either is NaN, unlike `f64::max`.
pub(crate) fn maximum(one: f64, other: f64) -> f64 {
    if one.is_nan() || other.is_nan() { f64::NAN } else { one.max(other) }
}

/// Towards zero; `None` for NaN and for what does not fit.
#[allow(clippy::cast_possible_truncation, reason = "the bounds are checked before the cast")]
pub(crate) fn whole(value: f64) -> Option<i64> {
    // 2^63 is a power of two, so this comparison is exact.
    let fits = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&value);
    fits.then_some(value as i64)
}

/// A value as label text: shortest decimal without an exponent, `+Inf`, `-Inf`, `NaN`.
pub(crate) fn to_text(value: f64) -> String {
    if value == f64::INFINITY {
        "+Inf".to_owned()
    } else if value == f64::NEG_INFINITY {
        "-Inf".to_owned()
    } else {
        format!("{value}")
    }
}

/// Milliseconds as seconds.
pub(crate) fn seconds(millis: i64) -> f64 {
    millis as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_keep_small_values_next_to_huge_ones() {
        let sum = [1.0, 1e100, 1.0, -1e100].into_iter().fold(Sum::default(), Sum::plus);
        assert_eq!(sum.value(), 2.0);
    }

    #[test]
    fn a_mean_survives_a_sum_that_overflows() {
        let mean = [1e308; 4].into_iter().fold(Mean::default(), Mean::plus);
        assert!((mean.value() / 1e308 - 1.0).abs() < 1e-12);
    }

    #[test]
    fn quantiles_interpolate_and_put_nan_first() {
        assert_eq!(quantile(0.5, &mut [4.0, 0.0, 1.0]), 1.0);
        assert_eq!(quantile(0.75, &mut [0.0, 1.0, 4.0]), 2.5);
        assert!(quantile(0.2, &mut [0.0, 1.0, f64::NAN]).is_nan());
        assert_eq!(quantile(2.0, &mut [0.0]), f64::INFINITY);
    }

    #[test]
    fn only_numbers_that_fit_become_whole() {
        assert_eq!(whole(-1.9), Some(-1));
        assert_eq!(whole(f64::NAN), None);
        assert_eq!(whole(1e19), None);
    }
}
