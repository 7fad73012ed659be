//! Webhooks: Alertmanager's JSON, version "4" (alertmanager, docs/configuration.md, "webhook_config"; field order and
//! the zero time of Go as there), so that whatever takes Alertmanager's takes ours.
//! Each carries `Idempotency-Key`, the same in every attempt.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use agent_model::Millis;
use serde::Serialize;

use crate::alert::{Annotations, fingerprint_text, label_map};
use crate::notification::{Notification, NotifiedAlert};
use crate::routing::WebhookChannel;

use super::body::Body;
use super::composing::Composer;
use super::http::Http;
use super::{Notifier, SendError, Sending, facts, secret};

/// Go's zero time: "it has not ended".
const NO_END: &str = "0001-01-01T00:00:00Z";

pub(super) struct Webhook {
    channel: Arc<WebhookChannel>,
    http: Http,
    composer: Composer,
}

impl Webhook {
    pub(super) fn new(channel: Arc<WebhookChannel>, composer: Composer) -> Result<Self, SendError> {
        let http = Http::new(channel.http.clone(), channel.timeout)?;
        Ok(Self { channel, http, composer })
    }

    async fn post(&self, notification: &Notification) -> Result<(), SendError> {
        let url = secret::read("the webhook's address", &self.channel.url).await?;
        let alerts_max = self.channel.alerts_max;
        let written = self.composer.body(notification, move |notification, external_url| {
            serde_json::to_vec(&payload(notification, alerts_max, external_url))
        });
        let Body { bytes, room } = written.await?;
        let answer = self.http.post_written(url, &notification.idempotency_key, bytes).await;
        drop(room);
        answer?.fine().map(|_| ())
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
    /// Ours; Alertmanager has no escalations.
    #[serde(skip_serializing_if = "Option::is_none")]
    escalation: Option<u32>,
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

/// The same for others that take it.
pub(super) fn json(
    notification: &Notification,
    external_url: &str,
) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&payload(notification, 0, external_url))
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
        group_labels: label_map(&notification.group_labels),
        common_labels: facts::common_labels(&all),
        common_annotations: facts::common_annotations(&all),
        external_url,
        version: "4",
        group_key: &notification.group_key,
        truncated_alerts: all.len() - kept,
        escalation: notification.escalation_to_say(),
    }
}

fn payload_alert<'a>(alert: &'a NotifiedAlert, external_url: &str) -> PayloadAlert<'a> {
    PayloadAlert {
        status: facts::status(alert.resolved_ms.is_none()),
        labels: label_map(&alert.labels),
        annotations: &alert.annotations,
        starts_at: rfc3339(alert.starts_ms),
        ends_at: alert.resolved_ms.map_or_else(|| NO_END.to_owned(), rfc3339),
        generator_url: facts::generator_url(alert, external_url),
        fingerprint: fingerprint_text(alert.given.fnv_fingerprint()),
    }
}

fn rfc3339(time_ms: Millis) -> String {
    jiff::Timestamp::from_millisecond(time_ms)
        .map_or_else(|_| NO_END.to_owned(), |time| time.to_string())
}

#[cfg(test)]
mod tests;
