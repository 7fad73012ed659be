//! One HTTP or HTTPS request, and whether the answer is as it should be.
//! Promises: ends within its time limit; reads no more of the body than its bound; a new connection every time, so that
//! the certificate is looked at every time; no proxy of the environment is used.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use regex::bytes::Regex;
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use rustls::RootCertStore;

use super::Answer;
use super::certificate::{Recorder, Terms, client_config};
use crate::clock::Clock;

/// A request that is ready to be made.
#[derive(Clone, Debug)]
pub(super) struct HttpProbe {
    pub(super) url: Url,
    pub(super) timeout: Duration,
    /// Empty: any of 200 to 299.
    pub(super) status: Vec<u16>,
    pub(super) body_matches: Option<Regex>,
    pub(super) body_bytes_max: u64,
    pub(super) redirects_max: usize,
    pub(super) roots: Arc<RootCertStore>,
    pub(super) skip_verification: bool,
}

impl HttpProbe {
    pub(super) async fn run(&self, clock: Clock) -> Answer {
        let mut answer = Answer::default();
        let started = clock.instant();
        let skip_verification = self.skip_verification;
        let terms = Terms { skip_verification, ..Terms::of(Arc::clone(&self.roots)) };
        let (tls, recorder) = match client_config(terms) {
            Ok(made) => made,
            Err(error) => return answer.failed(format!("TLS cannot be set up: {error}")),
        };
        let limited = tokio::time::timeout(self.timeout, self.request(tls, &mut answer)).await;
        answer.duration = clock.instant().saturating_duration_since(started);
        let outcome = limited.unwrap_or_else(|_| Err(self.too_slow()));
        self.finish(answer, outcome, &recorder)
    }

    fn finish(&self, mut answer: Answer, outcome: Result<(), String>, seen: &Recorder) -> Answer {
        let seen = seen.seen();
        answer.certificate_expiry_ms = seen.expiry_ms;
        match (seen.failure, outcome) {
            // What is wrong with the certificate says more than that the handshake failed.
            (Some(failure), _) | (None, Err(failure)) => answer.failed(failure),
            (None, Ok(())) => {
                answer.success = true;
                answer
            }
        }
    }

    async fn request(&self, tls: rustls::ClientConfig, answer: &mut Answer) -> Result<(), String> {
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .no_proxy()
            .http1_only()
            .pool_max_idle_per_host(0)
            .redirect(self.redirects())
            .user_agent(concat!("haidang-agent/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| chain(&error))?;
        let sent = client.get(self.url.clone()).send().await;
        let mut response = sent.map_err(|error| chain(&error.without_url()))?;
        let status = response.status().as_u16();
        answer.http_status = Some(status);
        let expected = match self.status.as_slice() {
            [] => response.status().is_success(),
            wanted => wanted.contains(&status),
        };
        if !expected {
            return Err(format!("answered {status} instead of {}", self.wanted()));
        }
        let mut body = Vec::new();
        let mut whole = true;
        while let Some(chunk) =
            response.chunk().await.map_err(|error| chain(&error.without_url()))?
        {
            let read = u64::try_from(body.len()).unwrap_or(u64::MAX);
            let room = usize::try_from(self.body_bytes_max.saturating_sub(read));
            let room = room.unwrap_or(usize::MAX);
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if chunk.len() > room {
                whole = false;
                break;
            }
        }
        match &self.body_matches {
            Some(wanted) if !wanted.is_match(&body) => {
                let part = if whole { "" } else { "the beginning of " };
                let bytes = body.len();
                Err(format!("{wanted:?} is not in {part}the body ({bytes} bytes were read)"))
            }
            _ => Ok(()),
        }
    }

    /// A redirect that is itself the wanted answer is not followed.
    fn redirects(&self) -> Policy {
        let (wanted, redirects_max) = (self.status.clone(), self.redirects_max);
        Policy::custom(move |attempt| {
            if wanted.contains(&attempt.status().as_u16()) {
                attempt.stop()
            } else if attempt.previous().len() > redirects_max {
                attempt.error(format!("redirected more than {redirects_max} times"))
            } else {
                attempt.follow()
            }
        })
    }

    fn wanted(&self) -> String {
        match self.status.as_slice() {
            [] => "200 to 299".to_owned(),
            wanted => wanted.iter().map(u16::to_string).collect::<Vec<_>>().join(" or "),
        }
    }

    fn too_slow(&self) -> String {
        format!("no complete answer within {} s", self.timeout.as_secs_f64())
    }
}

/// The innermost causes say what happened; each is told once.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let part = error.to_string();
        if !parts.iter().any(|said| said.contains(&part)) {
            parts.push(part);
        }
        next = error.source();
    }
    parts.join(": ")
}
