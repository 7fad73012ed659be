//! Checks of receivers: each integration gets all it needs, from itself or from `global`.

use std::sync::Arc;

use agent_yaml::{At, Place};
use lettre::message::Mailbox;

use super::super::raw;
use super::super::{Channel, EmailChannel, Integration, Receiver, SecretText, WebhookChannel};
use super::{Check, http};
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
            channel: Channel::Webhook(channel),
        });
    }
    for (at, config) in raw.email_configs.iter().enumerate() {
        integrations.push(Integration {
            name: format!("email/{at}").into(),
            send_resolved: config.value.send_resolved,
            channel: Channel::Email(email(check, config, global)),
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

fn email(
    check: &mut Check<'_>,
    config: &At<raw::Email>,
    global: Option<&raw::Global>,
) -> EmailChannel {
    let raw = &config.value;
    let to = addresses(check, &raw.to);
    let from = raw.from.as_ref().or(global.and_then(|global| global.smtp_from.as_ref()));
    let from = needed(check, from, &config.place, "`from` (or `smtp_from` in `global`)");
    if let Some(from) = from {
        addresses(check, from);
    }
    let smarthost =
        raw.smarthost.as_ref().or(global.and_then(|global| global.smtp_smarthost.as_ref()));
    let smarthost =
        needed(check, smarthost, &config.place, "`smarthost` (or `smtp_smarthost` in `global`)");
    let (host, port) = smarthost.map_or((String::new(), 0), |smarthost| {
        let parts = smarthost.value.rsplit_once(':');
        let found = parts.and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
        found.unwrap_or_else(|| {
            let message = format!("{:?} is not host:port", smarthost.value);
            check.problem(&smarthost.place, message);
            (String::new(), 0)
        })
    });
    for value in raw.headers.values() {
        if value.value.0.contains("{{") {
            check.problem(&value.place, "templates are not supported in headers; write plain text");
        }
    }
    let of_global =
        |pick: fn(&raw::Global) -> &Option<String>| global.and_then(|g| pick(g).clone());
    let username = raw.auth_username.clone().or_else(|| of_global(|g| &g.smtp_auth_username));
    let own = (&raw.auth_password, &raw.auth_password_file);
    let password = check.secret(&config.place, "auth_password", own.0, own.1).or_else(|| {
        let (value, file) = (&global?.smtp_auth_password, &global?.smtp_auth_password_file);
        check.secret(&config.place, "smtp_auth_password", value, file)
    });
    if username.is_some() != password.is_some() {
        let text = "`auth_username` and `auth_password` or `auth_password_file` go together";
        check.problem(&config.place, text);
    }
    refuse_unknown_ways(check, raw, global);
    let implicit_tls =
        raw.force_implicit_tls.or(global.and_then(|global| global.smtp_force_implicit_tls));
    let tls = raw.tls_config.as_ref();
    let tls = tls.or(global.and_then(|global| global.smtp_tls_config.as_ref()));
    EmailChannel {
        to,
        from: from.map(|from| from.value.clone()).unwrap_or_default(),
        host,
        port,
        hello: raw.hello.clone().or_else(|| of_global(|g| &g.smtp_hello)),
        username,
        password,
        require_tls: raw.require_tls.or(global.and_then(|g| g.smtp_require_tls)).unwrap_or(true),
        implicit_tls,
        tls: http::tls(check, tls),
        headers: raw.headers.iter().map(|(name, at)| (name.clone(), at.value.0.clone())).collect(),
    }
}

/// Ways to sign in and to write a mail that are Alertmanager's and not ours.
fn refuse_unknown_ways(check: &mut Check<'_>, raw: &raw::Email, global: Option<&raw::Global>) {
    let signing_in = [&raw.auth_secret, &raw.auth_secret_file, &raw.auth_identity];
    let of_global = global.map(|global| {
        [&global.smtp_auth_secret, &global.smtp_auth_secret_file, &global.smtp_auth_identity]
    });
    for given in signing_in.into_iter().chain(of_global.into_iter().flatten()).flatten() {
        let text = "CRAM-MD5 and identities are not supported; PLAIN and LOGIN with a password are";
        check.problem(&given.place, text);
    }
    for given in [&raw.html, &raw.text].into_iter().flatten() {
        let text =
            "templates are not supported yet: leave `html` and `text` out for the built-in text";
        check.problem(&given.place, text);
    }
    if let Some(given) = &raw.threading {
        check.problem(&given.place, "`threading` is not supported yet");
    }
}

fn needed<'a>(
    check: &mut Check<'_>,
    found: Option<&'a At<String>>,
    place: &Place,
    what: &str,
) -> Option<&'a At<String>> {
    if found.is_none() {
        check.problem(place, format!("an e-mail receiver needs {what}"));
    }
    found
}

/// Comma-separated addresses, as Alertmanager's `to`.
fn addresses(check: &mut Check<'_>, text: &At<String>) -> Vec<String> {
    let parts: Vec<String> = text.value.split(',').map(|part| part.trim().to_owned()).collect();
    for part in &parts {
        if part.parse::<Mailbox>().is_err() {
            check.problem(&text.place, format!("{part:?} is not an e-mail address"));
        }
    }
    parts
}
