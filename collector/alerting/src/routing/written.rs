//! The routing file as it may be shown to anybody who may look: without what opens a door.

use std::sync::Arc;

use agent_yaml::Document;

/// Values that are secrets, whatever receiver they belong to.
const SECRETS: [&str; 17] = [
    "api_key",
    "api_secret",
    "api_url",
    "auth_password",
    "auth_secret",
    "bearer_token",
    "bot_token",
    "client_secret",
    "credentials",
    "password",
    "routing_key",
    "secret_key",
    "service_key",
    "slack_api_url",
    "smtp_auth_password",
    "smtp_auth_secret",
    "token",
];

pub(super) fn written(document: &Document) -> Arc<str> {
    let covered = |key: &str, text: &str| match key {
        _ if SECRETS.contains(&key) => Some("<secret>".to_owned()),
        "url" | "webhook_url" => without_path(text),
        _ => None,
    };
    document.write(covered).into()
}

/// Of an address the path is often the key to it; where it leads is no secret.
fn without_path(text: &str) -> Option<String> {
    let url = reqwest::Url::parse(text).ok()?;
    let bare = url.path().len() <= 1 && url.query().is_none() && url.password().is_none();
    let host = url.host_str()?;
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    (!bare).then(|| format!("{}://{host}{port}/<secret>", url.scheme()))
}
