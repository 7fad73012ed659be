//! Syslog to a SIEM: one message for each alert, RFC 5424 by itself or with CEF in it, by UDP (RFC 5426), by TCP with
//! counted octets (RFC 6587), or by TLS (RFC 5425). Syslog has no answers: over TCP and TLS a message counts as taken when the
//! other side has closed what we closed, or is still there after a while; over UDP when it is sent.

mod line;
mod transport;

use std::sync::Arc;

use rules_templates::{field, with_more};

use crate::notification::Notification;
use crate::routing::SyslogChannel;

use super::composing::{Composer, Words};
use super::{Notifier, SendError, Sending, facts, wording};
use transport::Transport;

pub(super) struct Syslog {
    channel: Arc<SyslogChannel>,
    transport: Transport,
    composer: Composer,
}

impl Syslog {
    pub(super) fn new(channel: Arc<SyslogChannel>, composer: Composer) -> Result<Self, SendError> {
        let transport = Transport::new(&channel)?;
        Ok(Self { channel, transport, composer })
    }

    async fn say(&self, notification: &Notification) -> Result<(), SendError> {
        let channel = Arc::clone(&self.channel);
        let composed = self.composer.compose(notification, move |words| compose(&channel, words));
        self.transport
            .send(&composed.await?)
            .await
            .map_err(|source| SendError::Syslog { address: self.channel.address.clone(), source })
    }
}

impl Notifier for Syslog {
    fn send<'a>(&'a self, notification: &'a Notification) -> Sending<'a> {
        Box::pin(self.say(notification))
    }
}

fn compose(channel: &SyslogChannel, words: &mut Words) -> Vec<String> {
    let notification = words.notification.clone();
    let data = words.data.clone();
    let alerts = field(&data, "Alerts").unwrap_or(rules_templates::Value::Nil);
    let mut lines = Vec::with_capacity(notification.alerts.len());
    for (at, alert) in facts::in_order(&notification).into_iter().enumerate() {
        let place = i64::try_from(at).unwrap_or(i64::MAX);
        let of = alerts.index(&rules_templates::Value::Int(place));
        let data = with_more(&data, [("Alert", of.unwrap_or(rules_templates::Value::Nil))]);
        let text = words.text_of("message", &channel.message, &data).unwrap_or_else(|| {
            let built_in = wording::paragraph(alert, notification.created_ms, &words.external_url);
            let complaint = words.complaint().unwrap_or_default();
            let why = if alert.resolved_ms.is_none() {
                wording::escalated(&notification)
            } else {
                String::new()
            };
            format!("{why}{}. {} {complaint}", built_in.headline, built_in.lines.join(" "))
        });
        lines.push(line::of(channel, &notification, alert, &text));
    }
    lines
}
