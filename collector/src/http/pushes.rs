//! What both ways of pushing series (`remote_write`, `otlp`) share: who writes, and bodies within bounds.
//!
//! Promises: bodies are bounded one by one and all together; a refusal has a status that tells whether to come back: 503 is
//! the one that every sender repeats (some drop what gets 429).
//! Leaves to others: what a body is, and how its sender is answered.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use collector_journal::JournalError;
use collector_remote_write::RemoteWriteError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::clock;
use crate::http::{WebApi, guard};
use crate::push::{Owner, PushError};
use crate::self_metrics::PushMetrics;

/// Kibibytes of bodies being received, or held until they are stored, from all senders.
const BODIES_KIBIBYTES: usize = 64 << 10;

/// A body that trickles in slower than this is cut.
const BODY_TIME_MAX: Duration = Duration::from_secs(60);

/// Senders that are told to wait come back after this many seconds.
const RETRY_AFTER_SECONDS: u64 = 5;

/// Places for bodies, one for the whole collector.
pub fn push_bodies() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(BODIES_KIBIBYTES))
}

/// Why nothing of a request is taken.
pub(super) struct Refused {
    pub(super) status: StatusCode,
    pub(super) reason: &'static str,
    pub(super) text: String,
}

pub(super) fn refused(
    status: StatusCode,
    reason: &'static str,
    text: impl Into<String>,
) -> Refused {
    Refused { status, reason, text: text.into() }
}

impl Refused {
    pub(super) fn count(&self, metrics: &PushMetrics) {
        let Self { status, reason, text } = self;
        metrics.requests_refused.with_label_values(&[reason]).inc();
        tracing::debug!(reason, %status, "a push was refused: {text}");
    }

    /// The answer with this body.
    pub(super) fn response(&self, body: impl IntoResponse) -> Response {
        let mut response = (self.status, body).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            let seconds = HeaderValue::from(RETRY_AFTER_SECONDS);
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response
    }
}

/// What a sender is told of a push that failed.
pub(super) fn refusal(error: PushError) -> Refused {
    match error {
        PushError::Request(error) => {
            let status = match error {
                RemoteWriteError::MessageBytes { .. }
                | RemoteWriteError::TooMany { .. }
                | RemoteWriteError::Memory => StatusCode::PAYLOAD_TOO_LARGE,
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
        PushError::Otlp(error) => {
            let status = if error.is_too_large() {
                StatusCode::PAYLOAD_TOO_LARGE
            } else {
                StatusCode::BAD_REQUEST
            };
            refused(status, error.name(), crate::describe(&error))
        }
        PushError::Busy => refused(StatusCode::SERVICE_UNAVAILABLE, "busy", error.to_string()),
        PushError::Journal(JournalError::RecordTooLarge { .. }) => {
            refused(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "send smaller requests")
        }
        error => {
            let text = crate::describe(&error);
            tracing::error!(error = text, "a push could not be stored");
            let reason = match &error {
                PushError::Journal(error) => error.room_reason().unwrap_or("store"),
                _ => "store",
            };
            refused(StatusCode::SERVICE_UNAVAILABLE, reason, text)
        }
    }
}

/// Whose series they are, by the request's token.
pub(super) async fn owner(api: &WebApi, headers: &HeaderMap) -> Result<Arc<Owner>, Refused> {
    let Some(given) = guard::given_token(headers) else {
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

/// Reads a whole body within bounds, with a place among the others that it has for as long as it is held.
pub(super) async fn body(
    bodies: &Arc<Semaphore>,
    max: usize,
    metrics: &PushMetrics,
    request: Request<Body>,
) -> Result<(bytes::Bytes, OwnedSemaphorePermit), Refused> {
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
    let mut place = place(bodies, expected)?;
    let read = tokio::time::timeout(BODY_TIME_MAX, to_bytes(request.into_body(), max));
    match read.await {
        Ok(Ok(bytes)) => {
            metrics.body_bytes.inc_by(bytes.len() as u64);
            // One that did not say its size got a place for the largest.
            let superfluous = place.num_permits().saturating_sub(bytes.len().div_ceil(1024));
            drop(place.split(superfluous));
            Ok((bytes, place))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_too_many_is_told_to_come_back() {
        let bodies = Arc::new(Semaphore::new(8));
        let first = place(&bodies, 8 << 10);
        assert!(first.is_ok());
        assert_eq!(place(&bodies, 1).err().map(|refused| refused.status.as_u16()), Some(503));
        drop(first);
        assert!(place(&bodies, 1).is_ok());
    }

    #[test]
    fn a_journal_that_is_full_is_told_apart_from_a_disk_that_is() {
        let reason = |error| {
            let refused = refusal(PushError::Journal(error));
            (refused.status.as_u16(), refused.reason)
        };
        assert_eq!(reason(JournalError::Full { held: 2, max: 1 }), (503, "journal_full"));
        assert_eq!(reason(JournalError::NoSpace { free: 1, reserve: 2 }), (503, "no_space"));
        assert_eq!(reason(JournalError::Closed), (503, "store"));
    }
}
