//! Accepting connections: TLS or plain, bounded in number and in time, each handed to an axum router.
//!
//! Promises: at most `connections_max` at once (a further one waits in the kernel's queue); a handshake, the headers and
//! a quiet connection each have a time limit, so a slow-loris holds its place for seconds, not for ever;
//! one connection's error ends that connection only. A request's [`Peer`] says who is at the other end.
//! Leaves to others: what a request may do.

mod handshake;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use agent_model::HostId;
use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use prometheus::IntCounterVec;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use self::handshake::meaning;
use self::prompt::Prompt;
use crate::authority;

mod prompt;

/// A TLS handshake over a poor line takes under two seconds.
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);

/// The headers of a request, from its first byte (HTTP/1) or from the start of the connection.
const HEADERS_TIME_MAX: Duration = Duration::from_secs(15);

/// A connection that answers no ping for this long is gone (HTTP/2).
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIME_MAX: Duration = Duration::from_secs(20);

/// Requests at once on one HTTP/2 connection: an agent uses two.
const STREAMS_MAX: u32 = 16;

/// Headers of a request, all together.
const HEADER_BYTES_MAX: u32 = 16 << 10;

/// How long connections may finish what they began after the stop signal.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(5);

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    pub address: SocketAddr,
    /// Whether it is this machine.
    pub is_here: bool,
    /// From a certificate that this collector's CA signed and that is valid now.
    pub identity: Option<Identity>,
}

/// A verified client certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub host: HostId,
    /// Hexadecimal SHA-256 of the certificate.
    pub fingerprint: String,
}

/// Everything an accept loop needs.
pub struct Listener {
    pub socket: TcpListener,
    /// `None` speaks plain HTTP: loopback only, which the configuration checks.
    pub tls: Option<TlsAcceptor>,
    pub router: Router,
    pub connections_max: usize,
    /// Counts connections that ended before a request, by `reason`.
    pub refused: IntCounterVec,
    /// `agents` or `web`, for the log.
    pub name: &'static str,
}

impl Listener {
    /// Serves until `stop` turns true, then lets open requests finish for some seconds.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let Self { socket, tls, router, connections_max, refused, name } = self;
        let places = Arc::new(Semaphore::new(connections_max));
        let drained = tokio_util::task::TaskTracker::new();
        loop {
            let accepted = tokio::select! {
                accepted = accept(&socket, &places) => accepted,
                () = stopped(&mut stop) => break,
            };
            let (stream, address, place) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors or the like: the others go on, and we try again in a moment.
                    tracing::warn!(listener = name, %error, "a connection could not be accepted");
                    refused.with_label_values(&["accept"]).inc();
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let connection = Connection {
                tls: tls.clone(),
                router: router.clone(),
                refused: refused.clone(),
                stop: stop.clone(),
                address,
                name,
            };
            drained.spawn(async move {
                connection.serve(stream).await;
                drop(place);
            });
        }
        drop(socket);
        drained.close();
        if tokio::time::timeout(DRAIN_TIME_MAX, drained.wait()).await.is_err() {
            tracing::warn!(
                listener = name,
                open = drained.len(),
                "connections were cut at the stop"
            );
        }
    }
}

/// Resolves when the stop signal is given, or when its giver is gone.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}

async fn accept(
    socket: &TcpListener,
    places: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, address) = socket.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, address, place))
}

struct Connection {
    tls: Option<TlsAcceptor>,
    router: Router,
    refused: IntCounterVec,
    stop: watch::Receiver<bool>,
    address: SocketAddr,
    name: &'static str,
}

impl Connection {
    async fn serve(self, stream: TcpStream) {
        // Who asks for an address of this machine from this machine comes from that address.
        let own = stream.local_addr().map(|own| own.ip());
        let from = self.address.ip().to_canonical();
        let is_here = from.is_loopback() || own.is_ok_and(|own| own.to_canonical() == from);
        let Some(tls) = &self.tls else {
            let peer = Peer { address: self.address, is_here, identity: None };
            return self.speak(stream, peer).await;
        };
        let accepting = async {
            if handshake::speaks_http(&stream).await {
                return Err(stream);
            }
            Ok(tls.accept(stream).into_fallible().await)
        };
        match tokio::time::timeout(HANDSHAKE_TIME_MAX, accepting).await {
            Ok(Ok(Ok(stream))) => {
                let certificates = stream.get_ref().1.peer_certificates();
                let identity = certificates.and_then(<[_]>::first).and_then(|certificate| {
                    let fingerprint = authority::fingerprint(certificate);
                    Some(Identity { host: authority::host_of(certificate)?, fingerprint })
                });
                let peer = Peer { address: self.address, is_here, identity };
                self.speak(stream, peer).await;
            }
            Ok(Ok(Err((error, stream)))) => {
                let (reason, meaning) = meaning(&error);
                self.refused.with_label_values(&[reason]).inc();
                tracing::warn!(
                    listener = self.name, from = %self.address, reason, %error,
                    "a TLS handshake failed: {meaning}"
                );
                handshake::part(stream).await;
            }
            Ok(Err(stream)) => {
                self.refused.with_label_values(&["plain_http"]).inc();
                tracing::warn!(listener = self.name, from = %self.address, "plain HTTP came to a port of TLS");
                handshake::send_to_https(stream).await;
            }
            Err(_) => {
                self.refused.with_label_values(&["handshake_timeout"]).inc();
                tracing::warn!(listener = self.name, from = %self.address, "a TLS handshake took too long");
            }
        }
    }

    async fn speak(
        mut self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: Peer,
    ) {
        let router = self.router.clone();
        let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(peer.clone());
            router.clone().oneshot(request)
        });
        let builder = builder();
        let stream = Prompt::new(stream, HEADERS_TIME_MAX);
        let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
        tokio::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = stopped(&mut self.stop) => {
                connection.as_mut().graceful_shutdown();
                connection.as_mut().await
            }
        };
        if let Err(error) = ended {
            self.refused.with_label_values(&["connection"]).inc();
            tracing::debug!(listener = self.name, from = %self.address, %error, "a connection broke");
        }
    }
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_TIME_MAX)
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADER_BYTES_MAX)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIME_MAX);
    builder
}
