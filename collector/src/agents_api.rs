//! What agents ask for over HTTP: enrol, renew (`agents_api/enrol.rs`), report.
//! Promises: only `/v1/enrol` answers a client without a certificate; bodies are bounded one by one and all together
//! before they are read; every answer that is no success says what is wrong as JSON `{"error": …, "reason": …}`,
//! in words and as the name under which it is counted.

mod enrol;

use std::sync::Arc;

use agent_model::{HostId, Millis};
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use axum::{Extension, Json, Router};
use collector_inventory::Inventory;
use tokio::sync::Semaphore;

use crate::authority::Authority;
use crate::clock;
use crate::ingest::Ingest;
use crate::self_metrics::SelfMetrics;
use crate::serve::{Identity, Peer};

/// Agents that are told to wait come back after this many seconds.
const RETRY_AFTER_SECONDS: u64 = 5;

/// A body that trickles in slower than this is cut: four megabytes over the slowest rented line.
const BODY_TIME_MAX: std::time::Duration = std::time::Duration::from_secs(120);

/// What the agents' port works with.
pub struct AgentsApi {
    pub ingest: Arc<Ingest>,
    pub authority: Arc<Authority>,
    pub inventory: Inventory,
    pub certificate_lifetime_ms: Millis,
    /// One permit per kibibyte of bodies in flight.
    pub bodies: Arc<Semaphore>,
    pub metrics: SelfMetrics,
}

pub fn router(api: Arc<AgentsApi>) -> Router {
    Router::new()
        .route("/v1/reports", post(reports))
        .route("/v1/enrol", post(enrol::enrol))
        .route("/v1/renew", post(enrol::renew))
        .fallback(any(|| async {
            refusal(StatusCode::NOT_FOUND, "no_route", "no such route; this is the agents' port")
        }))
        .with_state(api)
}

fn refusal(status: StatusCode, reason: &str, error: impl Into<String>) -> Response {
    let body = serde_json::json!({ "error": error.into(), "reason": reason });
    let mut response = (status, Json(body)).into_response();
    if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
    }
    response
}

impl AgentsApi {
    /// The host of the connection's certificate, unless it was revoked or has run out since the handshake.
    async fn host(&self, peer: &Peer) -> Result<HostId, Response> {
        let Some(Identity { host, fingerprint }) = &peer.identity else {
            let text = "a client certificate is needed; run `haidang-agent enrol` first";
            return Err(self.refuse(StatusCode::UNAUTHORIZED, "no_certificate", text));
        };
        let known = match self.inventory.identity(fingerprint).await {
            Ok(known) => known.filter(|known| known.identity.host == *host),
            Err(error) => {
                tracing::error!(%host, %error, "the identity of a host could not be looked up");
                let text = "identities cannot be looked up now";
                return Err(self.refuse(StatusCode::SERVICE_UNAVAILABLE, "inventory", text));
            }
        };
        let (reason, text) = match known {
            None => ("unknown_certificate", "this collector does not know the certificate"),
            Some(known) if known.revoked.is_some() => {
                ("revoked", "the certificate of this host was revoked")
            }
            Some(known) if known.identity.not_after_ms <= clock::now_ms() => {
                ("expired", "the certificate of this host has expired")
            }
            Some(_) => return Ok(host.clone()),
        };
        tracing::warn!(%host, from = %peer.address, reason, "a certificate was refused: {text}");
        let text = format!("{text}; enrol it again with a new token");
        Err(self.refuse(StatusCode::FORBIDDEN, reason, text))
    }

    /// Counts a refusal and puts it into words.
    fn refuse(&self, status: StatusCode, reason: &str, text: impl Into<String>) -> Response {
        self.metrics.ingest.refused.with_label_values(&[reason]).inc();
        refusal(status, reason, text)
    }

    /// Reads a whole body within bounds, waiting for room among the others.
    async fn body(
        &self,
        request: Request<Body>,
        bytes_max: usize,
    ) -> Result<bytes::Bytes, Response> {
        let declared = request.headers().get(header::CONTENT_LENGTH);
        let declared = declared.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        let expected = declared.unwrap_or(bytes_max);
        if expected > bytes_max {
            let text = format!("the body has {expected} bytes; at most {bytes_max} are taken");
            return Err(self.refuse(StatusCode::PAYLOAD_TOO_LARGE, "too_large", text));
        }
        let kibibytes = u32::try_from(expected.div_ceil(1024)).unwrap_or(u32::MAX);
        let Ok(_room) = Arc::clone(&self.bodies).try_acquire_many_owned(kibibytes) else {
            let text = "too many bodies are being received at once; come back in some seconds";
            return Err(self.refuse(StatusCode::TOO_MANY_REQUESTS, "busy", text));
        };
        let read = tokio::time::timeout(BODY_TIME_MAX, to_bytes(request.into_body(), bytes_max));
        match read.await {
            Ok(Ok(bytes)) => {
                self.metrics.ingest.body_bytes.inc_by(bytes.len() as u64);
                Ok(bytes)
            }
            Ok(Err(_)) => {
                let text = format!("the body broke off or is over {bytes_max} bytes");
                Err(self.refuse(StatusCode::PAYLOAD_TOO_LARGE, "too_large", text))
            }
            Err(_) => {
                let text = "the body came too slowly";
                Err(self.refuse(StatusCode::REQUEST_TIMEOUT, "slow_body", text))
            }
        }
    }
}

async fn reports(
    State(api): State<Arc<AgentsApi>>,
    Extension(peer): Extension<Peer>,
    request: Request<Body>,
) -> Result<Response, Response> {
    let host = api.host(&peer).await?;
    let body = api.body(request, agent_wire::limits::BODY_BYTES_MAX).await?;
    let received_ms = clock::now_ms();
    let envelope = agent_wire::decode_envelope(&body).map_err(|error| {
        tracing::warn!(%host, %error, "an envelope was refused");
        api.refuse(StatusCode::BAD_REQUEST, "malformed", crate::describe(&error))
    })?;
    match api.ingest.accept(&host, envelope, received_ms).await {
        Ok(acknowledgement) => Ok(acknowledgement.encode().into_response()),
        Err(error) => {
            let (text, reason) =
                (crate::describe(&error), error.room_reason().unwrap_or("journal"));
            tracing::error!(%host, error = text, "reports could not be stored");
            Err(api.refuse(StatusCode::SERVICE_UNAVAILABLE, reason, text))
        }
    }
}
