//! Checks of `email_configs`: each has all it needs, from itself or from `global`.

use agent_yaml::{At, Place, Text};
use lettre::message::Mailboxes;
use rules_templates::Template;

use super::super::EmailChannel;
use super::super::raw;
use super::{Check, http};

const DEFAULT_SUBJECT: &str = r#"{{ template "email.default.subject" . }}"#;
const DEFAULT_HTML: &str = r#"{{ template "email.default.html" . }}"#;
const DEFAULT_TEXT: &str = r#"{{ template "email.default.text" . }}"#;

pub(super) fn ready(
    check: &mut Check<'_>,
    config: &At<raw::Email>,
    global: Option<&raw::Global>,
) -> EmailChannel {
    let raw = &config.value;
    addresses(check, &raw.to);
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
        host_and_port(&smarthost.value).unwrap_or_else(|| {
            let message = format!("{:?} is not host:port", smarthost.value);
            check.problem(&smarthost.place, message);
            (String::new(), 0)
        })
    });
    let (subject, headers) = headers(check, raw);
    // Who gives one of the two gets just that one, and who gives neither gets both of ours.
    let html = match &raw.html {
        Some(given) if given.value.0.is_empty() => None,
        given => Some(check.page(given.as_ref(), DEFAULT_HTML)),
    };
    let text = match (&raw.text, &raw.html) {
        (Some(given), _) if given.value.0.is_empty() => None,
        (None, Some(html)) if !html.value.0.is_empty() => None,
        (given, _) => Some(check.text(given.as_ref(), DEFAULT_TEXT)),
    };
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
        to: check.text(Some(&raw.to), ""),
        from: check.text(from, ""),
        subject,
        html,
        text,
        host,
        port,
        hello: raw.hello.clone().or_else(|| of_global(|g| &g.smtp_hello)),
        username,
        password,
        require_tls: raw.require_tls.or(global.and_then(|g| g.smtp_require_tls)).unwrap_or(true),
        implicit_tls,
        tls: http::tls(check, tls),
        headers,
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
    if let Some(given) = &raw.threading {
        check.problem(&given.place, "`threading` is not supported yet");
    }
}

fn needed<'a, T>(
    check: &mut Check<'_>,
    found: Option<&'a At<T>>,
    place: &Place,
    what: &str,
) -> Option<&'a At<T>> {
    if found.is_none() {
        check.problem(place, format!("an e-mail receiver needs {what}"));
    }
    found
}

/// The subject, which stands among the headers, and the others.
fn headers(check: &mut Check<'_>, raw: &raw::Email) -> (Template, Vec<(String, Template)>) {
    let mut subject = None;
    let mut headers: Vec<(String, Template)> = Vec::new();
    for (name, value) in raw.headers.iter() {
        let template = check.text(Some(value), "");
        let twice = headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
        let is_subject = name.eq_ignore_ascii_case("subject");
        if twice || is_subject && subject.is_some() {
            check.problem(&value.place, format!("the header {name:?} is there twice"));
        }
        if is_subject {
            subject = Some(template);
        } else {
            headers.push((name.clone(), template));
        }
    }
    (subject.unwrap_or_else(|| check.text(None, DEFAULT_SUBJECT)), headers)
}

/// An IPv6 address stands in brackets, which are not part of it.
fn host_and_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let bare = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?,
        None if host.contains(':') => return None,
        None => host,
    };
    Some((bare.to_owned(), port.parse().ok()?))
}

/// Addresses with commas between, as Alertmanager's `to`; those that a template makes show when they are made.
fn addresses(check: &mut Check<'_>, text: &At<Text>) {
    let list = text.value.0.trim();
    let is_list = |list: &str| list.parse::<Mailboxes>().is_ok_and(|all| all.iter().count() > 0);
    if !list.contains("{{") && !is_list(list) {
        let message = format!("{list:?} is not an e-mail address, nor several with commas between");
        check.problem(&text.place, message);
    }
}

#[cfg(test)]
mod tests {
    use super::host_and_port;

    #[test]
    fn a_host_of_any_kind_has_a_port_behind_it() {
        let found = |text| host_and_port(text).map(|(host, port)| format!("{host} {port}"));
        assert_eq!(found("mail.example:25").as_deref(), Some("mail.example 25"));
        assert_eq!(found("[2001:db8::1]:587").as_deref(), Some("2001:db8::1 587"));
        for wrong in ["mail.example", "2001:db8::1:587", "[2001:db8::1:587", "mail:65536"] {
            assert_eq!(found(wrong), None, "{wrong}");
        }
    }
}
