//! Zalo: texts of an Official Account to those who follow it, and ZNS, its approved templates to telephone numbers
//! (developers.zalo.me, "Official Account API" v3 and "ZNS API"). All answers come with 200: `error` other than 0 is a failure.

mod tokens;

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::notification::Notification;
use crate::routing::{ZaloChannel, ZaloMessage};

use super::composing::{Composer, Words};
use super::http::{Answer, Http, Request};
use super::sent::{Sent, time_limit};
use super::{Notifier, SendError, Sending};
use tokens::Tokens;

/// Zalo's bound on a text, in characters.
const TEXT_CHARS_MAX: usize = 2_000;

/// "The access token is not valid": of the Official Account's API and of ZNS.
const TOKEN_INVALID: [i64; 2] = [-216, -124];

pub(super) struct Zalo {
    channel: Arc<ZaloChannel>,
    http: Http,
    tokens: Tokens,
    composer: Composer,
    sent: Arc<Sent>,
}

impl Zalo {
    pub(super) fn new(
        channel: Arc<ZaloChannel>,
        composer: Composer,
        sent: Arc<Sent>,
    ) -> Result<Self, SendError> {
        let http = Http::new(channel.http.clone(), None)?;
        let tokens = Tokens::new(Arc::clone(&channel))?;
        Ok(Self { channel, http, tokens, composer, sent })
    }

    async fn post(&self, notification: &Notification) -> Result<(), SendError> {
        let channel = Arc::clone(&self.channel);
        let composed = self.composer.compose(notification, move |words| compose(&channel, words));
        let (key, messages) = (&notification.idempotency_key, composed.await??);
        self.sent.each(key, messages, async |key, message| self.deliver(key, message?).await).await
    }

    /// With the token there is, else with a new one, once.
    async fn deliver(&self, key: String, message: Value) -> Result<(), SendError> {
        let token = self.tokens.current().await?;
        let answer = self.say(&key, &message, &token).await?;
        if !answer.json()["error"].as_i64().is_some_and(|code| TOKEN_INVALID.contains(&code)) {
            return judged(&answer);
        }
        let token = self.tokens.renewed(token).await?;
        judged(&self.say(&key, &message, &token).await?)
    }

    async fn say(&self, key: &str, message: &Value, token: &str) -> Result<Answer, SendError> {
        let headers = [("access_token", token), ("Content-Type", "application/json")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let (url, body) = (self.channel.url.clone(), Some(message.to_string()));
        self.http.request(key, Request { method: Method::POST, url, headers, body }).await?.fine()
    }
}

impl Notifier for Zalo {
    fn send<'a>(&'a self, notification: &'a Notification) -> Sending<'a> {
        Box::pin(self.post(notification))
    }

    /// A token may have to be renewed, and the message that came with the old one repeated.
    fn time_limit(&self) -> Duration {
        time_limit(self.channel.to.len() + 2)
    }
}

fn judged(answer: &Answer) -> Result<(), SendError> {
    if answer.json()["error"] == 0 { Ok(()) } else { Err(answer.refusal(None)) }
}

/// One message for each recipient. What a template of ZNS is filled with cannot be replaced by anything built in.
fn compose(
    channel: &ZaloChannel,
    words: &mut Words,
) -> Result<Vec<Result<Value, SendError>>, SendError> {
    let mut messages = Vec::new();
    let said = match &channel.message {
        ZaloMessage::Text { message } => {
            let text = words.main("message", message);
            json!({ "text": text.chars().take(TEXT_CHARS_MAX).collect::<String>() })
        }
        ZaloMessage::Template { data, .. } => {
            let filled = data.iter().map(|(name, template)| {
                let text = words.text(name, template);
                let text =
                    text.ok_or_else(|| SendError::Setup(words.complaint().unwrap_or_default()))?;
                Ok((name.clone(), Value::String(text)))
            });
            Value::Object(filled.collect::<Result<_, SendError>>()?)
        }
    };
    for (at, to) in channel.to.iter().enumerate() {
        let key = &words.notification.idempotency_key;
        let tracking_id = format!("{key}-{at}");
        messages.push(words.recipient(to).map(|to| match &channel.message {
            ZaloMessage::Text { .. } => {
                json!({ "recipient": { "user_id": to }, "message": said })
            }
            ZaloMessage::Template { id, .. } => json!({
                "phone": phone(&to),
                "template_id": id,
                "template_data": said,
                "tracking_id": tracking_id,
            }),
        }));
    }
    Ok(messages)
}

/// As ZNS wants numbers: with the country in front, and digits only.
fn phone(text: &str) -> String {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    match digits.strip_prefix('0') {
        Some(rest) => format!("84{rest}"),
        None => digits,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_have_their_country_in_front() {
        for number in ["0987 654 321", "+84 987-654-321", "84987654321"] {
            assert_eq!(super::phone(number), "84987654321");
        }
    }
}
