//! One line of syslog (RFC 5424, section 6), and of CEF (ArcSight Common Event Format 26, which SIEMs of all makers read).

use std::fmt::Write;

use agent_model::Labels;

use crate::alert::fingerprint_text;
use crate::notification::{Notification, NotifiedAlert};
use crate::notify::wording::one_line;
use crate::routing::{SyslogChannel, SyslogFormat};

/// Longer lines are cut by most that take them (rsyslog's bound of old).
const LINE_BYTES_MAX: usize = 8_192;

/// Our structured data; the number is the one that RFC 5612 keeps for who has none.
const STRUCTURED_ID: &str = "haidang@32473";

pub(super) fn of(
    channel: &SyslogChannel,
    notification: &Notification,
    alert: &NotifiedAlert,
    text: &str,
) -> String {
    let text = one_line(text);
    let resolved = alert.resolved_ms.is_some();
    let severity = if resolved { 5 } else { severity(&alert.labels) };
    let time = jiff::Timestamp::from_millisecond(notification.created_ms).unwrap_or_default();
    let host = header(alert.labels.get("host").unwrap_or(""), 255);
    let name = header(alert.labels.get("alertname").unwrap_or(""), 32);
    let (pri, application) = (u32::from(channel.facility) * 8 + severity, &channel.application);
    let application = header(application, 48);
    let time = time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ");
    let mut line = format!("<{pri}>1 {time} {host} {application} - {name} ");
    match channel.format {
        SyslogFormat::Rfc5424 => {
            line.push_str(&structured(alert));
            // The mark says that what follows is UTF-8.
            line.push_str(" \u{feff}");
            line.push_str(&text);
        }
        SyslogFormat::Cef => {
            line.push_str("- \u{feff}");
            line.push_str(&cef(alert, severity, &text));
        }
    }
    line.truncate(line.floor_char_boundary(LINE_BYTES_MAX));
    line
}

/// Numbers of RFC 5424: the fewer the worse.
fn severity(labels: &Labels) -> u32 {
    match labels.get("severity").unwrap_or("") {
        "critical" | "page" => 2,
        "high" | "major" | "error" => 3,
        "low" | "minor" => 5,
        "info" | "informational" | "none" => 6,
        _ => 4,
    }
}

/// Printable ASCII without spaces, or nothing.
fn header(text: &str, chars_max: usize) -> String {
    let printable = text.chars().map(|c| if c.is_ascii_graphic() { c } else { '_' });
    let text: String = printable.take(chars_max).collect();
    if text.is_empty() { "-".to_owned() } else { text }
}

fn structured(alert: &NotifiedAlert) -> String {
    let status = if alert.resolved_ms.is_some() { "resolved" } else { "firing" };
    let fingerprint = fingerprint_text(alert.given.fnv_fingerprint());
    let mut data = format!("[{STRUCTURED_ID} status=\"{status}\" fingerprint=\"{fingerprint}\"");
    for label in alert.labels.iter() {
        let name: String = label
            .name
            .chars()
            .take(32)
            .map(|c| if c.is_ascii_graphic() && !"=]\"".contains(c) { c } else { '_' })
            .collect();
        let value = label.value.replace('\\', "\\\\").replace('"', "\\\"").replace(']', "\\]");
        put(&mut data, format_args!(" {name}=\"{}\"", one_line(&value)));
    }
    data.push(']');
    data
}

fn cef(alert: &NotifiedAlert, severity: u32, text: &str) -> String {
    let in_header = |text: &str| text.replace('\\', "\\\\").replace('|', "\\|");
    let in_extension = |text: &str| text.replace('\\', "\\\\").replace('=', "\\=");
    let label = |name: &str| alert.labels.get(name).unwrap_or("");
    let name = label("alertname");
    // From 0 to 10, the more the worse.
    let weight = [10, 10, 9, 8, 6, 3, 1][usize::try_from(severity).unwrap_or(6).min(6)];
    let (version, name) = (env!("CARGO_PKG_VERSION"), in_header(name));
    let mut line = format!("CEF:0|Hai Dang|Hai Dang|{version}|{name}|{name}|{weight}|");
    put(&mut line, format_args!("start={}", alert.starts_ms));
    if let Some(end) = alert.resolved_ms {
        put(&mut line, format_args!(" end={end}"));
    }
    let outcome = if alert.resolved_ms.is_some() { "resolved" } else { "firing" };
    let fingerprint = fingerprint_text(alert.given.fnv_fingerprint());
    put(&mut line, format_args!(" outcome={outcome} externalId={fingerprint}"));
    for (key, value) in
        [("dhost", label("host")), ("src", label("source_ip")), ("duser", label("user"))]
    {
        if !value.is_empty() {
            put(&mut line, format_args!(" {key}={}", in_extension(&one_line(value))));
        }
    }
    put(&mut line, format_args!(" msg={}", in_extension(text)));
    line
}

/// Writing to a text cannot fail.
fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    let written = out.write_fmt(text);
    debug_assert!(written.is_ok());
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use expect_test::expect;
    use rules_templates::Template;

    use super::*;
    use crate::routing::{SyslogTransport, TlsOptions};

    fn shown(format: SyslogFormat, text: &str) -> String {
        let labels = Labels::new([
            ("alertname", "Ssh|Dò"),
            ("host", "máy 1"),
            ("severity", "critical"),
            ("quote", "a\"b]c\\d\ne=f"),
            ("source_ip", "10.0.0.7"),
        ]);
        let alert = NotifiedAlert {
            fingerprint: labels.fingerprint(),
            given: labels.clone(),
            labels,
            annotations: Arc::default(),
            starts_ms: 1_795_223_520_000,
            resolved_ms: None,
            generator_url: None,
        };
        let notification = Notification {
            idempotency_key: "k".to_owned(),
            receiver: "siem".into(),
            group_key: String::new(),
            group_labels: Labels::empty(),
            alerts: vec![alert.clone()],
            created_ms: 1_795_223_580_250,
            escalation: None,
        };
        let channel = SyslogChannel {
            address: "x:1".to_owned(),
            transport: SyslogTransport::Tcp,
            tls: TlsOptions::default(),
            format,
            facility: 16,
            application: "haidang".to_owned(),
            message: Template::nothing(),
        };
        of(&channel, &notification, &alert, text).replace('\u{feff}', "(BOM)")
    }

    #[test]
    fn a_line_is_rfc_5424_with_what_the_labels_say() {
        expect![[r#"<130>1 2026-11-21T01:13:00.250Z m_y_1 haidang - Ssh|D_ [haidang@32473 status="firing" fingerprint="d3b3261ea94dd370" alertname="Ssh|Dò" host="máy 1" quote="a\"b\]c\\d e=f" severity="critical" source_ip="10.0.0.7"] (BOM)đầy 95 %"#]].assert_eq(&shown(SyslogFormat::Rfc5424, "đầy\n 95 %"));
    }

    #[test]
    fn cef_escapes_what_means_something_in_it() {
        expect![[r#"<130>1 2026-11-21T01:13:00.250Z m_y_1 haidang - Ssh|D_ - (BOM)CEF:0|Hai Dang|Hai Dang|0.1.0|Ssh\|Dò|Ssh\|Dò|9|start=1795223520000 outcome=firing externalId=d3b3261ea94dd370 dhost=máy 1 src=10.0.0.7 msg=a\=b|c\\d"#]].assert_eq(&shown(SyslogFormat::Cef, "a=b|c\\d"));
    }

    #[test]
    fn a_line_is_cut_between_letters() {
        let line = shown(SyslogFormat::Rfc5424, &"đ".repeat(9_000)).replace("(BOM)", "\u{feff}");
        assert!(
            line.len() <= LINE_BYTES_MAX && line.len() > LINE_BYTES_MAX - 4 && line.ends_with('đ')
        );
    }
}
