//! Who this host is to a collector: its key, its certificate, and the authority that signed both sides.
//! An identity belongs to the authority, not to an address: a collector that moves is the same collector. The key
//! is made here and never leaves. Leaves to others: the files (`kept`) and the way to a certificate (`request`).

pub(crate) mod kept;
mod request;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use agent_model::{HostId, Millis};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::config::CollectorAddress;

pub(crate) use request::Request;

/// The name that every collector's certificate carries, whatever address is dialled.
pub(crate) const COLLECTOR_NAME: &str = "haidang-collector";

/// A key, its certificate and the authority, as they lie on the disk.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) key_pem: String,
    pub(crate) certificate_pem: String,
    pub(crate) ca_pem: String,
    /// Where its collector was met, as [`CollectorAddress::as_file_name`], newest last.
    #[serde(default)]
    pub(crate) addresses: Vec<String>,
    /// Of `ca_pem`.
    #[serde(skip)]
    pub(crate) authority: AuthorityId,
}

/// SHA-256 of an authority's certificate: whose identity it is, and what a token pins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AuthorityId([u8; 32]);

/// When a certificate is valid, and for which host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Validity {
    pub(crate) host: HostId,
    pub(crate) not_before_ms: Millis,
    pub(crate) not_after_ms: Millis,
}

#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error(
        "this host is not enrolled at {address}; make a token with `haidang token create` and run \
         `haidang-agent enrol --collector {address} --token-file FILE`"
    )]
    NotEnrolled { address: CollectorAddress },
    #[error("{} cannot be read or written", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{} is damaged ({reason}); remove it and enrol again with a new token", path.display())]
    Damaged { path: PathBuf, reason: String },
    #[error("a key or a certificate request could not be made")]
    Make(#[source] rcgen::Error),
    #[error("the key, certificate and authority do not go together")]
    Tls(#[source] rustls::Error),
    #[error("the certificate is not one of ours: {0}")]
    Certificate(String),
}

impl AuthorityId {
    pub(crate) fn of(certificate: &CertificateDer<'_>) -> Self {
        Self(Sha256::digest(certificate).into())
    }

    /// Of the first certificate in a PEM text.
    pub(crate) fn of_pem(ca_pem: &str) -> Result<Self, IdentityError> {
        let first = CertificateDer::from_pem_slice(ca_pem.as_bytes());
        let first = first.map_err(|error| IdentityError::Certificate(error.to_string()))?;
        Ok(Self::of(&first))
    }

    pub(crate) fn from_hex(text: &str) -> Option<Self> {
        Some(Self(hex::decode(text).ok()?.try_into().ok()?))
    }
}

impl fmt::Display for AuthorityId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::encode(self.0))
    }
}

impl Identity {
    pub(crate) fn validity(&self) -> Result<Validity, IdentityError> {
        let wrong = |reason: &str| IdentityError::Certificate(reason.to_owned());
        let leaf = CertificateDer::from_pem_slice(self.certificate_pem.as_bytes())
            .map_err(|error| wrong(&error.to_string()))?;
        let (_, certificate) = x509_parser::parse_x509_certificate(&leaf)
            .map_err(|error| wrong(&error.to_string()))?;
        let name = certificate.subject().iter_common_name().next();
        let name = name.and_then(|name| name.as_str().ok());
        let host = HostId::new(name.unwrap_or("")).map_err(|error| wrong(&error.to_string()))?;
        let validity = certificate.validity();
        Ok(Validity {
            host,
            not_before_ms: validity.not_before.timestamp().saturating_mul(1_000),
            not_after_ms: validity.not_after.timestamp().saturating_mul(1_000),
        })
    }

    /// TLS with this identity: trusts only this authority, shows only this certificate.
    pub(crate) fn client_config(&self) -> Result<ClientConfig, IdentityError> {
        let pem =
            |error: rustls::pki_types::pem::Error| IdentityError::Certificate(error.to_string());
        let mut roots = RootCertStore::empty();
        for root in CertificateDer::pem_slice_iter(self.ca_pem.as_bytes()) {
            roots.add(root.map_err(pem)?).map_err(IdentityError::Tls)?;
        }
        let chain: Vec<_> = CertificateDer::pem_slice_iter(self.certificate_pem.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(pem)?;
        let key = PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes()).map_err(pem)?;
        let mut config = tls_builder()?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .map_err(IdentityError::Tls)?;
        finish(&mut config);
        Ok(config)
    }
}

impl Validity {
    /// Two thirds of the certificate's life: time enough left to try for weeks.
    pub(crate) fn renew_at_ms(&self) -> Millis {
        self.not_after_ms - (self.not_after_ms - self.not_before_ms) / 3
    }
}

/// The protocol versions and the cryptography of every connection to a collector.
pub(crate) fn tls_builder()
-> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, IdentityError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(IdentityError::Tls)
}

/// HTTP/2 only, and no memory for sessions: connections are few and long.
pub(crate) fn finish(config: &mut ClientConfig) {
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.resumption = rustls::client::Resumption::disabled();
}

#[cfg(test)]
mod tests;
