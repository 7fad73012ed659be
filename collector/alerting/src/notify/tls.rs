//! TLS of channels that do not speak HTTP: the server must be the one whose address was given.

use std::io;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{SendError, secret};
use crate::routing::TlsOptions;

pub(super) struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Tls {
    /// `address` is host and port.
    pub(super) fn new(address: &str, options: &TlsOptions) -> Result<Self, SendError> {
        let host = address.rsplit_once(':').map_or("", |(host, _)| host);
        let name = options.server_name.as_deref().unwrap_or(host.trim_matches(['[', ']']));
        let name = ServerName::try_from(name.to_owned());
        let name = name.map_err(|error| SendError::Setup(error.to_string()))?;
        Ok(Self { connector: TlsConnector::from(Arc::new(config(options)?)), name })
    }

    pub(super) async fn over(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.connector.connect(self.name.clone(), stream).await
    }
}

fn config(options: &TlsOptions) -> Result<ClientConfig, SendError> {
    let wrong = |error: &dyn std::fmt::Display| SendError::Setup(error.to_string());
    let mut roots = RootCertStore::empty();
    match &options.authorities {
        Some(authorities) => {
            let pem = secret::pem("the CA certificates", authorities)?;
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                let certificate = certificate.map_err(|error| wrong(&error))?;
                roots.add(certificate).map_err(|error| wrong(&error))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let versions = if options.only_newest { &[&TLS13][..] } else { rustls::DEFAULT_VERSIONS };
    let config = ClientConfig::builder_with_protocol_versions(versions);
    let config = config.with_root_certificates(roots);
    let Some((certificate, key)) = &options.identity else {
        return Ok(config.with_no_client_auth());
    };
    let certificates = secret::pem("our certificate", certificate)?;
    let chain = CertificateDer::pem_slice_iter(&certificates).collect::<Result<Vec<_>, _>>();
    let key = secret::pem("the key of our certificate", key)?;
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|error| wrong(&error))?;
    let chain = chain.map_err(|error| wrong(&error))?;
    config.with_client_auth_cert(chain, key).map_err(|error| wrong(&error))
}
