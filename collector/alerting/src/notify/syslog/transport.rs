//! Lines on their way: each attempt has a connection of its own, so that what a broken one swallowed is sent again.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio_rustls::TlsConnector;

use super::super::{SendError, secret};
use crate::routing::{SyslogChannel, SyslogTransport};

/// How long the other side has to close, or to complain, once we have said all.
const CLOSE_WAIT: Duration = Duration::from_secs(2);

pub(super) struct Transport {
    address: String,
    way: Way,
}

enum Way {
    Udp,
    Tcp,
    Tls(TlsConnector, ServerName<'static>),
}

impl Transport {
    pub(super) fn new(channel: &SyslogChannel) -> Result<Self, SendError> {
        let way = match channel.transport {
            SyslogTransport::Udp => Way::Udp,
            SyslogTransport::Tcp => Way::Tcp,
            SyslogTransport::Tls => {
                let host = channel.address.rsplit_once(':').map_or("", |(host, _)| host);
                let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned());
                let name = name.map_err(|error| SendError::Setup(error.to_string()))?;
                Way::Tls(TlsConnector::from(Arc::new(tls(channel)?)), name)
            }
        };
        Ok(Self { address: channel.address.clone(), way })
    }

    pub(super) async fn send(&self, lines: &[String]) -> io::Result<()> {
        match &self.way {
            Way::Udp => datagrams(&self.address, lines).await,
            Way::Tcp => counted(TcpStream::connect(&self.address).await?, lines).await,
            Way::Tls(connector, name) => {
                let stream = TcpStream::connect(&self.address).await?;
                counted(connector.connect(name.clone(), stream).await?, lines).await
            }
        }
    }
}

fn tls(channel: &SyslogChannel) -> Result<ClientConfig, SendError> {
    let wrong = |error: &dyn std::fmt::Display| SendError::Setup(error.to_string());
    let mut roots = RootCertStore::empty();
    match &channel.tls.authorities {
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
    let config = ClientConfig::builder().with_root_certificates(roots);
    let Some((certificate, key)) = &channel.tls.identity else {
        return Ok(config.with_no_client_auth());
    };
    let certificates = secret::pem("our certificate", certificate)?;
    let chain = CertificateDer::pem_slice_iter(&certificates).collect::<Result<Vec<_>, _>>();
    let key = secret::pem("the key of our certificate", key)?;
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|error| wrong(&error))?;
    let chain = chain.map_err(|error| wrong(&error))?;
    config.with_client_auth_cert(chain, key).map_err(|error| wrong(&error))
}

async fn datagrams(address: &str, lines: &[String]) -> io::Result<()> {
    let to = tokio::net::lookup_host(address).await?.next();
    let to = to.ok_or_else(|| io::Error::other(format!("{address} has no address")))?;
    let from = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(from).await?;
    socket.connect(to).await?;
    for line in lines {
        socket.send(line.as_bytes()).await?;
    }
    Ok(())
}

/// Lines with their length in front (RFC 6587, 3.4.1; RFC 5425, 4.3).
async fn counted(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    lines: &[String],
) -> io::Result<()> {
    for line in lines {
        stream.write_all(format!("{} {line}", line.len()).as_bytes()).await?;
    }
    stream.flush().await?;
    stream.shutdown().await?;
    // What comes back says nothing to us but whether the other side has broken off.
    let mut rest = [0; 256];
    let closed = async {
        loop {
            match stream.read(&mut rest).await {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                // TLS that ends without its last word: the lines were taken all the same.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    };
    tokio::time::timeout(CLOSE_WAIT, closed).await.unwrap_or(Ok(()))
}
