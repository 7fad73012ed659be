//! Functions, one file per family. Here: the walk from a call's plan to its family.

mod dates;
mod elementwise;
mod histogram;
mod labels;
mod over_time;
mod range_function;
mod rate;
mod regression;
mod rolled_up;
mod sort;

pub(crate) use dates::DatePart;
pub(crate) use elementwise::Elementwise;
pub(crate) use range_function::RangeFunction;

use agent_model::Labels;

use crate::PromqlError;
use crate::evaluate::Evaluation;
use crate::number::seconds;
use crate::plan::{RangePlan, ScalarPlan, VectorPlan};
use crate::steps::Steps;
use crate::track::{Track, absent, drop_names, is_present};

impl Evaluation<'_> {
    pub(crate) fn call(&self, plan: &VectorPlan, steps: Steps) -> Result<Vec<Track>, PromqlError> {
        match plan {
            VectorPlan::Elementwise(function, inner) => {
                Ok(each(self.vector(inner, steps)?, |value| function.apply(value)))
            }
            VectorPlan::Date(part, inner) => {
                Ok(each(self.vector(inner, steps)?, |value| part.of(value)))
            }
            VectorPlan::Round(inner, nearest) => {
                let nearest = self.scalar(nearest, steps)?;
                Ok(each_step(self.vector(inner, steps)?, |step, value| {
                    elementwise::round(value, nearest[step])
                }))
            }
            VectorPlan::Clamp(inner, low, high) => {
                self.clamp(inner, low.as_ref(), high.as_ref(), steps)
            }
            VectorPlan::StepTime(inner) => {
                Ok(each_step(self.vector(inner, steps)?, |step, _| seconds(steps.at(step))))
            }
            VectorPlan::OverRange(plan) => range_function::evaluate(self, plan, steps),
            VectorPlan::Absent(labels, inner) => {
                let tracks = self.vector(inner, steps)?;
                let columns: Vec<&[f64]> = tracks.iter().map(|track| &track.values[..]).collect();
                Ok(missing(labels, &columns, steps))
            }
            VectorPlan::AbsentOverTime(labels, range) => {
                self.absent_over_time(labels, range, steps)
            }
            VectorPlan::LabelReplace(plan) => {
                labels::replace(plan, self.vector(&plan.vector, steps)?)
            }
            VectorPlan::LabelJoin(plan) => labels::join(plan, self.vector(&plan.vector, steps)?),
            VectorPlan::Sort(inner, order, place) => {
                if steps.count > 1 {
                    self.annotations.sort_in_range_query(*place);
                }
                Ok(sort::sort(self.vector(inner, steps)?, order))
            }
            VectorPlan::HistogramQuantiles(plan) => histogram::quantiles(self, plan, steps),
            VectorPlan::HistogramFraction(plan) => histogram::fractions(self, plan, steps),
            VectorPlan::Select(_)
            | VectorPlan::SampleTime(_)
            | VectorPlan::FromScalar(_)
            | VectorPlan::Negate(_)
            | VectorPlan::WithScalar(_)
            | VectorPlan::Matched(_)
            | VectorPlan::Set(_)
            | VectorPlan::Aggregate(_) => self.vector(plan, steps),
        }
    }

    fn clamp(
        &self,
        inner: &VectorPlan,
        low: Option<&ScalarPlan>,
        high: Option<&ScalarPlan>,
        steps: Steps,
    ) -> Result<Vec<Track>, PromqlError> {
        let bound = |scalar: Option<&ScalarPlan>, otherwise: f64| match scalar {
            Some(scalar) => self.scalar(scalar, steps),
            None => Ok(vec![otherwise; steps.count]),
        };
        let low = bound(low, f64::NEG_INFINITY)?;
        let high = bound(high, f64::INFINITY)?;
        Ok(each_step(self.vector(inner, steps)?, |step, value| {
            elementwise::clamp(value, low[step], high[step])
        }))
    }

    fn absent_over_time(
        &self,
        labels: &Labels,
        range: &RangePlan,
        steps: Steps,
    ) -> Result<Vec<Track>, PromqlError> {
        let mut columns: Vec<Vec<f64>> = Vec::new();
        self.each_range(range, steps, |windows, series| {
            columns.push(windows.presence(&series, self));
            Ok(())
        })?;
        let columns: Vec<&[f64]> = columns.iter().map(|column| &column[..]).collect();
        Ok(missing(labels, &columns, steps))
    }
}

/// Every value by itself; the result is no longer the metric it came from.
pub(crate) fn each(mut tracks: Vec<Track>, change: impl Fn(f64) -> f64) -> Vec<Track> {
    for track in &mut tracks {
        track.map(&change);
    }
    drop_names(tracks)
}

/// Every value with the place of its step; a change to [`absent`] removes it.
fn each_step(mut tracks: Vec<Track>, change: impl Fn(usize, f64) -> f64) -> Vec<Track> {
    for track in &mut tracks {
        for (step, value) in track.values.iter_mut().enumerate() {
            if is_present(*value) {
                *value = change(step, *value);
            }
        }
    }
    tracks.retain(|track| !track.is_empty());
    drop_names(tracks)
}

/// 1 at every step at which no column has a value.
fn missing(labels: &Labels, columns: &[&[f64]], steps: Steps) -> Vec<Track> {
    let mut values = vec![1.0; steps.count];
    for column in columns {
        for (value, there) in values.iter_mut().zip(*column) {
            if is_present(*there) {
                *value = absent();
            }
        }
    }
    let track = Track::new(labels.clone(), values);
    if track.is_empty() { Vec::new() } else { vec![track] }
}
