//! The parameters of a request, from its address or, for POST, its form; with Prometheus' ways to write a time, a
//! duration and a limit.

use std::time::Duration;

use agent_model::{Matcher, Millis};
use axum::extract::{Form, FromRequest, Query as UrlQuery, Request};
use axum::http::{Method, header};
use rules_promql::Expr;

use super::answer::Failure;
use crate::clock;

/// Selectors of one request: each is looked up by itself.
const SELECTORS_MAX: usize = 100;

/// Times beyond this are no times (some 30,000 years), and sums of them would overflow.
const MILLIS_MAX: f64 = 1e15;

/// A name may stand more than once.
pub(super) struct Parameters(Vec<(String, String)>);

impl<S: Send + Sync> FromRequest<S> for Parameters {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let bad = |error: String| Failure::bad_data(format!("error parsing form values: {error}"));
        let uri_pairs = UrlQuery::<Vec<(String, String)>>::try_from_uri(request.uri())
            .map_err(|error| bad(error.to_string()))?;
        let mut pairs = Vec::new();
        if is_form(&request) {
            let form = Form::<Vec<(String, String)>>::from_request(request, state).await;
            pairs = form.map_err(|error| bad(error.to_string()))?.0;
        }
        // Of a name in both, the form's value counts.
        pairs.extend(uri_pairs.0);
        Ok(Self(pairs))
    }
}

/// A POST whose parameters stand in its address has no body, and says no type of one.
fn is_form(request: &Request) -> bool {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    matches!(*request.method(), Method::POST | Method::PUT)
        && kind.is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"))
}

impl Parameters {
    /// An empty value is none.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        found.filter(|value| !value.is_empty())
    }

    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn query(&self) -> &str {
        self.get("query").unwrap_or("")
    }

    pub(super) fn expression(&self) -> Result<Expr, Failure> {
        if self.get("lookback_delta").is_some() {
            return Err(Failure::parameter("lookback_delta", "it is always 5m here"));
        }
        let parsed = rules_promql::parse(self.query());
        parsed.map_err(|error| Failure::parameter("query", crate::describe(&error)))
    }

    pub(super) fn time(&self, name: &str) -> Result<Option<Millis>, Failure> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let no_time =
            || Failure::parameter(name, format_args!("cannot parse {text:?} to a valid timestamp"));
        time_of(text).map(Some).ok_or_else(no_time)
    }

    pub(super) fn required_time(&self, name: &str) -> Result<Millis, Failure> {
        let missing =
            || Failure::parameter(name, "cannot parse \"\" to a valid timestamp: it is missing");
        self.time(name)?.ok_or_else(missing)
    }

    pub(super) fn step_ms(&self) -> Result<Millis, Failure> {
        let text = self.get("step").unwrap_or("");
        match duration_ms(text) {
            Some(step) if step > 0 => Ok(step),
            Some(_) => Err(Failure::parameter(
                "step",
                "zero or negative query resolution step widths are not accepted. Try a positive integer",
            )),
            None => Err(Failure::parameter(
                "step",
                format_args!("cannot parse {text:?} to a valid duration"),
            )),
        }
    }

    /// How long this request may take, if it says so itself.
    pub(super) fn timeout(&self) -> Result<Option<Duration>, Failure> {
        let Some(text) = self.get("timeout") else { return Ok(None) };
        let millis = duration_ms(text).and_then(|ms| u64::try_from(ms).ok());
        let wrong = || {
            Failure::parameter("timeout", format_args!("cannot parse {text:?} to a valid duration"))
        };
        millis.map(|ms| Some(Duration::from_millis(ms))).ok_or_else(wrong)
    }

    /// At most so many results; 0 and nothing are no limit.
    pub(super) fn limit(&self, name: &str) -> Result<Option<usize>, Failure> {
        let Some(text) = self.get(name) else { return Ok(None) };
        match text.parse::<i64>() {
            Ok(0) => Ok(None),
            Ok(limit) if limit > 0 => Ok(usize::try_from(limit).ok()),
            Ok(_) => Err(Failure::parameter(name, "limit must be non-negative")),
            Err(error) => Err(Failure::parameter(name, error)),
        }
    }

    /// Every `match[]`, parsed.
    pub(super) fn selectors(&self) -> Result<Vec<Vec<Matcher>>, Failure> {
        if self.all("match[]").count() > SELECTORS_MAX {
            let text = format!("at most {SELECTORS_MAX} are looked up at once");
            return Err(Failure::parameter("match[]", text));
        }
        let parsed = self.all("match[]").map(|text| {
            let parsed = rules_promql::parse_matchers(text);
            parsed.map_err(|error| Failure::parameter("match[]", crate::describe(&error)))
        });
        parsed.collect()
    }

    /// From `start` to `end`; everything where they are not given.
    pub(super) fn span(&self) -> Result<(Millis, Millis), Failure> {
        let start_ms = self.time("start")?.unwrap_or(0);
        let end_ms = self.time("end")?.unwrap_or_else(|| clock::now_ms() + 86_400_000);
        Ok((start_ms, end_ms))
    }
}

/// Unix seconds or RFC 3339.
fn time_of(text: &str) -> Option<Millis> {
    match text.parse::<f64>() {
        Ok(seconds) => millis(seconds),
        Err(_) => text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond),
    }
}

/// Seconds, or Prometheus' `1h30m`.
fn duration_ms(text: &str) -> Option<Millis> {
    match text.parse::<f64>() {
        Ok(seconds) => millis(seconds),
        Err(_) => prometheus_duration(text),
    }
}

fn millis(seconds: f64) -> Option<Millis> {
    let millis = (seconds * 1_000.0).round();
    #[allow(clippy::cast_possible_truncation, reason = "checked to be small")]
    (millis.abs() < MILLIS_MAX).then_some(millis as Millis)
}

/// Units from the longest to the shortest, each at most once.
fn prometheus_duration(text: &str) -> Option<Millis> {
    const UNITS: [(&str, Millis); 7] = [
        ("y", 365 * 86_400_000),
        ("w", 7 * 86_400_000),
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1_000),
        ("ms", 1),
    ];
    let (mut total, mut rest, mut next) = (0_i64, text, 0);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let unit_end = rest[digits..].find(|c: char| c.is_ascii_digit());
        let unit_end = unit_end.map_or(rest.len(), |end| digits + end);
        let unit = &rest[digits..unit_end];
        let place = UNITS.iter().position(|(name, _)| *name == unit).filter(|at| *at >= next)?;
        let count: Millis = rest[..digits].parse().ok()?;
        total = total.checked_add(count.checked_mul(UNITS[place].1)?)?;
        (rest, next) = (&rest[unit_end..], place + 1);
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_times_read_as_in_prometheus() {
        assert_eq!(duration_ms("1h30m"), Some(5_400_000));
        assert_eq!(duration_ms("15"), Some(15_000));
        assert_eq!(duration_ms("0.5"), Some(500));
        assert_eq!(duration_ms("1d12h5ms"), Some(129_600_005));
        for wrong in ["", "5", "m", "1m1h", "1h1h", "soon", "1e300", "99999999999999y"] {
            assert_eq!(prometheus_duration(wrong), None, "{wrong}");
        }
        assert_eq!(time_of("1.5"), Some(1_500));
        assert_eq!(time_of("2026-01-01T00:00:00.250Z"), Some(1_767_225_600_250));
        assert_eq!(time_of("NaN"), None);
    }

    #[test]
    fn limits_are_not_negative_and_selectors_are_bounded() {
        let given = |name: &str, value: &str, times: usize| {
            Parameters(vec![(name.to_owned(), value.to_owned()); times])
        };
        assert_eq!(given("limit", "0", 1).limit("limit").unwrap(), None);
        assert_eq!(given("limit", "7", 1).limit("limit").unwrap(), Some(7));
        assert!(given("limit", "-1", 1).limit("limit").is_err());
        assert_eq!(given("match[]", "up", SELECTORS_MAX).selectors().unwrap().len(), SELECTORS_MAX);
        assert!(given("match[]", "up", SELECTORS_MAX + 1).selectors().is_err());
    }
}
