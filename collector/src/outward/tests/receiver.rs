//! A small HTTP server that remembers what it took, and answers as it is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use agent_model::Sample;
use collector_remote_write::{Push, Version, decode, labels};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// An answer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Say {
    Status {
        status: u16,
        headers: &'static str,
        body: &'static str,
    },
    /// What it was sent is taken, and nobody is told.
    TakenInSilence,
    Never,
    Rubbish,
}

impl Say {
    pub(super) fn status(status: u16) -> Self {
        Self::Status { status, headers: "", body: "no" }
    }
}

#[derive(Debug, Default)]
struct State {
    script: VecDeque<Say>,
    /// Requests with a series that begins so are answered with this status.
    refused: Option<(&'static str, u16)>,
    requests: usize,
    /// Of the last request, in lower case.
    head: String,
    taken: Vec<(String, Sample)>,
}

#[derive(Clone, Debug)]
pub(super) struct Receiver {
    address: std::net::SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Receiver {
    pub(super) async fn new() -> Self {
        Self::behind(None).await
    }

    /// The same behind TLS, where that is given.
    pub(super) async fn behind(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let receiver = Self { address, state: Arc::default() };
        let server = receiver.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (server, tls) = (server.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => server.serve(stream).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                server.serve(stream).await;
                            }
                        }
                    }
                });
            }
        });
        receiver
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/api/v1/write", self.address)
    }

    /// The next answers; after them everything is taken.
    pub(super) fn will_say(&self, script: Vec<Say>) {
        self.state().script = script.into();
    }

    pub(super) fn refuse(&self, series: &'static str, status: u16) {
        self.state().refused = Some((series, status));
    }

    pub(super) fn requests(&self) -> usize {
        self.state().requests
    }

    /// The last request's head, in lower case.
    pub(super) fn head(&self) -> String {
        self.state().head.clone()
    }

    /// Series and samples in the order in which they were taken.
    pub(super) fn taken(&self) -> Vec<(String, Sample)> {
        self.state().taken.clone()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Requests of one connection, until it ends.
    async fn serve(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        let mut bytes = Vec::new();
        loop {
            let head = loop {
                if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                    break end + 4;
                }
                if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                    return;
                }
            };
            let text = String::from_utf8_lossy(&bytes[..head]).to_lowercase();
            self.state().head = text.clone();
            let header = |name: &str| {
                let line = text.lines().find_map(|line| line.strip_prefix(name));
                line.unwrap_or_default().trim().to_owned()
            };
            let length: usize = header("content-length:").parse().unwrap();
            while bytes.len() < head + length {
                stream.read_buf(&mut bytes).await.unwrap();
            }
            let version = match header("content-type:").contains("v2") {
                true => Version::Two,
                false => Version::One,
            };
            let push = decode(&bytes[head..head + length], version).unwrap();
            bytes.drain(..head + length);
            let answer = match self.answer(&push) {
                Say::Status { status, headers, body } => {
                    let length = body.len();
                    format!(
                        "HTTP/1.1 {status} x\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
                    )
                }
                Say::Rubbish => "rubbish\r\n\r\n".to_owned(),
                Say::Never | Say::TakenInSilence => {
                    tokio::time::sleep(Duration::from_secs(60)).await;
                    return;
                }
            };
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }

    fn answer(&self, push: &Push) -> Say {
        let mut state = self.state();
        state.requests += 1;
        let series = push.series().map(|series| {
            let labels = labels(series.labels).unwrap().to_string();
            series.samples.iter().map(move |sample| (labels.clone(), *sample)).collect::<Vec<_>>()
        });
        let samples: Vec<_> = series.flatten().collect();
        let say =
            state.script.pop_front().unwrap_or(Say::Status { status: 204, headers: "", body: "" });
        if let Some((begin, status)) = state.refused
            && samples.iter().any(|(labels, _)| labels.starts_with(begin))
        {
            return Say::Status { status, headers: "", body: "nothing for you" };
        }
        if matches!(say, Say::Status { status: 204, .. } | Say::TakenInSilence) {
            state.taken.extend(samples);
        }
        say
    }
}
