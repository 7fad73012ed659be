//! Slack: one attachment of texts from templates, in the fields of Alertmanager (alertmanager, docs/configuration.md,
//! "slack_config"). A 200 that says "invalid_payload" or `ok: false` is a failure.

use serde::Serialize;

use crate::routing::SlackChannel;

use super::SendError;
use super::chat::Chat;
use super::composing::Words;
use super::http::Answer;

/// Slack's bound on a title, in characters.
const TITLE_CHARS_MAX: usize = 1_024;

#[derive(Serialize)]
pub(super) struct Message {
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
pub(super) struct Attachment {
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
pub(super) struct Field {
    title: String,
    value: String,
    short: bool,
}

#[derive(Serialize)]
pub(super) struct Action {
    #[serde(rename = "type")]
    kind: String,
    text: String,
    url: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    style: String,
}

impl Chat for SlackChannel {
    type Message = Message;

    fn compose(&self, words: &mut Words) -> Message {
        compose(self, words)
    }

    fn judged(answer: &Answer) -> Result<(), SendError> {
        said_ok(answer)
    }
}

/// An incoming webhook says `ok`, the web API says it in JSON.
pub(super) fn said_ok(answer: &Answer) -> Result<(), SendError> {
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
