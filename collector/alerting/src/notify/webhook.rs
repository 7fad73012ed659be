//! Webhooks: Alertmanager's JSON, version "4" (alertmanager, docs/configuration.md, "webhook_config"; field order and
//! the zero time of Go as there), so that whatever takes Alertmanager's takes ours.
//! Each carries `Idempotency-Key`, the same in every attempt.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use agent_model::Millis;
use reqwest::header::AUTHORIZATION;
use reqwest::{Client, RequestBuilder, Response};
use serde::Serialize;

use crate::alert::{Annotations, fingerprint_text};
use crate::notification::{Notification, NotifiedAlert};
use crate::routing::{Authorization, WebhookChannel};

use super::retry_after::retry_after;
use super::{Notifier, SendError, Sending, client, facts, secret};

/// One request, from the connection to the end of the answer's head.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// As much of a refusal's body as goes into the record of the attempt.
const REFUSAL_BYTES_MAX: usize = 512;

/// Go's zero time: "it has not ended".
const NO_END: &str = "0001-01-01T00:00:00Z";

pub(super) struct Webhook {
    channel: Arc<WebhookChannel>,
    client: Client,
    external_url: Arc<str>,
}

impl Webhook {
    pub(super) fn new(
        channel: Arc<WebhookChannel>,
        external_url: Arc<str>,
    ) -> Result<Self, SendError> {
        let builder =
            client::builder(&channel.http)?.timeout(channel.timeout.unwrap_or(REQUEST_TIMEOUT));
        let client = builder.build().map_err(SendError::Http)?;
        Ok(Self { channel, client, external_url })
    }

    async fn post(&self, notification: &Notification) -> Result<(), SendError> {
        let url = secret::read("the webhook's address", &self.channel.url).await?;
        let request = self
            .client
            .post(url)
            .header("Idempotency-Key", &notification.idempotency_key)
            .json(&payload(notification, self.channel.alerts_max, &self.external_url));
        let request = self.authorized(request).await?;
        let answer = request.send().await.map_err(|error| SendError::Http(error.without_url()))?;
        if answer.status().is_success() { Ok(()) } else { Err(refusal(answer).await) }
    }

    async fn authorized(&self, request: RequestBuilder) -> Result<RequestBuilder, SendError> {
        let mut request = request;
        for (name, value) in &self.channel.http.headers {
            request = request.header(name, secret::read("a header", value).await?);
        }
        match &self.channel.http.authorization {
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

impl Notifier for Webhook {
    fn send<'a>(&'a self, notification: &'a Notification) -> Sending<'a> {
        Box::pin(self.post(notification))
    }

    fn time_limit(&self) -> Duration {
        // The client ends at the stated time with an error of its own.
        self.channel.timeout.unwrap_or_default().saturating_add(Duration::from_secs(1))
    }
}

async fn refusal(mut answer: Response) -> SendError {
    let status = answer.status().as_u16();
    let retry_after = retry_after(answer.headers());
    let mut body = Vec::new();
    while body.len() < REFUSAL_BYTES_MAX {
        let Ok(Some(chunk)) = answer.chunk().await else { break };
        body.extend_from_slice(&chunk);
    }
    body.truncate(REFUSAL_BYTES_MAX);
    SendError::Status { status, body: String::from_utf8_lossy(&body).into_owned(), retry_after }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Payload<'a> {
    receiver: &'a str,
    status: &'static str,
    alerts: Vec<PayloadAlert<'a>>,
    group_labels: BTreeMap<&'a str, &'a str>,
    common_labels: BTreeMap<&'a str, &'a str>,
    common_annotations: BTreeMap<&'a str, &'a str>,
    #[serde(rename = "externalURL")]
    external_url: &'a str,
    version: &'static str,
    group_key: &'a str,
    truncated_alerts: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PayloadAlert<'a> {
    status: &'static str,
    labels: BTreeMap<&'a str, &'a str>,
    annotations: &'a Annotations,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: String,
    fingerprint: String,
}

fn payload<'a>(
    notification: &'a Notification,
    alerts_max: usize,
    external_url: &'a str,
) -> Payload<'a> {
    let all = facts::in_order(notification);
    let kept = if alerts_max == 0 { all.len() } else { alerts_max.min(all.len()) };
    Payload {
        receiver: &notification.receiver,
        status: facts::status(notification.is_firing()),
        alerts: all[..kept].iter().map(|alert| payload_alert(alert, external_url)).collect(),
        group_labels: facts::map_of(&notification.group_labels),
        common_labels: facts::common_labels(&all),
        common_annotations: facts::common_annotations(&all),
        external_url,
        version: "4",
        group_key: &notification.group_key,
        truncated_alerts: all.len() - kept,
    }
}

fn payload_alert<'a>(alert: &'a NotifiedAlert, external_url: &str) -> PayloadAlert<'a> {
    PayloadAlert {
        status: facts::status(alert.resolved_ms.is_none()),
        labels: facts::map_of(&alert.labels),
        annotations: &alert.annotations,
        starts_at: rfc3339(alert.starts_ms),
        ends_at: alert.resolved_ms.map_or_else(|| NO_END.to_owned(), rfc3339),
        generator_url: facts::generator_url(alert, external_url),
        fingerprint: fingerprint_text(alert.labels.fnv_fingerprint()),
    }
}

fn rfc3339(time_ms: Millis) -> String {
    jiff::Timestamp::from_millisecond(time_ms)
        .map_or_else(|_| NO_END.to_owned(), |time| time.to_string())
}

#[cfg(test)]
mod tests;
