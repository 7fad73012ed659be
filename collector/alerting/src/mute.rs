//! What keeps people from being told about an alert just now: silences, and other alerts that inhibit it.
//! Inhibition follows Alertmanager (alertmanager, inhibit/inhibit.go): a firing source mutes targets that agree
//! with it in the `equal` labels; an alert on both sides of a rule is not muted by one that is so too.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use agent_model::{Labels, MatchOp, Matcher, Millis};

use crate::alert::Alert;
use crate::routing::InhibitRule;
use crate::silence::{Silence, SilenceState};

pub(crate) struct Mutes<'a> {
    silences: Silences<'a>,
    rules: Vec<RuleSources<'a>>,
}

/// The silences that are active.
#[derive(Default)]
struct Silences<'a> {
    /// By the first label of which they name a value.
    by_value: HashMap<(&'a str, &'a str), Vec<&'a Silence>>,
    /// Those that name none.
    others: Vec<&'a Silence>,
}

struct RuleSources<'a> {
    rule: &'a InhibitRule,
    /// Values of the `equal` labels to the firing sources that have them.
    sources: BTreeMap<Vec<&'a str>, Vec<Source>>,
}

struct Source {
    fingerprint: u64,
    is_target_too: bool,
}

impl<'a> Mutes<'a> {
    pub(crate) fn new(
        alerts: &'a BTreeMap<u64, Alert>,
        silences: &'a BTreeMap<String, Silence>,
        rules: &'a [InhibitRule],
        now_ms: Millis,
    ) -> Self {
        let active = |silence: &&Silence| silence.state(now_ms) == SilenceState::Active;
        Self {
            silences: Silences::new(silences.values().filter(active)),
            rules: rules.iter().map(|rule| RuleSources::new(rule, alerts)).collect(),
        }
    }

    pub(crate) fn is_muted(&self, labels: &Labels) -> bool {
        self.silences.matching(labels).next().is_some()
            || self.rules.iter().any(|rule| !rule.inhibitors(labels).is_empty())
    }

    /// The ids of the silences that mute these labels.
    pub(crate) fn silenced_by(&self, labels: &Labels) -> Vec<String> {
        let ids: BTreeSet<&String> =
            self.silences.matching(labels).map(|silence| &silence.id).collect();
        ids.into_iter().cloned().collect()
    }

    /// The fingerprints of the alerts that mute these labels.
    pub(crate) fn inhibited_by(&self, labels: &Labels) -> Vec<u64> {
        let all: BTreeSet<u64> =
            self.rules.iter().flat_map(|rule| rule.inhibitors(labels)).collect();
        all.into_iter().collect()
    }
}

impl<'a> Silences<'a> {
    fn new(active: impl Iterator<Item = &'a Silence>) -> Self {
        let mut silences = Self::default();
        for silence in active {
            // An empty value means an absent label, which an alert does not list.
            let names_value = |one: &&Matcher| one.op == MatchOp::Equal && !one.value.is_empty();
            match silence.matchers.iter().find(names_value) {
                Some(one) => {
                    let key = (one.name.as_str(), one.value.as_str());
                    silences.by_value.entry(key).or_default().push(silence);
                }
                None => silences.others.push(silence),
            }
        }
        silences
    }

    fn matching<'l>(
        &'l self,
        labels: &'l Labels,
    ) -> impl Iterator<Item = &'a Silence> + use<'l, 'a> {
        let named = labels
            .iter()
            .filter_map(|label| self.by_value.get(&(label.name.as_ref(), label.value.as_ref())));
        let candidates = named.flatten().chain(&self.others).copied();
        candidates.filter(|silence| silence.matches(labels))
    }
}

impl<'a> RuleSources<'a> {
    fn new(rule: &'a InhibitRule, alerts: &'a BTreeMap<u64, Alert>) -> Self {
        let mut sources: BTreeMap<Vec<&str>, Vec<Source>> = BTreeMap::new();
        for alert in alerts.values().filter(|alert| alert.is_firing()) {
            if all_match(&rule.source, &alert.labels) {
                let is_target_too = all_match(&rule.target, &alert.labels);
                let source = Source { fingerprint: alert.fingerprint, is_target_too };
                sources.entry(values(rule, &alert.labels)).or_default().push(source);
            }
        }
        Self { rule, sources }
    }

    fn inhibitors(&self, labels: &Labels) -> Vec<u64> {
        if self.sources.is_empty() || !all_match(&self.rule.target, labels) {
            return Vec::new();
        }
        let is_source_too = all_match(&self.rule.source, labels);
        let found = self.sources.get(&values(self.rule, labels)).into_iter().flatten();
        let inhibits = |source: &&Source| !(is_source_too && source.is_target_too);
        found.filter(inhibits).map(|source| source.fingerprint).collect()
    }
}

fn all_match(matchers: &[Matcher], labels: &Labels) -> bool {
    matchers.iter().all(|matcher| matcher.matches_labels(labels))
}

fn values<'a>(rule: &InhibitRule, labels: &'a Labels) -> Vec<&'a str> {
    rule.equal.iter().map(|name| labels.get(name).unwrap_or("")).collect()
}
