//! Checks of receivers: each integration gets all it needs, from itself or from `global`.

use std::sync::Arc;

use agent_yaml::At;

use super::super::raw;
use super::super::{Channel, Integration, Receiver, SecretText, WebhookChannel};
use super::{Check, chat, email, mattermost, ours, smpp, zalo};
use crate::limits::ATTEMPT_ASKED_MAX_S;

const BUILT: &str = "webhook_configs, email_configs, slack_configs, mattermost_configs, discord_configs, telegram_configs, \
                     msteams_configs, msteamsv2_configs, zalo_oa_configs, zalo_zns_configs, sms_configs, smpp_configs, syslog_configs and script_configs";

pub(super) fn ready(
    check: &mut Check<'_>,
    raw: &raw::Receiver,
    global: Option<&raw::Global>,
) -> Receiver {
    for (key, config) in raw.not_built() {
        let message = format!("`{key}` are not supported yet; there are {BUILT}");
        check.problem(&config.place, message);
    }
    let mut integrations = Vec::new();
    let mut add = |kind: &str, at: usize, send_resolved: bool, channel: Channel| {
        let name = format!("{kind}/{at}").into();
        let acknowledge_links = raw.acknowledge_links;
        integrations.push(Integration {
            name,
            send_resolved,
            acknowledge_links,
            channel,
            turn: None,
        });
    };
    for (at, config) in raw.webhook_configs.iter().enumerate() {
        let channel = Channel::Webhook(Arc::new(webhook(check, config)));
        add("webhook", at, config.value.send_resolved, channel);
    }
    for (at, config) in raw.email_configs.iter().enumerate() {
        let channel = Channel::Email(Arc::new(email::ready(check, config, global)));
        add("email", at, config.value.send_resolved, channel);
    }
    for (at, config) in raw.slack_configs.iter().enumerate() {
        add("slack", at, config.value.send_resolved, chat::slack(check, config, global));
    }
    for (at, config) in raw.mattermost_configs.iter().enumerate() {
        let channel = mattermost::ready(check, config, global);
        add("mattermost", at, config.value.send_resolved, channel);
    }
    for (at, config) in raw.discord_configs.iter().enumerate() {
        add("discord", at, config.value.send_resolved, chat::discord(check, config));
    }
    for (at, config) in raw.telegram_configs.iter().enumerate() {
        add("telegram", at, config.value.send_resolved, chat::telegram(check, config, global));
    }
    let teams = [("msteams", &raw.msteams_configs), ("msteamsv2", &raw.msteamsv2_configs)];
    for (kind, configs) in teams {
        for (at, config) in configs.iter().enumerate() {
            add(kind, at, config.value.send_resolved, chat::teams(check, config, kind));
        }
    }
    for (at, config) in raw.sms_configs.iter().enumerate() {
        add("sms", at, config.value.send_resolved, ours::sms(check, config));
    }
    for (at, config) in raw.smpp_configs.iter().enumerate() {
        add("smpp", at, config.value.send_resolved, smpp::ready(check, config));
    }
    for (at, config) in raw.script_configs.iter().enumerate() {
        add("script", at, config.value.send_resolved, ours::script(check, config));
    }
    for (at, config) in raw.zalo_oa_configs.iter().enumerate() {
        add("zalo_oa", at, config.value.send_resolved, zalo::oa(check, config));
    }
    for (at, config) in raw.zalo_zns_configs.iter().enumerate() {
        add("zalo_zns", at, config.value.send_resolved, zalo::zns(check, config));
    }
    for (at, config) in raw.syslog_configs.iter().enumerate() {
        add("syslog", at, config.value.send_resolved, ours::syslog(check, config));
    }
    Receiver { name: Arc::from(raw.name.value.as_str()), integrations }
}

fn webhook(check: &mut Check<'_>, config: &At<raw::Webhook>) -> WebhookChannel {
    let raw = &config.value;
    let url = match (&raw.url, &raw.url_file) {
        (Some(url), None) => {
            check.is_http(url);
            SecretText::Value(url.value.clone())
        }
        (None, Some(file)) => check.file(file),
        _ => {
            check.problem(&config.place, "a webhook needs one of `url` and `url_file`");
            SecretText::Value(String::new())
        }
    };
    if raw.timeout.is_some_and(|timeout| timeout.0.as_secs() > ATTEMPT_ASKED_MAX_S) {
        let message = format!("a webhook's `timeout` is at most {ATTEMPT_ASKED_MAX_S} s");
        check.problem(&config.place, message);
    }
    WebhookChannel {
        url,
        alerts_max: usize::try_from(raw.max_alerts).unwrap_or(usize::MAX),
        timeout: raw.timeout.map(|timeout| timeout.0).filter(|timeout| !timeout.is_zero()),
        http: chat::options(check, raw.http_config.as_ref()),
    }
}
