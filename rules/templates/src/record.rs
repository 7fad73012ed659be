//! Values that the engine has no kind for, as maps with hidden keys: records (Go's structs), times and what else has a
//! text and perhaps a number behind it. No template sees a hidden key; printing, comparing and looping ask here.

use std::collections::BTreeMap;
use std::sync::Arc;

use gotmpl::{TemplateError, Value};

use crate::fields::wrong;

/// Hidden keys begin so.
const HIDDEN: char = '\0';

/// What it is called, then its fields in their order.
const KIND: &str = "\0kind";

/// As what it is printed.
const TEXT: &str = "\0text";

/// The whole number that it is in Go.
const NUMBER: &str = "\0number";

/// How deep the maps that a template has made lie in each other.
const DEPTH: &str = "\0depth";

/// Arguments of templates within arguments: each level is a call that a person wrote.
pub(crate) const ARGUMENTS_DEPTH_MAX: i64 = 16;

type Map = BTreeMap<Arc<str>, Value>;

pub(crate) fn is_hidden(key: &str) -> bool {
    key.starts_with(HIDDEN)
}

/// A record: fields that are there, and no others.
pub fn record<const N: usize>(name: &str, fields: [(&str, Value); N]) -> Value {
    let names = fields.iter().map(|(field, _)| *field);
    let kind = std::iter::once(name).chain(names).map(|name| Value::String(name.into()));
    let kind = (Arc::from(KIND), Value::List(kind.collect()));
    let fields = fields.into_iter().map(|(field, value)| (Arc::from(field), value));
    Value::Map(Arc::new(std::iter::once(kind).chain(fields).collect()))
}

/// The record with fields that are there and are not shown with it: our own beside those that others know.
pub fn with_more<const N: usize>(record: &Value, fields: [(&str, Value); N]) -> Value {
    let Value::Map(map) = record else { return record.clone() };
    let more = fields.into_iter().map(|(field, value)| (Arc::from(field), value));
    let pairs = map.iter().map(|(key, value)| (Arc::clone(key), value.clone()));
    Value::Map(Arc::new(pairs.chain(more).collect()))
}

/// A map of texts.
pub fn map<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Value {
    let text = |(name, value): (&str, &str)| (Arc::from(name), Value::String(value.into()));
    let pairs = pairs.into_iter().filter(|(name, _)| !is_hidden(name));
    Value::Map(Arc::new(pairs.map(text).collect()))
}

/// `arg0`, `arg1`, …: several values for one named template.
pub fn numbered(given: &[Value]) -> Result<Value, TemplateError> {
    let depth_of = |value: &Value| match value {
        Value::Map(map) => map.get(DEPTH).and_then(Value::as_int).unwrap_or(0),
        _ => 0,
    };
    let depth = given.iter().map(depth_of).max().unwrap_or(0) + 1;
    if depth > ARGUMENTS_DEPTH_MAX {
        return Err(wrong(format!("args within args lie at most {ARGUMENTS_DEPTH_MAX} deep")));
    }
    let named = given.iter().enumerate();
    let named = named.map(|(at, value)| (format!("arg{at}").into(), value.clone()));
    let depth = (Arc::from(DEPTH), Value::Int(depth));
    Ok(Value::Map(Arc::new(named.chain(std::iter::once(depth)).collect())))
}

/// Something that is printed as a text and is, perhaps, a number.
pub(crate) fn made(kind: &str, text: String, number: Option<i64>) -> Value {
    let Value::Map(map) = record(kind, [(TEXT, Value::String(text.into()))]) else {
        return Value::Nil;
    };
    let number = number.map(|number| (Arc::from(NUMBER), Value::Int(number)));
    let pairs = map.iter().map(|(key, value)| (Arc::clone(key), value.clone()));
    Value::Map(Arc::new(pairs.chain(number).collect()))
}

/// What a record is called; none for all other values.
pub fn kind(value: &Value) -> Option<&str> {
    let Value::Map(map) = value else { return None };
    kind_of_map(map)
}

pub(crate) fn kind_of_map(map: &Map) -> Option<&str> {
    names(map)?.first()?.as_str()
}

/// The fields of a record in their order.
pub fn fields(map: &BTreeMap<Arc<str>, Value>) -> impl Iterator<Item = (&str, &Value)> {
    let names = names(map).unwrap_or_default().iter().skip(1);
    names.filter_map(|name| Some((name.as_str()?, map.get(name.as_str()?)?)))
}

fn names(map: &Map) -> Option<&[Value]> {
    match map.get(KIND)? {
        Value::List(names) => Some(names),
        _ => None,
    }
}

/// As what a made value is printed.
pub(crate) fn text(value: &Value) -> Option<&Arc<str>> {
    let Value::Map(map) = value else { return None };
    match map.get(TEXT)? {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// The number that a made value is.
pub(crate) fn number(value: &Value) -> Option<i64> {
    let Value::Map(map) = value else { return None };
    map.get(NUMBER)?.as_int()
}

/// As the engine compares it: by its number, else by its text.
pub(crate) fn compared(given: &[Value]) -> Result<Value, TemplateError> {
    let [value] = given else { return Err(wrong("one value is compared at a time")) };
    let number = number(value).map(Value::Int);
    let text = || text(value).map(|text| Value::String(Arc::clone(text)));
    Ok(number.or_else(text).unwrap_or_else(|| value.clone()))
}
