//! Checks of receivers: each integration gets all it needs, from itself or from `global`.

use std::sync::Arc;

use agent_yaml::At;

use super::super::raw;
use super::super::{Channel, Integration, Receiver, SecretText, WebhookChannel};
use super::{Check, email, http};
use crate::limits::ATTEMPT_ASKED_MAX_S;

pub(super) fn ready(
    check: &mut Check<'_>,
    raw: &raw::Receiver,
    global: Option<&raw::Global>,
) -> Receiver {
    for (key, config) in raw.not_built() {
        let message = format!(
            "`{key}` are not supported yet; receiver {:?} can have webhook_configs and email_configs",
            raw.name.value
        );
        check.problem(&config.place, message);
    }
    let mut integrations = Vec::new();
    for (at, config) in raw.webhook_configs.iter().enumerate() {
        let channel = webhook(check, config);
        integrations.push(Integration {
            name: format!("webhook/{at}").into(),
            send_resolved: config.value.send_resolved,
            channel: Channel::Webhook(Arc::new(channel)),
            turn: None,
        });
    }
    for (at, config) in raw.email_configs.iter().enumerate() {
        integrations.push(Integration {
            name: format!("email/{at}").into(),
            send_resolved: config.value.send_resolved,
            channel: Channel::Email(Arc::new(email::ready(check, config, global))),
            turn: None,
        });
    }
    Receiver { name: Arc::from(raw.name.value.as_str()), integrations }
}

fn webhook(check: &mut Check<'_>, config: &At<raw::Webhook>) -> WebhookChannel {
    let raw = &config.value;
    let url = match (&raw.url, &raw.url_file) {
        (Some(url), None) => {
            let parsed = reqwest::Url::parse(&url.value);
            if !parsed.is_ok_and(|parsed| matches!(parsed.scheme(), "http" | "https")) {
                let message = format!("{:?} is not an http:// or https:// address", url.value);
                check.problem(&url.place, message);
            }
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
        http: match &raw.http_config {
            Some(own) => http::ready(check, Some(own)),
            None => check.http.clone(),
        },
    }
}
