//! Operators and the ways of matching and grouping labels.

use agent_model::Labels;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Arithmetic(Arithmetic),
    /// With `bool` it yields 0 or 1 instead of filtering.
    Comparison(Comparison, ReturnBool),
}

pub(crate) type ReturnBool = bool;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Power,
    Atan2,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SetOperator {
    And,
    Or,
    Unless,
}

/// Which labels must agree between two sides.
#[derive(Clone, Debug)]
pub(crate) enum Matching {
    On(Vec<String>),
    Ignoring(Vec<String>),
}

/// Which side may have many series per match group; the labels named are copied from the other side.
#[derive(Clone, Debug)]
pub(crate) enum Sides {
    OneToOne,
    ManyLeft(Vec<String>),
    ManyRight(Vec<String>),
}

#[derive(Clone, Debug)]
pub(crate) enum Grouping {
    By(Vec<String>),
    Without(Vec<String>),
}

impl Arithmetic {
    pub(crate) fn apply(self, left: f64, right: f64) -> f64 {
        match self {
            Self::Add => left + right,
            Self::Subtract => left - right,
            Self::Multiply => left * right,
            Self::Divide => left / right,
            Self::Modulo => left % right,
            Self::Power => left.powf(right),
            Self::Atan2 => left.atan2(right),
        }
    }
}

impl Comparison {
    pub(crate) fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Self::Equal => left == right,
            Self::NotEqual => left != right,
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
        }
    }
}

impl Operator {
    /// The value of `left op right`, or nothing where a comparison filters it away. A comparison that holds yields
    /// its left side.
    pub(crate) fn apply(self, left: f64, right: f64) -> Option<f64> {
        match self {
            Self::Arithmetic(arithmetic) => Some(arithmetic.apply(left, right)),
            Self::Comparison(comparison, true) => {
                Some(if comparison.holds(left, right) { 1.0 } else { 0.0 })
            }
            Self::Comparison(comparison, false) => comparison.holds(left, right).then_some(left),
        }
    }

    /// A result that is no longer the metric it came from does not keep its name.
    pub(crate) fn drops_name(self) -> bool {
        !matches!(self, Self::Comparison(_, false))
    }
}

impl Matching {
    /// What two series must have in common to match.
    pub(crate) fn signature(&self, labels: &Labels) -> Labels {
        match self {
            Self::On(names) => labels.filtered(|name| is_named(names, name)),
            Self::Ignoring(names) => {
                labels.filtered(|name| name != Labels::NAME && !is_named(names, name))
            }
        }
    }
}

impl Grouping {
    pub(crate) fn group(&self, labels: &Labels) -> Labels {
        match self {
            Self::By(names) => labels.filtered(|name| is_named(names, name)),
            Self::Without(names) => {
                labels.filtered(|name| name != Labels::NAME && !is_named(names, name))
            }
        }
    }
}

fn is_named(names: &[String], name: &str) -> bool {
    names.iter().any(|listed| listed == name)
}
