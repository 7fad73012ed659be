//! One request to a target, and what its answer means.
//! Promises: nothing is called refused unless the target said so; tokens and passwords are read at each use, so a new one needs
//! no restart. Leaves to others: certificates and keys (`connections`).

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use collector_remote_write::Version;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use reqwest::{RequestBuilder, Response, StatusCode};

use super::config::{Credentials, Target};
use super::connections::{self, ClientError, Connections};

/// As much of a refusal's body as goes into the log and the status.
const TEXT_BYTES_MAX: usize = 512;

/// How much of version 2 was written (prometheus.io/docs/specs/prw/remote_write_spec_2_0, "Required Written Response Headers").
const SAMPLES_WRITTEN: &str = "x-prometheus-remote-write-samples-written";

/// What a target says to a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// So many of its samples are written.
    Taken(u64),
    /// To be sent again, when the target asked for a wait not before that.
    Later { why: String, after: Option<Duration> },
    /// It will never be taken. `smaller` says that a part of it may be.
    Refused { why: String, smaller: bool },
}

/// Requests to one target.
#[derive(Clone, Debug)]
pub(super) struct Http {
    connections: Connections,
    target: Arc<Target>,
}

impl Http {
    pub(super) fn new(target: &Arc<Target>) -> Result<Self, ClientError> {
        Ok(Self { connections: Connections::new(target)?, target: Arc::clone(target) })
    }

    /// Sends a body of so many samples.
    pub(super) async fn send(&self, body: Bytes, samples: u64) -> Answer {
        let version = self.target.version;
        let client = self.connections.client().await;
        let request = client
            .post(self.target.url.clone())
            .headers(self.target.headers.clone())
            .header(CONTENT_TYPE, version.content_type())
            .header(CONTENT_ENCODING, "snappy")
            .header("X-Prometheus-Remote-Write-Version", version.header())
            .body(body);
        let request = match self.authorized(request).await {
            Ok(request) => request,
            Err(why) => return Answer::Later { why, after: None },
        };
        match request.send().await {
            Ok(answer) => judge(answer, version, samples).await,
            Err(error) => {
                let why = crate::describe(&error.without_url());
                Answer::Later { why, after: None }
            }
        }
    }

    async fn authorized(&self, request: RequestBuilder) -> Result<RequestBuilder, String> {
        match &self.target.credentials {
            Credentials::None => Ok(request),
            Credentials::Basic { username, password_file } => {
                Ok(request.basic_auth(username, Some(secret(password_file).await?)))
            }
            Credentials::Bearer { token_file } => {
                Ok(request.bearer_auth(secret(token_file).await?))
            }
        }
    }
}

/// Whether the token or password can be read now; a target without it is tried and fails.
pub(super) fn check_secret(target: &Target) -> Result<(), ClientError> {
    match &target.credentials {
        Credentials::None => Ok(()),
        Credentials::Basic { password_file: file, .. }
        | Credentials::Bearer { token_file: file } => connections::read(file).map(drop),
    }
}

async fn secret(file: &Path) -> Result<String, String> {
    let text = tokio::fs::read_to_string(file).await;
    let text = text.map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
    Ok(text.trim().to_owned())
}

async fn judge(answer: Response, version: Version, samples: u64) -> Answer {
    let status = answer.status();
    if status.is_success() {
        return taken(&answer, version, samples);
    }
    if status.is_redirection() {
        let place = answer.headers().get(LOCATION).and_then(|place| place.to_str().ok());
        let why = format!("{status}: it redirects to {}", place.unwrap_or("nowhere"));
        return Answer::Later { why, after: None };
    }
    let after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let after = after.and_then(|text| retry_after(text, crate::clock::now_ms()));
    let why = format!("{status}: {}", text(answer).await);
    // A request that came too slowly is not refused, and one of an unknown kind is a matter of `version`: both are
    // mended without a loss.
    let later = [
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::REQUEST_TIMEOUT,
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
    ];
    if status.is_server_error() || later.contains(&status) {
        return Answer::Later { why, after };
    }
    // 409 is how Thanos calls samples out of their order, or twice.
    let of_samples = [
        StatusCode::BAD_REQUEST,
        StatusCode::CONFLICT,
        StatusCode::PAYLOAD_TOO_LARGE,
        StatusCode::UNPROCESSABLE_ENTITY,
    ];
    Answer::Refused { why, smaller: of_samples.contains(&status) }
}

/// Who answers version 2 without a count took it for version 1, in which it is empty.
fn taken(answer: &Response, version: Version, samples: u64) -> Answer {
    if version == Version::One {
        return Answer::Taken(samples);
    }
    let written = answer.headers().get(SAMPLES_WRITTEN).and_then(|value| value.to_str().ok());
    match written.and_then(|text| text.trim().parse::<u64>().ok()) {
        Some(written) => Answer::Taken(written.min(samples)),
        None => Answer::Later {
            why: "it does not say how many samples it wrote, so it does not speak version 2 of \
                  remote write: set version to 1"
                .to_owned(),
            after: None,
        },
    }
}

/// Seconds, or a date (RFC 9110, section 10.2.3).
fn retry_after(text: &str, now_ms: agent_model::Millis) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::parse(text.trim()).ok()?.timestamp().as_millisecond();
    Some(Duration::from_millis(u64::try_from(at.saturating_sub(now_ms)).unwrap_or(0)))
}

async fn text(mut answer: Response) -> String {
    let mut body = Vec::new();
    while body.len() < TEXT_BYTES_MAX {
        let Ok(Some(chunk)) = answer.chunk().await else { break };
        body.extend_from_slice(&chunk);
    }
    body.truncate(TEXT_BYTES_MAX);
    let text = String::from_utf8_lossy(&body);
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_asked_for_in_seconds_or_until_a_date() {
        let after = |text| retry_after(text, 784_111_770_000);
        assert_eq!(after(" 120 "), Some(Duration::from_secs(120)));
        assert_eq!(after("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::from_secs(7)));
        assert_eq!(after("Sat, 06 Nov 1993 08:49:37 GMT"), Some(Duration::ZERO));
        assert_eq!(after("soon"), None);
    }
}
