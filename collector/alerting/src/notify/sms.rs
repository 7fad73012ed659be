//! SMS by whatever gateway speaks HTTP: one templated request for each number and part. Gateways say in their answers, not
//! in the status, whether they took a message, so an expression decides.

mod text;

pub(super) use text::folded;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rules_templates::{Value, map, shown, with_more};

use crate::notification::Notification;
use crate::routing::SmsChannel;

use super::composing::{Composer, Words};
use super::http::{Http, Request};
use super::sent::{Sent, time_limit};
use super::{Notifier, SendError, Sending, secret};

pub(super) struct Sms {
    channel: Arc<SmsChannel>,
    http: Http,
    composer: Composer,
    sent: Arc<Sent>,
}

impl Sms {
    pub(super) fn new(
        channel: Arc<SmsChannel>,
        composer: Composer,
        sent: Arc<Sent>,
    ) -> Result<Self, SendError> {
        let http = Http::new(channel.http.clone(), None)?;
        Ok(Self { channel, http, composer, sent })
    }

    async fn post(&self, notification: &Notification) -> Result<(), SendError> {
        let mut secrets = BTreeMap::new();
        for (name, value) in &self.channel.secrets {
            secrets.insert(name.clone(), secret::read("a secret of the gateway", value).await?);
        }
        let channel = Arc::clone(&self.channel);
        let composed =
            self.composer.compose(notification, move |words| compose(&channel, &secrets, words));
        let (key, requests) = (&notification.idempotency_key, composed.await?);
        self.sent.each(key, requests, async |key, request| self.deliver(key, request?).await).await
    }

    async fn deliver(&self, key: String, request: Request) -> Result<(), SendError> {
        let answer = self.http.request(&key, request).await?.fine()?;
        let said = String::from_utf8_lossy(&answer.body);
        let taken = self.channel.success.as_ref().is_none_or(|success| success.is_match(&said));
        if taken { Ok(()) } else { Err(answer.refusal(None)) }
    }
}

impl Notifier for Sms {
    fn send<'a>(&'a self, notification: &'a Notification) -> Sending<'a> {
        Box::pin(self.post(notification))
    }

    fn time_limit(&self) -> Duration {
        time_limit(self.channel.to.len() * self.channel.parts_max)
    }
}

/// A message that fails is replaced; without address and body there is nothing to send.
fn compose(
    channel: &SmsChannel,
    secrets: &BTreeMap<String, String>,
    words: &mut Words,
) -> Vec<Result<Request, SendError>> {
    let message = words.text("message", &channel.message).unwrap_or_else(|| words.subject());
    let message = if channel.fold_diacritics { text::folded(&message) } else { message };
    let parts = text::parts(&message, channel.part_chars, channel.parts_max);
    let secrets = map(secrets.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let mut requests = Vec::new();
    for to in &channel.to {
        let to = match words.recipient(to) {
            Ok(to) => to,
            Err(failed) => {
                requests.push(Err(failed));
                continue;
            }
        };
        for part in &parts {
            let data = with_more(
                &words.data,
                [("To", shown(&to)), ("Message", shown(part)), ("Secrets", secrets.clone())],
            );
            requests.push(request(channel, words, &data));
        }
    }
    requests
}

fn request(channel: &SmsChannel, words: &mut Words, data: &Value) -> Result<Request, SendError> {
    let mut text = |key: &str, template| {
        let text = words.text_of(key, template, data);
        text.ok_or_else(|| SendError::Setup(words.complaint().unwrap_or_default()))
    };
    let url = text("url", &channel.url)?;
    let body = channel.body.as_ref().map(|body| text("body", body)).transpose()?;
    let headers =
        channel.headers.iter().map(|(name, value)| Ok((name.clone(), text(name, value)?)));
    let headers = headers.collect::<Result<Vec<_>, SendError>>()?;
    Ok(Request { method: channel.method.clone(), url, headers, body })
}
