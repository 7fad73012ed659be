//! The two ways in, and the walk over a plan: every node is evaluated once, for all steps.

use std::cell::Cell;

use agent_model::{Labels, Millis, Sample, Series};

use crate::annotations::Annotations;
use crate::binary;
use crate::functions;
use crate::limits::Limits;
use crate::number::{maximum, minimum, seconds};
use crate::parse::Expr;
use crate::plan::{Plan, ScalarPlan, VectorPlan};
use crate::range::to_series;
use crate::selector::Picked;
use crate::source::SeriesSource;
use crate::steps::{QuerySpan, Steps};
use crate::track::{Track, drop_names, is_present, without_dropped_names};
use crate::{Answer, PromqlError, Value};

/// Evaluates at one instant; warnings and infos are left out.
pub fn evaluate_instant(
    expr: &Expr,
    at_ms: Millis,
    source: &dyn SeriesSource,
    limits: &Limits,
) -> Result<Value, PromqlError> {
    answer_instant(expr, at_ms, source, limits).map(|answer| answer.value)
}

/// Evaluates at one instant.
pub fn answer_instant(
    expr: &Expr,
    at_ms: Millis,
    source: &dyn SeriesSource,
    limits: &Limits,
) -> Result<Answer<Value>, PromqlError> {
    let query = QuerySpan { start_ms: at_ms, end_ms: at_ms, step_ms: 0 };
    let evaluation = Evaluation::new(expr, source, limits, query);
    let steps = Steps::instant(at_ms);
    let value = match &expr.plan {
        Plan::Scalar(plan) => {
            let value = evaluation.scalar(plan, steps)?[0];
            Value::Scalar(Sample { timestamp_ms: at_ms, value })
        }
        Plan::Vector(plan) => {
            let tracks = without_dropped_names(evaluation.vector(plan, steps)?)?.into_iter();
            let present = tracks.filter(|track| is_present(track.values[0]));
            let sample = |value| Sample { timestamp_ms: at_ms, value };
            Value::Vector(present.map(|track| (track.labels, sample(track.values[0]))).collect())
        }
        Plan::Range(plan) => Value::Matrix(evaluation.matrix(plan, steps)?),
        Plan::Text(text) => Value::Text(text.clone()),
    };
    Ok(evaluation.annotations.answer(value))
}

/// As [`answer_range`]; warnings and infos are left out.
pub fn evaluate_range(
    expr: &Expr,
    start_ms: Millis,
    end_ms: Millis,
    step_ms: Millis,
    source: &dyn SeriesSource,
    limits: &Limits,
) -> Result<Vec<Series>, PromqlError> {
    answer_range(expr, start_ms, end_ms, step_ms, source, limits).map(|answer| answer.value)
}

/// Evaluates at `start_ms`, `start_ms + step_ms`, … up to `end_ms`. The series come sorted by labels, each with at
/// least one sample; a scalar expression yields one series without labels.
pub fn answer_range(
    expr: &Expr,
    start_ms: Millis,
    end_ms: Millis,
    step_ms: Millis,
    source: &dyn SeriesSource,
    limits: &Limits,
) -> Result<Answer<Vec<Series>>, PromqlError> {
    if step_ms <= 0 || end_ms < start_ms {
        return Err(PromqlError::BadRange);
    }
    let count = start_ms.abs_diff(end_ms) / step_ms.unsigned_abs() + 1;
    if usize::try_from(count).map_or(true, |count| count > limits.steps_max) {
        return Err(PromqlError::TooManySteps { steps: count, max: limits.steps_max });
    }
    let steps = Steps::spanning(start_ms, end_ms, step_ms);
    let query = QuerySpan { start_ms, end_ms, step_ms };
    let evaluation = Evaluation::new(expr, source, limits, query);
    let tracks = match &expr.plan {
        Plan::Scalar(plan) => vec![Track::new(Labels::empty(), evaluation.scalar(plan, steps)?)],
        Plan::Vector(plan) => without_dropped_names(evaluation.vector(plan, steps)?)?,
        Plan::Range(_) => return Err(PromqlError::NotAtEveryStep("a range vector")),
        Plan::Text(_) => return Err(PromqlError::NotAtEveryStep("a string")),
    };
    let tracks = tracks.into_iter().filter(|track| !track.is_empty());
    let mut series: Vec<Series> = tracks.map(|track| to_series(track, steps)).collect();
    series.sort_by(|one, other| one.labels.cmp(&other.labels));
    Ok(evaluation.annotations.answer(series))
}

/// One query under way.
pub(crate) struct Evaluation<'a> {
    pub(crate) source: &'a dyn SeriesSource,
    pub(crate) limits: &'a Limits,
    pub(crate) query: QuerySpan,
    pub(crate) annotations: Annotations,
    /// Names that are dropped stay until the result is complete.
    delayed_names: bool,
    spent: Cell<usize>,
}

impl<'a> Evaluation<'a> {
    fn new(
        expr: &Expr,
        source: &'a dyn SeriesSource,
        limits: &'a Limits,
        query: QuerySpan,
    ) -> Self {
        let (annotations, spent) = (Annotations::default(), Cell::new(0));
        let delayed_names = expr.delayed_names;
        Self { source, limits, query, annotations, delayed_names, spent }
    }

    /// Accounts for samples read or values computed.
    pub(crate) fn spend(&self, samples: usize) -> Result<(), PromqlError> {
        self.limits.check_cancelled()?;
        let spent = self.spent.get().saturating_add(samples);
        self.spent.set(spent);
        let max = self.limits.samples_max;
        if spent > max { Err(PromqlError::TooManySamples { max }) } else { Ok(()) }
    }

    /// One value per step.
    pub(crate) fn scalar(&self, plan: &ScalarPlan, steps: Steps) -> Result<Vec<f64>, PromqlError> {
        self.spend(steps.count)?;
        let same = |value: f64| vec![value; steps.count];
        let both = |left: &ScalarPlan, right: &ScalarPlan, combine: &dyn Fn(f64, f64) -> f64| {
            let left = self.scalar(left, steps)?;
            let right = self.scalar(right, steps)?;
            Ok(left.into_iter().zip(right).map(|(left, right)| combine(left, right)).collect())
        };
        match plan {
            ScalarPlan::Number(number) => Ok(same(*number)),
            ScalarPlan::Time => Ok(steps.iter().map(seconds).collect()),
            ScalarPlan::QueryStart => Ok(same(seconds(self.query.start_ms))),
            ScalarPlan::QueryEnd => Ok(same(seconds(self.query.end_ms))),
            ScalarPlan::QueryStep => Ok(same(seconds(self.query.step_ms))),
            ScalarPlan::QueryRange => Ok(same(seconds(self.query.end_ms - self.query.start_ms))),
            ScalarPlan::Negate(inner) => {
                Ok(self.scalar(inner, steps)?.into_iter().map(|value| -value).collect())
            }
            // Between scalars the parser insists on `bool`, so no comparison filters here.
            ScalarPlan::Binary(operator, left, right) => {
                both(left, right, &|left, right| operator.apply(left, right).unwrap_or(f64::NAN))
            }
            ScalarPlan::Smaller(left, right) => both(left, right, &minimum),
            ScalarPlan::Larger(left, right) => both(left, right, &maximum),
            ScalarPlan::Only(vector) => Ok(only(&self.vector(vector, steps)?, steps)),
        }
    }

    pub(crate) fn vector(
        &self,
        plan: &VectorPlan,
        steps: Steps,
    ) -> Result<Vec<Track>, PromqlError> {
        let tracks = self.node(plan, steps)?;
        if self.delayed_names { Ok(tracks) } else { without_dropped_names(tracks) }
    }

    fn node(&self, plan: &VectorPlan, steps: Steps) -> Result<Vec<Track>, PromqlError> {
        match plan {
            VectorPlan::Select(selector) => self.select(selector, steps, Picked::Value),
            VectorPlan::SampleTime(selector) => {
                Ok(drop_names(self.select(selector, steps, Picked::TimeSeconds)?))
            }
            VectorPlan::FromScalar(scalar) => {
                Ok(vec![Track::new(Labels::empty(), self.scalar(scalar, steps)?)])
            }
            VectorPlan::Negate(inner) => {
                Ok(functions::each(self.vector(inner, steps)?, |value| -value))
            }
            VectorPlan::WithScalar(plan) => {
                let tracks = self.vector(&plan.vector, steps)?;
                let scalar = self.scalar(&plan.scalar, steps)?;
                Ok(binary::with_scalar(plan, tracks, &scalar))
            }
            VectorPlan::Matched(plan) => {
                let left = self.vector(&plan.left, steps)?;
                let right = self.vector(&plan.right, steps)?;
                let tracks = binary::matched(plan, &left, &right, steps.count)?;
                self.spend(tracks.len() * steps.count)?;
                Ok(tracks)
            }
            VectorPlan::Set(plan) => {
                let left = self.vector(&plan.left, steps)?;
                let right = self.vector(&plan.right, steps)?;
                binary::set(plan, left, right, steps.count)
            }
            VectorPlan::Aggregate(plan) => self.aggregate(plan, steps),
            _ => self.call(plan, steps),
        }
    }
}

/// The value of the only series at each step, NaN where there is none or more than one.
fn only(tracks: &[Track], steps: Steps) -> Vec<f64> {
    let at = |step: usize| {
        let mut present = tracks.iter().filter(|track| track.is_present_at(step));
        match (present.next(), present.next()) {
            (Some(track), None) => track.values[step],
            _ => f64::NAN,
        }
    };
    (0..steps.count).map(at).collect()
}
