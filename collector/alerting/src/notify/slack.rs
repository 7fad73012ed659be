//! Slack, and what takes the same (Mattermost's incoming webhooks): one attachment of texts from templates, in the fields of
//! Alertmanager (alertmanager, docs/configuration.md, "slack_config"). A 200 that says "invalid_payload" or `ok: false` is a
//! failure.

use std::sync::Arc;

use serde::Serialize;

use crate::notification::Notification;
use crate::routing::SlackChannel;

use super::composing::{Composer, Words};
use super::http::{Answer, Http};
use super::{Notifier, SendError, Sending, secret};

/// Slack's bound on a title, in characters.
const TITLE_CHARS_MAX: usize = 1_024;

pub(super) struct Slack {
    channel: Arc<SlackChannel>,
    http: Http,
    composer: Composer,
}

#[derive(Serialize)]
struct Message {
    #[serde(skip_serializing_if = "String::is_empty")]
    channel: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    username: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    icon_emoji: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    icon_url: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    link_names: bool,
    attachments: [Attachment; 1],
}

#[derive(Serialize)]
struct Attachment {
    #[serde(skip_serializing_if = "String::is_empty")]
    title: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    title_link: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pretext: String,
    text: String,
    fallback: String,
    callback_id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<Field>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    actions: Vec<Action>,
    #[serde(skip_serializing_if = "String::is_empty")]
    image_url: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    thumb_url: String,
    footer: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    color: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mrkdwn_in: Vec<String>,
}

#[derive(Serialize)]
struct Field {
    title: String,
    value: String,
    short: bool,
}

#[derive(Serialize)]
struct Action {
    #[serde(rename = "type")]
    kind: String,
    text: String,
    url: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    style: String,
}

impl Slack {
    pub(super) fn new(channel: Arc<SlackChannel>, composer: Composer) -> Result<Self, SendError> {
        let http = Http::new(channel.http.clone(), None)?;
        Ok(Self { channel, http, composer })
    }

    async fn post(&self, notification: &Notification) -> Result<(), SendError> {
        let channel = Arc::clone(&self.channel);
        let composed = self.composer.compose(notification, move |words| compose(&channel, words));
        let message = composed.await?;
        let url = secret::read("the webhook's address", &self.channel.url).await?;
        let answer = self.http.post(url, &notification.idempotency_key, &message).await?;
        judged(&answer.fine()?)
    }
}

impl Notifier for Slack {
    fn send<'a>(&'a self, notification: &'a Notification) -> Sending<'a> {
        Box::pin(self.post(notification))
    }
}

/// An incoming webhook says `ok`, the web API says it in JSON.
fn judged(answer: &Answer) -> Result<(), SendError> {
    let taken = if answer.is_json {
        answer.json()["ok"] == true
    } else {
        answer.body.trim_ascii() == b"ok"
    };
    if taken { Ok(()) } else { Err(answer.refusal(None)) }
}

fn compose(channel: &SlackChannel, words: &mut Words) -> Message {
    let subject = words.text("title", &channel.title).unwrap_or_else(|| words.subject());
    let title = subject.chars().take(TITLE_CHARS_MAX).collect();
    let fields = channel.fields.iter().map(|field| Field {
        title: words.extra("fields", &field.title),
        value: words.extra("fields", &field.value),
        short: field.short,
    });
    let fields = fields.collect();
    let actions = channel.actions.iter().map(|action| Action {
        kind: words.extra("actions", &action.kind),
        text: words.extra("actions", &action.text),
        url: words.extra("actions", &action.url),
        style: words.extra("actions", &action.style),
    });
    let actions = actions.collect();
    let message = Message {
        channel: words.extra("channel", &channel.channel),
        username: words.extra("username", &channel.username),
        icon_emoji: words.extra("icon_emoji", &channel.icon_emoji),
        icon_url: words.extra("icon_url", &channel.icon_url),
        link_names: channel.link_names,
        attachments: [Attachment {
            title,
            title_link: words.extra("title_link", &channel.title_link),
            pretext: words.extra("pretext", &channel.pretext),
            text: String::new(),
            fallback: words.extra("fallback", &channel.fallback),
            callback_id: words.extra("callback_id", &channel.callback_id),
            fields,
            actions,
            image_url: words.extra("image_url", &channel.image_url),
            thumb_url: words.extra("thumb_url", &channel.thumb_url),
            footer: words.extra("footer", &channel.footer),
            color: words.extra("color", &channel.color),
            mrkdwn_in: channel.mrkdwn_in.clone(),
        }],
    };
    // Last, so that it tells of every template that failed.
    let text = words.main("text", &channel.text);
    let [attachment] = message.attachments;
    Message { attachments: [Attachment { text, ..attachment }], ..message }
}
