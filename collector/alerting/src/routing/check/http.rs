//! Checks of `http_config` and `tls_config`: one way to sign in, certificates with their keys, what we cannot do refused.

use agent_yaml::{At, Place};

use super::super::raw;
use super::super::{Authorization, HttpOptions, SecretText, TlsOptions};
use super::Check;

/// As Alertmanager names them; nothing older than 1.2 is spoken.
const VERSIONS: [&str; 4] = ["TLS10", "TLS11", "TLS12", NEWEST];
const NEWEST: &str = "TLS13";

pub(super) fn ready(check: &mut Check<'_>, raw: Option<&At<raw::Http>>) -> HttpOptions {
    let Some(At { value: raw, place }) = raw else { return HttpOptions::default() };
    for (given, key) in
        [(&raw.oauth2, "oauth2"), (&raw.proxy_connect_header, "proxy_connect_header")]
    {
        if let Some(given) = given {
            check.problem(&given.place, format!("`{key}` is not supported yet"));
        }
    }
    if let Some(name) = raw.tls_config.as_ref().and_then(|tls| tls.value.server_name.as_ref()) {
        let text = "`server_name` is not supported for HTTP: put the name into the address";
        check.problem(&name.place, text);
    }
    if let Some(proxy) = &raw.proxy_url
        && reqwest::Proxy::all(&proxy.value).is_err()
    {
        check.problem(&proxy.place, format!("{:?} is not the address of a proxy", proxy.value));
    }
    HttpOptions {
        follow_redirects: raw.follow_redirects,
        http2: raw.enable_http2,
        authorization: authorization(check, raw, place),
        proxy: raw.proxy_url.as_ref().map(|proxy| proxy.value.clone()),
        no_proxy: raw.no_proxy.clone().unwrap_or_default(),
        proxy_from_environment: raw.proxy_from_environment,
        headers: headers(check, raw),
        tls: tls(check, raw.tls_config.as_ref()),
    }
}

fn authorization(check: &mut Check<'_>, raw: &raw::Http, place: &Place) -> Option<Authorization> {
    let mut ways = Vec::new();
    if let Some(given) = &raw.authorization {
        let files = (&given.credentials, &given.credentials_file);
        let credentials = check.secret(place, "credentials", files.0, files.1);
        if given.scheme.trim().eq_ignore_ascii_case("basic") {
            check.problem(place, "`authorization` cannot be of type Basic; use `basic_auth`");
        }
        let scheme = given.scheme.trim().to_owned();
        ways.push(credentials.map(|credentials| Authorization::Header { scheme, credentials }));
    }
    if let Some(given) = &raw.basic_auth {
        let username = check.secret(place, "username", &given.username, &given.username_file);
        let password = check.secret(place, "password", &given.password, &given.password_file);
        ways.push(Some(Authorization::Basic {
            username: username.unwrap_or_else(|| SecretText::Value(String::new())),
            password: password.unwrap_or_else(|| SecretText::Value(String::new())),
        }));
    }
    let token = check.secret(place, "bearer_token", &raw.bearer_token, &raw.bearer_token_file);
    if let Some(credentials) = token {
        ways.push(Some(Authorization::Header { scheme: "Bearer".to_owned(), credentials }));
    }
    if ways.len() > 1 {
        let text = "give one of `authorization`, `basic_auth` and `bearer_token`, not several";
        check.problem(place, text);
    }
    if ways.iter().any(Option::is_none) {
        check.problem(place, "`authorization` needs `credentials` or `credentials_file`");
    }
    ways.into_iter().flatten().next()
}

fn headers(check: &mut Check<'_>, raw: &raw::Http) -> Vec<(String, SecretText)> {
    let mut headers = Vec::new();
    for (name, At { value: header, place }) in raw.http_headers.iter() {
        if reqwest::header::HeaderName::try_from(name.as_str()).is_err() {
            check.problem(place, format!("{name:?} cannot be the name of a header"));
        }
        let values = header.values.iter().chain(&header.secrets);
        let values = values.map(|value| SecretText::Value(value.clone()));
        let files = header.files.iter().map(|file| check.file(file));
        headers.extend(values.chain(files).map(|value| (name.clone(), value)));
    }
    headers
}

pub(super) fn tls(check: &mut Check<'_>, raw: Option<&At<raw::Tls>>) -> TlsOptions {
    let Some(At { value: raw, place }) = raw else { return TlsOptions::default() };
    for (given, key) in [(&raw.min_version, "min_version"), (&raw.max_version, "max_version")] {
        if let Some(given) = given
            && !VERSIONS.contains(&given.value.as_str())
        {
            let message = format!("`{key}` is one of {}", VERSIONS.join(", "));
            check.problem(&given.place, message);
        }
    }
    if let Some(given) = raw.max_version.as_ref().filter(|given| given.value != NEWEST) {
        check.problem(&given.place, "`max_version` cannot be less than TLS13");
    }
    let certificate = check.secret(place, "cert", &raw.cert, &raw.cert_file);
    let key = check.secret(place, "key", &raw.key, &raw.key_file);
    if certificate.is_some() != key.is_some() {
        check.problem(place, "a client's certificate and its key go together");
    }
    let options = TlsOptions {
        authorities: check.secret(place, "ca", &raw.ca, &raw.ca_file),
        identity: certificate.zip(key),
        skip_verify: raw.insecure_skip_verify,
        server_name: raw.server_name.as_ref().map(|name| name.value.clone()),
        only_newest: raw.min_version.as_ref().is_some_and(|given| given.value == NEWEST),
    };
    if let Err(failed) = crate::notify::usable(&options) {
        let problem = check.document.problem(place, failed.chain());
        check.unready.push(problem);
    }
    options
}
