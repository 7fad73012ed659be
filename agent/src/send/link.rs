//! One HTTP/2 connection over mutual TLS to a collector, made when it is needed and kept.
//! Leaves to others: when to try again, and what is said over it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper::header::{CONTENT_TYPE, RETRY_AFTER};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::config::CollectorAddress;
use crate::identity::COLLECTOR_NAME;

/// A name that does not resolve or a host that does not answer is given up after this.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);

/// A batch over a slow line and a group commit at the other end.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(120);

/// A line that died silently is noticed after these two together.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIME_MAX: Duration = Duration::from_secs(15);

/// What a collector may answer: an acknowledgement of a thousand reports has room many times over.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Flow-control window and frames: answers are small, and memory is the host's.
const WINDOW_BYTES: u32 = 64 << 10;
const FRAME_BYTES: u32 = 16 << 10;

pub(crate) type Connection = SendRequest<Full<Bytes>>;

#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    #[error("no connection to {address}")]
    Dial {
        address: CollectorAddress,
        #[source]
        source: std::io::Error,
    },
    #[error("no TLS with {address}")]
    Tls {
        address: CollectorAddress,
        #[source]
        source: std::io::Error,
    },
    #[error("the HTTP/2 exchange with {address} broke off")]
    Http {
        address: CollectorAddress,
        #[source]
        source: hyper::Error,
    },
    #[error("{address} did not answer in time ({what})")]
    Time { address: CollectorAddress, what: &'static str },
    #[error("the answer of {address} broke off or is over {ANSWER_BYTES_MAX} bytes")]
    Answer { address: CollectorAddress },
}

/// Why one side does not trust the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Distrust {
    /// The collector's certificate is not from the authority that this host enrolled with.
    OtherAuthority,
    /// The collector's certificate is not valid at this host's time.
    Clock,
    /// The collector says that this host's certificate has run out.
    CertificateExpired,
    /// The collector does not know who signed this host's certificate.
    CertificateForeign,
}

/// How rustls words an alert of the other side; hyper keeps the words of an error only.
const ALERT: &str = "received fatal alert: ";

impl LinkError {
    /// What a broken handshake or connection says about trust, if it does.
    pub(crate) fn distrust(&self) -> Option<Distrust> {
        if let Self::Tls { source, .. } = self {
            let reason = source.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
            if let Some(rustls::Error::InvalidCertificate(reason)) = reason {
                return Some(match reason {
                    CertificateError::Expired
                    | CertificateError::ExpiredContext { .. }
                    | CertificateError::NotValidYet
                    | CertificateError::NotValidYetContext { .. } => Distrust::Clock,
                    _ => Distrust::OtherAuthority,
                });
            }
        }
        // With TLS 1.3 a client learns only after the handshake what the server thinks of its certificate.
        let text = crate::chain(self);
        let alert = text.split(ALERT).nth(1)?;
        let word = alert.split(|c: char| !c.is_ascii_alphanumeric()).next()?;
        match word {
            "CertificateExpired" => Some(Distrust::CertificateExpired),
            "UnknownCA" | "UnknownCa" | "DecryptError" | "BadCertificate" => {
                Some(Distrust::CertificateForeign)
            }
            _ => None,
        }
    }
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Bytes,
}

impl Answer {
    /// What a collector says is wrong, or its bare status.
    pub(crate) fn error_text(&self) -> String {
        self.refusal().map_or_else(|| format!("HTTP status {}", self.status), |it| it.error)
    }

    /// The name under which the collector counts it.
    pub(crate) fn reason(&self) -> String {
        self.refusal().and_then(|refusal| refusal.reason).unwrap_or_default()
    }

    fn refusal(&self) -> Option<Refusal> {
        serde_json::from_slice(&self.body).ok()
    }
}

#[derive(serde::Deserialize)]
struct Refusal {
    error: String,
    /// Older collectors do not tell it.
    #[serde(default)]
    reason: Option<String>,
}

/// Dials, shakes hands, and leaves the connection running beside.
pub(crate) async fn connect(
    address: &CollectorAddress,
    config: Arc<ClientConfig>,
) -> Result<Connection, LinkError> {
    let made = tokio::time::timeout(CONNECT_TIME_MAX, dial(address, config)).await;
    made.unwrap_or_else(|_| Err(LinkError::Time { address: address.clone(), what: "connecting" }))
}

async fn dial(
    address: &CollectorAddress,
    config: Arc<ClientConfig>,
) -> Result<Connection, LinkError> {
    let of = || address.clone();
    let stream = TcpStream::connect(address.as_str()).await;
    let stream = stream.map_err(|source| LinkError::Dial { address: of(), source })?;
    stream.set_nodelay(true).map_err(|source| LinkError::Dial { address: of(), source })?;
    let name = ServerName::try_from(COLLECTOR_NAME).map_err(std::io::Error::other);
    let tls = async { TlsConnector::from(config).connect(name?, stream).await };
    let tls = tls.await.map_err(|source| LinkError::Tls { address: of(), source })?;
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES)
        .max_send_buf_size(WINDOW_BYTES as usize)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIME_MAX)
        .keep_alive_while_idle(true);
    let (sender, connection) = builder
        .handshake(TokioIo::new(tls))
        .await
        .map_err(|source| LinkError::Http { address: of(), source })?;
    let address = of();
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%address, error = crate::chain(&error), "the connection ended");
        }
    });
    Ok(sender)
}

/// Sends one request and reads its whole answer.
pub(crate) async fn post(
    connection: &mut Connection,
    address: &CollectorAddress,
    path: &str,
    content_type: &'static str,
    body: Bytes,
) -> Result<Answer, LinkError> {
    let exchange = exchange(connection, address, path, content_type, body);
    let answer = tokio::time::timeout(REQUEST_TIME_MAX, exchange).await;
    answer
        .unwrap_or_else(|_| Err(LinkError::Time { address: address.clone(), what: path_of(path) }))
}

async fn exchange(
    connection: &mut Connection,
    address: &CollectorAddress,
    path: &str,
    content_type: &'static str,
    body: Bytes,
) -> Result<Answer, LinkError> {
    let http = |source| LinkError::Http { address: address.clone(), source };
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("https://{COLLECTOR_NAME}{path}"))
        .header(CONTENT_TYPE, content_type)
        .body(Full::new(body))
        .map_err(|_| LinkError::Answer { address: address.clone() })?;
    connection.ready().await.map_err(http)?;
    let response = connection.send_request(request).await.map_err(http)?;
    let status = response.status();
    let retry_after = response.headers().get(RETRY_AFTER);
    let retry_after = retry_after.and_then(|value| value.to_str().ok()?.parse().ok());
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
    let body = body.map_err(|_| LinkError::Answer { address: address.clone() })?.to_bytes();
    Ok(Answer { status, retry_after: retry_after.map(Duration::from_secs), body })
}

fn path_of(path: &str) -> &'static str {
    match path {
        "/v1/enrol" => "enrolment",
        "/v1/renew" => "renewal",
        _ => "reports",
    }
}
