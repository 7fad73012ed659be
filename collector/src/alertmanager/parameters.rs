//! The parameters of a request's address and its JSON body, read as Alertmanager's generated server reads them.

use agent_model::{Matcher, expression};
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use collector_alerting::{SILENCE_MATCHERS_MAX, matchers_from_text};
use regex::Regex;
use serde::de::DeserializeOwned;

use super::answer::Refusal;

/// The pairs of the address; a name may stand more than once.
pub(super) struct Parameters(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Parameters {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let pairs = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri);
        let pairs = pairs.map_err(|error| {
            Refusal::unreadable(StatusCode::BAD_REQUEST, format!("parsing the address: {error}"))
        })?;
        Ok(Self(pairs.0))
    }
}

impl Parameters {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// True unless it is said otherwise; what is not one of the words for yes is a no (go-openapi/swag, convert.go).
    pub(super) fn flag(&self, name: &str) -> bool {
        const YES: [&str; 10] =
            ["true", "1", "yes", "ok", "y", "on", "selected", "checked", "t", "enabled"];
        let said = self.get(name).filter(|text| !text.is_empty());
        said.is_none_or(|text| YES.contains(&text.to_ascii_lowercase().as_str()))
    }

    /// `filter`, once for each matcher.
    pub(super) fn filter(&self) -> Result<Vec<Matcher>, Refusal> {
        let texts = self.0.iter().filter(|(key, _)| key == "filter").map(|(_, text)| text);
        if texts.clone().count() > SILENCE_MATCHERS_MAX {
            let text = format!("at most {SILENCE_MATCHERS_MAX} filters; each may be an expression");
            return Err(Refusal::bad(text));
        }
        texts.map(|text| one_matcher(text).map_err(Refusal::bad)).collect()
    }

    /// `receiver`, an expression for whole names.
    pub(super) fn receiver(&self) -> Result<Option<Regex>, Refusal> {
        let Some(text) = self.get("receiver") else { return Ok(None) };
        expression::anchored(text).map(Some).map_err(|error| {
            let error = error.to_string();
            let reason = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
            Refusal::bad(format!("failed to parse receiver param: {reason}: `^(?:{text})$`"))
        })
    }
}

fn one_matcher(text: &str) -> Result<Matcher, String> {
    let mut matchers = matchers_from_text(text)?;
    match (matchers.pop(), matchers.is_empty()) {
        (Some(matcher), true) => Ok(matcher),
        (None, _) => Err(format!("bad matcher format: {text}")),
        (Some(_), false) => {
            Err(format!("expected 1 matcher, found {}: {text}", matchers.len() + 1))
        }
    }
}

/// A body of JSON; `None` where there is none.
pub(super) struct Body<T>(pub(super) Option<T>);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let kind = request.headers().get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or("application/octet-stream");
        let essence = kind.split(';').next().unwrap_or_default().trim().to_owned();
        let body = Bytes::from_request(request, state).await.map_err(|error| too_large(&error))?;
        if body.is_empty() {
            return Ok(Self(None));
        }
        if !essence.eq_ignore_ascii_case("application/json") {
            let text =
                format!("unsupported media type {essence:?}, only [application/json] are allowed");
            return Err(Refusal::unreadable(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
        }
        serde_json::from_slice(&body).map(|read| Self(Some(read))).map_err(|error| {
            let text = format!("parsing body from \"\" failed, because {error}");
            Refusal::unreadable(StatusCode::BAD_REQUEST, text)
        })
    }
}

fn too_large(error: &BytesRejection) -> Refusal {
    Refusal::unreadable(error.status(), error.body_text())
}
