//! Looks at a server's certificates: when the first of them expires, and whether the chain holds.
//! Promises: the expiry is known even when the chain does not hold (expired, self-signed, another name), and nothing is
//! sent to a server whose chain does not hold, unless the configuration says so. Scrapes of exporters use it too.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use agent_model::Millis;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{CertificateError, ClientConfig, Error, RootCertStore};
use x509_parser::parse_x509_certificate;

use crate::chain_check::{ChainCheck, Shown, web_pki};

/// Why there is nothing to verify a chain with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RootsError {
    #[error("{} cannot be read as PEM certificates", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    #[error("{} holds no usable certificate", path.display())]
    Empty { path: PathBuf },
}

/// The certificates a chain may end in: those of a file, or those of the host.
pub(crate) fn roots(file: Option<&Path>) -> Result<Arc<RootCertStore>, RootsError> {
    let mut roots = RootCertStore::empty();
    let Some(path) = file else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return Ok(Arc::new(roots));
    };
    let refuse = |source| RootsError::Read { path: path.to_owned(), source };
    let certificates = CertificateDer::pem_file_iter(path).map_err(refuse)?;
    let certificates: Vec<_> = certificates.collect::<Result<_, _>>().map_err(refuse)?;
    if roots.add_parsable_certificates(certificates).0 == 0 {
        return Err(RootsError::Empty { path: path.to_owned() });
    }
    Ok(Arc::new(roots))
}

/// What was seen of the last chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) expiry_ms: Option<Millis>,
    /// Why the chain does not hold, in words for people.
    pub(crate) failure: Option<String>,
}

/// How a server proves who it is, and how we do.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) roots: Arc<RootCertStore>,
    pub(crate) skip_verification: bool,
    /// The name that its certificate must have; `None` for the one that is dialled.
    pub(crate) server_name: Option<ServerName<'static>>,
    pub(crate) client: Option<Arc<CertifiedKey>>,
}

impl Terms {
    /// Servers whose chain ends in one of these roots; none for plain HTTP.
    pub(crate) fn of(roots: Arc<RootCertStore>) -> Self {
        Self { roots, skip_verification: false, server_name: None, client: None }
    }
}

/// A TLS configuration that remembers what it saw.
pub(crate) fn client_config(terms: Terms) -> Result<(ClientConfig, Arc<Recorder>), Error> {
    let Terms { roots, skip_verification, server_name, client } = terms;
    let inner = if roots.is_empty() { None } else { Some(web_pki(roots)?) };
    let seen = Mutex::default();
    let recorder = Arc::new(Recorder { inner, skip_verification, server_name, seen });
    let asked = Arc::clone(&recorder);
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(ChainCheck::new(move |shown| asked.check(shown)));
    let mut config = match client {
        Some(key) => {
            let one = SingleCertAndKey::from(key);
            config.with_client_cert_resolver(Arc::new(one))
        }
        None => config.with_no_client_auth(),
    };
    // A resumed session shows no certificate.
    config.resumption = Resumption::disabled();
    Ok((config, recorder))
}

#[derive(Debug)]
pub(crate) struct Recorder {
    /// `None` when the host has no certificates to trust.
    inner: Option<Arc<WebPkiServerVerifier>>,
    skip_verification: bool,
    server_name: Option<ServerName<'static>>,
    seen: Mutex<Seen>,
}

impl Recorder {
    pub(crate) fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Forgets what was seen, for a configuration that is used again.
    pub(crate) fn reset(&self) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Seen::default();
    }

    fn check(&self, shown: &Shown<'_>) -> Result<(), Error> {
        let chain = std::iter::once(shown.end_entity).chain(shown.intermediates);
        let expiry_ms = chain.filter_map(|certificate| expires_ms(certificate)).min();
        let verified = match &self.inner {
            Some(inner) => shown.verify(inner, self.server_name.as_ref()),
            None => Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)),
        };
        let verified = if self.skip_verification { Ok(()) } else { verified };
        let failure = verified.as_ref().err().map(|error| explain(error, expiry_ms));
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        // A redirect may lead to a second server: the earliest expiry counts.
        let expiry_ms = [seen.expiry_ms, expiry_ms].into_iter().flatten().min();
        *seen = Seen { expiry_ms, failure };
        verified
    }
}

fn expires_ms(certificate: &CertificateDer<'_>) -> Option<Millis> {
    let (_, parsed) = parse_x509_certificate(certificate).ok()?;
    parsed.validity().not_after.timestamp().checked_mul(1000)
}

fn explain(error: &Error, expiry_ms: Option<Millis>) -> String {
    let expiry = expiry_ms.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    match error {
        Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => match expiry {
            Some(expiry) => format!("the certificate expired on {expiry}"),
            None => "the certificate has expired".to_owned(),
        },
        Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        ) => {
            "the certificate is not signed by anyone this host trusts (self-signed, or the chain is incomplete)"
                .to_owned()
        }
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "the certificate is for another name".to_owned(),
        Error::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        ) => "the certificate is not valid yet; compare the clocks of both hosts".to_owned(),
        other => format!("the certificate does not hold: {other}"),
    }
}
