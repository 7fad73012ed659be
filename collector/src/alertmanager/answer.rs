//! Shapes of answers: times, and the three ways in which Alertmanager says no (a sentence of its own as JSON text, what
//! its generated server finds wrong with a request as `{"code", "message"}`, and nothing).

use agent_model::Millis;
use axum::Json;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use collector_alerting::AlertingError;
use jiff::Timestamp;
use jiff::civil::DateTime;
use serde_json::{Value, json};

use crate::reworded::reworded;
use crate::silencing::SilencingError;

/// Codes that go-openapi gives what is wrong with a value (go-openapi/errors, schema.go).
const INVALID_TYPE: u16 = 601;
const REQUIRED: u16 = 602;

/// A refusal, ready to be sent.
#[derive(Debug)]
pub(super) struct Refusal(StatusCode, Option<Value>);

impl Refusal {
    /// What Alertmanager itself says.
    pub(super) fn said(status: StatusCode, text: impl Into<String>) -> Self {
        Self(status, Some(Value::String(text.into())))
    }

    pub(super) fn bad(text: impl Into<String>) -> Self {
        Self::said(StatusCode::BAD_REQUEST, text)
    }

    /// A status and nothing else.
    pub(super) fn bare(status: StatusCode) -> Self {
        Self(status, None)
    }

    /// A request that cannot be read.
    pub(super) fn unreadable(status: StatusCode, message: impl Into<String>) -> Self {
        Self::coded(status, status.as_u16(), message)
    }

    pub(super) fn required(what: &str) -> Self {
        let message = format!("{what} in body is required");
        Self::coded(StatusCode::UNPROCESSABLE_ENTITY, REQUIRED, message)
    }

    pub(super) fn wrong_type(what: &str, kind: &str, found: &str) -> Self {
        let message = format!("{what} must be of type {kind}: {found:?}");
        Self::coded(StatusCode::UNPROCESSABLE_ENTITY, INVALID_TYPE, message)
    }

    fn coded(status: StatusCode, code: u16, message: impl Into<String>) -> Self {
        Self(status, Some(json!({ "code": code, "message": message.into() })))
    }
}

/// The framework's refusals as Alertmanager's generated server says them.
pub(super) async fn in_its_words(answer: Response) -> Response {
    reworded(answer, |status, text| Refusal::unreadable(status, text).into_response()).await
}

impl From<AlertingError> for Refusal {
    fn from(error: AlertingError) -> Self {
        match error {
            AlertingError::SilenceRefused(reason) => {
                Self::bad(format!("invalid silence: {reason}"))
            }
            AlertingError::SilenceUnknown(_) => {
                Self::said(StatusCode::NOT_FOUND, "silence not found")
            }
            other => {
                tracing::error!(error = %crate::describe(&other), "alerting does not answer");
                let text = format!("alerting does not answer: {other}");
                Self::said(StatusCode::INTERNAL_SERVER_ERROR, text)
            }
        }
    }
}

impl From<SilencingError> for Refusal {
    fn from(error: SilencingError) -> Self {
        match error {
            SilencingError::Alerting(error) => error.into(),
            error @ SilencingError::OutOfScope { .. } => {
                Self::said(StatusCode::FORBIDDEN, error.to_string())
            }
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self.1 {
            Some(body) => (self.0, Json(body)).into_response(),
            None => self.0.into_response(),
        }
    }
}

pub(super) async fn no_such_path(uri: Uri) -> Refusal {
    Refusal::unreadable(StatusCode::NOT_FOUND, format!("path {} was not found", uri.path()))
}

pub(super) fn wrong_method(method: &Method, known: &str) -> Response {
    let message = format!("method {method} is not allowed, but [{known}] are");
    Refusal::unreadable(StatusCode::METHOD_NOT_ALLOWED, message).into_response()
}

/// A time as the API writes it: UTC, always with milliseconds.
pub(super) fn time(at_ms: Millis) -> String {
    Timestamp::from_millisecond(at_ms).map_or_else(
        |_| ZERO_TIME.to_owned(),
        |at| at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
    )
}

/// Go's zero time: no time.
const ZERO_TIME: &str = "0001-01-01T00:00:00.000Z";

const ZERO_TIME_MS: Millis = -62_135_596_800_000;

/// Reads a time with an offset, or without one as UTC; the zero time is none.
pub(super) fn time_from(text: &str) -> Result<Option<Millis>, String> {
    let with_offset = text.parse::<Timestamp>().ok();
    let at = with_offset.or_else(|| {
        let utc = text.parse::<DateTime>().ok()?.to_zoned(jiff::tz::TimeZone::UTC);
        Some(utc.ok()?.timestamp())
    });
    let at = at.ok_or_else(|| {
        format!("parsing time {text:?} as \"2006-01-02T15:04:05Z07:00\": cannot parse it")
    })?;
    Ok(Some(at.as_millisecond()).filter(|at_ms| *at_ms != ZERO_TIME_MS))
}
