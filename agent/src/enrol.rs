//! Enrolment: a one-time token becomes an identity.
//!
//! The token carries the fingerprint of the collector's authority, and nothing is sent before the served chain has
//! been checked against it. The key is made here and never leaves; it is kept before it is used, so that an attempt
//! whose answer is lost can be made again with the same token. Renewal keeps the identity alive by itself.

pub(crate) mod attempts;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use agent_model::HostId;
use bytes::Bytes;
use hyper::StatusCode;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{CertificateError, OtherError, RootCertStore};
use serde::{Deserialize, Serialize};

use crate::chain_check::{ChainCheck, Shown, web_pki};
use crate::config::CollectorAddress;
use crate::identity::{self, AuthorityId, Identity, IdentityError, Request};
use crate::send::{self, Distrust, LinkError};

/// What `haidang-agent enrol` is told.
#[derive(Clone, Debug)]
pub struct EnrolRequest {
    pub state_dir: PathBuf,
    pub collector: CollectorAddress,
    pub token: Token,
    pub host: HostId,
    /// Replace an identity that is there, of the same authority.
    pub replace: bool,
}

/// `hd1.<SHA-256 of the authority's certificate>.<secret>`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    text: String,
    authority: AuthorityId,
}

#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    #[error(
        "this is no enrolment token ({0}); copy the whole line that `haidang token create` printed"
    )]
    Token(&'static str),
    #[error(
        "this host is already enrolled at the collector of this token, as {host}; give --replace to \
         enrol it anew"
    )]
    AlreadyHere { host: String },
    #[error(
        "{address} is not the collector that made this token (its authority is another one); \
         check the address, or make a token on that collector. Nothing was sent to it"
    )]
    OtherCollector { address: CollectorAddress },
    #[error(
        "the certificate of {address} is not valid now; set this host's clock, then the collector's"
    )]
    Clock { address: CollectorAddress },
    #[error(
        "{address} refuses the token: {text}; make a new one with `haidang token create` on the \
         collector"
    )]
    Refused { address: CollectorAddress, text: String },
    #[error(
        "{address} knows this host already: {text}; revoke the old one with `haidang host revoke` \
         or choose another --host"
    )]
    HostEnrolled { address: CollectorAddress, text: String },
    #[error("{address} cannot enrol this host now: {text}; try again later")]
    Unable { address: CollectorAddress, text: String },
    #[error(
        "no answer came from {address}. Run the same command again: if the answer was lost on the \
         line, the same token brings it once more"
    )]
    NoAnswer {
        address: CollectorAddress,
        #[source]
        source: LinkError,
    },
    #[error("the answer of {address} is not what was asked for: {text}")]
    Answer { address: CollectorAddress, text: String },
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

#[derive(Serialize)]
struct Asked<'a> {
    token: &'a str,
    host: &'a str,
    csr_pem: &'a str,
}

#[derive(Serialize)]
struct AskedAgain<'a> {
    csr_pem: &'a str,
}

#[derive(Deserialize)]
struct Granted {
    certificate_pem: String,
    ca_pem: String,
}

impl Token {
    pub fn parse(text: &str) -> Result<Self, EnrolError> {
        let text = text.trim();
        let mut parts = text.split('.');
        if parts.next() != Some("hd1") {
            return Err(EnrolError::Token("it does not begin with hd1."));
        }
        let authority = parts.next().and_then(AuthorityId::from_hex);
        let authority = authority.ok_or(EnrolError::Token("its fingerprint is cut"))?;
        let secret = parts.next().unwrap_or("");
        if secret.len() != 43 || parts.next().is_some() {
            return Err(EnrolError::Token("its secret is cut"));
        }
        Ok(Self { text: text.to_owned(), authority })
    }
}

/// A token is a secret: it is never shown.
impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Token({:.8}…)", self.authority.to_string())
    }
}

/// Enrols this host at a collector and stores the identity. How it ended is counted for the agent's metrics.
pub async fn enrol(request: &EnrolRequest) -> Result<(), EnrolError> {
    let enrolled = ask(request).await;
    attempts::note(&request.state_dir, &enrolled);
    enrolled
}

async fn ask(request: &EnrolRequest) -> Result<(), EnrolError> {
    let (address, authority) = (&request.collector, request.token.authority);
    if !request.replace
        && let Some(there) = Identity::load(&request.state_dir, authority)?
    {
        let host = there.validity().map_or_else(|_| "?".to_owned(), |it| it.host.to_string());
        return Err(EnrolError::AlreadyHere { host });
    }
    let mut config = identity::tls_builder()?
        .dangerous()
        .with_custom_certificate_verifier(ChainCheck::new(move |shown| check(shown, authority)))
        .with_no_client_auth();
    identity::finish(&mut config);
    let mut connection =
        send::connect(address, Arc::new(config)).await.map_err(|error| explain(address, error))?;
    let made = Request::open(&request.state_dir, authority, &request.host)?;
    let asked =
        Asked { token: &request.token.text, host: request.host.as_str(), csr_pem: &made.csr_pem };
    let answer = send::post(&mut connection, address, "/v1/enrol", JSON, json(&asked)).await;
    let answer =
        answer.map_err(|source| EnrolError::NoAnswer { address: address.clone(), source })?;
    let text = || answer.error_text();
    let of = || address.clone();
    match answer.status {
        StatusCode::OK => {}
        StatusCode::CONFLICT => {
            return Err(EnrolError::HostEnrolled { address: of(), text: text() });
        }
        status if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS => {
            return Err(EnrolError::Refused { address: of(), text: text() });
        }
        _ => return Err(EnrolError::Unable { address: of(), text: text() }),
    }
    let mut identity = granted(address, &request.host, &made, &answer.body)?;
    let mut roots = CertificateDer::pem_slice_iter(identity.ca_pem.as_bytes()).flatten();
    if !roots.any(|root| AuthorityId::of(&root) == authority) {
        let text = "its authority is not the one in the token".to_owned();
        return Err(EnrolError::Answer { address: of(), text });
    }
    keep(&mut identity, made, &request.state_dir, address)?;
    Ok(())
}

/// The body of a renewal, and what is needed to read its answer.
pub(crate) fn renewal(
    state_dir: &Path,
    authority: AuthorityId,
    host: &HostId,
) -> Result<(Request, Bytes), IdentityError> {
    let made = Request::open(state_dir, authority, host)?;
    let body = json(&AskedAgain { csr_pem: &made.csr_pem });
    Ok((made, body))
}

/// The identity that an answer grants, checked to be for this host.
pub(crate) fn granted(
    address: &CollectorAddress,
    host: &HostId,
    made: &Request,
    body: &[u8],
) -> Result<Identity, EnrolError> {
    let wrong = |text: String| EnrolError::Answer { address: address.clone(), text };
    let granted: Granted =
        serde_json::from_slice(body).map_err(|error| wrong(error.to_string()))?;
    let Granted { certificate_pem, ca_pem } = granted;
    let authority = AuthorityId::of_pem(&ca_pem).map_err(|error| wrong(error.to_string()))?;
    let key_pem = made.key_pem.clone();
    let identity = Identity { key_pem, certificate_pem, ca_pem, addresses: Vec::new(), authority };
    let got = identity.validity()?.host;
    if got == *host { Ok(identity) } else { Err(wrong(format!("a certificate for {got}"))) }
}

/// Stores what was granted; only then its key is no longer a request's.
pub(crate) fn keep(
    identity: &mut Identity,
    made: Request,
    state_dir: &Path,
    address: &CollectorAddress,
) -> Result<(), IdentityError> {
    identity.learn(state_dir, address)?;
    made.done()
}

pub(crate) const JSON: &str = "application/json";

fn json(value: &impl Serialize) -> Bytes {
    // Strings and nothing else: this cannot fail.
    serde_json::to_vec(value).unwrap_or_default().into()
}

#[derive(Debug, thiserror::Error)]
#[error("the served chain does not hold the authority of the token")]
struct OtherAuthority;

/// Trusts exactly the authority that the token names.
fn check(shown: &Shown<'_>, authority: AuthorityId) -> Result<(), rustls::Error> {
    let pinned = shown.intermediates.iter().find(|one| AuthorityId::of(one) == authority);
    let Some(pinned) = pinned else {
        let error = CertificateError::Other(OtherError(Arc::new(OtherAuthority)));
        return Err(rustls::Error::InvalidCertificate(error));
    };
    let mut roots = RootCertStore::empty();
    roots.add(pinned.clone().into_owned())?;
    shown.verify(&*web_pki(Arc::new(roots))?, None)
}

/// Says what a failed handshake means to the person at the keyboard.
fn explain(address: &CollectorAddress, error: LinkError) -> EnrolError {
    match error.distrust() {
        Some(Distrust::OtherAuthority) => EnrolError::OtherCollector { address: address.clone() },
        Some(Distrust::Clock) => EnrolError::Clock { address: address.clone() },
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests;
