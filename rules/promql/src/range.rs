//! Range vectors: windows over the samples of a selector or of a subquery, which move forward with the steps.

use agent_model::{Labels, Millis, RolledSeries, Sample, Series, is_stale};

use crate::PromqlError;
use crate::annotations::Annotations;
use crate::evaluate::Evaluation;
use crate::plan::{Moment, RangePlan, VectorPlan};
use crate::rolled;
use crate::steps::Steps;
use crate::track::{Track, absent, is_present, without_dropped_names};

/// The samples of one series at one step: those in `(start_ms, end_ms]`, stale markers left out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window<'a> {
    pub(crate) samples: &'a [Sample],
    /// The place of the first of them among all samples of the series.
    pub(crate) first: usize,
    pub(crate) start_ms: Millis,
    pub(crate) end_ms: Millis,
    /// The step itself, which `@` and `offset` do not move.
    pub(crate) at_ms: Millis,
    /// Counts the steps; the place of this step's value in a parameter's column.
    pub(crate) step: usize,
}

/// The windows of a range vector, one per step, which are the same for all of its series.
pub(crate) struct Windows {
    pub(crate) references: Vec<Millis>,
    pub(crate) range_ms: Millis,
    pub(crate) steps: Steps,
}

impl Evaluation<'_> {
    /// Gives `take` the series of a range vector one by one, in no order, each with all that any window holds of it.
    pub(crate) fn each_range(
        &self,
        plan: &RangePlan,
        steps: Steps,
        mut take: impl FnMut(&Windows, RolledSeries) -> Result<(), PromqlError>,
    ) -> Result<(), PromqlError> {
        match plan {
            RangePlan::Window { selector, range_ms } => {
                let windows = self.windows(selector.moment, *range_ms, steps);
                self.fetch(selector, &windows.references, *range_ms, |mut series| {
                    series.samples.retain(|sample| !is_stale(sample.value));
                    series.rollups.retain(|rollup| rollup.count > 0);
                    take(&windows, series)
                })
            }
            RangePlan::Subquery { inner, moment, range_ms, step_ms } => {
                let windows = self.windows(*moment, *range_ms, steps);
                for series in self.subquery(inner, &windows, *step_ms)? {
                    take(&windows, series)?;
                }
                Ok(())
            }
        }
    }

    fn windows(&self, moment: Moment, range_ms: Millis, steps: Steps) -> Windows {
        Windows { references: self.references(moment, steps), range_ms, steps }
    }

    /// The inner expression at every multiple of the step that any window holds.
    fn subquery(
        &self,
        inner: &VectorPlan,
        windows: &Windows,
        step_ms: Millis,
    ) -> Result<Vec<RolledSeries>, PromqlError> {
        let references = &windows.references;
        let (Some(first), Some(last)) = (references.first(), references.last()) else {
            return Ok(Vec::new());
        };
        let open_start = first.saturating_sub(windows.range_ms);
        let start = (open_start.div_euclid(step_ms) + 1).saturating_mul(step_ms);
        let inner_steps = Steps::spanning(start, *last, step_ms);
        // A subquery of seconds over years would otherwise build its list of instants first and fail later.
        self.spend(inner_steps.count)?;
        let tracks = without_dropped_names(self.vector(inner, inner_steps)?)?;
        let series = tracks.into_iter().map(|track| {
            let Series { labels, samples } = to_series(track, inner_steps);
            RolledSeries { labels, rollups: Vec::new(), samples }
        });
        Ok(series.collect())
    }

    /// The samples of a range vector at the only step of an instant query, as far as they are known.
    pub(crate) fn matrix(
        &self,
        plan: &RangePlan,
        steps: Steps,
    ) -> Result<Vec<Series>, PromqlError> {
        let mut matrix = Vec::new();
        self.each_range(plan, steps, |windows, series| {
            let samples = windows.known_samples(&series, &self.annotations);
            if !samples.is_empty() {
                matrix.push(Series { labels: series.labels, samples });
            }
            Ok(())
        })?;
        matrix.sort_unstable_by(|one, other| one.labels.cmp(&other.labels));
        Ok(matrix)
    }
}

impl Windows {
    /// One value per step of one series; the windows' ends only move forward.
    pub(crate) fn column(
        &self,
        samples: &[Sample],
        compute: impl Fn(&Window) -> Option<f64>,
    ) -> Vec<f64> {
        let (mut first, mut end) = (0, 0);
        // As many as at the step before, mostly.
        let (mut enters, mut leaves) = (0, 0);
        let mut values = Vec::with_capacity(self.steps.count);
        for (step, end_ms) in self.references.iter().enumerate() {
            let start_ms = end_ms.saturating_sub(self.range_ms);
            (end, enters) = behind(samples, end, enters, *end_ms);
            (first, leaves) = behind(&samples[..end], first, leaves, start_ms);
            let samples = &samples[first..end];
            let value = if samples.is_empty() {
                None
            } else {
                let at_ms = self.steps.at(step);
                compute(&Window { samples, first, start_ms, end_ms: *end_ms, at_ms, step })
            };
            values.push(value.unwrap_or_else(absent));
        }
        values
    }

    /// What the only window holds of a series.
    fn known_samples(&self, series: &RolledSeries, annotations: &Annotations) -> Vec<Sample> {
        let Some(end_ms) = self.references.first().copied() else { return Vec::new() };
        let start_ms = end_ms.saturating_sub(self.range_ms);
        let mut samples = if series.rollups.is_empty() {
            series.samples.clone()
        } else {
            annotations.rolled_up_samples();
            rolled::known_samples(series)
        };
        samples.retain(|sample| {
            let inside = sample.timestamp_ms > start_ms && sample.timestamp_ms <= end_ms;
            inside && !is_stale(sample.value)
        });
        samples
    }

    pub(crate) fn steps(&self) -> usize {
        self.steps.count
    }
}

/// The first place behind `from` whose sample is later than `limit_ms`, and how far it is; looked for first where it would be
/// if it were as far as `guess`.
fn behind(samples: &[Sample], from: usize, guess: usize, limit_ms: Millis) -> (usize, usize) {
    let within = |place: usize| samples[place].timestamp_ms <= limit_ms;
    let guessed = from + guess;
    let near = guessed > from && guessed <= samples.len() && within(guessed - 1);
    let mut place = if near { guessed } else { from };
    while place < samples.len() && within(place) {
        place += 1;
    }
    (place, place - from)
}

/// A column as samples at their steps, without the absent ones.
pub(crate) fn to_series(track: Track, steps: Steps) -> Series {
    let samples = track.values.iter().enumerate().filter(|(_, value)| is_present(**value));
    let samples = samples
        .map(|(step, value)| Sample { timestamp_ms: steps.at(step), value: *value })
        .collect();
    Series { labels: Labels::clone(&track.labels), samples }
}
