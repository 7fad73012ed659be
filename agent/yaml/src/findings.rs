//! What deserr found while reading, each with its place; it never stops at the first.

use std::ops::ControlFlow;

use deserr::{
    DeserializeError, ErrorKind, IntoValue, MergeWithError, Value, ValueKind, ValuePointerRef,
};

use crate::Place;

/// Place and message of every finding. Name it as the error type: `T: Deserr<Findings>`.
#[derive(Debug, Default)]
pub struct Findings(pub Vec<(Place, String)>);

impl Findings {
    fn with(before: Option<Self>, place: ValuePointerRef, message: String) -> Self {
        let mut findings = before.unwrap_or_default();
        findings.0.push((Place::from(place), message));
        findings
    }
}

impl MergeWithError<Self> for Findings {
    fn merge(
        before: Option<Self>,
        other: Self,
        _place: ValuePointerRef,
    ) -> ControlFlow<Self, Self> {
        let mut findings = before.unwrap_or_default();
        findings.0.extend(other.0);
        ControlFlow::Continue(findings)
    }
}

/// Errors of `try_from` and `validate` functions: any message in a `String`.
impl MergeWithError<String> for Findings {
    fn merge(
        before: Option<Self>,
        message: String,
        place: ValuePointerRef,
    ) -> ControlFlow<Self, Self> {
        ControlFlow::Continue(Self::with(before, place, message))
    }
}

impl DeserializeError for Findings {
    fn error<V: IntoValue>(
        before: Option<Self>,
        error: ErrorKind<'_, V>,
        place: ValuePointerRef,
    ) -> ControlFlow<Self, Self> {
        let (place, message) = match error {
            ErrorKind::UnknownKey { key, accepted } => {
                let message = format!("unknown key `{key}`; known here: {}", accepted.join(", "));
                (Place::from(place.push_key(key)), message)
            }
            ErrorKind::MissingField { field } => {
                (Place::from(place), format!("`{field}` is missing"))
            }
            ErrorKind::UnknownValue { value, accepted } => {
                (Place::from(place), format!("{value:?} is none of: {}", accepted.join(", ")))
            }
            ErrorKind::IncorrectValueKind { actual, accepted } => {
                let wanted: Vec<_> = accepted.iter().map(|kind| kind_name(*kind)).collect();
                let message = format!("wants {}, got {}", wanted.join(" or "), shown(&actual));
                (Place::from(place), message)
            }
            ErrorKind::BadSequenceLen { expected, .. } => {
                (Place::from(place), format!("wants a list of {expected}"))
            }
            ErrorKind::Unexpected { msg } => (Place::from(place), msg),
        };
        let mut findings = before.unwrap_or_default();
        findings.0.push((place, message));
        ControlFlow::Continue(findings)
    }
}

fn kind_name(kind: ValueKind) -> &'static str {
    match kind {
        ValueKind::Null => "nothing",
        ValueKind::Boolean => "true or false",
        ValueKind::Integer => "a whole number",
        ValueKind::NegativeInteger => "a negative whole number",
        ValueKind::Float => "a number",
        ValueKind::String => "text",
        ValueKind::Sequence => "a list",
        ValueKind::Map => "`key: value` lines",
    }
}

fn shown<V: IntoValue>(value: &Value<V>) -> String {
    match value {
        Value::Boolean(boolean) => boolean.to_string(),
        Value::Integer(integer) => integer.to_string(),
        Value::NegativeInteger(integer) => integer.to_string(),
        Value::Float(float) => float.to_string(),
        Value::String(text) => format!("{text:?}"),
        other => kind_name(other.kind()).to_owned(),
    }
}
