//! The functions that Prometheus adds to Go's own (prometheus.io, "Template reference").

use gtmpl_ng::{Func, FuncError, Number, NumberKind, Value, funcs};
use regex::Regex;

use super::{desk, humanize, vectors};

pub(super) const FUNCTIONS: &[(&str, Func)] = &[
    ("humanize", |arguments| number(arguments).map(humanize::humanize).map(Value::from)),
    ("humanize1024", |arguments| number(arguments).map(humanize::humanize1024).map(Value::from)),
    ("humanizeDuration", |arguments| number(arguments).map(humanize::duration).map(Value::from)),
    ("humanizePercentage", |arguments| {
        number(arguments).map(humanize::percentage).map(Value::from)
    }),
    ("humanizeTimestamp", |arguments| number(arguments).map(humanize::timestamp).map(Value::from)),
    // Shown as Go shows a time and a duration; their methods are not there.
    ("toTime", |arguments| number(arguments).map(humanize::timestamp).map(Value::from)),
    ("toDuration", |arguments| number(arguments).map(humanize::go_duration).map(Value::from)),
    ("now", |_| Ok(Value::from(desk::now_seconds()))),
    ("query", |arguments| desk::ask(&text(arguments, 0)?)),
    ("first", vectors::first),
    ("value", vectors::value),
    ("label", vectors::label),
    ("strvalue", vectors::text_value),
    ("sortByLabel", vectors::sort_by_label),
    ("args", numbered),
    ("safeHtml", |arguments| text(arguments, 0).map(Value::from)),
    ("urlQueryEscape", funcs::urlquery),
    ("graphLink", |arguments| link(arguments, 0)),
    ("tableLink", |arguments| link(arguments, 1)),
    ("externalURL", |_| Ok(Value::from(desk::external_url()))),
    ("pathPrefix", |_| Ok(Value::from(path(&desk::external_url())))),
    ("toUpper", |arguments| text(arguments, 0).map(|text| Value::from(text.to_uppercase()))),
    ("toLower", |arguments| text(arguments, 0).map(|text| Value::from(text.to_lowercase()))),
    ("title", |arguments| text(arguments, 0).map(|text| Value::from(title(&text)))),
    ("trimSpace", |arguments| text(arguments, 0).map(|text| Value::from(text.trim()))),
    ("stripPort", |arguments| text(arguments, 0).map(|text| Value::from(strip_port(&text)))),
    ("stripDomain", |arguments| text(arguments, 0).map(|text| Value::from(strip_domain(&text)))),
    ("parseDuration", parse_duration),
    ("match", matches),
    ("reReplaceAll", replace_all),
];

/// The only argument as a number; a text that reads as a number will do.
fn number(arguments: &[Value]) -> Result<f64, FuncError> {
    let [argument] = arguments else {
        return Err(FuncError::Generic("exactly one argument is wanted".to_owned()));
    };
    let number = match argument {
        Value::Number(number) => Some(as_float(number)),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    number.ok_or_else(|| FuncError::Generic(format!("{argument} is not a number")))
}

fn as_float(number: &Number) -> f64 {
    match number.kind() {
        NumberKind::Unsigned(whole) => whole as f64,
        NumberKind::Signed(whole) => whole as f64,
        NumberKind::Float(float) => float,
    }
}

pub(super) fn text(arguments: &[Value], index: usize) -> Result<String, FuncError> {
    match arguments.get(index) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(other) => Err(FuncError::Generic(format!("{other} is not a text"))),
        None => Err(FuncError::Generic(format!("argument {} is missing", index + 1))),
    }
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

/// `arg0`, `arg1`, …: several values for one named template.
fn numbered(arguments: &[Value]) -> Result<Value, FuncError> {
    let named = arguments.iter().enumerate();
    let named = named.map(|(at, value)| (format!("arg{at}"), value.clone()));
    Ok(Value::Map(named.collect()))
}

/// Prometheus' address of an expression on the page of graphs.
fn link(arguments: &[Value], tab: u8) -> Result<Value, FuncError> {
    let escaped = funcs::urlquery(&[Value::from(text(arguments, 0)?)])?;
    Ok(Value::from(format!("/graph?g0.expr={escaped}&g0.tab={tab}")))
}

/// The path of an address, without a slash at its end.
fn path(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/').map_or("", |at| rest[at..].trim_end_matches('/'))
}

/// `host:port` and `[v6]:port` without the port.
fn strip_port(address: &str) -> &str {
    match address.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
                Some(inner) => inner,
                None if host.contains(':') => address,
                None => host,
            }
        }
        _ => address,
    }
}

/// The first part of a host name, with its port; an IP address stays as it is.
fn strip_domain(address: &str) -> String {
    let host = strip_port(address);
    if host.parse::<std::net::IpAddr>().is_ok() {
        return address.to_owned();
    }
    let port = address.strip_prefix(host).unwrap_or("");
    format!("{}{port}", host.split('.').next().unwrap_or(host))
}

/// Seconds of a duration as Prometheus writes it.
fn parse_duration(arguments: &[Value]) -> Result<Value, FuncError> {
    let duration = agent_yaml::Duration::parse(&text(arguments, 0)?).map_err(FuncError::Generic)?;
    Ok(Value::from(duration.0.as_secs_f64()))
}

fn matches(arguments: &[Value]) -> Result<Value, FuncError> {
    Ok(Value::from(pattern(arguments)?.is_match(&text(arguments, 1)?)))
}

/// `reReplaceAll pattern replacement text`.
fn replace_all(arguments: &[Value]) -> Result<Value, FuncError> {
    let (replacement, subject) = (text(arguments, 1)?, text(arguments, 2)?);
    let replaced = pattern(arguments)?.replace_all(&subject, replacement.as_str()).into_owned();
    Ok(Value::from(replaced))
}

fn pattern(arguments: &[Value]) -> Result<Regex, FuncError> {
    Regex::new(&text(arguments, 0)?).map_err(|error| FuncError::Generic(error.to_string()))
}
