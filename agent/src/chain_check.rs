//! One way to look at a server's chain beside the ordinary one: a check that sees the certificates and decides. The
//! proof that the server holds the key of its certificate is always asked for.

use std::fmt;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// What a server shows in a handshake.
pub(crate) struct Shown<'a> {
    pub(crate) end_entity: &'a CertificateDer<'a>,
    pub(crate) intermediates: &'a [CertificateDer<'a>],
    name: &'a ServerName<'a>,
    ocsp_response: &'a [u8],
    now: UnixTime,
}

/// Verifies servers by a function of what they show.
pub(crate) struct ChainCheck<F> {
    check: F,
    provider: Arc<CryptoProvider>,
}

impl<F> ChainCheck<F>
where
    F: Fn(&Shown<'_>) -> Result<(), Error> + Send + Sync + 'static,
{
    pub(crate) fn new(check: F) -> Arc<Self> {
        Arc::new(Self { check, provider: Arc::new(aws_lc_rs::default_provider()) })
    }
}

impl Shown<'_> {
    /// The ordinary check (RFC 5280, RFC 6125): signed down from these roots, valid now, for the name that was dialled.
    /// `as_name` stands for the name that was dialled.
    pub(crate) fn verify(
        &self,
        verifier: &WebPkiServerVerifier,
        as_name: Option<&ServerName<'_>>,
    ) -> Result<(), Error> {
        let Self { end_entity, intermediates, name, ocsp_response, now } = self;
        let name = as_name.unwrap_or(name);
        verifier.verify_server_cert(end_entity, intermediates, name, ocsp_response, *now).map(drop)
    }
}

/// The ordinary verifier over these roots.
pub(crate) fn web_pki(roots: Arc<RootCertStore>) -> Result<Arc<WebPkiServerVerifier>, Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let built = WebPkiServerVerifier::builder_with_provider(roots, provider).build();
    built.map_err(|error| Error::General(error.to_string()))
}

impl<F> fmt::Debug for ChainCheck<F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ChainCheck")
    }
}

impl<F> ServerCertVerifier for ChainCheck<F>
where
    F: Fn(&Shown<'_>) -> Result<(), Error> + Send + Sync + 'static,
{
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let shown = Shown { end_entity, intermediates, name, ocsp_response, now };
        (self.check)(&shown).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
