//! Function calls: names to closed enums, arguments to their types.

use agent_model::{Labels, MatchOp};
use promql_parser::parser::{Call, Expr};

use super::compile::{Level, range, scalar, text, vector};
use super::{
    HistogramFraction, HistogramQuantiles, LabelJoin, LabelReplace, Order, OverRange, Plan,
    RangePlan, ScalarPlan, Selector, VectorPlan,
};
use crate::PromqlError;
use crate::functions::{DatePart, Elementwise, RangeFunction};
use crate::parse::places::CallSite;

pub(super) fn plan(call: &Call, level: Level) -> Result<Plan, PromqlError> {
    let arguments = Arguments { call, level, site: level.sites.of_call(call) };
    if let Some(plan) = arguments.scalar_call()? {
        return Ok(Plan::Scalar(plan));
    }
    let name = call.func.name;
    if let Some(function) = Elementwise::named(name) {
        let argument = Box::new(arguments.vector(0)?);
        return Ok(Plan::Vector(VectorPlan::Elementwise(function, argument)));
    }
    if let Some(part) = DatePart::named(name) {
        let argument = match call.args.is_empty() {
            true => VectorPlan::FromScalar(ScalarPlan::Time),
            false => arguments.vector(0)?,
        };
        return Ok(Plan::Vector(VectorPlan::Date(part, Box::new(argument))));
    }
    if let Some(function) = RangeFunction::named(name) {
        return arguments.over_range(function).map(Plan::Vector);
    }
    arguments.vector_call().map(Plan::Vector)
}

struct Arguments<'a> {
    call: &'a Call,
    level: Level<'a>,
    site: CallSite,
}

impl Arguments<'_> {
    fn get(&self, index: usize) -> Result<&Expr, PromqlError> {
        let name = self.call.func.name;
        let missing = || PromqlError::Parse(format!("`{name}` lacks argument {}", index + 1));
        self.call.args.args.get(index).map(|argument| argument.as_ref()).ok_or_else(missing)
    }

    fn scalar(&self, index: usize) -> Result<ScalarPlan, PromqlError> {
        scalar(self.get(index)?, self.level)
    }

    fn vector(&self, index: usize) -> Result<VectorPlan, PromqlError> {
        vector(self.get(index)?, self.level)
    }

    fn boxed(&self, index: usize) -> Result<Box<VectorPlan>, PromqlError> {
        self.vector(index).map(Box::new)
    }

    fn range(&self, index: usize) -> Result<RangePlan, PromqlError> {
        range(self.get(index)?, self.level)
    }

    fn text(&self, index: usize) -> Result<String, PromqlError> {
        text(self.get(index)?, self.level)
    }

    fn texts(&self, from: usize) -> Result<Vec<String>, PromqlError> {
        (from..self.call.args.len()).map(|index| self.text(index)).collect()
    }

    fn scalar_call(&self) -> Result<Option<ScalarPlan>, PromqlError> {
        Ok(Some(match self.call.func.name {
            "time" => ScalarPlan::Time,
            "pi" => ScalarPlan::Number(std::f64::consts::PI),
            "start" => ScalarPlan::QueryStart,
            "end" => ScalarPlan::QueryEnd,
            "step" => ScalarPlan::QueryStep,
            "range" => ScalarPlan::QueryRange,
            "min_of" => ScalarPlan::Smaller(Box::new(self.scalar(0)?), Box::new(self.scalar(1)?)),
            "max_of" => ScalarPlan::Larger(Box::new(self.scalar(0)?), Box::new(self.scalar(1)?)),
            "scalar" => ScalarPlan::Only(self.boxed(0)?),
            _ => return Ok(None),
        }))
    }

    /// `quantile_over_time` alone has its range last.
    fn over_range(&self, function: RangeFunction) -> Result<VectorPlan, PromqlError> {
        let at = if function == RangeFunction::QuantileOverTime { 1 } else { 0 };
        let others = (0..self.call.args.len()).filter(|index| *index != at);
        let parameters = others.map(|index| self.scalar(index)).collect::<Result<_, _>>()?;
        let (range, place) = (self.range(at)?, self.site.argument(0));
        Ok(VectorPlan::OverRange(Box::new(OverRange { function, range, parameters, place })))
    }

    fn vector_call(&self) -> Result<VectorPlan, PromqlError> {
        let name = self.call.func.name;
        Ok(match name {
            "vector" => VectorPlan::FromScalar(self.scalar(0)?),
            "round" => {
                let nearest = match self.call.args.len() {
                    1 => ScalarPlan::Number(1.0),
                    _ => self.scalar(1)?,
                };
                VectorPlan::Round(self.boxed(0)?, nearest)
            }
            "clamp" => {
                VectorPlan::Clamp(self.boxed(0)?, Some(self.scalar(1)?), Some(self.scalar(2)?))
            }
            "clamp_min" => VectorPlan::Clamp(self.boxed(0)?, Some(self.scalar(1)?), None),
            "clamp_max" => VectorPlan::Clamp(self.boxed(0)?, None, Some(self.scalar(1)?)),
            "timestamp" => match self.vector(0)? {
                VectorPlan::Select(selector) => VectorPlan::SampleTime(selector),
                other => VectorPlan::StepTime(Box::new(other)),
            },
            "absent" => {
                let vector = self.vector(0)?;
                let labels = match &vector {
                    VectorPlan::Select(selector) => labels_of_absent(selector),
                    _ => Labels::empty(),
                };
                VectorPlan::Absent(labels, Box::new(vector))
            }
            "absent_over_time" => {
                let range = self.range(0)?;
                let labels = match &range {
                    RangePlan::Window { selector, .. } => labels_of_absent(selector),
                    RangePlan::Subquery { .. } => Labels::empty(),
                };
                VectorPlan::AbsentOverTime(labels, range)
            }
            "label_replace" => self.label_replace()?,
            "label_join" => self.label_join()?,
            "sort" | "sort_desc" => {
                let descending = name == "sort_desc";
                VectorPlan::Sort(self.boxed(0)?, Order::Value { descending }, self.site.start)
            }
            "sort_by_label" | "sort_by_label_desc" => {
                let descending = name == "sort_by_label_desc";
                VectorPlan::Sort(
                    self.boxed(0)?,
                    Order::Labels { names: self.texts(1)?, descending },
                    self.site.start,
                )
            }
            "histogram_quantile" | "histogram_quantiles" => self.histogram_quantiles()?,
            "histogram_fraction" => VectorPlan::HistogramFraction(Box::new(HistogramFraction {
                low: self.scalar(0)?,
                high: self.scalar(1)?,
                vector: self.vector(2)?,
                place: self.site.argument(2),
            })),
            "histogram_avg" | "histogram_count" | "histogram_sum" | "histogram_stddev"
            | "histogram_stdvar" => {
                let what = format!("`{name}`, which reads native histograms,");
                return Err(PromqlError::Unsupported(what));
            }
            _ => return Err(PromqlError::Unsupported(format!("the function `{name}`"))),
        })
    }

    fn histogram_quantiles(&self) -> Result<VectorPlan, PromqlError> {
        let several = self.call.func.name == "histogram_quantiles";
        let (at, quantiles) = if several { (0, 2..self.call.args.len()) } else { (1, 0..1) };
        let label = if several { Some(self.text(1)?) } else { None };
        if let Some(label) = &label {
            check_label_name(label)?;
        }
        let quantile = |index| Ok((self.scalar(index)?, self.site.argument(index)));
        Ok(VectorPlan::HistogramQuantiles(Box::new(HistogramQuantiles {
            vector: self.vector(at)?,
            place: self.site.argument(at),
            label,
            quantiles: quantiles.map(quantile).collect::<Result<_, PromqlError>>()?,
        })))
    }

    fn label_replace(&self) -> Result<VectorPlan, PromqlError> {
        let (target, replacement) = (self.text(1)?, self.text(2)?);
        let (source, pattern) = (self.text(3)?, self.text(4)?);
        check_label_name(&target)?;
        let pattern = agent_model::expression::anchored(&pattern).map_err(|_| {
            PromqlError::Parse(format!("invalid regular expression in label_replace(): {pattern}"))
        })?;
        let vector = self.vector(0)?;
        let replace = LabelReplace { vector, target, replacement, source, pattern };
        Ok(VectorPlan::LabelReplace(Box::new(replace)))
    }

    fn label_join(&self) -> Result<VectorPlan, PromqlError> {
        let (target, separator, sources) = (self.text(1)?, self.text(2)?, self.texts(3)?);
        check_label_name(&target)?;
        let vector = self.vector(0)?;
        Ok(VectorPlan::LabelJoin(Box::new(LabelJoin { vector, target, separator, sources })))
    }
}

/// Any non-empty text is a label name since Prometheus 3.
fn check_label_name(name: &str) -> Result<(), PromqlError> {
    match name.is_empty() {
        true => Err(PromqlError::Parse("a label name must not be empty".to_owned())),
        false => Ok(()),
    }
}

/// What is known of a series that is not there: labels matched by `=` alone, each once.
fn labels_of_absent(selector: &Selector) -> Labels {
    let matchers = &selector.matchers;
    let alone = matchers.iter().filter(|matcher| {
        let same_name = matchers.iter().filter(|other| other.name == matcher.name).count();
        matcher.op == MatchOp::Equal && same_name == 1 && matcher.name != Labels::NAME
    });
    Labels::new(alone.map(|matcher| (matcher.name.as_str(), matcher.value.as_str())))
}
