//! Results of `query` as templates see them: a list of samples, each with `.Labels` and `.Value`.

use agent_model::Labels;
use rules_templates::{EngineError, Value, field, map, record, text_of};

pub(super) fn label_map(labels: &Labels) -> Value {
    map(labels.iter().map(|label| (label.name.as_ref(), label.value.as_ref())))
}

pub(super) fn from_answer(answer: Vec<(Labels, f64)>) -> Value {
    let samples = answer.into_iter().map(|(labels, value)| {
        record("sample", [("Labels", label_map(&labels)), ("Value", Value::Float(value))])
    });
    Value::List(samples.collect())
}

pub(super) fn first(given: &[Value]) -> Result<Value, EngineError> {
    let none = || EngineError::Exec("first() called on vector with no elements".to_owned());
    vector(given, 0)?.first().cloned().ok_or_else(none)
}

pub(super) fn value(given: &[Value]) -> Result<Value, EngineError> {
    field(sample(given, 0)?, "Value")
}

/// `label NAME SAMPLE`; empty where the sample has none.
pub(super) fn label(given: &[Value]) -> Result<Value, EngineError> {
    label_of(sample(given, 1)?, text_of(given, 0)?)
}

pub(super) fn text_value(given: &[Value]) -> Result<Value, EngineError> {
    label_of(sample(given, 0)?, "__value__")
}

/// `sortByLabel NAME VECTOR`; samples alike in the label keep their order.
pub(super) fn sort_by_label(given: &[Value]) -> Result<Value, EngineError> {
    let name = text_of(given, 0)?;
    let samples = vector(given, 1)?.iter();
    let keyed = samples.map(|sample| Ok((label_of(sample, name)?.to_string(), sample.clone())));
    let mut keyed = keyed.collect::<Result<Vec<_>, EngineError>>()?;
    keyed.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(Value::List(keyed.into_iter().map(|(_, sample)| sample).collect()))
}

fn vector(given: &[Value], at: usize) -> Result<&[Value], EngineError> {
    match given.get(at) {
        Some(Value::List(samples)) => Ok(samples),
        _ => Err(EngineError::Exec("the result of a query is wanted".to_owned())),
    }
}

fn sample(given: &[Value], at: usize) -> Result<&Value, EngineError> {
    let wrong = || EngineError::Exec("a sample of a query's result is wanted".to_owned());
    given.get(at).filter(|value| matches!(value, Value::Map(_))).ok_or_else(wrong)
}

fn label_of(sample: &Value, name: &str) -> Result<Value, EngineError> {
    field(&field(sample, "Labels")?, name)
}
