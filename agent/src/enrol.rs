//! Enrolment: a one-time token becomes an identity.
//!
//! The token carries the fingerprint of the collector's authority, and nothing is sent before the served chain has
//! been checked against it. The key is made here and never leaves. Renewal keeps the identity alive by itself.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use agent_model::HostId;
use bytes::Bytes;
use hyper::StatusCode;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::config::CollectorAddress;
use crate::identity::{self, Identity, IdentityError, Request};
use crate::send::{self, LinkError};

/// What `haidang-agent enrol` is told.
#[derive(Clone, Debug)]
pub struct EnrolRequest {
    pub state_dir: PathBuf,
    pub collector: CollectorAddress,
    pub token: Token,
    pub host: HostId,
    /// Replace an identity that is there.
    pub replace: bool,
}

/// `hd1.<SHA-256 of the authority's certificate>.<secret>`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    text: String,
    fingerprint: [u8; 32],
}

#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    #[error(
        "this is no enrolment token ({0}); copy the whole line that `haidang token create` printed"
    )]
    Token(&'static str),
    #[error(
        "this host is already enrolled at {address} as {host}; give --replace to enrol it anew"
    )]
    AlreadyHere { address: CollectorAddress, host: String },
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
        let fingerprint = parts.next().and_then(|part| hex::decode(part).ok()?.try_into().ok());
        let fingerprint = fingerprint.ok_or(EnrolError::Token("its fingerprint is cut"))?;
        let secret = parts.next().unwrap_or("");
        if secret.len() != 43 || parts.next().is_some() {
            return Err(EnrolError::Token("its secret is cut"));
        }
        Ok(Self { text: text.to_owned(), fingerprint })
    }
}

/// A token is a secret: it is never shown.
impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Token({}…)", hex::encode(&self.fingerprint[..4]))
    }
}

/// Enrols this host at a collector and stores the identity.
pub async fn enrol(request: &EnrolRequest) -> Result<(), EnrolError> {
    let address = &request.collector;
    if let (false, Ok(there)) = (request.replace, Identity::load(&request.state_dir, address)) {
        let host = there.validity().map_or_else(|_| "?".to_owned(), |it| it.host.to_string());
        return Err(EnrolError::AlreadyHere { address: address.clone(), host });
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = Arc::new(PinnedAuthority { fingerprint: request.token.fingerprint, provider });
    let mut config = identity::tls_builder()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    identity::finish(&mut config);
    let mut connection =
        send::connect(address, Arc::new(config)).await.map_err(|error| explain(address, error))?;
    let made = Request::new(&request.host)?;
    let asked =
        Asked { token: &request.token.text, host: request.host.as_str(), csr_pem: &made.csr_pem };
    let answer = send::post(&mut connection, address, "/v1/enrol", JSON, json(&asked)).await?;
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
    let identity = granted(address, &request.host, made, &answer.body)?;
    let roots = CertificateDer::pem_slice_iter(identity.ca_pem.as_bytes()).flatten();
    let pinned = |root: &CertificateDer<'_>| fingerprint(root) == request.token.fingerprint;
    if !roots.into_iter().any(|root| pinned(&root)) {
        let text = "its authority is not the one in the token".to_owned();
        return Err(EnrolError::Answer { address: of(), text });
    }
    identity.store(&request.state_dir, address)?;
    Ok(())
}

/// The body of a renewal, and what is needed to read its answer.
pub(crate) fn renewal(host: &HostId) -> Result<(Request, Bytes), IdentityError> {
    let made = Request::new(host)?;
    let body = json(&AskedAgain { csr_pem: &made.csr_pem });
    Ok((made, body))
}

/// The identity that an answer grants, checked to be for this host.
pub(crate) fn granted(
    address: &CollectorAddress,
    host: &HostId,
    made: Request,
    body: &[u8],
) -> Result<Identity, EnrolError> {
    let wrong = |text: String| EnrolError::Answer { address: address.clone(), text };
    let granted: Granted =
        serde_json::from_slice(body).map_err(|error| wrong(error.to_string()))?;
    let Granted { certificate_pem, ca_pem } = granted;
    let identity = Identity { key_pem: made.key_pem, certificate_pem, ca_pem };
    let got = identity.validity()?.host;
    if got == *host { Ok(identity) } else { Err(wrong(format!("a certificate for {got}"))) }
}

pub(crate) const JSON: &str = "application/json";

fn json(value: &impl Serialize) -> Bytes {
    // Strings and nothing else: this cannot fail.
    serde_json::to_vec(value).unwrap_or_default().into()
}

fn fingerprint(certificate: &CertificateDer<'_>) -> [u8; 32] {
    Sha256::digest(certificate).into()
}

/// Says what a failed handshake means to the person at the keyboard.
fn explain(address: &CollectorAddress, error: LinkError) -> EnrolError {
    let LinkError::Tls { source, .. } = &error else { return error.into() };
    let reason = source.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match reason {
        Some(rustls::Error::InvalidCertificate(CertificateError::Other(_))) => {
            EnrolError::OtherCollector { address: address.clone() }
        }
        Some(rustls::Error::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        )) => EnrolError::Clock { address: address.clone() },
        _ => error.into(),
    }
}

/// Trusts exactly the authority whose fingerprint the token carries.
#[derive(Debug)]
struct PinnedAuthority {
    fingerprint: [u8; 32],
    provider: Arc<rustls::crypto::CryptoProvider>,
}

#[derive(Debug, thiserror::Error)]
#[error("the served chain does not hold the authority of the token")]
struct OtherAuthority;

impl ServerCertVerifier for PinnedAuthority {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let pinned = intermediates.iter().find(|one| fingerprint(one) == self.fingerprint);
        let Some(pinned) = pinned else {
            let error = CertificateError::Other(OtherError(Arc::new(OtherAuthority)));
            return Err(rustls::Error::InvalidCertificate(error));
        };
        let mut roots = RootCertStore::empty();
        roots.add(pinned.clone().into_owned())?;
        let provider = Arc::clone(&self.provider);
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
