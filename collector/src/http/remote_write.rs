//! `POST /api/v1/write`: Prometheus remote write 1.0 and 2.0 (prometheus.io/docs/specs/prw).
//!
//! Promises: 204 means on disk; 400 and 413 that sending the same again is of no use (what was good of it is stored); 503 to come
//! back later; 401 and 403 that the token is not good for it. Bodies are bounded one by one and all together.
//! Leaves to others: what is made of a request (`push`).

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use collector_remote_write::{RemoteWriteError, Version, limits};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::clock;
use crate::http::{WebApi, sign_in};
use crate::push::{Owner, PushError, Taken};

/// Kibibytes of bodies being received at once, from all senders.
const BODIES_KIBIBYTES: usize = 64 << 10;

/// A body that trickles in slower than this is cut.
const BODY_TIME_MAX: Duration = Duration::from_secs(60);

/// Senders that are told to wait come back after this many seconds.
const RETRY_AFTER_SECONDS: u64 = 5;

/// The media type of both versions, and the message of the second.
const PROTOBUF: &str = "application/x-protobuf";
const MESSAGE_1: &str = "prometheus.WriteRequest";
const MESSAGE_2: &str = "io.prometheus.write.v2.Request";

/// Places for bodies, one for the whole collector.
pub fn push_bodies() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(BODIES_KIBIBYTES))
}

/// Why nothing of a request is taken.
struct Refused {
    status: StatusCode,
    reason: &'static str,
    text: String,
}

fn refused(status: StatusCode, reason: &'static str, text: impl Into<String>) -> Refused {
    Refused { status, reason, text: text.into() }
}

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
            let Refused { status, reason, text } = refused;
            api.metrics.push.requests_refused.with_label_values(&[reason]).inc();
            tracing::debug!(reason, %status, "a push was refused: {text}");
            let mut response = (status, format!("{text}\n")).into_response();
            if status == StatusCode::SERVICE_UNAVAILABLE {
                let seconds = HeaderValue::from(RETRY_AFTER_SECONDS);
                response.headers_mut().insert(header::RETRY_AFTER, seconds);
            }
            response
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
    let owner = owner(api, request.headers()).await?;
    let body = body(api, request).await?;
    let accepted = api.pushes.accept(owner, body, version, clock::now_ms()).await;
    accepted.map_err(|error| match error {
        PushError::Request(error) => {
            let status = match error {
                RemoteWriteError::MessageBytes { .. } | RemoteWriteError::TooMany { .. } => {
                    StatusCode::PAYLOAD_TOO_LARGE
                }
                RemoteWriteError::Snappy(_) | RemoteWriteError::Malformed(_) => {
                    StatusCode::BAD_REQUEST
                }
                // Not the sender's fault.
                RemoteWriteError::Packed(_) | RemoteWriteError::Zstd(_) => {
                    StatusCode::SERVICE_UNAVAILABLE
                }
            };
            refused(status, error.name(), crate::describe(&error))
        }
        PushError::Busy => refused(StatusCode::SERVICE_UNAVAILABLE, "busy", error.to_string()),
        PushError::Journal(collector_journal::JournalError::RecordTooLarge { .. }) => {
            refused(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "send smaller requests")
        }
        error => {
            let text = crate::describe(&error);
            tracing::error!(error = text, "a push could not be stored");
            let no_space = matches!(&error, PushError::Journal(error) if error.retryable());
            let reason = if no_space { "no_space" } else { "store" };
            refused(StatusCode::SERVICE_UNAVAILABLE, reason, text)
        }
    })
}

async fn owner(api: &WebApi, headers: &HeaderMap) -> Result<Arc<Owner>, Refused> {
    let Some(given) = sign_in::given_token(headers) else {
        let text = "a token that writes is needed: `haidang api-token create --write`";
        return Err(refused(StatusCode::UNAUTHORIZED, "no_token", text));
    };
    let found = api.api_tokens.find(&given, clock::now_ms()).await;
    let held = found.map_err(|invalid| {
        refused(StatusCode::UNAUTHORIZED, "invalid_token", invalid.to_string())
    })?;
    held.owner.clone().ok_or_else(|| {
        refused(StatusCode::FORBIDDEN, "reading_token", "this token reads; it does not write")
    })
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

/// Reads a whole body within bounds, with a place among the others.
async fn body(api: &WebApi, request: Request<Body>) -> Result<bytes::Bytes, Refused> {
    let max = limits::BODY_BYTES_MAX;
    let too_large = || {
        let text = format!("the body broke off or is over {max} bytes; send smaller requests");
        refused(StatusCode::PAYLOAD_TOO_LARGE, "too_large", text)
    };
    let declared = request.headers().get(header::CONTENT_LENGTH);
    let declared = declared.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let expected = declared.unwrap_or(max);
    if expected > max {
        return Err(too_large());
    }
    let _place = place(&api.push_bodies, expected)?;
    let read = tokio::time::timeout(BODY_TIME_MAX, to_bytes(request.into_body(), max));
    match read.await {
        Ok(Ok(bytes)) => {
            api.metrics.push.body_bytes.inc_by(bytes.len() as u64);
            Ok(bytes)
        }
        Ok(Err(_)) => Err(too_large()),
        Err(_) => {
            Err(refused(StatusCode::SERVICE_UNAVAILABLE, "slow_body", "the body came too slowly"))
        }
    }
}

fn place(bodies: &Arc<Semaphore>, bytes: usize) -> Result<OwnedSemaphorePermit, Refused> {
    let kibibytes = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX);
    Arc::clone(bodies).try_acquire_many_owned(kibibytes).map_err(|_| {
        let text = "too many bodies are being received at once; come back in some seconds";
        refused(StatusCode::SERVICE_UNAVAILABLE, "busy", text)
    })
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

    #[test]
    fn a_body_too_many_is_told_to_come_back() {
        let bodies = Arc::new(Semaphore::new(8));
        let first = place(&bodies, 8 << 10);
        assert!(first.is_ok());
        assert_eq!(place(&bodies, 1).err().map(|refused| refused.status.as_u16()), Some(503));
        drop(first);
        assert!(place(&bodies, 1).is_ok());
    }
}
