//! What stands behind a dot: a field of a record, a key of a map, or a method.
//! A map of texts has every key, most of them empty; a record has the fields it was made with, and says so.

use std::collections::BTreeMap;
use std::sync::Arc;

use gotmpl::{TemplateError, Value};

use crate::record::{self, is_hidden};
use crate::{Methods, times};

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
    let found = map.get(name).filter(|_| !is_hidden(name));
    match (found, record::kind_of_map(map)) {
        (Some(value), _) => Ok(value.clone()),
        (None, Some(kind)) => Err(wrong(format!("can't evaluate field {name} in type {kind}"))),
        (None, None) => Ok(Value::String("".into())),
    }
}

/// `index MAP KEY…`, `index LIST PLACE…`: as Go's, and a key that is absent reads as a dot would read it.
pub(crate) fn index(arguments: &[Value]) -> Result<Value, TemplateError> {
    let (first, rest) = arguments.split_first().ok_or_else(|| wrong("index of nothing"))?;
    rest.iter().try_fold(first.clone(), |value, place| match (&value, place) {
        _ if record::kind(&value).is_some() => Err(no_container(&value, "index")),
        (Value::Map(map), Value::String(name)) => of_map(map, name),
        _ => value.index(place),
    })
}

pub(crate) fn len(arguments: &[Value]) -> Result<Value, TemplateError> {
    let [of] = arguments else { return Err(wrong("len takes one value")) };
    let length = match (of, record::kind(of)) {
        (_, Some(_)) => return Err(no_container(of, "take the length of")),
        (Value::Map(map), None) => Some(map.keys().filter(|key| !is_hidden(key)).count()),
        _ => of.len(),
    };
    let length = length.and_then(|length| i64::try_from(length).ok());
    length.map(Value::Int).ok_or_else(|| no_container(of, "take the length of"))
}

/// What a loop goes over: never what a record is made of.
pub(crate) fn ranged(arguments: &[Value]) -> Result<Value, TemplateError> {
    let [over] = arguments else { return Err(wrong("range takes one value")) };
    match over {
        _ if record::kind(over).is_some() => Err(no_container(over, "range over")),
        Value::Map(map) if map.keys().any(|key| is_hidden(key)) => {
            let seen = map.iter().filter(|(key, _)| !is_hidden(key));
            Ok(Value::Map(Arc::new(seen.map(|(key, of)| (Arc::clone(key), of.clone())).collect())))
        }
        _ => Ok(over.clone()),
    }
}

fn no_container(value: &Value, what: &str) -> TemplateError {
    let kind = record::kind(value).unwrap_or(value.type_name());
    wrong(format!("can't {what} a {kind}"))
}

/// A failure of a function, in words.
pub fn wrong(text: impl Into<String>) -> TemplateError {
    TemplateError::Exec(text.into())
}
