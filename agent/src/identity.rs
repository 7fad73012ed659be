//! Who this host is to a collector: its key, its certificate, and the authority that signed both sides.
//! One file per collector, mode 0600, replaced whole; the key is made here and never leaves.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use agent_model::{HostId, Millis};
use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use serde::{Deserialize, Serialize};

use crate::config::CollectorAddress;
use crate::files;

/// The name that every collector's certificate carries, whatever address is dialled.
pub(crate) const COLLECTOR_NAME: &str = "haidang-collector";

/// A key, its certificate and the authority, as they lie on the disk.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) key_pem: String,
    pub(crate) certificate_pem: String,
    pub(crate) ca_pem: String,
}

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
    #[error("{} is damaged ({reason}); enrol again with --replace", path.display())]
    Damaged { path: PathBuf, reason: String },
    #[error("a key or a certificate request could not be made")]
    Make(#[source] rcgen::Error),
    #[error("the key, certificate and authority do not go together")]
    Tls(#[source] rustls::Error),
    #[error("the certificate is not one of ours: {0}")]
    Certificate(String),
}

/// A new key with the request for its certificate.
pub(crate) struct Request {
    pub(crate) key_pem: String,
    pub(crate) csr_pem: String,
}

impl Request {
    /// ECDSA P-256.
    pub(crate) fn new(host: &HostId) -> Result<Self, IdentityError> {
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256);
        let key = key.map_err(IdentityError::Make)?;
        let mut params = CertificateParams::new(Vec::new()).map_err(IdentityError::Make)?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, host.as_str());
        let request = params.serialize_request(&key).map_err(IdentityError::Make)?;
        let csr_pem = request.pem().map_err(IdentityError::Make)?;
        Ok(Self { key_pem: key.serialize_pem(), csr_pem })
    }
}

impl Identity {
    pub(crate) fn path(state_dir: &Path, address: &CollectorAddress) -> PathBuf {
        state_dir.join("identity").join(format!("{}.json", address.as_file_name()))
    }

    pub(crate) fn load(
        state_dir: &Path,
        address: &CollectorAddress,
    ) -> Result<Self, IdentityError> {
        let path = Self::path(state_dir, address);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(IdentityError::NotEnrolled { address: address.clone() });
            }
            read => read.map_err(|source| IdentityError::File { path: path.clone(), source })?,
        };
        serde_json::from_str(&text)
            .map_err(|error| IdentityError::Damaged { path, reason: error.to_string() })
    }

    /// Checks that the parts go together, then replaces the file.
    pub(crate) fn store(
        &self,
        state_dir: &Path,
        address: &CollectorAddress,
    ) -> Result<(), IdentityError> {
        self.client_config()?;
        let path = Self::path(state_dir, address);
        let file = |source| IdentityError::File { path: path.clone(), source };
        fs::create_dir_all(state_dir.join("identity")).map_err(file)?;
        let text = serde_json::to_string_pretty(self).map_err(std::io::Error::from);
        files::replace(&path, text.map_err(file)?.as_bytes(), 0o600).map_err(file)
    }

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
