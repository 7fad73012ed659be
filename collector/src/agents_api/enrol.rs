//! Certificates for hosts: `/v1/enrol` for a token, `/v1/renew` for the certificate that runs out.
//!
//! Promises: a token buys one certificate for one key; the key that bought it is answered again while the token lives,
//! because an answer may be lost on the line, and so is a renewal. Every outcome is counted and logged; what happens
//! with a token that we made is in the audit log. Leaves to others: keys and signatures (`authority`).

use std::sync::Arc;

use agent_model::HostId;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use collector_inventory::{AuditEntry, Grant, TokenError};
use serde::{Deserialize, Serialize};

use super::{AgentsApi, refusal};
use crate::authority::{HostRequest, Issued};
use crate::serve::Peer;
use crate::{clock, token};

/// A token and a certificate request.
const ENROL_BYTES_MAX: usize = 32 << 10;

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

/// Why nothing was granted: the name it is counted under, the status, and the words.
struct Refused {
    outcome: &'static str,
    status: StatusCode,
    text: String,
}

pub(super) async fn enrol(
    State(api): State<Arc<AgentsApi>>,
    Extension(peer): Extension<Peer>,
    request: Request<Body>,
) -> Result<Response, Response> {
    let body = api.body(request, ENROL_BYTES_MAX).await?;
    let asked: EnrolRequest =
        serde_json::from_slice(&body).map_err(|error| refuse(&api, &peer, malformed(error)))?;
    let host = HostId::new(&asked.host).map_err(|error| refuse(&api, &peer, malformed(error)))?;
    // A task of its own: who hangs up leaves no grant without its entry.
    let granting = granted(Arc::clone(&api), peer.clone(), host.clone(), asked);
    let granted = tokio::spawn(granting).await.unwrap_or_else(|broken| {
        let text = format!("it broke off: {broken}; the collector's log has the reason");
        Err(Refused::new("failed", StatusCode::INTERNAL_SERVER_ERROR, text))
    });
    let (grant, pem) = granted.map_err(|refused| refuse(&api, &peer, refused))?;
    match grant {
        Grant::New => {
            count(&api, "enrolled");
            tracing::info!(%host, from = %peer.address, "a host was enrolled");
        }
        Grant::Again(_) => {
            count(&api, "enrolled_again");
            tracing::warn!(%host, from = %peer.address, "a host was given the certificate of its \
                 enrolment again: it came with the same token and key, so it had lost our answer");
        }
    }
    Ok(answer(&api, pem))
}

async fn granted(
    api: Arc<AgentsApi>,
    peer: Peer,
    host: HostId,
    asked: EnrolRequest,
) -> Result<(Grant, String), Refused> {
    let granted = grant(&api, &host, &asked).await;
    if let Some(outcome) = worth_an_audit(&granted) {
        audit(&api, &peer, &host, outcome).await;
    }
    granted
}

/// Uses the token up, or finds what it has bought; the certificate as PEM.
async fn grant(
    api: &AgentsApi,
    host: &HostId,
    asked: &EnrolRequest,
) -> Result<(Grant, String), Refused> {
    let fingerprint = api.authority.ca_fingerprint();
    let secret = token::secret_of(&asked.token, &fingerprint).ok_or_else(|| {
        let text =
            "this is no enrolment token of this collector; make one with `haidang token create`";
        Refused::new("unknown_token", StatusCode::FORBIDDEN, text)
    })?;
    if crate::derived::is_own(host) {
        let text = format!("the name {host} is the collector's own; choose another");
        return Err(Refused::new("reserved_name", StatusCode::CONFLICT, text));
    }
    let request =
        HostRequest::parse(&asked.csr_pem).map_err(|error| malformed(crate::describe(&error)))?;
    let key = &request.key_fingerprint;
    // The token is looked at before anything is signed, and used up together with the identity.
    let now_ms = clock::now_ms();
    let standing = api.inventory.token_check(secret, host, key, now_ms).await?;
    if let Grant::Again(pem) = &standing {
        let pem = pem.clone();
        return Ok((standing, pem));
    }
    let issued = issue(api, host, &request).map_err(malformed)?;
    let identity = identity(host, &request, &issued);
    let grant = api.inventory.token_redeem(secret, &identity, now_ms).await?;
    let pem = given(&grant, issued);
    Ok((grant, pem))
}

pub(super) async fn renew(
    State(api): State<Arc<AgentsApi>>,
    Extension(peer): Extension<Peer>,
    request: Request<Body>,
) -> Result<Response, Response> {
    let host = api.host(&peer).await?;
    let body = api.body(request, ENROL_BYTES_MAX).await?;
    let bad = |text: String| refuse(&api, &peer, malformed(text));
    let asked: RenewRequest =
        serde_json::from_slice(&body).map_err(|error| bad(error.to_string()))?;
    let request =
        HostRequest::parse(&asked.csr_pem).map_err(|error| bad(crate::describe(&error)))?;
    let issued = issue(&api, &host, &request).map_err(bad)?;
    let old = peer.identity.as_ref().map_or("", |identity| identity.fingerprint.as_str());
    let new = identity(&host, &request, &issued);
    let renewed = api.inventory.identity_renew(old, &new, clock::now_ms()).await;
    let grant = match renewed {
        Ok(Some(grant)) => grant,
        Ok(None) => {
            let text = "the certificate is not valid any more; enrol again with a new token";
            let refused = Refused::new("renewal_refused", StatusCode::FORBIDDEN, text);
            return Err(refuse(&api, &peer, refused));
        }
        Err(error) => {
            tracing::error!(%host, error = %crate::describe(&error), "an identity was not stored");
            let text = "the identity was not stored";
            let refused = Refused::new("failed", StatusCode::SERVICE_UNAVAILABLE, text);
            return Err(refuse(&api, &peer, refused));
        }
    };
    let outcome = if grant == Grant::New { "renewed" } else { "renewed_again" };
    count(&api, outcome);
    tracing::info!(%host, outcome, "a certificate was renewed");
    let pem = given(&grant, issued);
    Ok(answer(&api, pem))
}

/// What the host gets: the new certificate, or the one it was given before.
fn given(grant: &Grant, issued: Issued) -> String {
    match grant {
        Grant::New => issued.pem,
        Grant::Again(pem) => pem.clone(),
    }
}

fn issue(api: &AgentsApi, host: &HostId, request: &HostRequest) -> Result<Issued, String> {
    let serial = token::random_bytes::<16>().map_err(|error| error.to_string())?;
    // A serial number is a positive integer of at most twenty bytes (RFC 5280 4.1.2.2).
    let mut serial = serial;
    serial[0] = (serial[0] & 0x7f) | 0x40;
    api.authority
        .issue(host, request, serial, clock::now_ms(), api.certificate_lifetime_ms)
        .map_err(|error| crate::describe(&error))
}

fn identity(
    host: &HostId,
    request: &HostRequest,
    issued: &Issued,
) -> collector_inventory::Identity {
    collector_inventory::Identity {
        serial: issued.serial.clone(),
        fingerprint: issued.fingerprint.clone(),
        host: host.clone(),
        not_before_ms: issued.not_before_ms,
        not_after_ms: issued.not_after_ms,
        public_key: request.key_fingerprint.clone(),
        certificate_pem: issued.pem.clone(),
    }
}

impl Refused {
    fn new(outcome: &'static str, status: StatusCode, text: impl Into<String>) -> Self {
        Self { outcome, status, text: text.into() }
    }
}

fn malformed(error: impl ToString) -> Refused {
    Refused::new("malformed", StatusCode::BAD_REQUEST, error.to_string())
}

impl From<TokenError> for Refused {
    fn from(error: TokenError) -> Self {
        let (outcome, status) = match &error {
            TokenError::Unknown => ("unknown_token", StatusCode::FORBIDDEN),
            TokenError::Used => ("used_token", StatusCode::FORBIDDEN),
            TokenError::Expired => ("expired_token", StatusCode::FORBIDDEN),
            TokenError::OtherHost => ("other_host", StatusCode::FORBIDDEN),
            TokenError::HostEnrolled => ("host_enrolled", StatusCode::CONFLICT),
            TokenError::Store(_) => ("failed", StatusCode::SERVICE_UNAVAILABLE),
        };
        Self::new(outcome, status, crate::describe(&error))
    }
}

fn count(api: &AgentsApi, outcome: &str) {
    api.metrics.enrolments.with_label_values(&[outcome]).inc();
}

fn refuse(api: &AgentsApi, peer: &Peer, refused: Refused) -> Response {
    let Refused { outcome, status, text } = refused;
    count(api, outcome);
    tracing::warn!(from = %peer.address, outcome, "a certificate was not granted: {text}");
    refusal(status, outcome, text)
}

/// Anybody can send rubbish and would fill the log: it takes a token of ours to stand in it.
fn worth_an_audit(granted: &Result<(Grant, String), Refused>) -> Option<&'static str> {
    match granted {
        Ok((Grant::New, _)) => Some("done"),
        Ok((Grant::Again(_), _)) => Some("answered again"),
        Err(Refused { outcome, .. }) => {
            let theirs = ["used_token", "expired_token", "other_host", "host_enrolled"];
            theirs.contains(outcome).then_some(*outcome)
        }
    }
}

async fn audit(api: &AgentsApi, peer: &Peer, host: &HostId, outcome: &str) {
    let entry = AuditEntry {
        time_ms: clock::now_ms(),
        who: host.to_string(),
        action: "host.enrol".to_owned(),
        object: peer.address.ip().to_string(),
        outcome: outcome.to_owned(),
    };
    if let Err(error) = api.inventory.audit_append(&entry).await {
        tracing::error!(%host, outcome, error = %crate::describe(&error),
            "an enrolment is missing from the audit log");
    }
}

fn answer(api: &AgentsApi, certificate_pem: String) -> Response {
    let answer = CertificateAnswer {
        certificate_pem,
        ca_pem: api.authority.ca_pem().to_owned(),
        collector_name: crate::authority::COLLECTOR_NAME,
    };
    Json(answer).into_response()
}
