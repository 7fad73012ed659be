//! The CLI's way to the collector's API: one token, one base address, errors in words.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, anyhow};
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Connection, up};

/// A person waits no longer than this for an answer.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);

/// Where `deploy/systemd/haidang-collector.service` leaves the admin token.
const SERVICE_TOKEN_FILE: &str = "/run/haidang-collector/admin.token";

pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
    token: String,
    runtime: tokio::runtime::Runtime,
}

impl Client {
    pub(crate) fn open(connection: &Connection) -> anyhow::Result<Self> {
        let file = match &connection.token_file {
            Some(file) => file.clone(),
            None => default_token_file()?,
        };
        let token = fs::read_to_string(&file).with_context(|| {
            format!(
                "the admin token in {} cannot be read; is the collector running, and is this its user? \
                 (or give --token-file)",
                file.display()
            )
        })?;
        // A second provider would be a mistake, an installed one is what we want.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let http = reqwest::Client::builder().timeout(ANSWER_TIME_MAX).build()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let url = connection.url.trim_end_matches('/').to_owned();
        Ok(Self { http, url, token: token.trim().to_owned(), runtime })
    }

    /// The collector's time, which whoever holds a token may ask for.
    pub(crate) fn now_ms(&self) -> anyhow::Result<i64> {
        let session: Value = self.get("/api/session")?;
        session["now_ms"].as_i64().context("the collector tells no time")
    }

    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        self.send(self.http.get(format!("{}{path}", self.url)))
    }

    /// A list, and how many more there are than it shows.
    pub(crate) fn get_list(&self, path: &str) -> anyhow::Result<(Value, u64)> {
        let request = self.http.get(format!("{}{path}", self.url));
        let (status, headers, bytes) = self.exchange(request)?;
        if !status.is_success() {
            return Err(refusal(status, &bytes));
        }
        let left_out = headers.get("x-haidang-left-out").and_then(|count| count.to_str().ok());
        let left_out = left_out.and_then(|count| count.parse().ok()).unwrap_or(0);
        let list = serde_json::from_slice(&bytes);
        Ok((list.context("the collector's answer is not understood")?, left_out))
    }

    /// An answer that is no JSON, a page to print.
    pub(crate) fn get_text(&self, path: &str) -> anyhow::Result<String> {
        let bytes = self.send_for_bytes(self.http.get(format!("{}{path}", self.url)))?;
        String::from_utf8(bytes).context("the collector's answer is no text")
    }

    /// With parameters in the address.
    pub(crate) fn get_with<T: DeserializeOwned>(
        &self,
        path: &str,
        parameters: &[(&str, &String)],
    ) -> anyhow::Result<T> {
        let pairs = parameters.iter().map(|(name, value)| format!("{name}={}", segment(value)));
        let query = pairs.collect::<Vec<_>>().join("&");
        self.send(self.http.get(format!("{}{path}?{query}", self.url)))
    }

    pub(crate) fn delete(&self, path: &str) -> anyhow::Result<()> {
        let _: Value = self.send(self.http.delete(format!("{}{path}", self.url)))?;
        Ok(())
    }

    pub(crate) fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> anyhow::Result<T> {
        self.send(self.http.post(format!("{}{path}", self.url)).json(body))
    }

    /// Posts nothing; a refusal that explains itself (status 422) is an answer too.
    pub(crate) fn post_for_findings(&self, path: &str) -> anyhow::Result<Result<Value, Value>> {
        let request = self.http.post(format!("{}{path}", self.url));
        let (status, _, bytes) = self.exchange(request)?;
        let answer = || serde_json::from_slice(&bytes).context("the answer is not understood");
        match status {
            status if status.is_success() => Ok(Ok(answer()?)),
            StatusCode::UNPROCESSABLE_ENTITY => Ok(Err(answer()?)),
            status => Err(refusal(status, &bytes)),
        }
    }

    fn send<T: DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> anyhow::Result<T> {
        let bytes = self.send_for_bytes(request)?;
        let bytes = if bytes.is_empty() { b"null".as_slice() } else { &bytes };
        serde_json::from_slice(bytes).context("the collector's answer is not understood")
    }

    fn send_for_bytes(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Vec<u8>> {
        let (status, _, bytes) = self.exchange(request)?;
        if status.is_success() { Ok(bytes) } else { Err(refusal(status, &bytes)) }
    }

    fn exchange(
        &self,
        request: reqwest::RequestBuilder,
    ) -> anyhow::Result<(StatusCode, HeaderMap, Vec<u8>)> {
        let request = request.bearer_auth(&self.token).header("X-Haidang", "1");
        self.runtime.block_on(async {
            let answer = request.send().await;
            let answer = answer.with_context(|| format!("{} does not answer", self.url))?;
            let (status, headers) = (answer.status(), answer.headers().clone());
            Ok((status, headers, answer.bytes().await?.to_vec()))
        })
    }
}

fn refusal(status: StatusCode, bytes: &[u8]) -> anyhow::Error {
    let error: Option<Value> = serde_json::from_slice(bytes).ok();
    let text = error.as_ref().and_then(|error| error["error"].as_str());
    anyhow!("the collector says {status}: {}", text.unwrap_or("no reason given"))
}

/// Text as one part of an address (RFC 3986, 2.1).
pub(crate) fn segment(text: &str) -> String {
    let encoded = text.bytes().map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        other => format!("%{other:02X}"),
    });
    encoded.collect()
}

/// Where `haidang up` leaves its token when nobody says otherwise.
/// The service's token while it runs (its directory goes when it stops), else that of `up`.
fn default_token_file() -> anyhow::Result<PathBuf> {
    let of_service = PathBuf::from(SERVICE_TOKEN_FILE);
    if of_service.exists() {
        return Ok(of_service);
    }
    Ok(up::default_state_dir()?.join(up::ADMIN_TOKEN_FILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_within_its_part_of_an_address() {
        assert_eq!(segment("a/b?c=đ&up"), "a%2Fb%3Fc%3D%C4%91%26up");
    }
}
