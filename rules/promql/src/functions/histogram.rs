//! Classic histograms: series of cumulative counts told apart by the label `le`.

use std::collections::HashMap;

use agent_model::Labels;

use crate::PromqlError;
use crate::evaluate::Evaluation;
use crate::steps::Steps;
use crate::track::{Track, absent, drop_names, is_present};

const BOUND_LABEL: &str = "le";

/// Counts closer than this, relative to their sum, differ by rounding alone (as in Prometheus).
const ROUNDING: f64 = 1e-12;

#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    bound: f64,
    /// Observations up to the bound.
    count: f64,
}

/// One value per histogram and step, from the buckets present at the step, sorted by bound.
pub(super) fn per_histogram(
    evaluation: &Evaluation,
    tracks: &[Track],
    steps: Steps,
    compute: impl Fn(usize, Vec<Bucket>) -> f64,
) -> Result<Vec<Track>, PromqlError> {
    let mut places: HashMap<Labels, usize> = HashMap::new();
    let mut histograms: Vec<(Labels, Vec<(f64, &Track)>)> = Vec::new();
    for track in tracks {
        // A series without a readable bound is no bucket.
        let bound = track.labels.get(BOUND_LABEL).and_then(|bound| bound.parse::<f64>().ok());
        let Some(bound) = bound else { continue };
        let labels = track.labels.without(&[BOUND_LABEL]);
        let place = *places.entry(labels.clone()).or_insert_with(|| {
            histograms.push((labels, Vec::new()));
            histograms.len() - 1
        });
        histograms[place].1.push((bound, track));
    }
    let mut results = Vec::with_capacity(histograms.len());
    for (labels, mut parts) in histograms {
        evaluation.spend(steps.count)?;
        parts.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        let at = |step: usize| {
            let present = parts.iter().filter(|(_, track)| is_present(track.values[step]));
            let buckets: Vec<Bucket> = present
                .map(|(bound, track)| Bucket { bound: *bound, count: track.values[step] })
                .collect();
            if buckets.is_empty() { absent() } else { compute(step, buckets) }
        };
        results.push(Track::new(labels, (0..steps.count).map(at).collect()));
    }
    // Histograms of different names that are alike otherwise are refused here, as in Prometheus.
    drop_names(results)
}

/// The value below which a share `q` of the observations lies, linear within a bucket
/// (prometheus, promql/quantile.go, `BucketQuantile`).
pub(super) fn quantile(q: f64, buckets: Vec<Bucket>) -> f64 {
    if q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    let buckets = monotonic(merged(buckets));
    let [.., before_last, last] = &buckets[..] else { return f64::NAN };
    if last.bound != f64::INFINITY || last.count == 0.0 || last.count.is_nan() {
        return f64::NAN;
    }
    let mut rank = q * last.count;
    let inner = &buckets[..buckets.len() - 1];
    let place = inner.partition_point(|bucket| bucket.count < rank);
    let Some(bucket) = inner.get(place) else { return before_last.bound };
    let previous = place.checked_sub(1).map(|previous| buckets[previous]);
    let (start, mut count) = match previous {
        None if bucket.bound <= 0.0 => return bucket.bound,
        None => (0.0, bucket.count),
        Some(previous) => {
            rank -= previous.count;
            (previous.bound, bucket.count)
        }
    };
    if let Some(previous) = previous {
        count -= previous.count;
    }
    start + (bucket.bound - start) * (rank / count)
}

/// The share of the observations between two values.
pub(super) fn fraction(low: f64, high: f64, buckets: Vec<Bucket>) -> f64 {
    let buckets = merged(buckets);
    let Some(last) = buckets.last().copied() else { return f64::NAN };
    if last.bound != f64::INFINITY || last.count == 0.0 || low.is_nan() || high.is_nan() {
        return f64::NAN;
    }
    if low >= high {
        return 0.0;
    }
    (rank_of(high, &buckets) - rank_of(low, &buckets)) / last.count
}

/// How many observations lie below a value.
fn rank_of(value: f64, buckets: &[Bucket]) -> f64 {
    let mut below = Bucket { bound: f64::NEG_INFINITY, count: 0.0 };
    for (place, bucket) in buckets.iter().enumerate() {
        if below.bound >= value {
            return below.count;
        }
        if bucket.bound > value {
            // The first bucket of a histogram of positive values starts at zero.
            let start = if place == 0 && bucket.bound > 0.0 { 0.0 } else { below.bound };
            if start >= value {
                return below.count;
            }
            // Nothing can be said about where in an endless bucket the observations lie.
            return match (start.is_infinite(), bucket.bound.is_infinite()) {
                (true, _) => bucket.count,
                (_, true) => below.count,
                _ => {
                    let share = (value - start) / (bucket.bound - start);
                    below.count + (bucket.count - below.count) * share
                }
            };
        }
        below = *bucket;
    }
    below.count
}

/// Adds up buckets of the same bound: `le="0.2"` and `le="2e-1"`.
fn merged(buckets: Vec<Bucket>) -> Vec<Bucket> {
    let mut merged: Vec<Bucket> = Vec::with_capacity(buckets.len());
    for bucket in buckets {
        match merged.last_mut() {
            Some(last) if last.bound == bucket.bound => last.count += bucket.count,
            _ => merged.push(bucket),
        }
    }
    merged
}

/// Cumulative counts cannot fall; where rates make them, they are lifted.
fn monotonic(mut buckets: Vec<Bucket>) -> Vec<Bucket> {
    let Some(first) = buckets.first() else { return buckets };
    let mut before = first.count;
    for bucket in &mut buckets {
        let rounding = (bucket.count - before).abs() <= ROUNDING * (bucket.count + before).abs();
        if bucket.count < before || rounding {
            bucket.count = before;
        } else {
            before = bucket.count;
        }
    }
    buckets
}
