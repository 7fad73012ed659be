//! Classic histograms: series of cumulative counts told apart by the label `le`.

use std::collections::HashMap;

use agent_model::Labels;

use crate::PromqlError;
use crate::evaluate::Evaluation;
use crate::number::to_text;
use crate::parse::places::Place;
use crate::plan::{HistogramFraction, HistogramQuantiles};
use crate::steps::Steps;
use crate::track::{Track, absent, drop_names, join_alike};

const BOUND_LABEL: &str = "le";

/// Counts closer than this, relative to their sum, differ by rounding alone (as in Prometheus).
const ROUNDING: f64 = 1e-12;

#[derive(Clone, Copy, Debug)]
struct Bucket {
    bound: f64,
    /// Observations up to the bound.
    count: f64,
}

/// The parts of one histogram, by bound.
struct Histogram<'a> {
    labels: Labels,
    parts: Vec<(f64, &'a Track)>,
}

impl Histogram<'_> {
    /// The buckets present at a step; none where there is no histogram.
    fn buckets(&self, step: usize) -> Vec<Bucket> {
        let present = self.parts.iter().filter(|(_, track)| track.is_present_at(step));
        present.map(|(bound, track)| Bucket { bound: *bound, count: track.values[step] }).collect()
    }

    fn track(&self, values: Vec<f64>) -> Track {
        let drops_name = self.parts.iter().any(|(_, track)| track.drops_name);
        Track { labels: self.labels.clone(), values, drops_name }
    }
}

pub(super) fn quantiles(
    evaluation: &Evaluation,
    plan: &HistogramQuantiles,
    steps: Steps,
) -> Result<Vec<Track>, PromqlError> {
    let mut wanted = Vec::with_capacity(plan.quantiles.len());
    for (scalar, place) in &plan.quantiles {
        let column = evaluation.scalar(scalar, steps)?;
        for quantile in column.iter().filter(|one| !(0.0..=1.0).contains(*one)) {
            evaluation.annotations.invalid_quantile(*quantile, *place);
        }
        wanted.push(column);
    }
    let tracks = evaluation.vector(&plan.vector, steps)?;
    let mut results = Vec::new();
    for histogram in histograms(evaluation, &tracks, plan.place) {
        for column in &wanted {
            evaluation.spend(steps.count)?;
            let at = |step: usize| {
                let buckets = histogram.buckets(step);
                if buckets.is_empty() {
                    return absent();
                }
                let (value, forced) = quantile(column[step], buckets);
                if forced {
                    let name = histogram.labels.metric_name();
                    evaluation.annotations.forced_monotonicity(name, plan.place);
                }
                value
            };
            let track = histogram.track((0..steps.count).map(at).collect());
            match &plan.label {
                None => results.push(track),
                Some(label) => results.extend(by_quantile(track, label, column)),
            }
        }
    }
    named_alike(results)
}

/// The values of a track with the quantile of their step in a label.
fn by_quantile(track: Track, label: &str, quantiles: &[f64]) -> Vec<Track> {
    let mut texts: Vec<String> = quantiles.iter().map(|quantile| decimal(*quantile)).collect();
    let of_text = |text: &String| {
        let values = track.values.iter().zip(quantiles);
        let values = values.map(|(value, quantile)| match decimal(*quantile) == *text {
            true => *value,
            false => absent(),
        });
        let labels = track.labels.with(label, text.as_str());
        Track { labels, values: values.collect(), drops_name: track.drops_name }
    };
    texts.dedup();
    texts.sort();
    texts.dedup();
    texts.iter().map(of_text).collect()
}

/// A number as OpenMetrics writes it: a whole one with its `.0`.
fn decimal(value: f64) -> String {
    let text = to_text(value);
    let whole = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    if whole { text + ".0" } else { text }
}

pub(super) fn fractions(
    evaluation: &Evaluation,
    plan: &HistogramFraction,
    steps: Steps,
) -> Result<Vec<Track>, PromqlError> {
    let (low, high) = (evaluation.scalar(&plan.low, steps)?, evaluation.scalar(&plan.high, steps)?);
    let tracks = evaluation.vector(&plan.vector, steps)?;
    let mut results = Vec::new();
    for histogram in histograms(evaluation, &tracks, plan.place) {
        evaluation.spend(steps.count)?;
        let at = |step: usize| {
            let buckets = histogram.buckets(step);
            if buckets.is_empty() { absent() } else { fraction(low[step], high[step], buckets) }
        };
        results.push(histogram.track((0..steps.count).map(at).collect()));
    }
    named_alike(results)
}

/// Histograms of different names that are alike otherwise are refused later, as in Prometheus.
fn named_alike(results: Vec<Track>) -> Result<Vec<Track>, PromqlError> {
    Ok(drop_names(join_alike(results)?))
}

/// The series of a vector by histogram; one without a readable bound is no bucket, which is said.
fn histograms<'a>(
    evaluation: &Evaluation,
    tracks: &'a [Track],
    place: Option<Place>,
) -> Vec<Histogram<'a>> {
    let mut places: HashMap<Labels, usize> = HashMap::new();
    let mut histograms: Vec<Histogram> = Vec::new();
    for track in tracks {
        let text = track.labels.get(BOUND_LABEL).unwrap_or("");
        let Ok(bound) = text.parse::<f64>() else {
            let name = track.labels.metric_name();
            evaluation.annotations.bad_bucket_label(name, text, place);
            continue;
        };
        let labels = track.labels.without(&[BOUND_LABEL]);
        let place = *places.entry(labels.clone()).or_insert_with(|| {
            histograms.push(Histogram { labels, parts: Vec::new() });
            histograms.len() - 1
        });
        histograms[place].parts.push((bound, track));
    }
    for histogram in &mut histograms {
        histogram.parts.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    }
    histograms
}

/// The value below which a share `q` of the observations lies, linear within a bucket
/// (prometheus, promql/quantile.go, `BucketQuantile`). Also whether counts had to be lifted.
fn quantile(q: f64, buckets: Vec<Bucket>) -> (f64, bool) {
    if q.is_nan() {
        return (f64::NAN, false);
    }
    if q < 0.0 {
        return (f64::NEG_INFINITY, false);
    }
    if q > 1.0 {
        return (f64::INFINITY, false);
    }
    if buckets.last().is_none_or(|last| last.bound != f64::INFINITY) {
        return (f64::NAN, false);
    }
    let (buckets, forced) = monotonic(merged(buckets));
    (within(q, &buckets), forced)
}

fn within(q: f64, buckets: &[Bucket]) -> f64 {
    let [.., before_last, last] = buckets else { return f64::NAN };
    if last.count == 0.0 || last.count.is_nan() {
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
fn fraction(low: f64, high: f64, buckets: Vec<Bucket>) -> f64 {
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

/// Cumulative counts cannot fall; where rates make them, they are lifted. Also whether more than rounding was lifted.
fn monotonic(mut buckets: Vec<Bucket>) -> (Vec<Bucket>, bool) {
    let mut forced = false;
    let Some(first) = buckets.first() else { return (buckets, forced) };
    let mut before = first.count;
    for bucket in &mut buckets {
        let rounding = (bucket.count - before).abs() <= ROUNDING * (bucket.count + before).abs();
        forced |= bucket.count < before && !rounding;
        if bucket.count < before || rounding {
            bucket.count = before;
        } else {
            before = bucket.count;
        }
    }
    (buckets, forced)
}
