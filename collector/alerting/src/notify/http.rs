//! Requests to receivers: what `http_config` asks for, one answer of bounded length, and how long a receiver asks to wait.
//! Leaves to each channel: what it says, and what counts as taken beside the status.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Client, RequestBuilder, Response};

use crate::routing::{Authorization, HttpOptions};

use super::retry_after::retry_after;
use super::{SendError, clients, secret};

/// One request, from the connection to the end of the answer.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// As much of an answer as is read: those of all channels are some hundred bytes.
const ANSWER_BYTES_MAX: usize = 16 << 10;

/// As much of a refusal as goes into the record of the attempt.
const REFUSAL_BYTES_MAX: usize = 512;

pub(super) struct Http {
    client: Client,
    options: HttpOptions,
    timeout: Duration,
}

/// A request as a template made it.
pub(super) struct Request {
    pub(super) method: reqwest::Method,
    pub(super) url: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Option<String>,
}

/// What came back, whatever it says.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) is_json: bool,
    pub(super) body: Vec<u8>,
    retry_after: Option<Duration>,
}

impl Http {
    pub(super) fn new(options: HttpOptions, timeout: Option<Duration>) -> Result<Self, SendError> {
        let timeout = timeout.unwrap_or(REQUEST_TIMEOUT);
        Ok(Self { client: clients::client(&options)?, options, timeout })
    }

    /// Posts JSON under the key that is the same in every attempt.
    pub(super) async fn post(
        &self,
        url: String,
        idempotency_key: &str,
        body: &impl serde::Serialize,
    ) -> Result<Answer, SendError> {
        let body = serde_json::to_vec(body);
        let body = body.map_err(|error| SendError::Setup(format!("the body: {error}")))?;
        self.post_written(url, idempotency_key, body).await
    }

    /// The same of JSON as bytes.
    pub(super) async fn post_written(
        &self,
        url: String,
        idempotency_key: &str,
        json: Vec<u8>,
    ) -> Result<Answer, SendError> {
        let request = self.client.post(url).header("Idempotency-Key", idempotency_key);
        self.send(request.header(CONTENT_TYPE, "application/json").body(json)).await
    }

    pub(super) async fn get(&self, url: String) -> Result<Answer, SendError> {
        self.send(self.client.get(url)).await
    }

    /// The same for a request of any kind.
    pub(super) async fn request(
        &self,
        idempotency_key: &str,
        request: Request,
    ) -> Result<Answer, SendError> {
        let mut built = self.client.request(request.method, request.url);
        built = built.header("Idempotency-Key", idempotency_key);
        for (name, value) in request.headers {
            built = built.header(name, value);
        }
        if let Some(body) = request.body {
            built = built.body(body);
        }
        self.send(built).await
    }

    async fn send(&self, request: RequestBuilder) -> Result<Answer, SendError> {
        let request = self.authorized(request).await?.timeout(self.timeout);
        // Of an address the path is often the key to it.
        let answer = request.send().await.map_err(|error| SendError::Http(error.without_url()))?;
        Ok(Answer::read(answer).await)
    }

    async fn authorized(&self, mut request: RequestBuilder) -> Result<RequestBuilder, SendError> {
        for (name, value) in &self.options.headers {
            request = request.header(name, secret::read("a header", value).await?);
        }
        match &self.options.authorization {
            None => Ok(request),
            Some(Authorization::Header { scheme, credentials }) => {
                let credentials = secret::read("the credentials", credentials).await?;
                Ok(request.header(AUTHORIZATION, format!("{scheme} {credentials}")))
            }
            Some(Authorization::Basic { username, password }) => {
                let username = secret::read("the user's name", username).await?;
                let password = secret::read("the password", password).await?;
                Ok(request.basic_auth(username, Some(password)))
            }
        }
    }
}

impl Answer {
    async fn read(mut answer: Response) -> Self {
        let status = answer.status().as_u16();
        let retry_after = retry_after(answer.headers());
        let kind = answer.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let is_json = kind.is_some_and(|kind| kind.starts_with("application/json"));
        let mut body = Vec::new();
        while body.len() < ANSWER_BYTES_MAX {
            let Ok(Some(chunk)) = answer.chunk().await else { break };
            body.extend_from_slice(&chunk);
        }
        body.truncate(ANSWER_BYTES_MAX);
        Self { status, is_json, body, retry_after }
    }

    /// The answer, if its status says that all is well.
    pub(super) fn fine(self) -> Result<Self, SendError> {
        if (200..300).contains(&self.status) { Ok(self) } else { Err(self.refusal(None)) }
    }

    /// The body as JSON; nothing where it is none.
    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The answer as a failure. `retry_after`: what the body says of it.
    pub(super) fn refusal(&self, retry_after: Option<Duration>) -> SendError {
        let shown = &self.body[..self.body.len().min(REFUSAL_BYTES_MAX)];
        let body = String::from_utf8_lossy(shown).into_owned();
        SendError::Status {
            status: self.status,
            body,
            retry_after: retry_after.or(self.retry_after),
        }
    }
}
