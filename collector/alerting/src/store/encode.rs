//! The JSON and text columns: how label sets, what was told and contents of notifications are kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use agent_model::{Labels, Millis};
use serde::{Deserialize, Serialize};

use crate::AlertingError;
use crate::alert::{Annotations, label_map, parse_fingerprint};
use crate::group::{Escalating, Told};
use crate::notification::{Notification, NotifiedAlert};
use crate::routing::severity::{severity_of, with_severity};

pub(super) fn labels_json(labels: &Labels) -> String {
    json(&label_map(labels))
}

pub(super) fn labels_from(text: &str) -> Result<Labels, AlertingError> {
    let map: BTreeMap<String, String> = parse("a label set", text)?;
    Ok(Labels::new(map))
}

pub(super) fn annotations_json(annotations: &Annotations) -> String {
    json(annotations)
}

pub(super) fn annotations_from(text: &str) -> Result<Annotations, AlertingError> {
    parse("annotations", text)
}

pub(super) fn fingerprint_from(text: &str) -> Result<u64, AlertingError> {
    parse_fingerprint(text).ok_or_else(|| damaged("a fingerprint", text))
}

pub(super) fn id_from(text: &str) -> Result<[u8; 16], AlertingError> {
    let number = u128::from_str_radix(text, 16).map_err(|_| damaged("a detection's id", text))?;
    Ok(number.to_be_bytes())
}

pub(super) fn id_text(id: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(id))
}

#[derive(Serialize, Deserialize)]
struct ToldRow {
    sequence: u64,
    last_ms: Millis,
    alerts: BTreeMap<String, Millis>,
}

pub(super) fn told_json(told: &BTreeMap<Arc<str>, Told>) -> String {
    let rows: BTreeMap<&str, ToldRow> = told
        .iter()
        .map(|(integration, told)| {
            let alerts = told.alerts.iter();
            let alerts =
                alerts.map(|(alert, at)| (crate::alert::fingerprint_text(*alert), *at)).collect();
            let row = ToldRow { sequence: told.sequence, last_ms: told.last_ms, alerts };
            (integration.as_ref(), row)
        })
        .collect();
    json(&rows)
}

pub(super) fn told_from(text: &str) -> Result<BTreeMap<Arc<str>, Told>, AlertingError> {
    let rows: BTreeMap<String, ToldRow> = parse("what a group was told", text)?;
    let mut told = BTreeMap::new();
    for (integration, row) in rows {
        let mut alerts = BTreeMap::new();
        for (alert, at_ms) in row.alerts {
            alerts.insert(fingerprint_from(&alert)?, at_ms);
        }
        let kept = Told { sequence: row.sequence, last_ms: row.last_ms, alerts };
        told.insert(Arc::from(integration), kept);
    }
    Ok(told)
}

/// Since when the alerts of a group wait to escalate.
pub(super) fn waits_json(escalating: Option<&Escalating>) -> String {
    let waits = escalating.iter().flat_map(|escalating| &escalating.waits);
    let waits: BTreeMap<String, Millis> =
        waits.map(|(alert, since)| (crate::alert::fingerprint_text(*alert), *since)).collect();
    json(&waits)
}

pub(super) fn waits_from(text: &str) -> Result<Escalating, AlertingError> {
    let rows: BTreeMap<String, Millis> = parse("what a group waits for", text)?;
    let mut waits = BTreeMap::new();
    for (alert, since) in rows {
        waits.insert(fingerprint_from(&alert)?, since);
    }
    Ok(Escalating { level: 0, after_ms: 0, waits, looked_ms: Millis::MIN })
}

/// The content of a notification; its other fields are columns.
#[derive(Serialize, Deserialize)]
struct ContentRow {
    group_labels: BTreeMap<String, String>,
    alerts: Vec<AlertRow>,
    /// Absent in rows from before there were escalations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    escalation: Option<u32>,
}

#[derive(Serialize, Deserialize)]
struct AlertRow {
    /// As its source gave them.
    labels: BTreeMap<String, String>,
    /// Where the hour gave it another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    severity: Option<String>,
    annotations: Annotations,
    starts_ms: Millis,
    resolved_ms: Option<Millis>,
    /// Absent in rows from before alerts were posted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    generator_url: Option<String>,
}

pub(super) fn content_json(notification: &Notification) -> String {
    let alerts = notification.alerts.iter().map(|alert| AlertRow {
        labels: map_of(&alert.given),
        severity: (alert.labels != alert.given).then(|| severity_of(&alert.labels).to_owned()),
        annotations: (*alert.annotations).clone(),
        starts_ms: alert.starts_ms,
        resolved_ms: alert.resolved_ms,
        generator_url: alert.generator_url.as_deref().map(str::to_owned),
    });
    json(&ContentRow {
        group_labels: map_of(&notification.group_labels),
        alerts: alerts.collect(),
        escalation: notification.escalation,
    })
}

/// What a notification says, as it is read back.
pub(super) struct Content {
    pub(super) group_labels: Labels,
    pub(super) alerts: Vec<NotifiedAlert>,
    pub(super) escalation: Option<u32>,
}

pub(super) fn content_from(text: &str) -> Result<Content, AlertingError> {
    let row: ContentRow = parse("a notification", text)?;
    let alerts = row.alerts.into_iter().map(|alert| {
        let given = Labels::new(alert.labels);
        let severity = alert.severity.as_deref();
        let labels = severity.map_or_else(|| given.clone(), |one| with_severity(&given, one));
        NotifiedAlert {
            fingerprint: given.fingerprint(),
            labels,
            given,
            annotations: Arc::new(alert.annotations),
            starts_ms: alert.starts_ms,
            resolved_ms: alert.resolved_ms,
            generator_url: alert.generator_url.map(Arc::from),
        }
    });
    Ok(Content {
        group_labels: Labels::new(row.group_labels),
        alerts: alerts.collect(),
        escalation: row.escalation,
    })
}

fn map_of(labels: &Labels) -> BTreeMap<String, String> {
    labels.iter().map(|label| (label.name.to_string(), label.value.to_string())).collect()
}

/// Maps of texts and numbers always have a JSON form; the fallback is never taken.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn parse<'a, T: Deserialize<'a>>(what: &'static str, text: &'a str) -> Result<T, AlertingError> {
    serde_json::from_str(text)
        .map_err(|error| AlertingError::Damaged { what, reason: error.to_string() })
}

pub(super) fn damaged(what: &'static str, found: impl std::fmt::Debug) -> AlertingError {
    AlertingError::Damaged { what, reason: format!("found {found:?}") }
}
