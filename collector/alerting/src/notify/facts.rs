//! What Alertmanager says of a group beside its alerts, for webhooks and for templates alike: the order of the alerts, what
//! they have in common, where each comes from.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use agent_model::Labels;

use super::wording::alert_address;
use crate::alert::{label_map, label_order};
use crate::notification::{Notification, NotifiedAlert};

/// By job, then by instance, those without last; then by labels (alertmanager, types/types.go).
pub(super) fn in_order(notification: &Notification) -> Vec<&NotifiedAlert> {
    let mut all: Vec<&NotifiedAlert> = notification.alerts.iter().collect();
    all.sort_by(|one, other| order(&one.labels, &other.labels));
    all
}

fn order(one: &Labels, other: &Labels) -> Ordering {
    let by = |name: &str| match (one.get(name), other.get(name)) {
        (Some(one), Some(other)) => one.cmp(other),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    };
    by("job").then_with(|| by("instance")).then_with(|| label_order(one, other))
}

pub(super) fn status(is_firing: bool) -> &'static str {
    if is_firing { "firing" } else { "resolved" }
}

pub(super) fn common_labels<'a>(alerts: &[&'a NotifiedAlert]) -> BTreeMap<&'a str, &'a str> {
    common(alerts.iter().map(|alert| label_map(&alert.labels)))
}

pub(super) fn common_annotations<'a>(alerts: &[&'a NotifiedAlert]) -> BTreeMap<&'a str, &'a str> {
    common(alerts.iter().map(|alert| {
        alert.annotations.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect()
    }))
}

/// The pairs that every map has.
fn common<'a>(
    mut maps: impl Iterator<Item = BTreeMap<&'a str, &'a str>>,
) -> BTreeMap<&'a str, &'a str> {
    let mut shared = maps.next().unwrap_or_default();
    for map in maps {
        shared.retain(|name, value| map.get(name) == Some(value));
    }
    shared
}

/// Where its sender shows it, else where we do.
pub(super) fn generator_url(alert: &NotifiedAlert, external_url: &str) -> String {
    let ours = || alert_address(external_url, alert.fingerprint);
    alert.generator_url.as_deref().map_or_else(ours, str::to_owned)
}
