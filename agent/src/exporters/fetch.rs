//! One request to an exporter, and its body.
//! Promises: ends within its time; no more of a body is read or unpacked than its bound; a connection is used again
//! while the exporter keeps it; secrets are read anew every time. Leaves to others: what stands in the body.

use std::error::Error;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use flate2::write::GzDecoder;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};

use super::exposition::Format;
use crate::probe::certificate::{Recorder, Terms, client_config};
use crate::probe::http::chain;

/// What we read, best first.
const ACCEPTED: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                        application/openmetrics-text;version=1.0.0;q=0.5,\
                        text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
                        text/plain;version=0.0.4;q=0.3,*/*;q=0.1";

/// An exporter that sends us elsewhere does it once, or is set up wrongly.
const REDIRECTS_MAX: usize = 5;

/// A password or token is a line.
const SECRET_BYTES_MAX: u64 = 16 << 10;

/// What is taken for a body before its length is known.
const BODY_BYTES_FIRST: usize = 16 << 10;

/// Why there is no body.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("the secret in {} cannot be used", path.display())]
    Secret {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("no complete answer within {} s", after.as_secs_f64())]
    Timeout { after: Duration },
    #[error("the connection is not safe: {0}")]
    Tls(String),
    #[error("redirected too often: {0}")]
    Redirect(String),
    #[error("no answer: {0}")]
    Connect(String),
    #[error("the answer breaks off: {0}")]
    Broken(String),
    #[error("answered {0} instead of 200")]
    Status(u16),
    #[error("the answer is {0:?}, neither Prometheus' text format nor OpenMetrics")]
    ContentType(String),
    #[error("the body is packed with {0:?}, which was not asked for")]
    Encoding(String),
    #[error("the body has more than {max} bytes (body_bytes_max)")]
    TooLarge { max: usize },
}

/// Who we say we are.
#[derive(Clone, Debug)]
pub(super) enum Credentials {
    None,
    Basic(String, PathBuf),
    Bearer(PathBuf),
}

/// A client, and what it saw of certificates.
#[derive(Clone, Debug)]
pub(super) struct Link {
    client: Client,
    seen: Arc<Recorder>,
}

/// Everything about one exporter that a request needs.
#[derive(Clone, Debug)]
pub(super) struct Fetch {
    pub(super) url: Url,
    pub(super) timeout: Duration,
    pub(super) credentials: Credentials,
    pub(super) body_bytes_max: usize,
    /// Not worth the processor's time on this very host.
    pub(super) packed: bool,
    pub(super) link: Link,
}

impl Link {
    /// A client with its TLS; plain HTTP needs none and may share one.
    pub(super) fn new(terms: Terms) -> Result<Self, String> {
        let (tls, seen) = client_config(terms).map_err(|error| error.to_string())?;
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .no_proxy()
            .http1_only()
            .pool_max_idle_per_host(1)
            .redirect(Policy::limited(REDIRECTS_MAX))
            .user_agent(concat!("haidang-agent/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| chain(&error))?;
        Ok(Self { client, seen })
    }
}

impl Fetch {
    /// The body, and how it is written.
    pub(super) async fn run(&self) -> Result<(Format, Vec<u8>), FetchError> {
        self.link.seen.reset();
        let limited = tokio::time::timeout(self.timeout, self.request()).await;
        limited.unwrap_or(Err(FetchError::Timeout { after: self.timeout }))
    }

    async fn request(&self) -> Result<(Format, Vec<u8>), FetchError> {
        let seconds = self.timeout.as_secs_f64().to_string();
        let request = self
            .link
            .client
            .get(self.url.clone())
            .header(ACCEPT, ACCEPTED)
            .header(ACCEPT_ENCODING, if self.packed { "gzip" } else { "identity" })
            .header("X-Prometheus-Scrape-Timeout-Seconds", seconds);
        let sent = self.credentials.add_to(request)?.send().await;
        let response = sent.map_err(|error| self.explain(&error.without_url()))?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status().as_u16()));
        }
        let format = format(response.headers())?;
        let packed = match header(response.headers(), CONTENT_ENCODING).as_str() {
            "" | "identity" => false,
            "gzip" => true,
            other => return Err(FetchError::Encoding(other.to_owned())),
        };
        Ok((format, self.body(response, packed).await?))
    }

    async fn body(&self, mut response: Response, packed: bool) -> Result<Vec<u8>, FetchError> {
        let too_large = || FetchError::TooLarge { max: self.body_bytes_max };
        let told = response.content_length().and_then(|told| usize::try_from(told).ok());
        if !packed && told.is_some_and(|told| told > self.body_bytes_max) {
            return Err(too_large());
        }
        let room = told.unwrap_or(BODY_BYTES_FIRST).min(self.body_bytes_max);
        let mut body = Bounded { bytes: Vec::with_capacity(room), max: self.body_bytes_max };
        let broken = |error: reqwest::Error| FetchError::Broken(chain(&error.without_url()));
        if !packed {
            while let Some(chunk) = response.chunk().await.map_err(broken)? {
                body.write_all(&chunk).map_err(|_| too_large())?;
            }
            return Ok(body.bytes);
        }
        let mut unpacked = GzDecoder::new(body);
        let wrong = |error: io::Error| match error.kind() {
            io::ErrorKind::FileTooLarge => too_large(),
            _ => FetchError::Broken(format!("its packing is damaged: {error}")),
        };
        while let Some(chunk) = response.chunk().await.map_err(broken)? {
            unpacked.write_all(&chunk).map_err(wrong)?;
        }
        Ok(unpacked.finish().map_err(wrong)?.bytes)
    }

    /// What is wrong with a certificate says more than that the handshake failed.
    fn explain(&self, error: &reqwest::Error) -> FetchError {
        if let Some(failure) = self.link.seen.seen().failure {
            return FetchError::Tls(failure);
        }
        let text = chain(error);
        if error.is_redirect() {
            return FetchError::Redirect(text);
        }
        if is_tls(error) { FetchError::Tls(text) } else { FetchError::Connect(text) }
    }
}

/// Whether rustls is among the causes; an I/O error does not name what it wraps as its source.
fn is_tls(error: &(dyn Error + 'static)) -> bool {
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    error.is::<rustls::Error>()
        || wrapped.is_some_and(|wrapped| is_tls(wrapped))
        || error.source().is_some_and(is_tls)
}

impl Credentials {
    fn add_to(&self, request: RequestBuilder) -> Result<RequestBuilder, FetchError> {
        let read = |path: &Path| {
            secret(path).map_err(|source| FetchError::Secret { path: path.to_owned(), source })
        };
        Ok(match self {
            Self::None => request,
            Self::Basic(name, file) => request.basic_auth(name, Some(read(file)?)),
            Self::Bearer(file) => request.bearer_auth(read(file)?),
        })
    }
}

/// The first line of a file that holds a secret.
pub(super) fn secret(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(SECRET_BYTES_MAX + 1).read_to_string(&mut text)?;
    let secret = text.trim_end_matches(['\r', '\n']);
    let line = !secret.is_empty() && secret.len() as u64 <= SECRET_BYTES_MAX;
    if line && !secret.contains(|c: char| c.is_control()) {
        return Ok(secret.to_owned());
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "it must hold one line of text"))
}

/// What the content type says; without one it is Prometheus' text.
fn format(headers: &HeaderMap) -> Result<Format, FetchError> {
    let whole = header(headers, CONTENT_TYPE);
    match whole.split(';').next().unwrap_or_default().trim() {
        "application/openmetrics-text" => Ok(Format::OpenMetrics),
        "" | "text/plain" => Ok(Format::Text),
        _ => Err(FetchError::ContentType(whole.chars().take(80).collect())),
    }
}

fn header(headers: &HeaderMap, name: reqwest::header::HeaderName) -> String {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().trim().to_ascii_lowercase()
}

/// Bytes up to a bound.
struct Bounded {
    bytes: Vec<u8>,
    max: usize,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.max - self.bytes.len() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
