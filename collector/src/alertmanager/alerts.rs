//! `/api/v2/alerts` and `/api/v2/alerts/groups`: what fires, who is told, what mutes it; and alerts that are posted.

use std::collections::BTreeMap;
use std::sync::Arc;

use agent_model::{Labels, Matcher, Millis};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use collector_alerting::{
    ALERTS_MAX, AlertFilter, AlertState, AlertStatus, Annotations, GroupStatus, PostOutcome,
    PostedAlert, fingerprint_text, label_map, label_order,
};
use regex::Regex;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Manager;
use super::answer::{Refusal, time, time_from};
use super::parameters::{Body, Parameters};
use crate::clock;
use crate::done::Done;
use crate::scope::Scope;
use crate::silencing::Asker;

/// Names of alerts in one entry of the audit log, and characters of each: an entry is a line.
const NAMES_AUDITED_MAX: usize = 20;
const NAME_CHARS_AUDITED_MAX: usize = 100;

/// Everything that fires, with what is needed to show one of them.
struct Firing {
    /// By the fingerprint that alerting knows them by.
    alerts: BTreeMap<u64, AlertStatus>,
    resolve_timeout_ms: Millis,
    now_ms: Millis,
}

/// Which alerts are wanted.
struct Wish {
    matchers: Vec<Matcher>,
    receiver: Option<Regex>,
    active: bool,
    silenced: bool,
    inhibited: bool,
    muted: bool,
}

pub(super) async fn list(
    State(manager): State<Arc<Manager>>,
    scope: Option<Extension<Scope>>,
    parameters: Parameters,
) -> Result<Json<Value>, Refusal> {
    let wish = Wish::read(&parameters, scope)?;
    let firing = Firing::look(&manager).await?;
    let wanted = firing.alerts.values().filter(|status| {
        let told = |receiver: &Regex| status.receivers.iter().any(|name| receiver.is_match(name));
        wish.receiver.as_ref().is_none_or(told) && wish.wants(status)
    });
    let mut shown: Vec<(u64, Value)> = wanted
        .map(|status| {
            (status.alert.given.fnv_fingerprint(), firing.shown(status, &status.receivers, &[]))
        })
        .collect();
    shown.sort_by_key(|(fingerprint, _)| *fingerprint);
    Ok(Json(shown.into_iter().map(|(_, alert)| alert).collect()))
}

pub(super) async fn groups(
    State(manager): State<Arc<Manager>>,
    scope: Option<Extension<Scope>>,
    parameters: Parameters,
) -> Result<Json<Value>, Refusal> {
    let wish = Wish::read(&parameters, scope)?;
    let firing = Firing::look(&manager).await?;
    let mut groups = manager.alerting.groups(firing.now_ms).await?;
    groups.retain(|group| {
        wish.receiver.as_ref().is_none_or(|receiver| receiver.is_match(&group.receiver))
            && (wish.muted || group.muted_by.is_empty())
    });
    groups.sort_by(|one, other| {
        label_order(&one.labels, &other.labels).then_with(|| one.receiver.cmp(&other.receiver))
    });
    let receivers = receivers(&groups);
    let receivers_of = |status: &AlertStatus| {
        receivers.get(&status.alert.fingerprint).map(Vec::as_slice).unwrap_or_default()
    };
    let shown = groups.iter().filter_map(|group| {
        let members = group.fingerprints.iter().filter_map(|member| firing.alerts.get(member));
        let members = members.filter(|status| wish.wants(status));
        let shown: Vec<Value> = members
            .map(|status| firing.shown(status, receivers_of(status), &group.muted_by))
            .collect();
        (!shown.is_empty()).then(|| {
            let labels = label_map(&group.labels);
            json!({ "alerts": shown, "labels": labels, "receiver": { "name": *group.receiver } })
        })
    });
    Ok(Json(shown.collect()))
}

/// The receivers of the groups that each alert is in, by name.
fn receivers(groups: &[GroupStatus]) -> BTreeMap<u64, Vec<Arc<str>>> {
    let mut receivers: BTreeMap<u64, Vec<Arc<str>>> = BTreeMap::new();
    for group in groups {
        for member in &group.fingerprints {
            receivers.entry(*member).or_default().push(Arc::clone(&group.receiver));
        }
    }
    receivers.values_mut().for_each(|names| names.sort());
    receivers
}

impl Wish {
    fn read(parameters: &Parameters, scope: Option<Extension<Scope>>) -> Result<Self, Refusal> {
        let mut matchers = parameters.filter()?;
        matchers.extend(scope.iter().flat_map(|scope| scope.matchers().iter().cloned()));
        Ok(Self {
            matchers,
            receiver: parameters.receiver()?,
            active: parameters.flag("active"),
            silenced: parameters.flag("silenced"),
            inhibited: parameters.flag("inhibited"),
            muted: parameters.flag("muted"),
        })
    }

    fn wants(&self, status: &AlertStatus) -> bool {
        (self.active || is_suppressed(status))
            && (self.silenced || status.silenced_by.is_empty())
            && (self.inhibited || status.inhibited_by.is_empty())
            && self.matchers.iter().all(|matcher| matcher.matches_labels(&status.alert.labels))
    }
}

fn is_suppressed(status: &AlertStatus) -> bool {
    !(status.silenced_by.is_empty() && status.inhibited_by.is_empty())
}

impl Firing {
    async fn look(manager: &Manager) -> Result<Self, Refusal> {
        let now_ms = clock::now_ms();
        let filter = AlertFilter { states: vec![AlertState::Firing], ..AlertFilter::default() };
        let alerts = manager.alerting.alerts(&filter, now_ms).await?;
        let routing = manager.alerting.routing(now_ms).await?;
        Ok(Self {
            alerts: alerts.into_iter().map(|status| (status.alert.fingerprint, status)).collect(),
            resolve_timeout_ms: routing.resolve_timeout_ms(),
            now_ms,
        })
    }

    fn shown(&self, status: &AlertStatus, receivers: &[Arc<str>], muted_by: &[Arc<str>]) -> Value {
        let alert = &status.alert;
        // An alert of ours has no end while its rule holds: it is told as Prometheus would tell it.
        let ends_ms = alert.ends_ms.unwrap_or(self.now_ms + self.resolve_timeout_ms);
        let inhibitors = status.inhibited_by.iter().filter_map(|source| self.alerts.get(source));
        let inhibitors: Vec<String> = inhibitors
            .map(|source| fingerprint_text(source.alert.given.fnv_fingerprint()))
            .collect();
        let receivers = receivers.iter().map(|name| json!({ "name": **name }));
        let state =
            if is_suppressed(status) || !muted_by.is_empty() { "suppressed" } else { "active" };
        let mut shown = json!({
            "annotations": *alert.annotations,
            "endsAt": time(ends_ms),
            "fingerprint": fingerprint_text(alert.given.fnv_fingerprint()),
            "receivers": receivers.collect::<Vec<_>>(),
            "startsAt": time(alert.starts_ms()),
            "status": {
                "inhibitedBy": inhibitors,
                "mutedBy": muted_by.iter().map(|name| (**name).to_owned()).collect::<Vec<_>>(),
                "silencedBy": status.silenced_by,
                "state": state,
            },
            "updatedAt": time(alert.last_true_ms),
            "labels": label_map(&alert.labels),
        });
        if let Some(url) = alert.generator_url().filter(|url| !url.is_empty()) {
            shown["generatorURL"] = Value::String(url.to_string());
        }
        shown
    }
}

/// One alert as it is posted. Unknown fields are passed over, as Go does.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Posted {
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<Annotations>,
    starts_at: Option<String>,
    ends_at: Option<String>,
    #[serde(rename = "generatorURL")]
    generator_url: Option<String>,
}

pub(super) async fn take(
    State(manager): State<Arc<Manager>>,
    asker: Option<Extension<Asker>>,
    Body(posts): Body<Option<Vec<Posted>>>,
) -> Result<(Done, Response), Refusal> {
    let posts = posts.ok_or_else(|| Refusal::required("alerts"))?.unwrap_or_default();
    let ready: Result<Vec<PostedAlert>, Refusal> =
        posts.into_iter().enumerate().map(|(at, posted)| posted.ready(at)).collect();
    let (ready, foreign) = own(asker.as_deref(), ready?);
    let mut outcome = manager.alerting.post_alerts(&ready, clock::now_ms()).await?;
    outcome.invalid.extend(foreign);
    manager.figures.note_post(&outcome);
    // What was taken of a post that is refused in part is a change as well.
    let done = changes(&outcome).map_or(Done::Nothing, |object| Done::to("alert.post", object));
    Ok((done, answer(&outcome)))
}

/// A token that writes speaks under its own labels, as when it pushes series, and so ends only what carries them; what it says
/// of somebody else's host is left out, and told.
fn own(asker: Option<&Asker>, posts: Vec<PostedAlert>) -> (Vec<PostedAlert>, Vec<String>) {
    let Some((asker, owner)) = asker.and_then(|asker| Some((asker, asker.owner.as_ref()?))) else {
        return (posts, Vec::new());
    };
    let (mut kept, mut foreign) = (Vec::new(), Vec::new());
    for mut posted in posts {
        // One without labels is no alert, whatever the token would add.
        if posted.labels.is_empty() {
            kept.push(posted);
            continue;
        }
        posted.labels = owner.own(&posted.labels);
        if owner.speaks_for_others(&posted.labels, &asker.enrolled) {
            let name = posted.labels.get("alertname").unwrap_or_default();
            foreign.push(format!("{name}: the host is another's, the token may not speak for it"));
        } else {
            kept.push(posted);
        }
    }
    (kept, foreign)
}

fn answer(outcome: &PostOutcome) -> Response {
    if outcome.refused > 0 {
        let text = format!(
            "{} alerts were not taken: there are {ALERTS_MAX} already; find the rule that makes so many",
            outcome.refused
        );
        return Refusal::said(StatusCode::INTERNAL_SERVER_ERROR, text).into_response();
    }
    if !outcome.invalid.is_empty() {
        tracing::warn!(reasons = outcome.invalid.join("; "), "posted alerts are not valid");
        return Refusal::bad(outcome.invalid.join("; ")).into_response();
    }
    StatusCode::OK.into_response()
}

/// What a post changed, for the audit log: names with their counts. Prometheus says every minute that an alert goes on, which
/// is no change.
fn changes(outcome: &PostOutcome) -> Option<String> {
    let parts = [("fires", &outcome.begun), ("ended", &outcome.ended)];
    let parts = parts.iter().filter(|(_, names)| !names.is_empty());
    let texts: Vec<String> =
        parts.map(|(what, names)| format!("{what}: {}", counted(names))).collect();
    (!texts.is_empty()).then(|| texts.join("; "))
}

/// `DiskFull (3), HostDown`; of very many names the first.
fn counted(names: &[String]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for name in names {
        *counts.entry(name).or_default() += 1;
    }
    let shown = counts.iter().take(NAMES_AUDITED_MAX).map(|(name, count)| {
        let name: String = name.chars().take(NAME_CHARS_AUDITED_MAX).collect();
        if *count > 1 { format!("{name} ({count})") } else { name }
    });
    let mut text = shown.collect::<Vec<_>>().join(", ");
    if let Some(more) = counts.len().checked_sub(NAMES_AUDITED_MAX).filter(|more| *more > 0) {
        text.push_str(&format!(" and {more} more names"));
    }
    text
}

impl Posted {
    fn ready(self, at: usize) -> Result<PostedAlert, Refusal> {
        let labels = self.labels.ok_or_else(|| Refusal::required(&format!("{at}.labels")))?;
        let moment = |text: Option<String>| match text {
            None => Ok(None),
            Some(text) => time_from(&text).map_err(|reason| {
                let text = format!("parsing alerts body from \"\" failed, because {reason}");
                Refusal::unreadable(StatusCode::BAD_REQUEST, text)
            }),
        };
        let generator_url = self.generator_url.unwrap_or_default();
        if !(generator_url.is_empty() || is_uri(&generator_url)) {
            let what = format!("{at}.generatorURL in body");
            return Err(Refusal::wrong_type(&what, "uri", &generator_url));
        }
        Ok(PostedAlert {
            labels: Labels::new(labels),
            annotations: self.annotations.unwrap_or_default(),
            generator_url,
            starts_ms: moment(self.starts_at)?,
            ends_ms: moment(self.ends_at)?,
        })
    }
}

/// An absolute path or something with a scheme.
fn is_uri(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    let scheme =
        |text: &str| text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(plain);
    !text.contains(char::is_control)
        && (text.starts_with('/') || text.split_once(':').is_some_and(|(first, _)| scheme(first)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_audit_log_is_told_of_changes_by_name_and_of_no_more_than_fit() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let nothing = PostOutcome { firing: 9, invalid: names(&["x"]), ..PostOutcome::default() };
        assert_eq!(changes(&nothing), None);
        let begun = names(&["DiskFull", "HostDown", "DiskFull"]);
        let some = PostOutcome { begun, ended: names(&["Backup"]), ..nothing };
        assert_eq!(changes(&some).as_deref(), Some("fires: DiskFull (2), HostDown; ended: Backup"));
        let many: Vec<String> = (10..=30).map(|at| format!("{at}{}", "x".repeat(200))).collect();
        let text = changes(&PostOutcome { ended: many, ..PostOutcome::default() }).unwrap();
        assert!(text.ends_with(" and 1 more names") && text.len() < 2_200, "{text}");
        assert_eq!(answer(&some).status(), StatusCode::BAD_REQUEST);
    }
}
