//! Telegram's `sendMessage`, as Alertmanager calls it (core.telegram.org/bots/api, "sendMessage"). An answer with `ok: false`
//! is a failure, and how long to wait stands in its body.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::notification::Notification;
use crate::routing::TelegramChannel;

use super::chat::cut;
use super::composing::{Composer, Words};
use super::http::{Answer, Http};
use super::{Notifier, SendError, Sending, secret};

/// Telegram's bound on a message, in characters.
const TEXT_CHARS_MAX: usize = 4_096;

pub(super) struct Telegram {
    channel: Arc<TelegramChannel>,
    http: Http,
    composer: Composer,
}

/// A text, and whether it is written in the channel's mode.
struct Composed {
    text: String,
    marked: bool,
}

impl Telegram {
    pub(super) fn new(
        channel: Arc<TelegramChannel>,
        composer: Composer,
    ) -> Result<Self, SendError> {
        let http = Http::new(channel.http.clone(), None)?;
        Ok(Self { channel, http, composer })
    }

    async fn post(&self, notification: &Notification) -> Result<(), SendError> {
        let channel = Arc::clone(&self.channel);
        let composed = self.composer.compose(notification, move |words| compose(&channel, words));
        let mut composed = composed.await?;
        let token = secret::read("the bot's token", &self.channel.token).await?;
        let chat = secret::read("the chat's number", &self.channel.chat_id).await?;
        let url = format!("{}/bot{token}/sendMessage", self.channel.api_url);
        let chat = chat.trim();
        let key = &notification.idempotency_key;
        let marked = message(&self.channel, chat, &composed);
        let answer = self.http.post(url.clone(), key, &marked).await?;
        if !is_of_the_marks(&answer) || marked.get("parse_mode").is_none() {
            return judged(&answer);
        }
        composed.marked = false;
        let plain = message(&self.channel, chat, &composed);
        judged(&self.http.post(url, key, &plain).await?)
    }
}

impl Notifier for Telegram {
    fn send<'a>(&'a self, notification: &'a Notification) -> Sending<'a> {
        Box::pin(self.post(notification))
    }
}

/// Every value is a text, as Alertmanager's are.
fn message(channel: &TelegramChannel, chat: &str, composed: &Composed) -> Value {
    let mut message = json!({
        "chat_id": chat,
        "text": composed.text,
        "disable_web_page_preview": "true",
    });
    if channel.is_silent {
        message["disable_notification"] = json!("true");
    }
    if composed.marked && !channel.parse_mode.is_empty() {
        message["parse_mode"] = json!(channel.parse_mode);
    }
    if let Some(thread) = channel.thread {
        message["message_thread_id"] = json!(thread.to_string());
    }
    message
}

fn compose(channel: &TelegramChannel, words: &mut Words) -> Composed {
    match words.text("message", &channel.message) {
        Some(text) if text.chars().count() <= TEXT_CHARS_MAX => Composed { text, marked: true },
        // A page that is cut is no page any more, so the rest of it is told without marks.
        Some(text) if channel.parse_mode.is_empty() => {
            Composed { text: cut(&text, TEXT_CHARS_MAX), marked: true }
        }
        long => {
            let complaint = words.complaint().filter(|_| long.is_none());
            let complaint = complaint.map(|text| format!("{text}\n\n")).unwrap_or_default();
            Composed {
                text: cut(&format!("{complaint}{}", words.built_in()), TEXT_CHARS_MAX),
                marked: false,
            }
        }
    }
}

/// A letter of an alert that means something in the mode, or a page that is none: such a message is better told as it stands
/// than never.
fn is_of_the_marks(answer: &Answer) -> bool {
    let said = answer.json();
    let why = said["description"].as_str().unwrap_or_default();
    answer.status == 400 && why.contains("can't parse entities")
}

fn judged(answer: &Answer) -> Result<(), SendError> {
    let said = answer.json();
    if (200..300).contains(&answer.status) && said["ok"] == true {
        return Ok(());
    }
    let wait = said["parameters"]["retry_after"].as_u64().map(Duration::from_secs);
    Err(answer.refusal(wait))
}
