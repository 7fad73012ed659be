//! What the evaluator works on: the parsed expression with its types settled, parentheses gone, functions named by
//! closed enums. A plan cannot be ill-typed, so evaluation has no type errors.

pub(crate) mod calls;
pub(crate) mod compile;
pub(crate) mod operators;

use agent_model::{Labels, Matcher, Millis};

pub(crate) use operators::{
    Arithmetic, Comparison, Grouping, Matching, Operator, SetOperator, Sides,
};

use crate::functions::{DatePart, Elementwise, RangeFunction};

#[derive(Clone, Debug)]
pub(crate) enum Plan {
    Scalar(ScalarPlan),
    Vector(VectorPlan),
    Range(RangePlan),
    Text(String),
}

#[derive(Clone, Debug)]
pub(crate) enum ScalarPlan {
    Number(f64),
    Time,
    QueryStart,
    QueryEnd,
    QueryStep,
    QueryRange,
    Negate(Box<ScalarPlan>),
    Binary(Operator, Box<ScalarPlan>, Box<ScalarPlan>),
    Smaller(Box<ScalarPlan>, Box<ScalarPlan>),
    Larger(Box<ScalarPlan>, Box<ScalarPlan>),
    /// The value of a vector's only series.
    Only(Box<VectorPlan>),
}

#[derive(Clone, Debug)]
pub(crate) enum VectorPlan {
    Select(Selector),
    FromScalar(ScalarPlan),
    Negate(Box<VectorPlan>),
    WithScalar(Box<WithScalar>),
    Matched(Box<Matched>),
    Set(Box<SetPlan>),
    Aggregate(Box<AggregatePlan>),
    Elementwise(Elementwise, Box<VectorPlan>),
    Round(Box<VectorPlan>, ScalarPlan),
    Clamp(Box<VectorPlan>, Option<ScalarPlan>, Option<ScalarPlan>),
    Date(DatePart, Box<VectorPlan>),
    /// When the sample was taken that a selector picks.
    SampleTime(Selector),
    /// When any other vector was computed: the step.
    StepTime(Box<VectorPlan>),
    OverRange(RangeFunction, RangePlan, Vec<ScalarPlan>),
    /// The labels are those that the missing series would have had.
    Absent(Labels, Box<VectorPlan>),
    AbsentOverTime(Labels, RangePlan),
    LabelReplace(Box<LabelReplace>),
    LabelJoin(Box<LabelJoin>),
    Sort(Box<VectorPlan>, Order),
    HistogramQuantile(ScalarPlan, Box<VectorPlan>),
    HistogramFraction(ScalarPlan, ScalarPlan, Box<VectorPlan>),
}

#[derive(Clone, Debug)]
pub(crate) enum RangePlan {
    Window { selector: Selector, range_ms: Millis },
    Subquery { inner: Box<VectorPlan>, moment: Moment, range_ms: Millis, step_ms: Millis },
}

#[derive(Clone, Debug)]
pub(crate) struct Selector {
    pub(crate) matchers: Vec<Matcher>,
    pub(crate) moment: Moment,
}

/// Where in time a selector looks, seen from a step.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Moment {
    pub(crate) at: Option<At>,
    pub(crate) offset_ms: Millis,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    Time(Millis),
    QueryStart,
    QueryEnd,
}

#[derive(Clone, Debug)]
pub(crate) struct WithScalar {
    pub(crate) operator: Operator,
    pub(crate) vector: VectorPlan,
    pub(crate) scalar: ScalarPlan,
    pub(crate) scalar_is_left: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Matched {
    pub(crate) operator: Operator,
    pub(crate) left: VectorPlan,
    pub(crate) right: VectorPlan,
    pub(crate) matching: Matching,
    pub(crate) sides: Sides,
}

#[derive(Clone, Debug)]
pub(crate) struct SetPlan {
    pub(crate) operator: SetOperator,
    pub(crate) left: VectorPlan,
    pub(crate) right: VectorPlan,
    pub(crate) matching: Matching,
}

#[derive(Clone, Debug)]
pub(crate) struct AggregatePlan {
    pub(crate) operation: Aggregation,
    pub(crate) vector: VectorPlan,
    pub(crate) grouping: Grouping,
}

#[derive(Clone, Debug)]
pub(crate) enum Aggregation {
    Fold(FoldKind),
    Quantile(ScalarPlan),
    Top(ScalarPlan),
    Bottom(ScalarPlan),
    Limit(ScalarPlan),
    CountValues(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FoldKind {
    Sum,
    Avg,
    Count,
    Group,
    Min,
    Max,
    Stddev,
    Stdvar,
}

#[derive(Clone, Debug)]
pub(crate) struct LabelReplace {
    pub(crate) vector: VectorPlan,
    pub(crate) target: String,
    pub(crate) replacement: String,
    pub(crate) source: String,
    pub(crate) pattern: regex::Regex,
}

#[derive(Clone, Debug)]
pub(crate) struct LabelJoin {
    pub(crate) vector: VectorPlan,
    pub(crate) target: String,
    pub(crate) separator: String,
    pub(crate) sources: Vec<String>,
}

#[derive(Clone, Debug)]
pub(crate) enum Order {
    Value { descending: bool },
    Labels { names: Vec<String>, descending: bool },
}
