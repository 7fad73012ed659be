//! Routing: who is told what, and how fast. The ready form of `alerting.yml`.
//!
//! The tree is walked as Alertmanager's (alertmanager, dispatch/route.go): the deepest matching routes win, the
//! first matching child ends the search unless it says `continue`. One thing differs: security detections do not
//! take the *root's* timing but go out at once, each alert alone, unless a route below the root says otherwise.

mod budget;
mod channels;
mod check;
mod classic;
pub(crate) mod delivery;
mod escalation;
mod intervals;
mod matcher_text;
mod raw;
mod roster;
pub(crate) mod severity;
mod written;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use agent_model::{Labels, Matcher, Millis, Problems};
use agent_yaml::Document;

pub(crate) use budget::{AlertBudget, BudgetPart, WHOLE, week_of};
pub use channels::{
    Authorization, Channel, DiscordChannel, EmailChannel, HttpOptions, MattermostAttachment,
    MattermostChannel, MattermostPriority, NumberKind, ScriptChannel, SecretText, SlackAction,
    SlackChannel, SlackField, SmppChannel, SmsChannel, SyslogChannel, SyslogFormat,
    SyslogTransport, TeamsChannel, TelegramChannel, TlsOptions, WebhookChannel, ZaloChannel,
    ZaloMessage,
};
pub(crate) use delivery::{DailyTest, Delivery, HeartbeatSettings, RateLimit};
pub(crate) use escalation::{Escalation, Level};
pub(crate) use intervals::TimeInterval;
pub(crate) use matcher_text::quote;
pub use matcher_text::{matchers_from_text, matchers_text};
pub(crate) use roster::{Person, Roster};
pub use severity::SEVERITY_LABELS;

/// A whole, checked routing; cheap to clone.
#[derive(Clone, Debug)]
pub struct Routing {
    pub(crate) receivers: Arc<[Receiver]>,
    /// Depth first; the root is the first.
    pub(crate) routes: Arc<[Route]>,
    pub(crate) inhibit_rules: Arc<[InhibitRule]>,
    pub(crate) intervals: Arc<[TimeInterval]>,
    pub(crate) severity_rules: Arc<[severity::SeverityRule]>,
    pub(crate) people: Arc<[Person]>,
    pub(crate) rosters: Arc<[Roster]>,
    pub(crate) resolve_timeout_ms: Millis,
    pub(crate) delivery: Arc<Delivery>,
    pub(crate) heartbeat: Option<Arc<HeartbeatSettings>>,
    pub(crate) budget: Arc<AlertBudget>,
    /// The file as it may be shown.
    written: Arc<str>,
    unready: Problems,
}

#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) receiver: Arc<str>,
    pub(crate) matchers: Vec<Matcher>,
    pub(crate) children: Vec<usize>,
    pub(crate) continues: bool,
    /// Alertmanager's text for it, part of the payload's `groupKey`: `{}/{severity="critical"}`.
    pub(crate) key: String,
    pub(crate) timing: Timing,
    pub(crate) detection_timing: Timing,
    pub(crate) escalation: Option<Arc<Escalation>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Timing {
    pub(crate) group_by: GroupBy,
    pub(crate) group_wait_ms: Millis,
    pub(crate) group_interval_ms: Millis,
    pub(crate) repeat_interval_ms: Millis,
    /// Names of intervals in which nobody is told; not handed down to the routes below.
    pub(crate) muted_during: Vec<Arc<str>>,
    /// Names of intervals outside of which nobody is told; empty for always. Not handed down either.
    pub(crate) active_during: Vec<Arc<str>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum GroupBy {
    /// `'...'`: every alert is a group of its own.
    All,
    Names(BTreeSet<String>),
}

#[derive(Clone, Debug)]
pub struct Receiver {
    pub name: Arc<str>,
    pub integrations: Vec<Integration>,
}

/// One way to reach a receiver.
#[derive(Clone, Debug)]
pub struct Integration {
    /// Its kind and place: `webhook/0`, `email/1`; of a roster also whose: `email/0@duty/lan`.
    pub name: Arc<str>,
    pub send_resolved: bool,
    /// Whether its messages carry a link that acknowledges.
    pub acknowledge_links: bool,
    pub channel: Channel,
    /// Whose it is, where it is one of a roster: used for new things only while that person is on duty.
    pub turn: Option<Turn>,
}

/// A person in a roster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    pub roster: Arc<str>,
    pub person: Arc<str>,
}

#[derive(Clone, Debug)]
pub(crate) struct InhibitRule {
    pub(crate) source: Vec<Matcher>,
    pub(crate) target: Vec<Matcher>,
    pub(crate) equal: Vec<String>,
}

impl Routing {
    /// Reads `alerting.yml`; everything that is wrong with it is told at once.
    pub fn open(file: &Path) -> Result<Self, Problems> {
        check::ready(&Document::open(file)?)
    }

    /// The same from text; `file` only names it in problems.
    pub fn parse(file: &Path, text: &str) -> Result<Self, Problems> {
        check::ready(&Document::parse(file, text)?)
    }

    /// Itself, unless a file that it names (a certificate, a key) is not there or is none. The file has no mistake of its own,
    /// so a start goes on and only what needs that file fails; a check and a reload refuse it.
    pub fn whole(self) -> Result<Self, Problems> {
        if self.unready.0.is_empty() { Ok(self) } else { Err(self.unready) }
    }

    /// What holds without a file: alerts are kept and shown, and nobody is told.
    pub fn nobody() -> Self {
        let timing = check::default_timing();
        let detection_timing = check::default_detection_timing(&timing);
        let route = Route {
            receiver: Arc::from("nobody"),
            matchers: Vec::new(),
            children: Vec::new(),
            continues: false,
            key: "{}".to_owned(),
            timing,
            detection_timing,
            escalation: None,
        };
        Self {
            receivers: Arc::new([Receiver { name: Arc::from("nobody"), integrations: Vec::new() }]),
            routes: Arc::new([route]),
            inhibit_rules: Arc::new([]),
            intervals: Arc::new([]),
            severity_rules: Arc::new([]),
            people: Arc::new([]),
            rosters: Arc::new([]),
            resolve_timeout_ms: check::RESOLVE_TIMEOUT_MS,
            delivery: Arc::default(),
            heartbeat: None,
            budget: Arc::default(),
            written: Arc::from("route:\n  receiver: nobody\nreceivers:\n  - name: nobody\n"),
            unready: Problems::default(),
        }
    }

    pub fn receivers(&self) -> &[Receiver] {
        &self.receivers
    }

    /// Alertmanager's `resolve_timeout`: for alerts that others post without an end.
    pub fn resolve_timeout_ms(&self) -> Millis {
        self.resolve_timeout_ms
    }

    /// The file that this was read from, as YAML, with its secrets covered.
    pub fn written(&self) -> &str {
        &self.written
    }

    /// Whether any receiver in use has a way to be reached.
    pub fn tells_somebody(&self) -> bool {
        self.routes.iter().any(|route| {
            self.receiver(&route.receiver).is_some_and(|found| !found.integrations.is_empty())
        })
    }

    pub(crate) fn receiver(&self, name: &str) -> Option<&Receiver> {
        self.receivers.iter().find(|receiver| receiver.name.as_ref() == name)
    }

    /// One way to reach a receiver, by the name of each.
    pub(crate) fn integration(&self, receiver: &str, name: &str) -> Option<&Integration> {
        let mut integrations = self.receiver(receiver)?.integrations.iter();
        integrations.find(|one| one.name.as_ref() == name)
    }

    /// The names of the receivers that alerts with these labels go to.
    pub fn receiver_names(&self, labels: &Labels) -> Vec<Arc<str>> {
        self.matching(labels).into_iter().map(|route| Arc::clone(&route.receiver)).collect()
    }

    /// The names of the intervals that hold now.
    pub(crate) fn intervals_holding(&self, now_ms: Millis) -> BTreeSet<Arc<str>> {
        let holding = self.intervals.iter().filter(|interval| interval.holds(now_ms));
        holding.map(|interval| Arc::clone(&interval.name)).collect()
    }

    pub(crate) fn matching(&self, labels: &Labels) -> Vec<&Route> {
        let mut found = Vec::new();
        self.walk(0, labels, &mut found);
        found
    }

    /// Adds the deepest matching routes below `at`; whether there was one.
    fn walk<'a>(&'a self, at: usize, labels: &Labels, found: &mut Vec<&'a Route>) -> bool {
        let Some(route) = self.routes.get(at) else { return false };
        if !route.matchers.iter().all(|matcher| matcher.matches_labels(labels)) {
            return false;
        }
        let before = found.len();
        for &child in &route.children {
            let matched = self.walk(child, labels, found);
            let ends = self.routes.get(child).is_some_and(|child| !child.continues);
            if matched && ends {
                break;
            }
        }
        if found.len() == before {
            found.push(route);
        }
        true
    }
}

impl Timing {
    /// The names of the intervals for which nobody is told just now, given those that hold.
    pub(crate) fn muted_by(&self, holding: &BTreeSet<Arc<str>>) -> Vec<Arc<str>> {
        let muting: Vec<Arc<str>> =
            self.muted_during.iter().filter(|name| holding.contains(*name)).cloned().collect();
        if !muting.is_empty() || self.active_during.iter().any(|name| holding.contains(name)) {
            return muting;
        }
        self.active_during.clone()
    }

    /// A group is looked at once in an interval, so it is not repeated more often.
    pub(crate) fn repeat_ms(&self) -> Millis {
        self.repeat_interval_ms.max(self.group_interval_ms)
    }
}

impl Route {
    pub(crate) fn timing_of(&self, is_detection: bool) -> &Timing {
        if is_detection { &self.detection_timing } else { &self.timing }
    }
}

impl GroupBy {
    pub(crate) fn labels_of(&self, labels: &Labels) -> Labels {
        match self {
            Self::All => labels.clone(),
            Self::Names(names) => labels.filtered(|name| names.contains(name)),
        }
    }
}

#[cfg(test)]
mod tests;
