//! Errors of the API: a status and a sentence, as JSON.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::reworded::reworded;

/// What a caller is told. Details that are the operator's business go to the log instead.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    text: String,
    /// Adds fields beside `error`.
    more: serde_json::Map<String, serde_json::Value>,
    retry_after_seconds: Option<u64>,
}

impl ApiError {
    pub fn new(status: StatusCode, text: impl Into<String>) -> Self {
        let more = serde_json::Map::new();
        Self { status, text: text.into(), more, retry_after_seconds: None }
    }

    pub fn bad_request(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }

    pub fn not_found(text: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, text)
    }

    pub fn forbidden(text: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, text)
    }

    pub fn conflict(text: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, text)
    }

    /// Something of ours failed: the whole chain goes to the log, a sentence to the caller.
    pub fn internal(what: &'static str, error: &dyn std::error::Error) -> Self {
        tracing::error!(error = %crate::describe(error), "{what}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, format!("{what}; the log has the reason"))
    }

    pub fn with(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.more.insert(name.to_owned(), value.into());
        self
    }

    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }
}

/// The framework's refusals as ours.
pub(super) async fn in_our_words(answer: Response) -> Response {
    reworded(answer, |status, text| ApiError::new(status, text).into_response()).await
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut body = self.more;
        body.insert("error".to_owned(), self.text.into());
        let mut response = (self.status, Json(serde_json::Value::Object(body))).into_response();
        if let Some(seconds) = self.retry_after_seconds {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
