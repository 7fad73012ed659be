//! TLS for both ports (rustls with aws-lc-rs: post-quantum hybrid key exchange first).
//! Promises: on the agents' port a certificate is either none or one that our CA signed and that is valid now.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use agent_model::Millis;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use crate::authority::{Authority, AuthorityError};

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("the collector's certificate cannot be made")]
    Authority(#[from] AuthorityError),
    #[error("TLS cannot be set up")]
    Rustls(#[from] rustls::Error),
    #[error("client certificates cannot be verified")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
    #[error("{path} does not hold {what} in PEM form")]
    Pem {
        path: PathBuf,
        what: &'static str,
        #[source]
        source: rustls::pki_types::pem::Error,
    },
}

/// The agents' port: our own certificate; the client's is verified when it has one (only enrolment has none).
pub fn for_agents(authority: &Authority, now_ms: Millis) -> Result<TlsAcceptor, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.ca_der().clone())?;
    let verifier =
        WebPkiClientVerifier::builder(Arc::new(roots)).allow_unauthenticated().build()?;
    let (chain, key) = authority.server_identity(now_ms)?;
    let config =
        ServerConfig::builder().with_client_cert_verifier(verifier).with_single_cert(chain, key)?;
    Ok(acceptor(config))
}

/// The web port: a certificate that the province's people trust.
pub fn for_people(identity: Arc<WebIdentity>) -> TlsAcceptor {
    acceptor(ServerConfig::builder().with_no_client_auth().with_cert_resolver(identity))
}

/// A certificate chain and its key.
#[derive(Clone, Debug)]
pub struct WebCertificate(Arc<CertifiedKey>);

/// What the web port shows of itself; connections made after a change see the new certificate.
#[derive(Debug)]
pub struct WebIdentity(RwLock<WebCertificate>);

impl WebCertificate {
    pub fn read(chain_file: &Path, key_file: &Path) -> Result<Self, TlsError> {
        let (chain, key) = read_pem(chain_file, key_file)?;
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        Ok(Self(Arc::new(CertifiedKey::from_der(chain, key, &provider)?)))
    }
}

impl WebIdentity {
    pub fn new(certificate: WebCertificate) -> Self {
        Self(RwLock::new(certificate))
    }

    pub fn replace(&self, certificate: WebCertificate) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = certificate;
    }
}

impl ResolvesServerCert for WebIdentity {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner).0))
    }
}

type Pem = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn read_pem(chain_file: &Path, key_file: &Path) -> Result<Pem, TlsError> {
    let pem = |path: &Path, what| {
        let path = path.to_owned();
        move |source| TlsError::Pem { path, what, source }
    };
    let chain = CertificateDer::pem_file_iter(chain_file)
        .and_then(Iterator::collect)
        .map_err(pem(chain_file, "a certificate chain"))?;
    let key = PrivateKeyDer::from_pem_file(key_file).map_err(pem(key_file, "a private key"))?;
    Ok((chain, key))
}

fn acceptor(mut config: ServerConfig) -> TlsAcceptor {
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}
