//! The functions that Prometheus adds to Go's own (prometheus.io, "Template reference"), without those that notifications have too.

use jiff::{SignedDuration, Timestamp};
use rules_templates::{
    EngineError, Value, duration, humanize, now, number_of, numbered, shown, text_of, time,
    url_encode, wrong,
};

use super::{desk, vectors};

type Function = fn(&[Value]) -> Result<Value, EngineError>;

pub(super) const FUNCTIONS: &[(&str, Function)] = &[
    ("humanize", |given| number_of(given).map(humanize::humanize).map(shown)),
    ("humanize1024", |given| number_of(given).map(humanize::humanize1024).map(shown)),
    ("humanizePercentage", |given| number_of(given).map(humanize::percentage).map(shown)),
    ("humanizeTimestamp", |given| number_of(given).map(humanize::timestamp).map(shown)),
    ("toTime", to_time),
    ("toDuration", to_duration),
    ("now", |_| Ok(Value::Float(now().as_duration().as_secs_f64()))),
    ("query", |given| desk::ask(text_of(given, 0)?)),
    ("first", vectors::first),
    ("value", vectors::value),
    ("label", vectors::label),
    ("strvalue", vectors::text_value),
    ("sortByLabel", vectors::sort_by_label),
    ("args", numbered),
    ("urlQueryEscape", |given| text_of(given, 0).map(|text| shown(url_encode(text)))),
    ("graphLink", |given| link(given, 0)),
    ("tableLink", |given| link(given, 1)),
    ("externalURL", |_| Ok(shown(desk::external_url()))),
    ("pathPrefix", |_| Ok(shown(path(&desk::external_url())))),
    ("stripPort", |given| text_of(given, 0).map(|text| shown(strip_port(text)))),
    ("stripDomain", |given| text_of(given, 0).map(|text| shown(strip_domain(text)))),
    ("parseDuration", parse_duration),
];

/// Seconds since the epoch as a time.
fn to_time(given: &[Value]) -> Result<Value, EngineError> {
    let seconds = SignedDuration::try_from_secs_f64(number_of(given)?);
    let at = seconds
        .map_err(|error| error.to_string())
        .and_then(|seconds| Timestamp::from_duration(seconds).map_err(|error| error.to_string()));
    at.map(time).map_err(wrong)
}

/// Seconds as a duration.
fn to_duration(given: &[Value]) -> Result<Value, EngineError> {
    let seconds = SignedDuration::try_from_secs_f64(number_of(given)?);
    seconds.map(duration).map_err(|error| wrong(error.to_string()))
}

/// Prometheus' address of an expression on the page of graphs.
fn link(given: &[Value], tab: u8) -> Result<Value, EngineError> {
    let escaped = url_encode(text_of(given, 0)?);
    Ok(shown(format!("/graph?g0.expr={escaped}&g0.tab={tab}")))
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
fn parse_duration(given: &[Value]) -> Result<Value, EngineError> {
    let duration = agent_yaml::Duration::parse(text_of(given, 0)?).map_err(EngineError::Exec)?;
    Ok(Value::Float(duration.0.as_secs_f64()))
}
