//! The routing file as it may be shown to anybody who may look: without what opens a door.
//! What a key is called decides, not which keys there are today: a channel that comes later is covered as well.

use std::sync::Arc;

use agent_yaml::Document;

const COVER: &str = "<secret>";

/// A key with one of these in it, however it is written (`api_key`, `ApiKey`), has a secret, unless it is the name of a file.
/// The body of a request to a gateway is where people write the gateway's key; a program of one's own is told secrets too.
const SECRET_WORDS: [&str; 9] = [
    "arguments",
    "authorization",
    "body",
    "cookie",
    "credential",
    "key",
    "pass",
    "secret",
    "token",
];

/// Headers of requests and mails that have no secret; any other may, for gateways name theirs as they like.
const PUBLIC_HEADERS: [&str; 3] = ["accept", "content-type", "subject"];

/// Below these keys stand names of labels, whatever they are called.
const LABELS: [&str; 6] =
    ["match", "match_re", "source_match", "source_match_re", "target_match", "target_match_re"];

pub(super) fn written(document: &Document) -> Arc<str> {
    document.write(covered).into()
}

/// What is shown instead of a text; `None` for itself.
fn covered(keys: &[&str], text: &str) -> Option<String> {
    let (key, above) = keys.split_last()?;
    if text.is_empty() || above.last().is_some_and(|above| LABELS.contains(above)) {
        return None;
    }
    let key = key.to_ascii_lowercase();
    if above.last() == Some(&"headers") {
        return (!PUBLIC_HEADERS.contains(&key.as_str())).then(|| COVER.to_owned());
    }
    let of_header = above.contains(&"http_headers") && key == "values";
    match key.rsplit(['_', '-']).next() {
        Some("file" | "files") => None,
        Some("url" | "urls" | "uri") => without_path(text),
        _ if of_header || SECRET_WORDS.iter().any(|word| key.contains(word)) => {
            Some(COVER.to_owned())
        }
        _ => None,
    }
}

/// Of an address the path is often the key to it, and so is a user; where it leads is no secret. What cannot be read as
/// an address is covered whole.
fn without_path(text: &str) -> Option<String> {
    let parsed = reqwest::Url::parse(text).ok();
    let Some((url, host)) = parsed.as_ref().and_then(|url| Some((url, url.host_str()?))) else {
        return Some(COVER.to_owned());
    };
    let bare = url.path().len() <= 1
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    (!bare).then(|| format!("{}://{host}{port}/{COVER}", url.scheme()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn shown(key: &str, text: &str) -> String {
        covered(&["receivers", key], text).unwrap_or_else(|| text.to_owned())
    }

    /// Every key that the raw configuration accepts, as its structures name them.
    fn accepted_keys() -> Vec<String> {
        let raw = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/routing/raw");
        let mut keys = Vec::new();
        for file in std::fs::read_dir(raw).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            for line in text.lines() {
                let field = line.trim_start().split_once(": ").map(|(field, _)| field);
                let name = field.and_then(|field| field.rsplit_once(' ')).map(|(_, name)| name);
                keys.extend(name.filter(|_| line.contains("pub(")).map(str::to_owned));
            }
        }
        keys
    }

    #[test]
    fn no_key_that_is_accepted_shows_a_secret() {
        let keys = accepted_keys();
        assert!(keys.len() > 80, "{}", keys.len());
        let mut covered = 0;
        for key in keys.iter().filter(|key| !key.ends_with("_file") && !key.ends_with("_files")) {
            let says = ["secret", "token", "password", "credentials", "key", "url", "body"];
            if says.iter().any(|word| key.contains(word)) {
                covered += 1;
                let text = shown(key, "https://LEAK:LEAK@hooks.example/LEAK?a=LEAK#LEAK");
                assert!(!text.contains("LEAK"), "{key} shows {text}");
                assert!(!shown(key, "LEAK").contains("LEAK"), "{key} shows a text");
            }
        }
        assert!(covered > 25, "{covered} keys have secrets");
    }

    #[test]
    fn a_shown_file_has_no_secret_and_all_else() {
        let text = "
global:
  slack_api_url: https://hooks.slack.example/services/LEAK
  slack_app_token: LEAK
  opsgenie_api_url: https://api.opsgenie.example/
  opsgenie_api_key: LEAK
  rocketchat_token_id: LEAK
  smtp_auth_password: LEAK
  smtp_auth_password_file: /run/secrets/mail
  telegram_bot_token: LEAK
  victorops_api_key: LEAK
  wechat_api_secret: LEAK
  mattermost_webhook_url: LEAK
  http_config:
    proxy_url: http://LEAK@proxy:3128
    http_headers:
      X-Door: {values: [LEAK], secrets: [LEAK, LEAK], files: [/run/secrets/door]}
    tls_config: {ca: PUBLIC, cert: PUBLIC, key: LEAK}
    oauth2: {client_id: c, client_secret: LEAK, token_url: 'https://LEAK@id.example/LEAK'}
route:
  receiver: x
  routes: [{match: {token: visible}}]
receivers:
  - name: x
    webhook_configs: [{url: 'http://LEAK@hook.example'}, {url: 'http://hook.example:99'}]
    pagerduty_configs: [{routing_key: LEAK}]
    pushover_configs: [{user_key: LEAK, token: LEAK}]
    sms_configs: [{headers: {X-Api-Key: LEAK, X-Auth: LEAK, my-file: LEAK, Accept: text}}]
    script_configs: [{path: /usr/bin/tell, arguments: [--token, LEAK], ApiKey: LEAK, SecretKey: LEAK}]
";
        let document = Document::parse(Path::new("a.yml"), text).unwrap();
        let shown = written(&document);
        assert!(!shown.contains("LEAK"), "{shown}");
        for kept in [
            "token: visible",
            "smtp_auth_password_file: /run/secrets/mail",
            "opsgenie_api_url: https://api.opsgenie.example/",
            "url: \"http://hook.example/<secret>\"",
            "url: \"http://hook.example:99\"",
            "- /run/secrets/door",
            "Accept: text",
            "path: /usr/bin/tell",
            "ca: PUBLIC",
        ] {
            assert!(shown.contains(kept), "{kept} is missing in {shown}");
        }
    }
}
