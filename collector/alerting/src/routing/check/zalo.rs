//! Checks of Zalo's channels: addresses, the file of tokens, recipients, and texts that can be used.

use std::path::PathBuf;
use std::sync::Arc;

use agent_yaml::{At, Place, Text};
use rules_templates::Template;

use super::super::raw;
use super::super::{Channel, SecretText, ZaloChannel, ZaloMessage};
use super::{Check, chat};

const OA_API: &str = "https://openapi.zalo.me";
const ZNS_API: &str = "https://business.openapi.zalo.me";
const OAUTH: &str = "https://oauth.zaloapp.com";

const MESSAGE_TYPES: [&str; 2] = ["cs", "transaction"];

/// Recipients of one receiver: each costs a request.
const RECIPIENTS_MAX: usize = 50;

pub(super) fn oa(check: &mut Check<'_>, config: &At<raw::ZaloOa>) -> Channel {
    let raw = &config.value;
    let kind = raw.message_type.as_ref().map_or("cs", |kind| kind.value.as_str());
    if let Some(given) = raw.message_type.as_ref().filter(|_| !MESSAGE_TYPES.contains(&kind)) {
        check.problem(&given.place, "`message_type` is cs or transaction");
    }
    let api = address(check, raw.api_url.as_ref(), OA_API);
    let default = r#"{{ template "zalo.default.message" . }}"#;
    Channel::Zalo(Arc::new(ZaloChannel {
        url: format!("{api}/v3.0/oa/message/{kind}"),
        oauth_url: address(check, raw.oauth_url.as_ref(), OAUTH),
        app_id: raw.app_id.0.clone(),
        secret_key: secret_key(check, &config.place, &raw.secret_key, &raw.secret_key_file),
        token_file: token_file(check, &raw.token_file),
        to: recipients(check, &raw.to),
        message: ZaloMessage::Text { message: check.text(raw.message.as_ref(), default) },
        http: chat::options(check, raw.http_config.as_ref()),
    }))
}

pub(super) fn zns(check: &mut Check<'_>, config: &At<raw::ZaloZns>) -> Channel {
    let raw = &config.value;
    let data = raw.template_data.iter();
    let data = data.map(|(name, text)| (name.clone(), check.text(Some(text), ""))).collect();
    let api = address(check, raw.api_url.as_ref(), ZNS_API);
    Channel::Zalo(Arc::new(ZaloChannel {
        url: format!("{api}/message/template"),
        oauth_url: address(check, raw.oauth_url.as_ref(), OAUTH),
        app_id: raw.app_id.0.clone(),
        secret_key: secret_key(check, &config.place, &raw.secret_key, &raw.secret_key_file),
        token_file: token_file(check, &raw.token_file),
        to: recipients(check, &raw.to),
        message: ZaloMessage::Template { id: raw.template_id.0.clone(), data },
        http: chat::options(check, raw.http_config.as_ref()),
    }))
}

fn address(check: &mut Check<'_>, given: Option<&At<String>>, instead: &str) -> String {
    if let Some(given) = given {
        check.is_http(given);
    }
    given.map_or(instead, |given| given.value.trim_end_matches('/')).to_owned()
}

fn secret_key(
    check: &mut Check<'_>,
    place: &Place,
    value: &Option<String>,
    file: &Option<String>,
) -> SecretText {
    check.secret(place, "secret_key", value, file).unwrap_or_else(|| {
        check.problem(place, "it needs `secret_key` or `secret_key_file`");
        SecretText::Value(String::new())
    })
}

fn token_file(check: &mut Check<'_>, file: &String) -> PathBuf {
    match check.file(file) {
        SecretText::File(path) => path,
        SecretText::Value(_) => PathBuf::from(file),
    }
}

fn recipients(check: &mut Check<'_>, to: &At<Vec<At<Text>>>) -> Vec<Template> {
    if to.value.is_empty() || to.value.len() > RECIPIENTS_MAX {
        check.problem(&to.place, format!("`to` names 1 to {RECIPIENTS_MAX} recipients"));
    }
    to.value.iter().map(|to| check.text(Some(to), "")).collect()
}
