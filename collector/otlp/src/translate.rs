//! Points to samples, as Prometheus 3 translates them: a point becomes one series, a histogram and a summary one for each
//! bucket or quantile and two more, a resource also `target_info`.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::{Range, RangeInclusive};

use agent_model::{Labels, MetricKind, Millis, Sample, stale_marker};
use collector_remote_write::{Push, Refusal, limits as of_push};

use crate::labels::{Set, Target};
use crate::model::{CUMULATIVE, Common, Data, Histogram, Metric, Number, Resource, Summary};
use crate::names::{self, Kind};
use crate::{Allowed, OtlpError, limits};

/// The series of one point, by their places in the push.
pub type Point = Range<usize>;

/// Half of the time that Prometheus looks back: so often must `target_info` be there.
const TARGET_INFO_INTERVAL_MS: Millis = 150_000;

const INFO: &str = "target_info";

/// What a request becomes.
#[derive(Debug, Default)]
pub struct Translated {
    pub push: Push,
    /// Series of `target_info` belong to none.
    pub points: Vec<Point>,
    /// Points that are left out already; why stands in the push.
    pub points_refused: u64,
}

impl Translated {
    /// For each series why its point is not taken, and how many points that are: a point is taken whole or not at all. A
    /// push without points has nothing to say of its series.
    pub fn judged(
        &self,
        judge: impl Fn(usize, &Sample) -> Option<Refusal>,
    ) -> (Vec<Option<Refusal>>, u64) {
        if self.points.is_empty() {
            return (Vec::new(), 0);
        }
        let single = self.push.series().enumerate();
        let mut by_series: Vec<Option<Refusal>> = single
            .map(|(at, series)| series.samples.iter().find_map(|sample| judge(at, sample)))
            .collect();
        let mut points = 0;
        for point in &self.points {
            let series = &mut by_series[point.clone()];
            if let Some(refusal) = series.iter().find_map(|refusal| *refusal) {
                series.fill(Some(refusal));
                points += 1;
            }
        }
        // A sample of `target_info` is judged by itself.
        let mut of_points = vec![false; by_series.len()];
        self.points.iter().cloned().for_each(|point| of_points[point].fill(true));
        for (refusal, _) in by_series.iter_mut().zip(of_points).filter(|(_, of_point)| !of_point) {
            *refusal = None;
        }
        (by_series, points)
    }
}

/// One series of a point: what stands behind the metric's name, its own label, its value.
struct Part<'a> {
    suffix: &'static str,
    label: Option<(&'a str, String)>,
    value: f64,
}

pub(crate) fn translate(
    resources: &[Resource<'_>],
    allowed: &Allowed,
) -> Result<Translated, OtlpError> {
    let push = Push::within(allowed.push_bytes);
    let done = Translated { push, ..Translated::default() };
    let described = HashSet::new();
    let mut translator = Translator { allowed: &allowed.times, done, times: None, described };
    for resource in resources {
        translator.resource(resource)?;
    }
    Ok(translator.done)
}

struct Translator<'a> {
    allowed: &'a RangeInclusive<Millis>,
    done: Translated,
    /// Of the points taken of a resource.
    times: Option<(Millis, Millis)>,
    /// Hashes of what was said of metrics: resources say the same of theirs.
    described: HashSet<u64>,
}

impl Translator<'_> {
    fn resource(&mut self, resource: &Resource<'_>) -> Result<(), OtlpError> {
        let target = Target::of(&resource.attributes);
        self.times = None;
        for metric in &resource.metrics {
            self.metric(metric, &target)?;
        }
        match (self.times, target.info(&resource.attributes)) {
            (Some(times), Some(attributes)) => self.info(target.labels(attributes), times),
            _ => Ok(()),
        }
    }

    fn metric(&mut self, metric: &Metric<'_>, target: &Target) -> Result<(), OtlpError> {
        let kind = match &metric.data {
            Data::Gauge(_) => Kind::Gauge,
            Data::Sum { monotonic: true, .. } => Kind::Counter,
            _ => Kind::Other,
        };
        let count = |points: usize| points as u64;
        let refusal = match &metric.data {
            Data::Sum { points, temporality, .. } if *temporality != CUMULATIVE => {
                Some((Refusal::Temporality, count(points.len())))
            }
            Data::Histogram { points, temporality } if *temporality != CUMULATIVE => {
                Some((Refusal::Temporality, count(points.len())))
            }
            Data::ExponentialHistogram(points) => Some((Refusal::ExponentialHistogram, *points)),
            // How many points it has, only its own time knows.
            Data::Unknown => Some((Refusal::MetricKind, 1)),
            _ => None,
        };
        if let Some((refusal, points)) = refusal {
            self.refuse(refusal, points, || metric.name.to_string());
            return Ok(());
        }
        let Some(name) = names::metric(&metric.name, &metric.unit, kind) else {
            let points = match &metric.data {
                Data::Gauge(points) | Data::Sum { points, .. } => points.len(),
                Data::Histogram { points, .. } => points.len(),
                Data::Summary(points) => points.len(),
                Data::Unknown | Data::ExponentialHistogram(_) => 0,
            };
            self.refuse(Refusal::MetricName, count(points), || metric.name.to_string());
            return Ok(());
        };
        let before = self.done.push.series_count();
        match &metric.data {
            Data::Gauge(points) | Data::Sum { points, .. } => points
                .iter()
                .try_for_each(|one| self.point(&name, target, &one.common, number(one))),
            Data::Histogram { points, .. } => points
                .iter()
                .try_for_each(|one| self.point(&name, target, &one.common, histogram(one))),
            Data::Summary(points) => points
                .iter()
                .try_for_each(|one| self.point(&name, target, &one.common, summary(one))),
            Data::Unknown | Data::ExponentialHistogram(_) => Ok(()),
        }?;
        if self.done.push.series_count() > before { self.describe(&name, metric) } else { Ok(()) }
    }

    /// Says once what a metric is of which something was taken.
    fn describe(&mut self, name: &str, metric: &Metric<'_>) -> Result<(), OtlpError> {
        let kind = match &metric.data {
            Data::Sum { monotonic: true, .. } => MetricKind::Counter,
            Data::Gauge(_) | Data::Sum { .. } => MetricKind::Gauge,
            Data::Histogram { .. } => MetricKind::Histogram,
            Data::Summary(_) => MetricKind::Summary,
            Data::Unknown | Data::ExponentialHistogram(_) => MetricKind::Unknown,
        };
        let unit = names::unit(&metric.unit);
        let mut hasher = DefaultHasher::new();
        (name, kind, &metric.description, &unit).hash(&mut hasher);
        if !self.described.insert(hasher.finish()) {
            return Ok(());
        }
        let (name, help) = (name.as_bytes(), metric.description.as_bytes());
        let said = self.done.push.describe(name, kind as u64, help, unit.as_bytes());
        said.map_err(OtlpError::Samples)
    }

    fn refuse(&mut self, refusal: Refusal, points: u64, series: impl FnOnce() -> String) {
        self.done.push.refusals.note(refusal, points, series);
        self.done.points_refused += points;
    }

    /// Takes a point whole, or leaves it out.
    fn point(
        &mut self,
        name: &str,
        target: &Target,
        common: &Common<'_>,
        parts: Option<Vec<Part<'_>>>,
    ) -> Result<(), OtlpError> {
        self.done.push.left_out.exemplars += common.exemplars;
        let timestamp_ms = Millis::try_from(common.time_ns / 1_000_000).unwrap_or(Millis::MAX);
        let labels = target.labels(common.attributes.iter());
        let refusal = match (&labels, &parts) {
            (Err(refusal), _) => Some(*refusal),
            (_, None) => Some(Refusal::Point),
            // Zero is a time that is not known. One of a wrong clock must not stretch the resource's `target_info`.
            _ if common.time_ns == 0 || !self.allowed.contains(&timestamp_ms) => {
                Some(Refusal::Time)
            }
            (Ok(labels), Some(parts)) => {
                (!fits(name, labels, parts)).then_some(Refusal::LabelLimits)
            }
        };
        if let Some(refusal) = refusal {
            self.refuse(refusal, 1, || shown(name, labels.as_ref().ok()));
            return Ok(());
        }
        let (labels, parts) = (labels.unwrap_or_default(), parts.unwrap_or_default());
        let first = self.done.push.series_count();
        for part in parts {
            let value = if common.is_stale() { stale_marker() } else { part.value };
            let name = format!("{name}{}", part.suffix);
            self.series(&name, &labels, part.label, &[Sample { timestamp_ms, value }])?;
        }
        self.done.points.push(first..self.done.push.series_count());
        let (earliest, latest) = self.times.unwrap_or((timestamp_ms, timestamp_ms));
        self.times = Some((earliest.min(timestamp_ms), latest.max(timestamp_ms)));
        Ok(())
    }

    /// `target_info` is there for as long as a point of the resource is found by looking back.
    fn info(
        &mut self,
        labels: Result<Set<'_>, Refusal>,
        (earliest, latest): (Millis, Millis),
    ) -> Result<(), OtlpError> {
        let refusal = match &labels {
            Err(refusal) => Some(*refusal),
            Ok(labels) => (!fits(INFO, labels, &[])).then_some(Refusal::LabelLimits),
        };
        if let Some(refusal) = refusal {
            let text = || shown(INFO, labels.as_ref().ok());
            self.done.push.refusals.note(refusal, 1, text);
            return Ok(());
        }
        let longest = TARGET_INFO_INTERVAL_MS * limits::TARGET_INFO_SAMPLES_MAX;
        let mut timestamp_ms = earliest.max(latest.saturating_sub(longest));
        let mut samples = Vec::new();
        loop {
            samples.push(Sample { timestamp_ms, value: 1.0 });
            if timestamp_ms >= latest {
                break;
            }
            timestamp_ms = latest.min(timestamp_ms.saturating_add(TARGET_INFO_INTERVAL_MS));
        }
        self.series(INFO, &labels.unwrap_or_default(), None, &samples)
    }

    fn series(
        &mut self,
        name: &str,
        labels: &Set<'_>,
        more: Option<(&str, String)>,
        samples: &[Sample],
    ) -> Result<(), OtlpError> {
        let push = &mut self.done.push;
        let mut begun = push.begin().map_err(OtlpError::Samples)?;
        let mut add = |name: &str, value: &str| {
            push.add_label(&mut begun, name.as_bytes(), value.as_bytes())
                .map_err(OtlpError::Samples)
        };
        add(Labels::NAME, name)?;
        let own = more.as_ref().map(|(name, _)| *name);
        for (name, value) in labels.iter().filter(|(name, _)| Some(name.as_ref()) != own) {
            add(name, value)?;
        }
        if let Some((name, value)) = &more {
            add(name, value)?;
        }
        for sample in samples {
            push.add_sample(*sample).map_err(OtlpError::Samples)?;
        }
        push.end(&begun);
        Ok(())
    }
}

/// Whether every series of a point keeps within the limits of labels; they differ in one short one only.
fn fits(name: &str, labels: &Set<'_>, parts: &[Part<'_>]) -> bool {
    let own = parts.iter().any(|part| part.label.is_some());
    let suffix = parts.iter().map(|part| part.suffix.len()).max().unwrap_or(0);
    let label_fits = |(name, value): (&std::borrow::Cow<'_, str>, &std::borrow::Cow<'_, str>)| {
        name.len() <= of_push::LABEL_NAME_BYTES_MAX && value.len() <= of_push::LABEL_VALUE_BYTES_MAX
    };
    labels.len() + 1 + usize::from(own) <= of_push::LABELS_MAX
        && name.len() + suffix <= of_push::LABEL_VALUE_BYTES_MAX
        && labels.iter().all(label_fits)
}

fn shown(name: &str, labels: Option<&Set<'_>>) -> String {
    let pairs = labels.into_iter().flatten();
    let text = Labels::metric(name, pairs.map(|(name, value)| (name.as_ref(), value.as_ref())));
    text.to_string().chars().take(200).collect()
}

fn number<'a>(point: &Number<'_>) -> Option<Vec<Part<'a>>> {
    let value = match point.value {
        None if point.common.is_stale() => 0.0,
        value => value?,
    };
    Some(vec![Part { suffix: "", label: None, value }])
}

fn histogram<'a>(point: &Histogram<'_>) -> Option<Vec<Part<'a>>> {
    let Histogram { common, count, sum, buckets, bounds } = point;
    let bare = buckets.is_empty() && bounds.is_empty();
    let ordered = bounds.iter().all(|bound| bound.is_finite())
        && bounds.windows(2).all(|pair| pair[0] < pair[1])
        && bounds.len() <= limits::BOUNDS_MAX;
    let total = buckets.iter().try_fold(0_u64, |total, bucket| total.checked_add(*bucket));
    let adds_up = buckets.len() == bounds.len() + 1 && total == Some(*count);
    if !ordered || !(bare || adds_up || common.is_stale()) {
        return None;
    }
    let part = |suffix, label, value| Part { suffix, label, value };
    let mut parts = Vec::with_capacity(bounds.len() + 3);
    parts.extend(sum.map(|sum| part("_sum", None, sum)));
    parts.push(part("_count", None, *count as f64));
    let mut below = 0;
    // A point without a recorded value may have bounds without counts: they only say which series end.
    for (at, bound) in bounds.iter().enumerate() {
        below += buckets.get(at).copied().unwrap_or(0);
        parts.push(part("_bucket", Some(("le", bound.to_string())), below as f64));
    }
    parts.push(part("_bucket", Some(("le", "+Inf".to_owned())), *count as f64));
    Some(parts)
}

fn summary<'a>(point: &Summary<'_>) -> Option<Vec<Part<'a>>> {
    let mut quantiles: Vec<f64> = point.quantiles.iter().map(|(quantile, _)| *quantile).collect();
    quantiles.sort_unstable_by(f64::total_cmp);
    // One that stands twice would be two values of one series.
    let good = quantiles.len() <= limits::BOUNDS_MAX
        && quantiles.iter().all(|quantile| (0.0..=1.0).contains(quantile))
        && quantiles.windows(2).all(|pair| pair[0] < pair[1]);
    if !good {
        return None;
    }
    let part = |suffix, label, value| Part { suffix, label, value };
    let mut parts = vec![part("_sum", None, point.sum), part("_count", None, point.count as f64)];
    for (quantile, value) in &point.quantiles {
        parts.push(part("", Some(("quantile", quantile.to_string())), *value));
    }
    Some(parts)
}

/// Of points that say different things of one series at one time (two scopes with one name mostly) the first is taken.
pub(crate) fn without_contradictions(mut all: Translated) -> Translated {
    let mut contradicts = vec![false; all.push.series_count()];
    let mut refused = 0;
    {
        let series: Vec<_> = all.push.series().collect();
        // What was said of a series at a time, and by which point.
        let mut said: HashMap<(&[u8], Millis), (u64, usize)> = HashMap::with_capacity(series.len());
        for (number, point) in all.points.iter().enumerate() {
            let samples = || {
                let of_point = series[point.clone()].iter();
                of_point.filter_map(|one| Some((one.labels, one.samples.first()?)))
            };
            let mut contradicting = samples().filter(|(labels, sample)| {
                let bits = sample.value.to_bits();
                let first = said.entry((labels, sample.timestamp_ms)).or_insert((bits, number));
                first.0 != bits
            });
            if contradicting.next().is_some() {
                contradicts[point.clone()].fill(true);
                refused += 1;
                // What it said before that is taken back.
                for (labels, sample) in samples() {
                    let key = (labels, sample.timestamp_ms);
                    if said.get(&key).is_some_and(|(_, by)| *by == number) {
                        said.remove(&key);
                    }
                }
            }
        }
    }
    if refused == 0 {
        return all;
    }
    let mut place = 0;
    let places: Vec<usize> = contradicts
        .iter()
        .map(|out| {
            place += usize::from(!out);
            place - usize::from(!out)
        })
        .collect();
    all.points.retain(|point| !contradicts[point.start]);
    for point in &mut all.points {
        *point = places[point.start]..places[point.start] + point.len();
    }
    all.push = all.push.without(|at, _| contradicts[at].then_some(Refusal::PointRepeated));
    all.points_refused += refused;
    all
}
