//! Discord's webhooks, as Alertmanager uses them: a message with one embed (discord.com/developers, "Execute Webhook" and
//! "Embed Limits").

use serde_json::{Value, json};

use crate::routing::DiscordChannel;

use super::SendError;
use super::chat::{Chat, cut};
use super::composing::Words;
use super::http::Answer;

/// Discord's bounds, in characters.
const TITLE_CHARS_MAX: usize = 256;
const MESSAGE_CHARS_MAX: usize = 4_096;
const CONTENT_CHARS_MAX: usize = 2_000;

/// The embed's border, as Alertmanager has it.
const FIRING_COLOR: u32 = 0x99_2D_22;
const RESOLVED_COLOR: u32 = 0x2E_CC_71;

impl Chat for DiscordChannel {
    type Message = Value;

    fn compose(&self, words: &mut Words) -> Value {
        let title = words.text("title", &self.title).unwrap_or_else(|| words.subject());
        let content = words.extra("content", &self.content);
        let color = if words.notification.is_firing() { FIRING_COLOR } else { RESOLVED_COLOR };
        // Last, so that it tells of every template that failed.
        let message = words.main("message", &self.message);
        let embed = json!({
            "title": cut(&title, TITLE_CHARS_MAX),
            "description": cut(&message, MESSAGE_CHARS_MAX),
            "color": color,
        });
        let mut whole = json!({ "content": cut(&content, CONTENT_CHARS_MAX), "embeds": [embed] });
        for (key, text) in [("username", &self.username), ("avatar_url", &self.avatar_url)] {
            if !text.is_empty() {
                whole[key] = text.as_str().into();
            }
        }
        whole
    }

    /// It answers with nothing, or with the message.
    fn judged(_answer: &Answer) -> Result<(), SendError> {
        Ok(())
    }
}
