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

/// The series of a range vector for all steps.
pub(crate) struct Ranges {
    pub(crate) series: Vec<RolledSeries>,
    pub(crate) references: Vec<Millis>,
    pub(crate) range_ms: Millis,
    pub(crate) steps: Steps,
}

impl Evaluation<'_> {
    pub(crate) fn ranges(&self, plan: &RangePlan, steps: Steps) -> Result<Ranges, PromqlError> {
        match plan {
            RangePlan::Window { selector, range_ms } => {
                let references = self.references(selector.moment, steps);
                let mut series = self.fetch(selector, &references, *range_ms)?;
                for one in &mut series {
                    one.samples.retain(|sample| !is_stale(sample.value));
                    one.rollups.retain(|rollup| rollup.count > 0);
                }
                Ok(Ranges { series, references, range_ms: *range_ms, steps })
            }
            RangePlan::Subquery { inner, moment, range_ms, step_ms } => {
                self.subquery(inner, *moment, *range_ms, *step_ms, steps)
            }
        }
    }

    /// The inner expression at every multiple of the step that any window holds.
    fn subquery(
        &self,
        inner: &VectorPlan,
        moment: Moment,
        range_ms: Millis,
        step_ms: Millis,
        steps: Steps,
    ) -> Result<Ranges, PromqlError> {
        let references = self.references(moment, steps);
        let (Some(first), Some(last)) = (references.first(), references.last()) else {
            return Ok(Ranges { series: Vec::new(), references, range_ms, steps });
        };
        let open_start = first.saturating_sub(range_ms);
        let start = (open_start.div_euclid(step_ms) + 1).saturating_mul(step_ms);
        let inner_steps = Steps::spanning(start, *last, step_ms);
        // A subquery of seconds over years would otherwise build its list of instants first and fail later.
        self.spend(inner_steps.count)?;
        let tracks = without_dropped_names(self.vector(inner, inner_steps)?)?;
        let series = tracks.into_iter().map(|track| {
            let Series { labels, samples } = to_series(track, inner_steps);
            RolledSeries { labels, rollups: Vec::new(), samples }
        });
        let series = series.collect();
        Ok(Ranges { series, references, range_ms, steps })
    }
}

impl Ranges {
    /// One value per step of one series; the windows' ends only move forward.
    pub(crate) fn column(
        &self,
        samples: &[Sample],
        compute: impl Fn(&Window) -> Option<f64>,
    ) -> Vec<f64> {
        let (mut first, mut end) = (0, 0);
        let mut values = Vec::with_capacity(self.steps.count);
        for (step, end_ms) in self.references.iter().enumerate() {
            let start_ms = end_ms.saturating_sub(self.range_ms);
            while end < samples.len() && samples[end].timestamp_ms <= *end_ms {
                end += 1;
            }
            while first < end && samples[first].timestamp_ms <= start_ms {
                first += 1;
            }
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

    /// The samples themselves at the only step of an instant query, as far as they are known.
    pub(crate) fn into_matrix(self, annotations: &Annotations) -> Vec<Series> {
        let Some(end_ms) = self.references.first().copied() else { return Vec::new() };
        let start_ms = end_ms.saturating_sub(self.range_ms);
        let mut series = Vec::with_capacity(self.series.len());
        for mut one in self.series {
            if !one.rollups.is_empty() {
                annotations.rolled_up_samples();
                one.samples = rolled::known_samples(&one);
            }
            let RolledSeries { labels, mut samples, .. } = one;
            samples.retain(|sample| {
                let inside = sample.timestamp_ms > start_ms && sample.timestamp_ms <= end_ms;
                inside && !is_stale(sample.value)
            });
            if !samples.is_empty() {
                series.push(Series { labels, samples });
            }
        }
        series
    }

    pub(crate) fn steps(&self) -> usize {
        self.steps.count
    }
}

/// A column as samples at their steps, without the absent ones.
pub(crate) fn to_series(track: Track, steps: Steps) -> Series {
    let samples = track.values.iter().enumerate().filter(|(_, value)| is_present(**value));
    let samples = samples
        .map(|(step, value)| Sample { timestamp_ms: steps.at(step), value: *value })
        .collect();
    Series { labels: Labels::clone(&track.labels), samples }
}
