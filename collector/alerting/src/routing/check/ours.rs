//! Checks of channels of ours: SMS by HTTP, syslog, and programs.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use agent_yaml::{At, Text};
use regex::RegexBuilder;
use rules_templates::Template;

use super::super::raw;
use super::super::{
    Channel, ScriptChannel, SmsChannel, SyslogChannel, SyslogFormat, SyslogTransport, TlsOptions,
};
use super::{Check, chat, http};
use crate::limits::ATTEMPT_ASKED_MAX_S;

/// One SMS in a phone's plain alphabet, and one with letters beyond it (3GPP TS 23.038).
const PLAIN_CHARS: usize = 160;
const WIDE_CHARS: usize = 70;

/// What a gateway joins at most; more parts of one alert than this nobody reads on a phone.
const PARTS_MAX: u32 = 10;
const PARTS_DEFAULT: u32 = 3;

/// The least that leaves room for a number of the part and a word.
const PART_CHARS_MIN: u32 = 20;
const PART_CHARS_MAX: u32 = 2_000;

/// Numbers of one receiver: each part costs a request for each.
const NUMBERS_MAX: usize = 50;

/// What an SMS says by itself, whatever it goes by.
pub(super) const MESSAGE: &str = r#"{{ template "sms.default.message" . }}"#;

const METHODS: [reqwest::Method; 3] =
    [reqwest::Method::GET, reqwest::Method::POST, reqwest::Method::PUT];

/// A compiled expression in memory.
const EXPRESSION_BYTES_MAX: usize = 1 << 20;

const SCRIPT_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) fn sms(check: &mut Check<'_>, config: &At<raw::Sms>) -> Channel {
    let raw = &config.value;
    if !raw.url.value.0.contains("{{") {
        check.is_http(&At { place: raw.url.place.clone(), value: raw.url.value.0.clone() });
    }
    let to = numbers(check, &raw.to);
    let method = raw.method.as_ref().map_or("POST", |method| method.value.as_str());
    let method = METHODS.into_iter().find(|known| known.as_str() == method);
    if let (None, Some(given)) = (&method, &raw.method) {
        check.problem(&given.place, "`method` is GET, POST or PUT");
    }
    let success = raw.success.as_ref().and_then(|given| {
        let built = RegexBuilder::new(&given.value).size_limit(EXPRESSION_BYTES_MAX).build();
        built.map_err(|error| check.problem(&given.place, error.to_string())).ok()
    });
    let chars = if raw.fold_diacritics { PLAIN_CHARS } else { WIDE_CHARS };
    let part_chars =
        bounded(check, "part_chars", raw.part_chars.as_ref(), PART_CHARS_MIN, PART_CHARS_MAX);
    let parts_max = parts_max(check, raw.parts_max.as_ref());
    let secrets = raw.secret_files.iter();
    let secrets = secrets.map(|(name, file)| (name.clone(), check.file(file))).collect();
    let headers = raw.headers.iter();
    let headers = headers.map(|(name, value)| (name.clone(), check.text(Some(value), "")));
    let headers = headers.collect();
    Channel::Sms(Arc::new(SmsChannel {
        method: method.unwrap_or(reqwest::Method::POST),
        url: check.text(Some(&raw.url), ""),
        headers,
        body: raw.body.as_ref().map(|body| check.text(Some(body), "")),
        to,
        message: check.text(raw.message.as_ref(), MESSAGE),
        secrets,
        success,
        fold_diacritics: raw.fold_diacritics,
        part_chars: part_chars.and_then(|chars| usize::try_from(chars).ok()).unwrap_or(chars),
        parts_max,
        http: chat::options(check, raw.http_config.as_ref()),
    }))
}

/// Who gets an SMS.
pub(super) fn numbers(check: &mut Check<'_>, to: &At<Vec<At<Text>>>) -> Vec<Template> {
    if to.value.is_empty() || to.value.len() > NUMBERS_MAX {
        check.problem(&to.place, format!("`to` names 1 to {NUMBERS_MAX} numbers"));
    }
    to.value.iter().map(|to| check.text(Some(to), "")).collect()
}

/// How many parts an SMS may have.
pub(super) fn parts_max(check: &mut Check<'_>, given: Option<&At<u32>>) -> usize {
    let parts = bounded(check, "parts_max", given, 1, PARTS_MAX).unwrap_or(PARTS_DEFAULT);
    usize::try_from(parts).unwrap_or(1)
}

fn bounded(
    check: &mut Check<'_>,
    key: &str,
    given: Option<&At<u32>>,
    least: u32,
    most: u32,
) -> Option<u32> {
    let given = given?;
    if !(least..=most).contains(&given.value) {
        check.problem(&given.place, format!("`{key}` is between {least} and {most}"));
    }
    Some(given.value)
}

pub(super) fn script(check: &mut Check<'_>, config: &At<raw::Script>) -> Channel {
    let raw = &config.value;
    let path = PathBuf::from(&raw.path.value);
    let runs = |path: &PathBuf| {
        let found = std::fs::metadata(path);
        found.is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    if !path.is_absolute() {
        check.problem(&raw.path.place, "`path` begins with /: nothing is looked for");
    } else if !runs(&path) {
        check.problem(&raw.path.place, format!("{} is no program that can be run", path.display()));
    }
    let timeout = raw.timeout.as_ref().map_or(SCRIPT_TIMEOUT, |timeout| timeout.value.0);
    if let Some(given) = &raw.timeout
        && !(1..=ATTEMPT_ASKED_MAX_S).contains(&timeout.as_secs())
    {
        check.problem(&given.place, format!("`timeout` is 1 s to {ATTEMPT_ASKED_MAX_S} s"));
    }
    Channel::Script(Arc::new(ScriptChannel { path, arguments: raw.arguments.clone(), timeout }))
}

/// RFC 5424, table 1.
const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
    "ftp", "ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4",
    "local5", "local6", "local7",
];

pub(super) fn syslog(check: &mut Check<'_>, config: &At<raw::Syslog>) -> Channel {
    let raw = &config.value;
    is_host_and_port(check, &raw.address);
    let transports = [
        ("tls", SyslogTransport::Tls),
        ("tcp", SyslogTransport::Tcp),
        ("udp", SyslogTransport::Udp),
    ];
    let transport = one_of(check, "transport", raw.transport.as_ref(), &transports);
    let formats = [("rfc5424", SyslogFormat::Rfc5424), ("cef", SyslogFormat::Cef)];
    let format = one_of(check, "format", raw.format.as_ref(), &formats);
    let facilities: Vec<(&str, u8)> = FACILITIES.into_iter().zip(0..).collect();
    let facility = raw.facility.as_ref().map(|given| (given, &facilities));
    let facility = facility.map_or(16, |(given, all)| one_of(check, "facility", Some(given), all));
    let tls = tls(check, "syslog", raw.tls_config.as_ref(), transport == SyslogTransport::Tls);
    Channel::Syslog(Arc::new(SyslogChannel {
        address: raw.address.value.clone(),
        transport,
        tls,
        format,
        facility,
        application: raw.app_name.clone().unwrap_or_else(|| "haidang".to_owned()),
        message: check.text(raw.message.as_ref(), r#"{{ template "syslog.default.message" . }}"#),
    }))
}

pub(super) fn is_host_and_port(check: &mut Check<'_>, address: &At<String>) {
    let port = address.value.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
    if !matches!(port, Some(Ok(1..))) {
        check.problem(&address.place, format!("{:?} is not host:port", address.value));
    }
}

/// Of a connection that has no HTTP on it.
pub(super) fn tls(
    check: &mut Check<'_>,
    channel: &str,
    given: Option<&At<raw::Tls>>,
    is_wanted: bool,
) -> TlsOptions {
    let tls = http::tls(check, given);
    if let Some(given) = given {
        if tls.skip_verify {
            let text =
                format!("`insecure_skip_verify` is not for {channel}: give the server's `ca_file`");
            check.problem(&given.place, text);
        }
        if !is_wanted {
            check.problem(&given.place, "`tls_config` goes with `transport: tls`");
        }
    }
    tls
}

/// The value of a name; the first where none is given.
pub(super) fn one_of<T: Copy>(
    check: &mut Check<'_>,
    key: &str,
    given: Option<&At<String>>,
    all: &[(&str, T)],
) -> T {
    let Some(given) = given else { return all[0].1 };
    let found = all.iter().find(|(name, _)| *name == given.value);
    found.map_or_else(
        || {
            let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
            check.problem(&given.place, format!("`{key}` is one of {}", names.join(", ")));
            all[0].1
        },
        |(_, value)| *value,
    )
}
