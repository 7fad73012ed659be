//! Microsoft Teams: message cards for the connectors that Microsoft closes, adaptive cards for Workflows, in the shapes of
//! Alertmanager (learn.microsoft.com, "Create and send messages" of incoming webhooks; adaptivecards.io).

use serde_json::{Value, json};

use crate::routing::TeamsChannel;

use super::SendError;
use super::chat::Chat;
use super::composing::Words;
use super::http::Answer;

/// A message may have 28 KB; cards and their quotes need some of it.
const TEXT_BYTES_MAX: usize = 20_000;

impl Chat for TeamsChannel {
    type Message = Value;

    fn compose(&self, words: &mut Words) -> Value {
        compose(self, words)
    }

    /// Its answers say nothing more than their status.
    fn judged(_answer: &Answer) -> Result<(), SendError> {
        Ok(())
    }
}

fn compose(channel: &TeamsChannel, words: &mut Words) -> Value {
    let title = words.text("title", &channel.title).unwrap_or_else(|| words.subject());
    let is_firing = words.notification.is_firing();
    match &channel.summary {
        Some(summary) => {
            let summary = words.text("summary", summary).unwrap_or_else(|| words.subject());
            json!({
                "@context": "http://schema.org/extensions",
                "@type": "MessageCard",
                "title": title,
                "summary": summary,
                "text": cut(words.main("text", &channel.text)),
                "themeColor": if is_firing { "8C1A1A" } else { "2DC72D" },
            })
        }
        None => adaptive(&title, &cut(words.main("text", &channel.text)), is_firing),
    }
}

fn adaptive(title: &str, text: &str, is_firing: bool) -> Value {
    let headline = json!({
        "type": "TextBlock", "text": title, "weight": "Bolder", "size": "Medium", "wrap": true,
        "style": "heading", "color": if is_firing { "Attention" } else { "Good" },
    });
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.2",
                "body": [headline, { "type": "TextBlock", "text": text, "wrap": true }],
                "msteams": { "width": "full" },
            },
        }],
    })
}

fn cut(mut text: String) -> String {
    if text.len() > TEXT_BYTES_MAX {
        text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
        text.push('…');
    }
    text
}
