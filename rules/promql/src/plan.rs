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
use crate::parse::places::Place;

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
    OverRange(Box<OverRange>),
    /// The labels are those that the missing series would have had.
    Absent(Labels, Box<VectorPlan>),
    AbsentOverTime(Labels, RangePlan),
    LabelReplace(Box<LabelReplace>),
    LabelJoin(Box<LabelJoin>),
    Sort(Box<VectorPlan>, Order, Option<Place>),
    HistogramQuantiles(Box<HistogramQuantiles>),
    HistogramFraction(Box<HistogramFraction>),
}

#[derive(Clone, Debug)]
pub(crate) struct OverRange {
    pub(crate) function: RangeFunction,
    pub(crate) range: RangePlan,
    pub(crate) parameters: Vec<ScalarPlan>,
    /// Of the first argument.
    pub(crate) place: Option<Place>,
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
    Sum,
    Fold(FoldKind),
    Quantile(ScalarPlan, Option<Place>),
    Top(ScalarPlan),
    Bottom(ScalarPlan),
    Limit(ScalarPlan),
    LimitRatio(ScalarPlan, Option<Place>),
    CountValues(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FoldKind {
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

/// `histogram_quantile`, and `histogram_quantiles`, which names each quantile in a label.
#[derive(Clone, Debug)]
pub(crate) struct HistogramQuantiles {
    pub(crate) vector: VectorPlan,
    pub(crate) place: Option<Place>,
    pub(crate) label: Option<String>,
    pub(crate) quantiles: Vec<(ScalarPlan, Option<Place>)>,
}

#[derive(Clone, Debug)]
pub(crate) struct HistogramFraction {
    pub(crate) low: ScalarPlan,
    pub(crate) high: ScalarPlan,
    pub(crate) vector: VectorPlan,
    pub(crate) place: Option<Place>,
}

#[derive(Clone, Debug)]
pub(crate) enum Order {
    Value { descending: bool },
    Labels { names: Vec<String>, descending: bool },
}
