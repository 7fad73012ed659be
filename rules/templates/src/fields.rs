//! What stands behind a dot: a field of a record, a key of a map, or a method.
//! A map of texts has every key, most of them empty; a record has the fields it was made with, and says so.

use std::collections::BTreeMap;
use std::sync::Arc;

use gotmpl::{TemplateError, Value};

use crate::{Methods, times};

/// The key under which a record keeps what it is called; maps for loops never have it.
const RECORD: &str = "\0record";

/// A record: fields that are there, and no others.
pub fn record<const N: usize>(name: &str, fields: [(&str, Value); N]) -> Value {
    let named = std::iter::once((Arc::from(RECORD), Value::String(name.into())));
    let fields = fields.into_iter().map(|(field, value)| (Arc::from(field), value));
    Value::Map(Arc::new(named.chain(fields).collect()))
}

/// A map of texts.
pub fn map<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Value {
    let text = |(name, value): (&str, &str)| (Arc::from(name), Value::String(value.into()));
    Value::Map(Arc::new(pairs.into_iter().map(text).collect()))
}

/// The receiver, a name, and what the method is given.
pub(crate) fn field(arguments: &[Value], methods: Methods) -> Result<Value, TemplateError> {
    let [receiver, Value::String(name), given @ ..] = arguments else {
        return Err(wrong("a field needs a receiver and a name"));
    };
    if let Some(answer) =
        methods(receiver, name, given).or_else(|| times::method(receiver, name, given))
    {
        return answer;
    }
    if !given.is_empty() {
        return Err(wrong(format!("{name} is no method and takes no argument")));
    }
    match receiver {
        Value::Map(map) => of_map(map, name),
        other => Err(wrong(format!("can't evaluate field {name} in type {}", other.type_name()))),
    }
}

fn of_map(map: &BTreeMap<Arc<str>, Value>, name: &str) -> Result<Value, TemplateError> {
    match (map.get(name), map.get(RECORD)) {
        (Some(value), _) => Ok(value.clone()),
        (None, Some(record)) => Err(wrong(format!("can't evaluate field {name} in type {record}"))),
        (None, None) => Ok(Value::String("".into())),
    }
}

/// `index MAP KEY…`, `index LIST PLACE…`: as Go's, and a key that is absent reads as a dot would read it.
pub(crate) fn index(arguments: &[Value]) -> Result<Value, TemplateError> {
    let (first, rest) = arguments.split_first().ok_or_else(|| wrong("index of nothing"))?;
    rest.iter().try_fold(first.clone(), |value, place| match (&value, place) {
        (Value::Map(map), Value::String(name)) => of_map(map, name),
        _ => value.index(place),
    })
}

pub(crate) fn wrong(text: impl Into<String>) -> TemplateError {
    TemplateError::Exec(text.into())
}
