//! From the written file to the ready routing: every check across keys, all problems with their lines.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use agent_model::{MatchOp, Matcher, Millis, Problem, Problems};
use agent_yaml::{At, Document, Duration, Place, Text};

use super::severity::SeverityRule;
use super::{
    Escalation, GroupBy, HttpOptions, InhibitRule, Receiver, Route, Routing, SecretText, Timing,
};
use super::{matcher_text, raw};

mod budget;
mod chat;
mod delivery;
mod email;
mod escalations;
mod heartbeat;
mod http;
mod intervals;
mod mattermost;
mod ours;
mod receivers;
mod rosters;
mod smpp;
mod templates;
mod zalo;

use templates::Texts;

/// Alertmanager's default of `resolve_timeout`.
pub(super) const RESOLVE_TIMEOUT_MS: Millis = 5 * 60_000;

/// Alertmanager's defaults of a route without timing (alertmanager, dispatch/route.go).
pub(super) fn default_timing() -> Timing {
    Timing {
        group_by: GroupBy::Names(BTreeSet::new()),
        group_wait_ms: 30_000,
        group_interval_ms: 5 * 60_000,
        repeat_interval_ms: 4 * 3_600_000,
        muted_during: Vec::new(),
        active_during: Vec::new(),
    }
}

/// A detection goes out at once and alone; it is repeated as everything else.
pub(super) fn default_detection_timing(of_rules: &Timing) -> Timing {
    Timing {
        group_by: GroupBy::All,
        group_wait_ms: 0,
        group_interval_ms: 0,
        repeat_interval_ms: of_rules.repeat_interval_ms,
        muted_during: Vec::new(),
        active_during: Vec::new(),
    }
}

pub(super) fn ready(document: &Document) -> Result<Routing, Problems> {
    let file: raw::File = document.read()?;
    let mut check = Check {
        document,
        problems: Vec::new(),
        unready: Vec::new(),
        http: HttpOptions::default(),
        texts: Texts::new(),
    };
    let http = file.global.as_ref().and_then(|global| global.http_config.as_ref());
    check.http = http::ready(&mut check, http);
    templates::read(&mut check, &file.templates);
    let mut receivers = check.receivers(&file);
    let intervals = intervals::ready(&mut check, &file);
    let named: BTreeSet<&str> =
        file.receivers.iter().map(|receiver| receiver.name.value.as_str()).collect();
    let names = Names {
        escalations: escalations::ready(&mut check, &file, &named),
        receivers: named,
        intervals: intervals.iter().map(|interval| Arc::clone(&interval.name)).collect(),
    };
    let severity_rules: Vec<SeverityRule> =
        file.severity_rules.iter().map(|rule| check.severity_rule(rule, &names)).collect();
    let people = rosters::people(&mut check, &file, &names, &receivers);
    let rosters = rosters::rosters(&mut check, &file, &names, &people);
    let heartbeat = file.heartbeat.as_ref().map(|given| heartbeat::ready(&mut check, given));
    let mut routes = Vec::new();
    check.root(&file.route, &names, &mut routes);
    rosters::on_call(&mut check, &file, &mut receivers, &rosters, &people);
    let delivery = delivery::ready(&mut check, file.delivery.as_ref(), &receivers);
    let budget = budget::ready(&mut check, file.alert_budget.as_ref());
    let inhibit_rules = file.inhibit_rules.iter().map(|rule| check.inhibit_rule(rule)).collect();
    let resolve_timeout = file.global.and_then(|global| global.resolve_timeout);
    if !check.problems.is_empty() {
        // Those of other files stand behind those of this one.
        check.problems.sort_by(|one, other| {
            let key = |problem: &Problem| {
                (problem.file != document.file(), problem.file.clone(), problem.line)
            };
            key(one).cmp(&key(other))
        });
        return Err(Problems(check.problems));
    }
    Ok(Routing {
        receivers: receivers.into(),
        routes: routes.into(),
        inhibit_rules,
        intervals: intervals.into(),
        severity_rules: severity_rules.into(),
        people: people.into(),
        rosters: rosters.into(),
        resolve_timeout_ms: resolve_timeout.map_or(RESOLVE_TIMEOUT_MS, Duration::as_millis),
        delivery: Arc::new(delivery),
        heartbeat: heartbeat.map(Arc::new),
        budget: Arc::new(budget),
        written: super::written::written(document),
        unready: Problems(check.unready),
    })
}

struct Check<'a> {
    document: &'a Document,
    problems: Vec<Problem>,
    /// Of files that are named, and read when a receiver is set up.
    unready: Vec<Problem>,
    /// What holds for receivers that do not say how they are reached.
    http: HttpOptions,
    texts: Texts,
}

/// What routes may name.
struct Names<'a> {
    receivers: BTreeSet<&'a str>,
    intervals: BTreeSet<Arc<str>>,
    escalations: BTreeMap<String, Arc<Escalation>>,
}

/// What a route hands down to its children.
#[derive(Clone)]
struct Inherited {
    receiver: Arc<str>,
    key: String,
    timing: Timing,
    detection_timing: Timing,
    escalation: Option<Arc<Escalation>>,
}

impl Check<'_> {
    fn problem(&mut self, place: &Place, message: impl Into<String>) {
        self.problems.push(self.document.problem(place, message));
    }

    /// A secret in place, or the file that has it; `name` is the key of the first.
    fn secret(
        &mut self,
        place: &Place,
        name: &str,
        value: &Option<String>,
        file: &Option<String>,
    ) -> Option<SecretText> {
        if value.is_some() && file.is_some() {
            self.problem(place, format!("give one of `{name}` and `{name}_file`, not both"));
        }
        let value = value.clone().map(SecretText::Value);
        value.or_else(|| file.as_ref().map(|file| self.file(file)))
    }

    /// A file that the configuration names: beside it, unless it says more, as with Alertmanager.
    fn file(&self, name: &str) -> SecretText {
        let directory = self.document.file().parent();
        SecretText::File(directory.map_or_else(|| name.into(), |directory| directory.join(name)))
    }

    fn is_http(&mut self, url: &At<String>) {
        let parsed = reqwest::Url::parse(&url.value);
        if !parsed.is_ok_and(|parsed| matches!(parsed.scheme(), "http" | "https")) {
            let message = format!("{:?} is not an http:// or https:// address", url.value);
            self.problem(&url.place, message);
        }
    }

    fn receivers(&mut self, file: &raw::File) -> Vec<Receiver> {
        let mut seen = BTreeSet::new();
        let mut receivers = Vec::new();
        for receiver in &file.receivers {
            if !seen.insert(receiver.name.value.clone()) {
                let message = format!("receiver {:?} is there twice", receiver.name.value);
                self.problem(&receiver.name.place, message);
            }
            receivers.push(receivers::ready(self, receiver, file.global.as_ref()));
        }
        receivers
    }

    fn root(&mut self, raw: &raw::Route, names: &Names<'_>, routes: &mut Vec<Route>) {
        let whole = Place::default();
        if raw.receiver.is_none() {
            self.problem(&whole, "the root `route` needs a `receiver`");
        }
        if !(raw.matchers.is_empty() && raw.equals.is_empty() && raw.match_re.is_empty()) {
            self.problem(&whole, "the root `route` takes every alert: it can have no matchers");
        }
        for name in raw.mute_time_intervals.iter().chain(&raw.active_time_intervals) {
            self.problem(&name.place, "the root `route` can have no time intervals");
        }
        if raw.continues {
            self.problem(&whole, "the root `route` has no sibling to `continue` with");
        }
        let mut timing = default_timing();
        self.overlay(&mut timing, raw);
        // The root's timing is meant for rules; see the head of `routing`.
        let above = Inherited {
            receiver: Arc::from(""),
            key: String::new(),
            detection_timing: default_detection_timing(&timing),
            timing,
            escalation: None,
        };
        self.route(raw, &above, true, names, routes);
    }

    /// Adds a route and all below it; returns its index.
    fn route(
        &mut self,
        raw: &raw::Route,
        above: &Inherited,
        is_root: bool,
        names: &Names<'_>,
        routes: &mut Vec<Route>,
    ) -> usize {
        let mut here = above.clone();
        if let Some(receiver) = &raw.receiver {
            if !names.receivers.contains(receiver.value.as_str()) {
                let message = format!("there is no receiver {:?}", receiver.value);
                self.problem(&receiver.place, message);
            }
            here.receiver = Arc::from(receiver.value.as_str());
        }
        let matchers = self.matchers(&raw.matchers, &raw.equals, &raw.match_re);
        let own_key = matcher_text::matchers_text(&matchers);
        here.key = if is_root { "{}".to_owned() } else { format!("{}/{own_key}", above.key) };
        if !is_root {
            self.overlay(&mut here.timing, raw);
            self.overlay(&mut here.detection_timing, raw);
            let muted = self.intervals(&raw.mute_time_intervals, names);
            let active = self.intervals(&raw.active_time_intervals, names);
            for timing in [&mut here.timing, &mut here.detection_timing] {
                timing.muted_during.clone_from(&muted);
                timing.active_during.clone_from(&active);
            }
        }
        if let Some(name) = &raw.escalation {
            here.escalation = self.escalation(name, names);
        }
        self.escalates_in_time(raw, &here);
        let index = routes.len();
        routes.push(Route {
            receiver: here.receiver.clone(),
            matchers,
            children: Vec::new(),
            continues: raw.continues,
            key: here.key.clone(),
            timing: here.timing.clone(),
            detection_timing: here.detection_timing.clone(),
            escalation: here.escalation.clone(),
        });
        let below = raw.routes.iter();
        let children =
            below.map(|child| self.route(&child.value, &here, false, names, routes)).collect();
        routes[index].children = children;
        index
    }

    /// What joins a group is told by its receiver after `group_interval` at the latest, and only then by a level.
    fn escalates_in_time(&mut self, raw: &raw::Route, here: &Inherited) {
        let interval = raw.group_interval.as_ref().map(|interval| &interval.place);
        let place = raw.escalation.as_ref().map(|name| &name.place).or(interval);
        let first = here.escalation.as_ref().and_then(|escalation| escalation.levels.first());
        if let (Some(place), Some(first)) = (place, first)
            && first.after_ms <= here.timing.group_interval_ms.max(here.timing.group_wait_ms)
        {
            let message = "the first level of this escalation may come before the receiver of the route is told: \
                           its `after` must be longer than `group_wait` and `group_interval`";
            self.problem(place, message);
        }
    }

    fn escalation(&mut self, name: &At<String>, names: &Names<'_>) -> Option<Arc<Escalation>> {
        let known = names.escalations.get(&name.value).cloned();
        if known.is_none() && name.value != escalations::NONE {
            self.problem(&name.place, format!("there is no escalation {:?}", name.value));
        }
        known
    }

    fn intervals(&mut self, given: &[At<String>], names: &Names<'_>) -> Vec<Arc<str>> {
        let mut found = Vec::new();
        for name in given {
            match names.intervals.get(name.value.as_str()) {
                Some(known) => found.push(Arc::clone(known)),
                None => {
                    self.problem(&name.place, format!("there is no time interval {:?}", name.value))
                }
            }
        }
        found
    }

    /// What a route says itself replaces what it inherited.
    fn overlay(&mut self, timing: &mut Timing, raw: &raw::Route) {
        if let Some(names) = &raw.group_by {
            let mut seen = BTreeSet::new();
            for name in names.value.iter().filter(|name| !seen.insert(name.as_str())) {
                self.problem(&names.place, format!("`group_by` names {name:?} twice"));
            }
            let all = names.value.iter().any(|name| name == "...");
            if all && names.value.len() > 1 {
                self.problem(&names.place, "`group_by` with '...' can name nothing else");
            }
            timing.group_by = if all {
                GroupBy::All
            } else {
                GroupBy::Names(names.value.iter().cloned().collect())
            };
        }
        if let Some(wait) = raw.group_wait {
            timing.group_wait_ms = wait.as_millis();
        }
        for (given, kept, key) in [
            (&raw.group_interval, &mut timing.group_interval_ms, "group_interval"),
            (&raw.repeat_interval, &mut timing.repeat_interval_ms, "repeat_interval"),
        ] {
            let Some(given) = given else { continue };
            if given.value.as_millis() == 0 {
                self.problem(&given.place, format!("`{key}` cannot be zero"));
            }
            *kept = given.value.as_millis();
        }
    }

    fn severity_rule(&mut self, raw: &At<raw::SeverityRule>, names: &Names<'_>) -> SeverityRule {
        let At { value: raw, place } = raw;
        if raw.during.is_empty() == raw.outside.is_empty() {
            self.problem(
                place,
                "a severity rule names time intervals in one of `during` and `outside`",
            );
        }
        if raw.severity.value.is_empty() {
            self.problem(&raw.severity.place, "a severity rule needs a `severity`");
        }
        SeverityRule {
            matchers: self.matchers(&raw.matchers, &BTreeMap::new(), &BTreeMap::new()),
            during: self.intervals(&raw.during, names),
            outside: self.intervals(&raw.outside, names),
            severity: Arc::from(raw.severity.value.as_str()),
        }
    }

    fn inhibit_rule(&mut self, raw: &raw::InhibitRule) -> InhibitRule {
        InhibitRule {
            source: self.matchers(&raw.source_matchers, &raw.source_match, &raw.source_match_re),
            target: self.matchers(&raw.target_matchers, &raw.target_match, &raw.target_match_re),
            equal: raw.equal.clone(),
        }
    }

    fn matchers(
        &mut self,
        texts: &[At<String>],
        equals: &BTreeMap<String, Text>,
        expressions: &BTreeMap<String, At<Text>>,
    ) -> Vec<Matcher> {
        let mut matchers: Vec<Matcher> = equals
            .iter()
            .map(|(name, value)| Matcher::equal(name.clone(), value.0.clone()))
            .collect();
        for (name, expression) in expressions {
            let text = expression.value.0.clone();
            match Matcher::new(name.clone(), MatchOp::Matches, text) {
                Ok(matcher) => matchers.push(matcher),
                Err(error) => {
                    let why = std::error::Error::source(&error).map(ToString::to_string);
                    let message = format!("{error}: {}", why.unwrap_or_default());
                    self.problem(&expression.place, message);
                }
            }
        }
        for text in texts {
            match matcher_text::matchers_from_text(&text.value) {
                Ok(found) => matchers.extend(found),
                Err(message) => self.problem(&text.place, message),
            }
        }
        matchers.sort_by(|one, other| (&one.name, &one.value).cmp(&(&other.name, &other.value)));
        matchers
    }
}
