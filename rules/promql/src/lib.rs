//! PromQL: parse and evaluate, pure; declares the trait it reads series through.
//!
//! Promises: Prometheus 3 semantics for float samples (left-open ranges and lookback, stale markers, `@`, `offset`,
//! subqueries), every selector fetched once per query, and limits that are errors rather than short answers.
//! Every expression is evaluated for all steps at once: a vector is a list of [`track::Track`]s, one column of
//! values per series, so labels are worked out once per series and not once per step.
//! Leaves to others: where series come from, time, HTTP, native histograms (refused with a clear error).

mod aggregate;
mod annotations;
mod binary;
mod error;
mod evaluate;
mod functions;
mod limits;
mod memory;
pub mod notation;
mod number;
mod parse;
mod plan;
mod range;
mod rolled;
mod selector;
mod source;
mod steps;
mod track;
mod value;

pub use annotations::Answer;
pub use error::PromqlError;
pub use evaluate::{answer_instant, answer_range, evaluate_instant, evaluate_range};
pub use limits::Limits;
pub use memory::MemorySource;
pub use parse::{Expr, ResultType, SyntaxTree, parse, parse_matchers};
pub use source::{SeriesSource, SourceError};
pub use value::Value;
