//! What an instant query yields.

use agent_model::{Labels, Sample, Series};

#[derive(Clone, Debug)]
pub enum Value {
    Scalar(Sample),
    /// In the order the evaluation gave, which `sort()` and `topk()` decide.
    Vector(Vec<(Labels, Sample)>),
    /// Raw samples of a range selector or a subquery.
    Matrix(Vec<Series>),
    Text(String),
}
