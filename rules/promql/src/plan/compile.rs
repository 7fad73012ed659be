//! The parser's tree to a plan: types settled, durations in milliseconds, depth bounded.

use std::time::{Duration, SystemTime};

use agent_model::{Labels, MatchOp, Matcher, Millis};
use promql_parser::label::{MatchOp as ParsedOp, Matchers};
use promql_parser::parser::token::{self, TokenType};
use promql_parser::parser::{
    AggregateExpr, AtModifier, BinaryExpr, Expr, LabelModifier, MatrixSelector, Offset,
    SubqueryExpr, VectorMatchCardinality, VectorSelector,
};

use super::{
    AggregatePlan, Aggregation, Arithmetic, At, Comparison, FoldKind, Grouping, Matched, Matching,
    Moment, Operator, Plan, RangePlan, ScalarPlan, Selector, SetOperator, SetPlan, Sides,
    VectorPlan, WithScalar, calls,
};
use crate::PromqlError;
use crate::parse::places::{CallSites, Place};

/// Evaluation recurses once per level; this many fit the stack of any thread.
const DEPTH_MAX: usize = 150;

/// The step of `[5m:]`, as Prometheus' default evaluation interval.
const SUBQUERY_STEP_MS: Millis = 60_000;

pub(crate) fn plan(tree: &Expr, sites: &CallSites) -> Result<Plan, PromqlError> {
    at_level(tree, Level { depth: 0, sites })
}

/// How deep in the tree, and where the calls of the text stand.
#[derive(Clone, Copy)]
pub(super) struct Level<'a> {
    depth: usize,
    pub(super) sites: &'a CallSites,
}

pub(super) fn at_level(tree: &Expr, level: Level) -> Result<Plan, PromqlError> {
    if level.depth >= DEPTH_MAX {
        return Err(PromqlError::TooDeep { depth: level.depth, max: DEPTH_MAX });
    }
    let below = Level { depth: level.depth + 1, ..level };
    match tree {
        Expr::Paren(inner) => at_level(&inner.expr, below),
        Expr::NumberLiteral(number) => Ok(Plan::Scalar(ScalarPlan::Number(number.val))),
        Expr::StringLiteral(text) => Ok(Plan::Text(text.val.clone())),
        Expr::Unary(inner) => negate(at_level(&inner.expr, below)?),
        Expr::VectorSelector(selector) => Ok(Plan::Vector(VectorPlan::Select(select(selector)?))),
        Expr::MatrixSelector(selector) => window(selector),
        Expr::Subquery(query) => subquery(query, below),
        Expr::Binary(binary) => operation(binary, below),
        Expr::Aggregate(aggregate) => aggregation(aggregate, below),
        Expr::Call(call) => calls::plan(call, below),
        Expr::Extension(_) => Err(PromqlError::Unsupported("an extension of the grammar".into())),
    }
}

pub(super) fn vector(tree: &Expr, level: Level) -> Result<VectorPlan, PromqlError> {
    match at_level(tree, level)? {
        Plan::Vector(plan) => Ok(plan),
        other => Err(wrong_type("an instant vector", &other)),
    }
}

pub(super) fn scalar(tree: &Expr, level: Level) -> Result<ScalarPlan, PromqlError> {
    match at_level(tree, level)? {
        Plan::Scalar(plan) => Ok(plan),
        other => Err(wrong_type("a scalar", &other)),
    }
}

pub(super) fn range(tree: &Expr, level: Level) -> Result<RangePlan, PromqlError> {
    match at_level(tree, level)? {
        Plan::Range(plan) => Ok(plan),
        other => Err(wrong_type("a range vector", &other)),
    }
}

pub(super) fn text(tree: &Expr, level: Level) -> Result<String, PromqlError> {
    match at_level(tree, level)? {
        Plan::Text(text) => Ok(text),
        other => Err(wrong_type("a string", &other)),
    }
}

fn wrong_type(wanted: &str, got: &Plan) -> PromqlError {
    let got = match got {
        Plan::Scalar(_) => "a scalar",
        Plan::Vector(_) => "an instant vector",
        Plan::Range(_) => "a range vector",
        Plan::Text(_) => "a string",
    };
    PromqlError::Parse(format!("{wanted} is wanted where {got} stands"))
}

fn negate(plan: Plan) -> Result<Plan, PromqlError> {
    match plan {
        Plan::Scalar(inner) => Ok(Plan::Scalar(ScalarPlan::Negate(Box::new(inner)))),
        Plan::Vector(inner) => Ok(Plan::Vector(VectorPlan::Negate(Box::new(inner)))),
        other => Err(wrong_type("a scalar or an instant vector", &other)),
    }
}

fn select(parsed: &VectorSelector) -> Result<Selector, PromqlError> {
    let mut matchers = Vec::with_capacity(parsed.matchers.matchers.len() + 1);
    if let Some(name) = &parsed.name {
        matchers.push(Matcher::equal(Labels::NAME, name.as_str()));
    }
    add_matchers(&parsed.matchers, &mut matchers)?;
    Ok(Selector { matchers, moment: moment(parsed.at.as_ref(), parsed.offset.as_ref())? })
}

fn add_matchers(parsed: &Matchers, matchers: &mut Vec<Matcher>) -> Result<(), PromqlError> {
    if !parsed.or_matchers.is_empty() {
        return Err(PromqlError::Unsupported("`or` between matchers".to_owned()));
    }
    for matcher in &parsed.matchers {
        let (op, rewritten) = match &matcher.op {
            ParsedOp::Equal => (MatchOp::Equal, None),
            ParsedOp::NotEqual => (MatchOp::NotEqual, None),
            ParsedOp::Re(regex) => (MatchOp::Matches, Some(regex.as_str())),
            ParsedOp::NotRe(regex) => (MatchOp::MatchesNot, Some(regex.as_str())),
        };
        let made = Matcher::new(&matcher.name, op, &matcher.value);
        // The parser has rewritten what only Go takes, as in `a{b}`; that form is the second try.
        let made = match (made, rewritten) {
            (Err(_), Some(rewritten)) => Matcher::new(&matcher.name, op, rewritten),
            (made, _) => made,
        };
        matchers.push(made.map_err(|error| PromqlError::Parse(error.to_string()))?);
    }
    Ok(())
}

fn moment(at: Option<&AtModifier>, offset: Option<&Offset>) -> Result<Moment, PromqlError> {
    let at = match at {
        None => None,
        Some(AtModifier::Start) => Some(At::QueryStart),
        Some(AtModifier::End) => Some(At::QueryEnd),
        Some(AtModifier::At(time)) => Some(At::Time(epoch_millis(*time)?)),
    };
    let offset_ms = match offset {
        None => 0,
        Some(Offset::Pos(duration)) => millis(duration)?,
        Some(Offset::Neg(duration)) => -millis(duration)?,
    };
    Ok(Moment { at, offset_ms })
}

fn epoch_millis(time: SystemTime) -> Result<Millis, PromqlError> {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => millis(&after),
        Err(before) => Ok(-millis(&before.duration())?),
    }
}

fn millis(duration: &Duration) -> Result<Millis, PromqlError> {
    // A thousand years, so that sums of times never overflow.
    const MILLIS_MAX: u128 = 1_000 * 365 * 86_400_000;
    let millis = duration.as_millis();
    let fits = millis <= MILLIS_MAX;
    let millis = i64::try_from(millis).ok().filter(|_| fits);
    millis.ok_or_else(|| PromqlError::Parse("a time or duration in it is too large".to_owned()))
}

fn positive_millis(duration: &Duration) -> Result<Millis, PromqlError> {
    match millis(duration)? {
        0 => Err(PromqlError::Parse("a range or step must be at least 1ms".to_owned())),
        millis => Ok(millis),
    }
}

fn window(parsed: &MatrixSelector) -> Result<Plan, PromqlError> {
    let range_ms = positive_millis(&parsed.range)?;
    Ok(Plan::Range(RangePlan::Window { selector: select(&parsed.vs)?, range_ms }))
}

fn subquery(parsed: &SubqueryExpr, level: Level) -> Result<Plan, PromqlError> {
    let inner = Box::new(vector(&parsed.expr, level)?);
    let step_ms = match &parsed.step {
        Some(step) => positive_millis(step)?,
        None => SUBQUERY_STEP_MS,
    };
    let range_ms = positive_millis(&parsed.range)?;
    let moment = moment(parsed.at.as_ref(), parsed.offset.as_ref())?;
    Ok(Plan::Range(RangePlan::Subquery { inner, moment, range_ms, step_ms }))
}

fn operation(parsed: &BinaryExpr, level: Level) -> Result<Plan, PromqlError> {
    let left = at_level(&parsed.lhs, level)?;
    let right = at_level(&parsed.rhs, level)?;
    if let Some(operator) = set_operator(parsed.op) {
        return match (left, right) {
            (Plan::Vector(left), Plan::Vector(right)) => {
                let matching = matching(parsed);
                Ok(Plan::Vector(VectorPlan::Set(Box::new(SetPlan {
                    operator,
                    left,
                    right,
                    matching,
                }))))
            }
            (other, Plan::Vector(_)) | (_, other) => Err(wrong_type("an instant vector", &other)),
        };
    }
    let operator = operator(parsed)?;
    match (left, right) {
        (Plan::Scalar(left), Plan::Scalar(right)) => {
            Ok(Plan::Scalar(ScalarPlan::Binary(operator, Box::new(left), Box::new(right))))
        }
        (Plan::Vector(vector), Plan::Scalar(scalar)) => {
            let with = WithScalar { operator, vector, scalar, scalar_is_left: false };
            Ok(Plan::Vector(VectorPlan::WithScalar(Box::new(with))))
        }
        (Plan::Scalar(scalar), Plan::Vector(vector)) => {
            let with = WithScalar { operator, vector, scalar, scalar_is_left: true };
            Ok(Plan::Vector(VectorPlan::WithScalar(Box::new(with))))
        }
        (Plan::Vector(left), Plan::Vector(right)) => {
            let (matching, sides) = (matching(parsed), sides(parsed)?);
            let matched = Matched { operator, left, right, matching, sides };
            Ok(Plan::Vector(VectorPlan::Matched(Box::new(matched))))
        }
        (Plan::Scalar(_) | Plan::Vector(_), other) | (other, _) => {
            Err(wrong_type("a scalar or an instant vector", &other))
        }
    }
}

fn set_operator(op: TokenType) -> Option<SetOperator> {
    match op.id() {
        token::T_LAND => Some(SetOperator::And),
        token::T_LOR => Some(SetOperator::Or),
        token::T_LUNLESS => Some(SetOperator::Unless),
        _ => None,
    }
}

fn operator(parsed: &BinaryExpr) -> Result<Operator, PromqlError> {
    let compare = |comparison| Operator::Comparison(comparison, parsed.return_bool());
    Ok(match parsed.op.id() {
        token::T_ADD => Operator::Arithmetic(Arithmetic::Add),
        token::T_SUB => Operator::Arithmetic(Arithmetic::Subtract),
        token::T_MUL => Operator::Arithmetic(Arithmetic::Multiply),
        token::T_DIV => Operator::Arithmetic(Arithmetic::Divide),
        token::T_MOD => Operator::Arithmetic(Arithmetic::Modulo),
        token::T_POW => Operator::Arithmetic(Arithmetic::Power),
        token::T_ATAN2 => Operator::Arithmetic(Arithmetic::Atan2),
        token::T_EQLC => compare(Comparison::Equal),
        token::T_NEQ => compare(Comparison::NotEqual),
        token::T_GTR => compare(Comparison::Greater),
        token::T_GTE => compare(Comparison::GreaterOrEqual),
        token::T_LSS => compare(Comparison::Less),
        token::T_LTE => compare(Comparison::LessOrEqual),
        _ => return Err(PromqlError::Unsupported(format!("the operator `{}`", parsed.op))),
    })
}

fn matching(parsed: &BinaryExpr) -> Matching {
    match parsed.modifier.as_ref().and_then(|modifier| modifier.matching.as_ref()) {
        Some(LabelModifier::Include(labels)) => Matching::On(labels.labels.clone()),
        Some(LabelModifier::Exclude(labels)) => Matching::Ignoring(labels.labels.clone()),
        None => Matching::Ignoring(Vec::new()),
    }
}

fn sides(parsed: &BinaryExpr) -> Result<Sides, PromqlError> {
    let Some(modifier) = &parsed.modifier else { return Ok(Sides::OneToOne) };
    if modifier.fill_values.lhs.is_some() || modifier.fill_values.rhs.is_some() {
        return Err(PromqlError::Unsupported("the experimental modifier `fill`".to_owned()));
    }
    Ok(match &modifier.card {
        VectorMatchCardinality::OneToOne | VectorMatchCardinality::ManyToMany => Sides::OneToOne,
        VectorMatchCardinality::ManyToOne(labels) => Sides::ManyLeft(labels.labels.clone()),
        VectorMatchCardinality::OneToMany(labels) => Sides::ManyRight(labels.labels.clone()),
    })
}

fn aggregation(parsed: &AggregateExpr, level: Level) -> Result<Plan, PromqlError> {
    let vector = vector(&parsed.expr, level)?;
    let place = level.sites.of_aggregate(parsed).argument(0);
    let grouping = match &parsed.modifier {
        None => Grouping::By(Vec::new()),
        Some(LabelModifier::Include(labels)) => Grouping::By(labels.labels.clone()),
        Some(LabelModifier::Exclude(labels)) => Grouping::Without(labels.labels.clone()),
    };
    let operation = match parsed.op.id() {
        token::T_SUM => Aggregation::Sum,
        token::T_AVG => Aggregation::Fold(FoldKind::Avg),
        token::T_COUNT => Aggregation::Fold(FoldKind::Count),
        token::T_GROUP => Aggregation::Fold(FoldKind::Group),
        token::T_MIN => Aggregation::Fold(FoldKind::Min),
        token::T_MAX => Aggregation::Fold(FoldKind::Max),
        token::T_STDDEV => Aggregation::Fold(FoldKind::Stddev),
        token::T_STDVAR => Aggregation::Fold(FoldKind::Stdvar),
        _ => with_parameter(parsed, level, place)?,
    };
    let plan = AggregatePlan { operation, vector, grouping };
    Ok(Plan::Vector(VectorPlan::Aggregate(Box::new(plan))))
}

fn with_parameter(
    parsed: &AggregateExpr,
    level: Level,
    place: Option<Place>,
) -> Result<Aggregation, PromqlError> {
    let op = parsed.op;
    let Some(parameter) = &parsed.param else {
        return Err(PromqlError::Parse(format!("`{op}` needs a parameter")));
    };
    Ok(match op.id() {
        token::T_QUANTILE => Aggregation::Quantile(scalar(parameter, level)?, place),
        token::T_TOPK => Aggregation::Top(scalar(parameter, level)?),
        token::T_BOTTOMK => Aggregation::Bottom(scalar(parameter, level)?),
        token::T_LIMITK => Aggregation::Limit(scalar(parameter, level)?),
        token::T_LIMIT_RATIO => Aggregation::LimitRatio(scalar(parameter, level)?, place),
        token::T_COUNT_VALUES => {
            let label = text(parameter, level)?;
            if label.is_empty() {
                return Err(PromqlError::Parse("invalid label name \"\" in `count_values`".into()));
            }
            Aggregation::CountValues(label)
        }
        _ => return Err(PromqlError::Unsupported(format!("the aggregation `{op}`"))),
    })
}
