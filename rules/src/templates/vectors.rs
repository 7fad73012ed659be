//! Results of `query` as templates see them: a list of samples, each with `.Labels` and `.Value`.

use std::collections::HashMap;

use agent_model::Labels;
use gtmpl_ng::{FuncError, Value};

use super::functions::text;

/// Labels for a template; those that it names and that are absent read as empty.
pub(super) fn label_map(labels: &Labels, named: &[String]) -> Value {
    let absent = named.iter().map(|name| (name.clone(), Value::from("")));
    let present =
        labels.iter().map(|label| (label.name.to_string(), Value::from(label.value.as_ref())));
    Value::Map(absent.chain(present).collect())
}

pub(super) fn from_answer(answer: Vec<(Labels, f64)>, named: &[String]) -> Value {
    let samples = answer.into_iter().map(|(labels, value)| {
        Value::Object(HashMap::from([
            ("Labels".to_owned(), label_map(&labels, named)),
            ("Value".to_owned(), Value::from(value)),
        ]))
    });
    Value::Array(samples.collect())
}

pub(super) fn first(arguments: &[Value]) -> Result<Value, FuncError> {
    let none = || FuncError::Generic("first() called on vector with no elements".to_owned());
    vector(arguments, 0)?.first().cloned().ok_or_else(none)
}

pub(super) fn value(arguments: &[Value]) -> Result<Value, FuncError> {
    part(arguments, 0, "Value").cloned()
}

/// `label NAME SAMPLE`; empty where the sample has none.
pub(super) fn label(arguments: &[Value]) -> Result<Value, FuncError> {
    Ok(Value::from(label_of(arguments.get(1), &text(arguments, 0)?)?))
}

pub(super) fn text_value(arguments: &[Value]) -> Result<Value, FuncError> {
    Ok(Value::from(label_of(arguments.first(), "__value__")?))
}

/// `sortByLabel NAME VECTOR`; samples alike in the label keep their order.
pub(super) fn sort_by_label(arguments: &[Value]) -> Result<Value, FuncError> {
    let name = text(arguments, 0)?;
    let samples = vector(arguments, 1)?.iter();
    let keyed = samples.map(|sample| Ok((label_of(Some(sample), &name)?, sample.clone())));
    let mut keyed = keyed.collect::<Result<Vec<_>, FuncError>>()?;
    keyed.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(Value::Array(keyed.into_iter().map(|(_, sample)| sample).collect()))
}

fn vector(arguments: &[Value], index: usize) -> Result<&Vec<Value>, FuncError> {
    match arguments.get(index) {
        Some(Value::Array(samples)) => Ok(samples),
        _ => Err(FuncError::Generic("the result of a query is wanted".to_owned())),
    }
}

fn part<'a>(arguments: &'a [Value], index: usize, name: &str) -> Result<&'a Value, FuncError> {
    let wrong = || FuncError::Generic("a sample of a query's result is wanted".to_owned());
    match arguments.get(index) {
        Some(Value::Object(fields)) => fields.get(name).ok_or_else(wrong),
        _ => Err(wrong()),
    }
}

fn label_of(sample: Option<&Value>, name: &str) -> Result<String, FuncError> {
    let sample = sample.cloned().into_iter().collect::<Vec<_>>();
    match part(&sample, 0, "Labels")? {
        Value::Map(labels) => Ok(labels.get(name).map(ToString::to_string).unwrap_or_default()),
        other => Err(FuncError::Generic(format!("{other} are no labels"))),
    }
}
