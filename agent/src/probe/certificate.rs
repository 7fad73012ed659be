//! Looks at a server's certificates: when the first of them expires, and whether the chain holds.
//! Promises: the expiry is known even when the chain does not hold (expired, self-signed, another name), and nothing is
//! sent to a server whose chain does not hold, unless the probe says so.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use agent_model::Millis;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore};
use x509_parser::parse_x509_certificate;

/// Why there is nothing to verify a chain with.
#[derive(Debug, thiserror::Error)]
pub(super) enum RootsError {
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
pub(super) fn roots(file: Option<&Path>) -> Result<Arc<RootCertStore>, RootsError> {
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
pub(super) struct Seen {
    pub(super) expiry_ms: Option<Millis>,
    /// Why the chain does not hold, in words for people.
    pub(super) failure: Option<String>,
}

/// A TLS configuration that remembers what it saw.
pub(super) fn client_config(
    roots: Arc<RootCertStore>,
    skip_verification: bool,
) -> Result<(ClientConfig, Arc<Recorder>), Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let inner = match roots.is_empty() {
        true => None,
        false => {
            let provider = Arc::clone(&provider);
            let built = WebPkiServerVerifier::builder_with_provider(roots, provider).build();
            Some(built.map_err(|error| Error::General(error.to_string()))?)
        }
    };
    let recorder = Arc::new(Recorder {
        inner,
        provider: Arc::clone(&provider),
        skip_verification,
        seen: Mutex::default(),
    });
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&recorder) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    // A resumed session shows no certificate.
    config.resumption = Resumption::disabled();
    Ok((config, recorder))
}

#[derive(Debug)]
pub(super) struct Recorder {
    /// `None` when the host has no certificates to trust.
    inner: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
    skip_verification: bool,
    seen: Mutex<Seen>,
}

impl Recorder {
    pub(super) fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain = std::iter::once(end_entity).chain(intermediates);
        let expiry_ms = chain.filter_map(|certificate| expires_ms(certificate)).min();
        let verified = match &self.inner {
            Some(inner) => {
                inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            }
            None => Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)),
        };
        let verified = match verified {
            Err(_) if self.skip_verification => Ok(ServerCertVerified::assertion()),
            verified => verified,
        };
        let failure = verified.as_ref().err().map(|error| explain(error, expiry_ms));
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        // A redirect may lead to a second server: the earliest expiry counts.
        let expiry_ms = [seen.expiry_ms, expiry_ms].into_iter().flatten().min();
        *seen = Seen { expiry_ms, failure };
        verified
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
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
