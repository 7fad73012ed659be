//! The severity of an alert where the hour decides on it (`severity_rules`): what nobody is to be woken for, or what weighs more
//! while nobody is there. Pure.
//!
//! Promises: routes, inhibitions, silences, messages and APIs see one severity, in the label; the one that the alert's source
//! gave stands beside it in `severity_given`. Who the alert is does not change by it.

use std::collections::BTreeSet;
use std::sync::Arc;

use agent_model::{Labels, Matcher};

use super::Routing;
use crate::alert::Alert;

const SEVERITY: &str = "severity";
const GIVEN: &str = "severity_given";

/// The labels that the hour may change.
pub const SEVERITY_LABELS: [&str; 2] = [SEVERITY, GIVEN];

#[derive(Clone, Debug)]
pub(crate) struct SeverityRule {
    pub(crate) matchers: Vec<Matcher>,
    /// It holds while one of these time intervals does.
    pub(crate) during: Vec<Arc<str>>,
    /// Where there are none of the former: while none of these does.
    pub(crate) outside: Vec<Arc<str>>,
    pub(crate) severity: Arc<str>,
}

impl SeverityRule {
    fn holds(&self, holding: &BTreeSet<Arc<str>>) -> bool {
        let any = |names: &[Arc<str>]| names.iter().any(|name| holding.contains(name));
        if self.during.is_empty() { !any(&self.outside) } else { any(&self.during) }
    }

    fn concerns(&self, given: &Labels) -> bool {
        self.matchers.iter().all(|matcher| matcher.matches_labels(given))
    }
}

/// The labels that a source gave, with the severity of a rule.
pub(crate) fn with_severity(given: &Labels, severity: &str) -> Labels {
    match given.get(SEVERITY).unwrap_or_default() {
        own if own == severity => given.clone(),
        own => given.with(GIVEN, own).with(SEVERITY, severity),
    }
}

pub(crate) fn severity_of(labels: &Labels) -> &str {
    labels.get(SEVERITY).unwrap_or_default()
}

impl Routing {
    /// What an alert's labels are while these intervals hold; the first rule that holds decides.
    pub(crate) fn rated(&self, given: &Labels, holding: &BTreeSet<Arc<str>>) -> Labels {
        let mut rules = self.severity_rules.iter();
        let rule = rules.find(|rule| rule.holds(holding) && rule.concerns(given));
        rule.map_or_else(|| given.clone(), |rule| with_severity(given, &rule.severity))
    }

    /// The alert as it is now, and as it is at other hours.
    pub(crate) fn ratings(&self, alert: &Alert) -> Vec<Alert> {
        let mut ratings = vec![alert.clone()];
        if self.severity_rules.is_empty() {
            return ratings;
        }
        let concerning = self.severity_rules.iter().filter(|rule| rule.concerns(&alert.given));
        let others = concerning.map(|rule| with_severity(&alert.given, &rule.severity));
        for labels in others.chain([alert.given.clone()]) {
            if ratings.iter().all(|known| known.labels != labels) {
                ratings.push(Alert { labels, ..alert.clone() });
            }
        }
        ratings
    }

    /// Whether the hour decides on the severity of such an alert.
    pub fn changes_severity(&self, given: &Labels) -> bool {
        self.severity_rules.iter().any(|rule| rule.concerns(given))
    }
}
