//! The API's envelope: `{"status":"success","data":…}` with warnings and infos, or an error of a type that clients know.

use axum::Json;
use axum::body::Bytes;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use rules_promql::{PromqlError, SourceError};
use serde_json::json;

use crate::reworded::reworded;

/// The API's error: a type that clients know, and a sentence.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) status: StatusCode,
    pub(super) kind: &'static str,
    pub(super) text: String,
}

impl Failure {
    pub(super) fn bad_data(text: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, kind: "bad_data", text: text.into() }
    }

    pub(super) fn not_found(text: impl Into<String>) -> Self {
        Self { status: StatusCode::NOT_FOUND, kind: "not_found", text: text.into() }
    }

    pub(super) fn internal(text: impl Into<String>) -> Self {
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, kind: "internal", text: text.into() }
    }

    pub(super) fn unavailable(text: impl Into<String>) -> Self {
        Self { status: StatusCode::SERVICE_UNAVAILABLE, kind: "unavailable", text: text.into() }
    }

    /// `invalid parameter "time": …`, as Prometheus says it.
    pub(super) fn parameter(name: &str, text: impl std::fmt::Display) -> Self {
        Self::bad_data(format!("invalid parameter {name:?}: {text}"))
    }
}

/// The framework's refusals as those of this API.
pub(super) async fn in_its_words(answer: Response) -> Response {
    let say = |status: StatusCode, text| {
        let kind = if status.is_server_error() { "internal" } else { "bad_data" };
        Failure { status, kind, text }.into_response()
    };
    reworded(answer, say).await
}

impl From<PromqlError> for Failure {
    fn from(error: PromqlError) -> Self {
        let (status, kind) = match error {
            PromqlError::Parse(_)
            | PromqlError::Unsupported(_)
            | PromqlError::TooDeep { .. }
            | PromqlError::TooLong { .. }
            | PromqlError::BadRange
            | PromqlError::NotAtEveryStep(_)
            | PromqlError::TooManySteps { .. } => (StatusCode::BAD_REQUEST, "bad_data"),
            PromqlError::Cancelled => (StatusCode::SERVICE_UNAVAILABLE, "timeout"),
            PromqlError::Source(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
            _ => (StatusCode::UNPROCESSABLE_ENTITY, "execution"),
        };
        Self { status, kind, text: crate::describe(&error) }
    }
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        PromqlError::from(error).into()
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let body = json!({ "status": "error", "errorType": self.kind, "error": self.text });
        (self.status, Json(body)).into_response()
    }
}

/// A success whose data is JSON text already.
pub(super) struct Success {
    pub(super) data: String,
    pub(super) warnings: Vec<String>,
    pub(super) infos: Vec<String>,
}

impl Success {
    pub(super) fn plain(data: &serde_json::Value) -> Self {
        Self { data: data.to_string(), warnings: Vec::new(), infos: Vec::new() }
    }
}

impl IntoResponse for Success {
    fn into_response(self) -> Response {
        let mut body = String::with_capacity(self.data.len() + 64);
        body.push_str(r#"{"status":"success","data":"#);
        body.push_str(&self.data);
        for (name, texts) in [("warnings", self.warnings), ("infos", self.infos)] {
            if !texts.is_empty() {
                body.push_str(&format!(",{name:?}:{}", json!(texts)));
            }
        }
        body.push('}');
        ([(header::CONTENT_TYPE, "application/json")], Bytes::from(body)).into_response()
    }
}

pub(super) type Answer = Result<Success, Failure>;

pub(super) fn success(data: &serde_json::Value) -> Answer {
    Ok(Success::plain(data))
}
