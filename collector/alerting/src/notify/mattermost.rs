//! Mattermost's incoming webhooks, with the fields of Alertmanager (developers.mattermost.com/integrate/webhooks/incoming;
//! alertmanager, notify/mattermost). Taken is what was answered with `ok`, as Slack does.

use rules_templates::Template;
use serde_json::{Map, Value, json};

use crate::routing::{MattermostAttachment, MattermostChannel, MattermostPriority};

use super::SendError;
use super::chat::{Chat, cut};
use super::composing::Words;
use super::http::Answer;
use super::slack;

/// Mattermost's bound on a text, in characters.
const TEXT_CHARS_MAX: usize = 16_383;

impl Chat for MattermostChannel {
    type Message = Value;

    fn compose(&self, words: &mut Words) -> Value {
        let mut message = Map::new();
        fill(&mut message, &self.texts, words);
        if let Some(card) = &self.card {
            message.insert("props".to_owned(), json!({ "card": words.extra("card", card) }));
        }
        if let Some(priority) = &self.priority {
            message.insert("priority".to_owned(), urgency(priority, words));
        }
        let attachments: Vec<Value> =
            self.attachments.iter().map(|one| attachment(one, words)).collect();
        if !attachments.is_empty() {
            message.insert("attachments".to_owned(), attachments.into());
        }
        // Last, so that it tells of every template that failed.
        let text = words.main("text", &self.text);
        message.insert("text".to_owned(), cut(&text, TEXT_CHARS_MAX).into());
        message.into()
    }

    fn judged(answer: &Answer) -> Result<(), SendError> {
        slack::said_ok(answer)
    }
}

/// Texts that are empty are not sent.
fn fill(into: &mut Map<String, Value>, texts: &[(&'static str, Template)], words: &mut Words) {
    for (key, template) in texts {
        let text = words.extra(key, template);
        if !text.is_empty() {
            into.insert((*key).to_owned(), text.into());
        }
    }
}

fn attachment(attachment: &MattermostAttachment, words: &mut Words) -> Value {
    let mut filled = Map::new();
    fill(&mut filled, &attachment.texts, words);
    let fields = attachment.fields.iter().map(|field| {
        json!({
            "title": words.extra("fields", &field.title),
            "value": words.extra("fields", &field.value),
            "short": field.short,
        })
    });
    let fields: Vec<Value> = fields.collect();
    if !fields.is_empty() {
        filled.insert("fields".to_owned(), fields.into());
    }
    filled.into()
}

/// Only what is important can be asked to be acknowledged, and only what is urgent goes on ringing; what Mattermost does
/// not know is standard, as Alertmanager has it.
fn urgency(priority: &MattermostPriority, words: &mut Words) -> Value {
    let wanted = words.extra("priority", &priority.priority).to_lowercase();
    let known = ["urgent", "important"].into_iter().find(|known| *known == wanted);
    let rank = known.unwrap_or("standard");
    let mut filled = json!({ "priority": rank });
    if priority.requested_ack && rank != "standard" {
        filled["requested_ack"] = true.into();
    }
    if priority.persistent_notifications && rank == "urgent" {
        filled["persistent_notifications"] = true.into();
    }
    filled
}
