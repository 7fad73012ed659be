//! What can go wrong between a text and its result.

use agent_model::Labels;

use crate::source::SourceError;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PromqlError {
    /// The text is not PromQL; the message says where or why.
    #[error("the expression cannot be parsed: {0}")]
    Parse(String),
    /// PromQL that this evaluator does not know.
    #[error("{0} is not supported")]
    Unsupported(String),
    #[error("the expression is nested {depth} deep or more; at most {max} is evaluated")]
    TooDeep { depth: usize, max: usize },
    #[error("the expression has {bytes} bytes; at most {max} are read")]
    TooLong { bytes: usize, max: usize },
    #[error("the step of a range query must be positive, and its end not before its start")]
    BadRange,
    #[error(
        "the query has {steps} steps; at most {max} are evaluated: widen the step or narrow the range"
    )]
    TooManySteps { steps: u64, max: usize },
    #[error("a selector yields more than {max} series, which are too many: add matchers")]
    TooManySeries { max: usize },
    #[error(
        "the query needs more than {max} samples: narrow the range, widen the step or add matchers"
    )]
    TooManySamples { max: usize },
    #[error("the query was cancelled or ran out of time")]
    Cancelled,
    #[error("a range query needs a scalar or an instant vector, not {0}")]
    NotAtEveryStep(&'static str),
    #[error("the series of a selector cannot be read")]
    Source(#[from] SourceError),
    #[error("vector cannot contain metrics with the same labelset: {0}")]
    SameLabels(Labels),
    #[error(
        "found duplicate series for the match group {group} on the {side} hand-side of the operation: \
         [{one}, {other}];many-to-many matching not allowed: matching labels must be unique on one side"
    )]
    ManyToMany { group: String, side: &'static str, one: String, other: String },
    #[error(
        "multiple matches for labels {0}: many-to-one matching must be explicit (group_left/group_right)"
    )]
    ManyToOne(Labels),
    #[error("multiple matches for labels {0}: grouping labels must ensure unique matches")]
    GroupingNotUnique(Labels),
    /// A parameter whose value cannot be used.
    #[error("{0}")]
    Parameter(String),
}
