//! The agent's own page, on loopback: `/metrics` is the last reading, `/-/ready` whether there is one.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use crate::spool::MetricsReading;
use crate::text_format;

/// Connections at once: a scraper, a person and some to spare.
const CONNECTIONS_MAX: usize = 8;

/// A client that sends no request in this time is let go.
const HEADER_TIME_MAX: Duration = Duration::from_secs(5);

/// The last reading, once there is one.
pub(crate) type LastReading = watch::Receiver<Option<Arc<MetricsReading>>>;

pub(crate) async fn serve(listener: TcpListener, last: LastReading, shutdown: CancellationToken) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.cancelled() => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                let last = last.clone();
                tokio::spawn(async move {
                    answer(stream, peer, last).await;
                    drop(place);
                });
            }
            Err(error) => {
                // Out of file descriptors, mostly: others need them more.
                tracing::warn!(%error, "the agent's page could not take a connection");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn answer(stream: TcpStream, peer: SocketAddr, last: LastReading) {
    let service = service_fn(|request| {
        let response = route(&request, &last);
        async { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME_MAX)
        .max_buf_size(16 << 10)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%peer, %error, "a connection to the agent's page ended");
    }
}

fn route(request: &Request<Incoming>, last: &LastReading) -> Response<Full<Bytes>> {
    let (status, text) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/metrics") => (StatusCode::OK, metrics(last)),
        (&Method::GET, "/-/ready") if last.borrow().is_some() => {
            (StatusCode::OK, "ready\n".to_owned())
        }
        (&Method::GET, "/-/ready") => {
            (StatusCode::SERVICE_UNAVAILABLE, "no reading has been made yet\n".to_owned())
        }
        _ => (StatusCode::NOT_FOUND, "here are only /metrics and /-/ready\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let plain = hyper::header::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}

fn metrics(last: &LastReading) -> String {
    let last = last.borrow().clone();
    let mut text = String::new();
    // Writing to a string cannot fail.
    let samples = last.iter().flat_map(|reading| reading.samples());
    text_format::write(samples, &mut text).unwrap_or_default();
    text
}
