//! What agents ask for over HTTP: enrol, renew, report.
//! Promises: only `/v1/enrol` answers a client without a certificate; bodies are bounded one by one and all together
//! before they are read; every answer that is no success says what is wrong as JSON `{"error": …}`.

use std::sync::Arc;

use agent_model::{HostId, Millis};
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use axum::{Extension, Json, Router};
use collector_inventory::{Inventory, TokenError};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::authority::{Authority, Issued};
use crate::ingest::Ingest;
use crate::self_metrics::SelfMetrics;
use crate::serve::{Identity, Peer};
use crate::{clock, token};

/// Agents that are told to wait come back after this many seconds.
const RETRY_AFTER_SECONDS: u64 = 5;

/// A body that trickles in slower than this is cut: four megabytes over the slowest rented line.
const BODY_TIME_MAX: std::time::Duration = std::time::Duration::from_secs(120);

/// An enrolment request is a token and a certificate request.
const ENROL_BYTES_MAX: usize = 32 << 10;

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
        .route("/v1/enrol", post(enrol))
        .route("/v1/renew", post(renew))
        .fallback(any(|| async {
            refusal(StatusCode::NOT_FOUND, "no such route; this is the agents' port")
        }))
        .with_state(api)
}

fn refusal(status: StatusCode, error: impl Into<String>) -> Response {
    let mut response = (status, Json(serde_json::json!({ "error": error.into() }))).into_response();
    if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
    }
    response
}

impl AgentsApi {
    /// The host of the connection's certificate, unless it was revoked.
    async fn host(&self, peer: &Peer) -> Result<HostId, Response> {
        let Some(Identity { host, fingerprint }) = &peer.identity else {
            self.refuse("no_certificate");
            let text = "a client certificate is needed; run `haidang-agent enrol` first";
            return Err(refusal(StatusCode::UNAUTHORIZED, text));
        };
        let known = self.inventory.identity(fingerprint).await;
        let valid = known.map(|known| {
            known.is_some_and(|known| known.revoked.is_none() && known.identity.host == *host)
        });
        match valid {
            Ok(true) => Ok(host.clone()),
            Ok(false) => {
                self.refuse("revoked");
                tracing::warn!(%host, from = %peer.address, "a revoked certificate was used");
                let text =
                    "the certificate of this host was revoked; enrol it again with a new token";
                Err(refusal(StatusCode::FORBIDDEN, text))
            }
            Err(error) => {
                tracing::error!(%host, %error, "the identity of a host could not be looked up");
                Err(refusal(StatusCode::SERVICE_UNAVAILABLE, "identities cannot be looked up now"))
            }
        }
    }

    fn refuse(&self, reason: &str) {
        self.metrics.ingest.refused.with_label_values(&[reason]).inc();
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
            self.refuse("too_large");
            let text = format!("the body has {expected} bytes; at most {bytes_max} are taken");
            return Err(refusal(StatusCode::PAYLOAD_TOO_LARGE, text));
        }
        let kibibytes = u32::try_from(expected.div_ceil(1024)).unwrap_or(u32::MAX);
        let Ok(_room) = Arc::clone(&self.bodies).try_acquire_many_owned(kibibytes) else {
            self.refuse("busy");
            let text = "too many bodies are being received at once; come back in some seconds";
            return Err(refusal(StatusCode::TOO_MANY_REQUESTS, text));
        };
        let read = tokio::time::timeout(BODY_TIME_MAX, to_bytes(request.into_body(), bytes_max));
        match read.await {
            Ok(Ok(bytes)) => {
                self.metrics.ingest.body_bytes.inc_by(bytes.len() as u64);
                Ok(bytes)
            }
            Ok(Err(_)) => {
                self.refuse("too_large");
                let text = format!("the body broke off or is over {bytes_max} bytes");
                Err(refusal(StatusCode::PAYLOAD_TOO_LARGE, text))
            }
            Err(_) => {
                self.refuse("slow_body");
                Err(refusal(StatusCode::REQUEST_TIMEOUT, "the body came too slowly"))
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
        api.refuse("malformed");
        tracing::warn!(%host, %error, "an envelope was refused");
        refusal(StatusCode::BAD_REQUEST, crate::describe(&error))
    })?;
    match api.ingest.accept(&host, envelope, received_ms).await {
        Ok(acknowledgement) => Ok(acknowledgement.encode().into_response()),
        Err(error) => {
            api.refuse(if error.retryable() { "no_space" } else { "journal" });
            tracing::error!(%host, error = %crate::describe(&error), "reports could not be stored");
            Err(refusal(StatusCode::SERVICE_UNAVAILABLE, crate::describe(&error)))
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EnrolRequest {
    token: String,
    host: String,
    csr_pem: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RenewRequest {
    csr_pem: String,
}

#[derive(Serialize)]
struct CertificateAnswer {
    certificate_pem: String,
    ca_pem: String,
    collector_name: &'static str,
}

async fn enrol(
    State(api): State<Arc<AgentsApi>>,
    Extension(peer): Extension<Peer>,
    request: Request<Body>,
) -> Result<Response, Response> {
    let body = api.body(request, ENROL_BYTES_MAX).await?;
    let refuse = |outcome: &str, status: StatusCode, text: String| {
        api.metrics.enrolments.with_label_values(&[outcome]).inc();
        tracing::warn!(from = %peer.address, outcome, "an enrolment was refused: {text}");
        refusal(status, text)
    };
    let asked: EnrolRequest = serde_json::from_slice(&body)
        .map_err(|error| refuse("malformed", StatusCode::BAD_REQUEST, error.to_string()))?;
    let host = HostId::new(&asked.host)
        .map_err(|error| refuse("malformed", StatusCode::BAD_REQUEST, error.to_string()))?;
    let fingerprint = api.authority.ca_fingerprint();
    let secret = token::secret_of(&asked.token, &fingerprint).ok_or_else(|| {
        let text =
            "this is no enrolment token of this collector; make one with `haidang token create`";
        refuse("unknown_token", StatusCode::FORBIDDEN, text.to_owned())
    })?;
    if crate::derived::is_own(&host) {
        let text = format!("the name {host} is the collector's own; choose another");
        return Err(refuse("reserved_name", StatusCode::CONFLICT, text));
    }
    // The token is looked at before anything is signed, and used up together with the identity.
    let denied = |error: TokenError| {
        let (outcome, status) = token_outcome(&error);
        refuse(outcome, status, crate::describe(&error))
    };
    let now_ms = clock::now_ms();
    api.inventory.token_check(secret, &host, now_ms).await.map_err(denied)?;
    let issued = issue(&api, &host, &asked.csr_pem)
        .map_err(|text| refuse("malformed", StatusCode::BAD_REQUEST, text))?;
    let identity = identity(&host, &issued);
    api.inventory.token_redeem(secret, &identity, now_ms).await.map_err(denied)?;
    api.metrics.enrolments.with_label_values(&["enrolled"]).inc();
    tracing::info!(%host, from = %peer.address, "a host was enrolled");
    Ok(answer(&api, issued))
}

async fn renew(
    State(api): State<Arc<AgentsApi>>,
    Extension(peer): Extension<Peer>,
    request: Request<Body>,
) -> Result<Response, Response> {
    let host = api.host(&peer).await?;
    let body = api.body(request, ENROL_BYTES_MAX).await?;
    let bad = |text: String| {
        api.metrics.enrolments.with_label_values(&["malformed"]).inc();
        refusal(StatusCode::BAD_REQUEST, text)
    };
    let asked: RenewRequest =
        serde_json::from_slice(&body).map_err(|error| bad(error.to_string()))?;
    let issued = issue(&api, &host, &asked.csr_pem).map_err(bad)?;
    let old = peer.identity.as_ref().map_or("", |identity| identity.fingerprint.as_str());
    let renewed =
        api.inventory.identity_renew(old, &identity(&host, &issued), clock::now_ms()).await;
    match renewed {
        Ok(true) => {}
        Ok(false) => {
            return Err(refusal(StatusCode::FORBIDDEN, "the certificate is not valid any more"));
        }
        Err(error) => {
            tracing::error!(%host, error = %crate::describe(&error), "an identity was not stored");
            return Err(refusal(StatusCode::SERVICE_UNAVAILABLE, "the identity was not stored"));
        }
    }
    api.metrics.enrolments.with_label_values(&["renewed"]).inc();
    tracing::info!(%host, "a certificate was renewed");
    Ok(answer(&api, issued))
}

fn issue(api: &AgentsApi, host: &HostId, csr_pem: &str) -> Result<Issued, String> {
    let serial = token::random_bytes::<16>().map_err(|error| error.to_string())?;
    // A serial number is a positive integer of at most twenty bytes (RFC 5280 4.1.2.2).
    let mut serial = serial;
    serial[0] = (serial[0] & 0x7f) | 0x40;
    api.authority
        .issue(host, csr_pem, serial, clock::now_ms(), api.certificate_lifetime_ms)
        .map_err(|error| crate::describe(&error))
}

fn identity(host: &HostId, issued: &Issued) -> collector_inventory::Identity {
    collector_inventory::Identity {
        serial: issued.serial.clone(),
        fingerprint: issued.fingerprint.clone(),
        host: host.clone(),
        not_before_ms: issued.not_before_ms,
        not_after_ms: issued.not_after_ms,
    }
}

fn token_outcome(error: &TokenError) -> (&'static str, StatusCode) {
    match error {
        TokenError::Unknown => ("unknown_token", StatusCode::FORBIDDEN),
        TokenError::Used => ("used_token", StatusCode::FORBIDDEN),
        TokenError::Expired => ("expired_token", StatusCode::FORBIDDEN),
        TokenError::OtherHost => ("other_host", StatusCode::FORBIDDEN),
        TokenError::HostEnrolled => ("host_enrolled", StatusCode::CONFLICT),
        TokenError::Store(_) => ("failed", StatusCode::SERVICE_UNAVAILABLE),
    }
}

fn answer(api: &AgentsApi, issued: Issued) -> Response {
    let answer = CertificateAnswer {
        certificate_pem: issued.pem,
        ca_pem: api.authority.ca_pem().to_owned(),
        collector_name: crate::authority::COLLECTOR_NAME,
    };
    Json(answer).into_response()
}
