//! Checks of channels that chat: each has an address, and every text is a template that can be used.

use std::sync::Arc;

use agent_yaml::{At, Place};

use super::super::raw;
use super::super::{
    Channel, DiscordChannel, HttpOptions, SecretText, SlackAction, SlackChannel, SlackField,
    TeamsChannel, TelegramChannel,
};
use super::{Check, http};

const TELEGRAM_API: &str = "https://api.telegram.org";

/// Telegram's own; what else stands there it would refuse.
const PARSE_MODES: [&str; 4] = ["", "HTML", "Markdown", "MarkdownV2"];

/// What Alertmanager has Slack read as Markdown.
const MARKDOWN_IN: [&str; 3] = ["fallback", "pretext", "text"];

pub(super) fn slack(
    check: &mut Check<'_>,
    config: &At<raw::Slack>,
    global: Option<&raw::Global>,
) -> Channel {
    let raw = &config.value;
    for (given, key) in [
        (&raw.edit_messages, "edit_messages"),
        (&raw.app_token, "app_token"),
        (&raw.app_token_file, "app_token_file"),
        (&raw.app_url, "app_url"),
        (&raw.message_text, "message_text"),
        (&raw.timeout, "timeout"),
    ] {
        refuse(check, given.as_ref(), key);
    }
    let own = (raw.api_url.as_ref(), &raw.api_url_file);
    let of_global =
        global.map(|global| (global.slack_api_url.as_ref(), &global.slack_api_url_file));
    let url = address(check, &config.place, "api_url", own, of_global);
    let fields = fields(check, &raw.fields, raw.short_fields);
    let actions = raw.actions.iter().map(|action| slack_action(check, action)).collect();
    let mrkdwn_in = match raw.mrkdwn_in.as_slice() {
        [] => MARKDOWN_IN.map(str::to_owned).to_vec(),
        given => given.to_vec(),
    };
    let mut built_in = |given: &Option<At<agent_yaml::Text>>, name: &str| {
        check.text(given.as_ref(), &format!("{{{{ template \"slack.default.{name}\" . }}}}"))
    };
    let (username, title) = (built_in(&raw.username, "username"), built_in(&raw.title, "title"));
    let (title_link, pretext) =
        (built_in(&raw.title_link, "titlelink"), built_in(&raw.pretext, "pretext"));
    let (text, fallback) = (built_in(&raw.text, "text"), built_in(&raw.fallback, "fallback"));
    let callback_id = built_in(&raw.callback_id, "callbackid");
    let (icon_emoji, icon_url) =
        (built_in(&raw.icon_emoji, "iconemoji"), built_in(&raw.icon_url, "iconurl"));
    let footer = built_in(&raw.footer, "footer");
    let color = r#"{{ if eq .Status "firing" }}danger{{ else }}good{{ end }}"#;
    Channel::Slack(Arc::new(SlackChannel {
        url,
        http: options(check, raw.http_config.as_ref()),
        channel: check.text(raw.channel.as_ref(), ""),
        username,
        color: check.text(raw.color.as_ref(), color),
        title,
        title_link,
        pretext,
        text,
        fallback,
        callback_id,
        icon_emoji,
        icon_url,
        image_url: check.text(raw.image_url.as_ref(), ""),
        thumb_url: check.text(raw.thumb_url.as_ref(), ""),
        footer,
        fields,
        actions,
        link_names: raw.link_names,
        mrkdwn_in,
    }))
}

pub(super) fn fields(
    check: &mut Check<'_>,
    raw: &[raw::SlackField],
    short: bool,
) -> Vec<SlackField> {
    let fields = raw.iter().map(|field| SlackField {
        title: check.text(Some(&field.title), ""),
        value: check.text(Some(&field.value), ""),
        short: field.short.unwrap_or(short),
    });
    fields.collect()
}

fn slack_action(check: &mut Check<'_>, action: &At<raw::SlackAction>) -> SlackAction {
    let raw = &action.value;
    // Such a button asks an application behind Slack, and nobody here answers it.
    for (given, key) in [(&raw.name, "name"), (&raw.value, "value"), (&raw.confirm, "confirm")] {
        refuse(check, given.as_ref(), key);
    }
    if raw.url.is_none() {
        check.problem(&action.place, "an action of Slack needs a `url`");
    }
    SlackAction {
        kind: check.text(Some(&raw.kind), ""),
        text: check.text(Some(&raw.text), ""),
        url: check.text(raw.url.as_ref(), ""),
        style: check.text(raw.style.as_ref(), ""),
    }
}

pub(super) fn telegram(
    check: &mut Check<'_>,
    config: &At<raw::Telegram>,
    global: Option<&raw::Global>,
) -> Channel {
    let raw = &config.value;
    let api = raw.api_url.as_ref().or(global.and_then(|global| global.telegram_api_url.as_ref()));
    if let Some(api) = api {
        check.is_http(api);
    }
    let api_url = api.map_or(TELEGRAM_API, |api| api.value.trim_end_matches('/')).to_owned();
    let own = (&raw.bot_token, &raw.bot_token_file);
    let token = check.secret(&config.place, "bot_token", own.0, own.1).or_else(|| {
        let (value, file) = (&global?.telegram_bot_token, &global?.telegram_bot_token_file);
        check.secret(&config.place, "telegram_bot_token", value, file)
    });
    if token.is_none() {
        check.problem(&config.place, "a telegram receiver needs `bot_token` or `bot_token_file`");
    }
    let chat = raw.chat_id.filter(|chat| *chat != 0).map(|chat| chat.to_string());
    let chat_id = check.secret(&config.place, "chat_id", &chat, &raw.chat_id_file);
    if chat_id.is_none() {
        check.problem(&config.place, "a telegram receiver needs `chat_id` or `chat_id_file`");
    }
    let mode = raw.parse_mode.as_ref().map_or("HTML", |mode| mode.value.as_str());
    if let Some(given) = raw.parse_mode.as_ref().filter(|_| !PARSE_MODES.contains(&mode)) {
        check.problem(&given.place, "`parse_mode` is HTML, Markdown, MarkdownV2 or empty");
    }
    let message = if mode == "HTML" {
        check.page(raw.message.as_ref(), r#"{{ template "telegram.default.message" . }}"#)
    } else {
        check.text(raw.message.as_ref(), r#"{{ template "__text" . }}"#)
    };
    let nothing = || SecretText::Value(String::new());
    Channel::Telegram(Arc::new(TelegramChannel {
        api_url,
        token: token.unwrap_or_else(nothing),
        chat_id: chat_id.unwrap_or_else(nothing),
        thread: raw.message_thread_id.filter(|thread| *thread != 0),
        message,
        is_silent: raw.disable_notifications,
        parse_mode: mode.to_owned(),
        http: options(check, raw.http_config.as_ref()),
    }))
}

pub(super) fn discord(check: &mut Check<'_>, config: &At<raw::Discord>) -> Channel {
    let raw = &config.value;
    let own = (raw.webhook_url.as_ref(), &raw.webhook_url_file);
    if let Some(avatar) = &raw.avatar_url {
        check.is_http(avatar);
    }
    Channel::Discord(Arc::new(DiscordChannel {
        url: address(check, &config.place, "webhook_url", own, None),
        http: options(check, raw.http_config.as_ref()),
        title: check.text(raw.title.as_ref(), r#"{{ template "discord.default.title" . }}"#),
        message: check.text(raw.message.as_ref(), r#"{{ template "discord.default.message" . }}"#),
        content: check.text(raw.content.as_ref(), r#"{{ template "discord.default.content" . }}"#),
        username: raw.username.as_ref().map(|name| name.0.clone()).unwrap_or_default(),
        avatar_url: raw.avatar_url.as_ref().map(|url| url.value.clone()).unwrap_or_default(),
    }))
}

/// `name`: of the templates that are built in, `msteams` or `msteamsv2`.
pub(super) fn teams(check: &mut Check<'_>, config: &At<raw::Teams>, name: &str) -> Channel {
    let raw = &config.value;
    let own = (raw.webhook_url.as_ref(), &raw.webhook_url_file);
    let url = address(check, &config.place, "webhook_url", own, None);
    let built_in = |text: &str| format!("{{{{ template \"{name}.default.{text}\" . }}}}");
    let with_summary = name == "msteams";
    if let Some(given) = raw.summary.as_ref().filter(|_| !with_summary) {
        check.problem(&given.place, "`summary` is a key of msteams_configs, not of these");
    }
    let summary = with_summary.then(|| check.text(raw.summary.as_ref(), &built_in("summary")));
    Channel::Teams(Arc::new(TeamsChannel {
        url,
        title: check.text(raw.title.as_ref(), &built_in("title")),
        summary,
        text: check.text(raw.text.as_ref(), &built_in("text")),
        http: options(check, raw.http_config.as_ref()),
    }))
}

pub(super) fn options(check: &mut Check<'_>, own: Option<&At<raw::Http>>) -> HttpOptions {
    match own {
        Some(own) => http::ready(check, Some(own)),
        None => check.http.clone(),
    }
}

fn refuse(check: &mut Check<'_>, given: Option<&At<agent_yaml::Anything>>, key: &str) {
    if let Some(given) = given {
        check.problem(&given.place, format!("`{key}` is not supported yet"));
    }
}

/// An address that may be a secret: in place or in a file, of the channel or of `global`.
pub(super) fn address(
    check: &mut Check<'_>,
    place: &Place,
    key: &str,
    own: (Option<&At<String>>, &Option<String>),
    of_global: Option<(Option<&At<String>>, &Option<String>)>,
) -> SecretText {
    let given =
        |(url, file): (Option<&At<String>>, &Option<String>)| url.is_some() || file.is_some();
    let chosen = if given(own) { own } else { of_global.unwrap_or(own) };
    if let Some(url) = chosen.0 {
        check.is_http(url);
    }
    let text = chosen.0.map(|url| url.value.clone());
    check.secret(place, key, &text, chosen.1).unwrap_or_else(|| {
        check.problem(place, format!("it needs `{key}` or `{key}_file`"));
        SecretText::Value(String::new())
    })
}
