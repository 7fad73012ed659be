//! The functions that templates of rules and of notifications share, and reading their arguments.

use std::sync::Arc;

use agent_model::expression;
use gotmpl::{SafeKind, TemplateError, Value, ValueFunc};
use regex::Regex;

use crate::fields::{index, len, wrong};
use crate::{humanize, printing, rendering, times};

/// What compiling a pattern counts as, in bytes of text: each is compiled at each call.
const PATTERN_WORK_BYTES: usize = 16 << 10;

/// Go's own, which the engine has.
pub(crate) const BUILTIN: [&str; 19] = [
    "and", "or", "not", "print", "println", "printf", "len", "index", "slice", "call", "html",
    "js", "urlquery", "eq", "ne", "lt", "le", "gt", "ge",
];

type Plain = fn(&[Value]) -> Result<Value, TemplateError>;

pub(crate) fn all() -> Vec<(&'static str, ValueFunc)> {
    let all: [(&str, Plain); 16] = [
        ("index", index),
        ("len", len),
        ("print", printing::print),
        ("println", printing::println),
        ("printf", printing::printf),
        ("html", |given| printing::escaped(given, gotmpl::html_escape)),
        ("js", |given| printing::escaped(given, gotmpl::js_escape)),
        ("urlquery", |given| printing::escaped(given, gotmpl::url_encode)),
        ("toUpper", |given| text_of(given, 0).map(|text| shown(text.to_uppercase()))),
        ("toLower", |given| text_of(given, 0).map(|text| shown(text.to_lowercase()))),
        ("title", |given| text_of(given, 0).map(|text| shown(title(text)))),
        ("trimSpace", |given| text_of(given, 0).map(|text| shown(text.trim()))),
        ("safeHtml", |given| {
            let s = text_of(given, 0)?.into();
            Ok(Value::Safe { kind: SafeKind::Html, s })
        }),
        ("match", |given| Ok(Value::Bool(pattern(given)?.is_match(text_of(given, 1)?)))),
        ("reReplaceAll", |given| {
            let (replacement, subject) = (text_of(given, 1)?, text_of(given, 2)?);
            Ok(shown(pattern(given)?.replace_all(subject, replacement)))
        }),
        ("humanizeDuration", |given| {
            number_of(given).map(|number| shown(humanize::duration(number)))
        }),
    ];
    all.into_iter().map(|(name, function)| (name, Arc::new(function) as ValueFunc)).collect()
}

/// A text as a value.
pub fn shown(text: impl AsRef<str>) -> Value {
    Value::String(text.as_ref().into())
}

/// The argument at a place, which must be a text.
pub fn text_of(given: &[Value], at: usize) -> Result<&str, TemplateError> {
    match given.get(at) {
        Some(Value::String(text) | Value::Safe { s: text, .. }) => Ok(text),
        Some(other) => Err(wrong(format!("{other} is not a text"))),
        None => Err(wrong(format!("argument {} is missing", at + 1))),
    }
}

/// The only argument as a number: a text that reads as one will do, and a duration is its seconds; texts of durations are none.
pub fn number_of(given: &[Value]) -> Result<f64, TemplateError> {
    let [argument] = given else { return Err(wrong("exactly one argument is wanted")) };
    let number = match argument {
        #[allow(clippy::cast_precision_loss, reason = "as Go converts it")]
        Value::Int(whole) => Some(*whole as f64),
        #[allow(clippy::cast_precision_loss, reason = "as Go converts it")]
        Value::Uint(whole) => Some(*whole as f64),
        Value::Float(number) => Some(*number),
        Value::String(text) => text.parse().ok(),
        other if times::is_duration(other) => {
            times::duration_of(other).map(|duration| duration.as_secs_f64())
        }
        _ => None,
    };
    number.ok_or_else(|| wrong(format!("{argument} is not a number")))
}

/// As Go's `strings.Title`: a letter begins a word where no letter, digit or underscore stands before it.
fn title(text: &str) -> String {
    let mut start = true;
    let upper_first = |c: char| {
        let shown = if start { c.to_uppercase().collect() } else { c.to_string() };
        start =
            if c.is_ascii() { !c.is_ascii_alphanumeric() && c != '_' } else { c.is_whitespace() };
        shown
    };
    text.chars().map(upper_first).collect()
}

fn pattern(given: &[Value]) -> Result<Regex, TemplateError> {
    let pattern = text_of(given, 0)?;
    rendering::spend(PATTERN_WORK_BYTES + 16 * pattern.len())?;
    expression::anywhere(pattern).map_err(|error| wrong(error.to_string()))
}
