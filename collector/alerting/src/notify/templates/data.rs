//! What templates see: Alertmanager's `Data` (alertmanager, template/template.go), and beside it the sentences of our own
//! texts, which are there by name and are not shown with the whole: `.Headline`, `.Shown`, `.LeftOut`, `.Escalation` and
//! `.AcknowledgeURL` (may be empty) of the group, `.Headline`, `.Lines` and `.Link` of an alert.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rules_templates::{Value, map, record, shown, time, with_more};

use crate::alert::{fingerprint_text, label_map};
use crate::notification::{Notification, NotifiedAlert};
use crate::notify::{facts, wording};

/// Go's zero time, which an alert that fires ends at.
const NO_END_SECONDS: i64 = -62_135_596_800;

/// Alerts whose `.Lines` are there: what more of them say is longer than a message, and costs memory for nothing.
const WITH_LINES_MAX: usize = 1_000;

pub(in crate::notify) fn data(
    notification: &Notification,
    external_url: &str,
    acknowledge_url: &str,
) -> Value {
    let all = facts::in_order(notification);
    let alerts = all
        .iter()
        .enumerate()
        .map(|(at, alert)| of_alert(alert, notification, external_url, at < WITH_LINES_MAX));
    let alerts: Vec<Value> = alerts.collect();
    // Ours shows what fires first, and not thousands.
    let written = notification.alerts.iter().take(wording::ALERTS_WRITTEN_MAX);
    let written = written.map(|alert| of_alert(alert, notification, external_url, true));
    let mut written: Vec<Value> = written.collect();
    if let (Some(first), Some(alert)) = (written.first_mut(), notification.alerts.first()) {
        let headline = format!("{}{}", wording::escalated(notification), wording::headline(alert));
        *first = with_more(first, [("Headline", shown(headline))]);
    }
    let left_out = notification.alerts.len() - written.len();
    let data = record(
        "template.Data",
        [
            ("Receiver", shown(quoted(&notification.receiver))),
            ("Status", shown(facts::status(notification.is_firing()))),
            ("Alerts", Value::List(alerts.into())),
            ("GroupLabels", pairs(label_map(&notification.group_labels))),
            ("CommonLabels", pairs(facts::common_labels(&all))),
            ("CommonAnnotations", pairs(facts::common_annotations(&all))),
            ("ExternalURL", shown(external_url)),
        ],
    );
    with_more(
        &data,
        [
            ("AcknowledgeURL", shown(acknowledge_url)),
            ("Headline", shown(wording::subject(notification))),
            ("Escalation", Value::Int(notification.escalation_to_say().unwrap_or(0).into())),
            ("Shown", Value::List(written.into())),
            ("LeftOut", Value::Int(i64::try_from(left_out).unwrap_or(i64::MAX))),
        ],
    )
}

fn of_alert(
    alert: &NotifiedAlert,
    notification: &Notification,
    external_url: &str,
    with_lines: bool,
) -> Value {
    let zero = || Timestamp::from_second(NO_END_SECONDS).unwrap_or_default();
    let at = |time_ms| Timestamp::from_millisecond(time_ms).unwrap_or_else(|_| zero());
    let annotations = alert.annotations.iter();
    let annotations = annotations.map(|(name, text)| (name.as_str(), text.as_str()));
    let paragraph = wording::paragraph(alert, notification.created_ms, external_url);
    let value = record(
        "template.Alert",
        [
            ("Status", shown(facts::status(alert.resolved_ms.is_none()))),
            ("Labels", pairs(label_map(&alert.labels))),
            ("Annotations", map(annotations)),
            ("StartsAt", time(at(alert.starts_ms))),
            ("EndsAt", time(alert.resolved_ms.map_or_else(zero, at))),
            ("GeneratorURL", shown(facts::generator_url(alert, external_url))),
            ("Fingerprint", shown(fingerprint_text(alert.given.fnv_fingerprint()))),
        ],
    );
    let lines =
        paragraph.lines.iter().filter(|_| with_lines).flat_map(|line| line.split('\n')).map(shown);
    with_more(
        &value,
        [
            ("Headline", shown(&paragraph.headline)),
            ("Lines", Value::List(lines.collect())),
            ("Link", shown(&paragraph.link)),
        ],
    )
}

fn pairs(pairs: BTreeMap<&str, &str>) -> Value {
    map(pairs)
}

/// As Alertmanager gives the receiver's name: what means something in a regular expression is escaped.
fn quoted(name: &str) -> String {
    let quote = |letter: char| {
        let special = r"\.+*?()|[]{}^$".contains(letter);
        special.then_some('\\').into_iter().chain([letter])
    };
    name.chars().flat_map(quote).collect()
}
