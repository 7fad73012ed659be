//! Checks of `mattermost_configs`: an address, of its own or of `global`, and texts that can be used.

use std::sync::Arc;

use agent_yaml::{At, Text};
use rules_templates::Template;

use super::super::{Channel, MattermostAttachment, MattermostChannel, MattermostPriority, raw};
use super::{Check, chat};

pub(super) fn ready(
    check: &mut Check<'_>,
    config: &At<raw::Mattermost>,
    global: Option<&raw::Global>,
) -> Channel {
    let raw = &config.value;
    let own = (raw.webhook_url.as_ref(), &raw.webhook_url_file);
    let of_global = global.map(|global| {
        (global.mattermost_webhook_url.as_ref(), &global.mattermost_webhook_url_file)
    });
    let username =
        check.text(raw.username.as_ref(), r#"{{ template "mattermost.default.username" . }}"#);
    let mut texts = given(
        check,
        [
            ("channel", &raw.channel),
            ("icon_url", &raw.icon_url),
            ("icon_emoji", &raw.icon_emoji),
            ("type", &raw.kind),
        ],
    );
    texts.push(("username", username));
    let card = raw.props.as_ref().and_then(|props| props.card.as_ref());
    let priority = raw.priority.as_ref().and_then(|given| {
        Some(MattermostPriority {
            priority: check.text(Some(given.priority.as_ref()?), ""),
            requested_ack: given.requested_ack,
            persistent_notifications: given.persistent_notifications,
        })
    });
    Channel::Mattermost(Arc::new(MattermostChannel {
        url: chat::address(check, &config.place, "webhook_url", own, of_global),
        http: chat::options(check, raw.http_config.as_ref()),
        text: check.text(raw.text.as_ref(), r#"{{ template "mattermost.default.text" . }}"#),
        texts,
        card: card.map(|card| check.text(Some(card), "")),
        priority,
        attachments: raw.attachments.iter().map(|one| attachment(check, one)).collect(),
    }))
}

fn attachment(check: &mut Check<'_>, raw: &raw::MattermostAttachment) -> MattermostAttachment {
    let texts = [
        ("fallback", &raw.fallback),
        ("color", &raw.color),
        ("pretext", &raw.pretext),
        ("text", &raw.text),
        ("author_name", &raw.author_name),
        ("author_link", &raw.author_link),
        ("author_icon", &raw.author_icon),
        ("title", &raw.title),
        ("title_link", &raw.title_link),
        ("thumb_url", &raw.thumb_url),
        ("footer", &raw.footer),
        ("footer_icon", &raw.footer_icon),
        ("image_url", &raw.image_url),
    ];
    MattermostAttachment {
        texts: given(check, texts),
        fields: chat::fields(check, &raw.fields, false),
    }
}

/// The texts that the file has, under their keys.
fn given<const COUNT: usize>(
    check: &mut Check<'_>,
    texts: [(&'static str, &Option<At<Text>>); COUNT],
) -> Vec<(&'static str, Template)> {
    let written = texts.into_iter().filter(|(_, text)| text.is_some());
    written.map(|(key, text)| (key, check.text(text.as_ref(), ""))).collect()
}
