//! `POST /api/v1/write`: Prometheus remote write 1.0 and 2.0 (prometheus.io/docs/specs/prw).
//!
//! Promises: 204 means on disk; 400 and 413 that sending the same again is of no use (what was good of it is stored); 503 to come
//! back later; 401 and 403 that the token is not good for it.
//! Leaves to others: tokens and bodies (`http/pushes`), and what is made of a request (`push`).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use collector_remote_write::{Version, limits};

use crate::clock;
use crate::http::WebApi;
use crate::http::pushes::{self, Refused, refused};
use crate::push::{self, Taken};

/// The media type of both versions, and the message of the second.
const PROTOBUF: &str = "application/x-protobuf";
const MESSAGE_1: &str = "prometheus.WriteRequest";
const MESSAGE_2: &str = "io.prometheus.write.v2.Request";

pub(super) async fn write(State(api): State<Arc<WebApi>>, request: Request<Body>) -> Response {
    let version = version(request.headers());
    let name = match version {
        Ok(Version::One) => "1.0",
        Ok(Version::Two) => "2.0",
        Err(_) => "unknown",
    };
    let taken = match version {
        Ok(version) => take(&api, version, request).await.map(|taken| (version, taken)),
        Err(refused) => Err(refused),
    };
    let response = match taken {
        Ok((version, taken)) => answer(version, &taken),
        Err(refused) => {
            refused.count(&api.metrics.push);
            let text = format!("{}\n", refused.text);
            refused.response(text)
        }
    };
    let status = response.status().as_u16().to_string();
    api.metrics.push.requests.with_label_values(&[name, &status]).inc();
    response
}

async fn take(
    api: &Arc<WebApi>,
    version: Version,
    request: Request<Body>,
) -> Result<Taken, Refused> {
    let owner = pushes::owner(api, request.headers()).await?;
    let (bytes, _place) =
        pushes::body(&api.push_bodies, limits::BODY_BYTES_MAX, &api.metrics.push, request).await?;
    let body = push::Body::RemoteWrite(bytes, version);
    let accepted = api.pushes.accept(owner, body, clock::now_ms()).await;
    accepted.map_err(pushes::refusal)
}

/// Which message the headers announce.
fn version(headers: &HeaderMap) -> Result<Version, Refused> {
    let unsupported =
        |text: String| refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported", text);
    let text = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap_or("?"));
    match text(header::CONTENT_ENCODING) {
        None => {}
        Some(encoding) if encoding.eq_ignore_ascii_case("snappy") => {}
        Some(other) => {
            return Err(unsupported(format!("Content-Encoding is {other}; only snappy is taken")));
        }
    }
    // Old senders do not name the type.
    let Some(content_type) = text(header::CONTENT_TYPE) else { return Ok(Version::One) };
    let mut parts = content_type.split(';').map(str::trim);
    if !parts.next().is_some_and(|media| media.eq_ignore_ascii_case(PROTOBUF)) {
        return Err(unsupported(format!("Content-Type is {content_type}; {PROTOBUF} is taken")));
    }
    let mut parameters = parts.filter_map(|part| part.split_once('='));
    let message = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("proto"));
    match message.map(|(_, message)| message.trim().trim_matches('"')) {
        None | Some(MESSAGE_1) => Ok(Version::One),
        Some(MESSAGE_2) => Ok(Version::Two),
        Some(other) => Err(unsupported(format!(
            "the message {other} is not known; {MESSAGE_1} and {MESSAGE_2} are"
        ))),
    }
}

/// What was taken is on disk. When something was not, the sender must know and not repeat it (400).
fn answer(version: Version, taken: &Taken) -> Response {
    let mut response = if taken.refusals.samples() == 0 {
        StatusCode::NO_CONTENT.into_response()
    } else {
        let text = format!("{} samples are stored; {}\n", taken.samples, taken.refusals.text());
        (StatusCode::BAD_REQUEST, text).into_response()
    };
    // A sender of the first version knows nothing of them; one of the second relies on them.
    if version == Version::Two {
        let headers = response.headers_mut();
        for (name, count) in [
            ("x-prometheus-remote-write-samples-written", taken.samples),
            ("x-prometheus-remote-write-histograms-written", 0),
            ("x-prometheus-remote-write-exemplars-written", 0),
        ] {
            headers.insert(name, HeaderValue::from(count));
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(headers: &[(header::HeaderName, &str)]) -> Result<Version, u16> {
        let headers = headers.iter().cloned();
        let headers: HeaderMap =
            headers.map(|(name, value)| (name, HeaderValue::from_str(value).unwrap())).collect();
        version(&headers).map_err(|refused| refused.status.as_u16())
    }

    #[test]
    fn the_message_is_chosen_by_its_content_type_and_another_one_is_refused() {
        let of = |content_type| read(&[(header::CONTENT_TYPE, content_type)]);
        assert_eq!(read(&[]), Ok(Version::One));
        assert_eq!(of("application/x-protobuf"), Ok(Version::One));
        assert_eq!(of("application/x-protobuf;proto=prometheus.WriteRequest"), Ok(Version::One));
        assert_eq!(
            of("Application/X-Protobuf; proto=\"io.prometheus.write.v2.Request\""),
            Ok(Version::Two)
        );
        assert_eq!(of("application/x-protobuf;proto=io.prometheus.write.v3.Request"), Err(415));
        assert_eq!(of("application/json"), Err(415));
        assert_eq!(read(&[(header::CONTENT_ENCODING, "snappy")]), Ok(Version::One));
        assert_eq!(read(&[(header::CONTENT_ENCODING, "zstd")]), Err(415));
    }
}
