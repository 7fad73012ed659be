//! Rule files to rules, with every problem of every file.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use agent_model::{Labels, Problem, Problems};
use agent_yaml::{At, Document, Findings, Place, Text};
use rules_promql::{ResultType, parse};

use super::file::{RawFile, RawGroup, RawLabels, RawRule};
use super::{Rule, RuleGroup, RuleId, RuleKind, RuleSet};
use crate::lenient::Lenient;
use crate::templates::Template;

/// Reads the files in order. What is good is loaded whatever else is wrong.
pub fn load_rule_files(files: &[PathBuf]) -> (RuleSet, Problems) {
    let mut loading = Loading::default();
    for file in files {
        match Document::open(file) {
            Ok(document) => loading.document(&document),
            Err(problems) => loading.problems.extend(problems.0),
        }
    }
    loading.done()
}

/// Reads rules from text; `name` stands for the file in problems and identities.
pub fn load_rule_text(name: &Path, text: &str) -> (RuleSet, Problems) {
    let mut loading = Loading::default();
    match Document::parse(name, text) {
        Ok(document) => loading.document(&document),
        Err(problems) => loading.problems.extend(problems.0),
    }
    loading.done()
}

#[derive(Default)]
struct Loading {
    groups: Vec<RuleGroup>,
    problems: Vec<Problem>,
    remarks: Vec<Problem>,
    /// Names and labels of the rules of the file that is being read.
    seen: BTreeSet<(String, Vec<(String, String)>)>,
}

impl Loading {
    fn done(self) -> (RuleSet, Problems) {
        (RuleSet { groups: self.groups, remarks: Problems(self.remarks) }, Problems(self.problems))
    }

    fn document(&mut self, document: &Document) {
        let raw: RawFile = match document.read() {
            Ok(raw) => raw,
            Err(problems) => return self.problems.extend(problems.0),
        };
        let mut names = BTreeSet::new();
        self.seen.clear();
        for group in raw.groups.unwrap_or_default() {
            match group {
                Lenient::Refused(findings) => self.findings(document, findings),
                Lenient::Read(group) => {
                    let name = group.value.name.value.0.clone();
                    if name.is_empty() {
                        self.problem(document, &group.value.name.place, "a group needs a name");
                    } else if !names.insert(name.clone()) {
                        let message = format!("the group {name:?} stands in this file twice");
                        self.problem(document, &group.value.name.place, message);
                    } else {
                        self.group(document, group.value, name);
                    }
                }
            }
        }
    }

    fn findings(&mut self, document: &Document, findings: Findings) {
        for (place, message) in findings.0 {
            self.problem(document, &place, message);
        }
    }

    fn problem(&mut self, document: &Document, place: &Place, message: impl Into<String>) {
        self.problems.push(document.problem(place, message));
    }

    fn group(&mut self, document: &Document, raw: RawGroup, name: String) {
        let interval_ms = raw.interval.map(agent_yaml::Duration::as_millis).filter(|ms| *ms > 0);
        let shared = Shared {
            query_offset_ms: raw.query_offset.map_or(0, agent_yaml::Duration::as_millis),
            results_max: raw
                .limit
                .and_then(|limit| usize::try_from(limit).ok())
                .filter(|max| *max > 0),
            labels: raw.labels.unwrap_or_default(),
            name,
        };
        let mut rules: Vec<Rule> = Vec::new();
        for rule in raw.rules.unwrap_or_default() {
            match rule {
                Lenient::Refused(findings) => self.findings(document, findings),
                Lenient::Read(raw) => {
                    let place = raw.place.clone();
                    let reading = Reading { document, problems: &mut self.problems, sound: true };
                    let Some(mut rule) = reading.rule(raw, &shared) else { continue };
                    let texts = rule.labels.iter();
                    let texts = texts.map(|(name, text)| (name.clone(), text.text().to_owned()));
                    if !self.seen.insert((rule.name.clone(), texts.collect())) {
                        let message =
                            format!("{:?} stands in this file twice with these labels", rule.name);
                        self.remarks.push(document.problem(&place, message));
                    }
                    while rules.iter().any(|other| other.id == rule.id) {
                        rule.id = rule.id.next();
                    }
                    rules.push(rule);
                }
            }
        }
        let file = document.file().to_owned();
        self.groups.push(RuleGroup { file, name: shared.name, interval_ms, rules });
    }
}

/// What a group gives to each of its rules.
struct Shared {
    name: String,
    labels: RawLabels,
    query_offset_ms: i64,
    results_max: Option<usize>,
}

/// One rule being read: every problem is noted, and one is enough to leave the rule out.
struct Reading<'a> {
    document: &'a Document,
    problems: &'a mut Vec<Problem>,
    sound: bool,
}

impl Reading<'_> {
    fn refuse(&mut self, place: &Place, message: impl Into<String>) {
        self.sound = false;
        self.problems.push(self.document.problem(place, message));
    }

    fn rule(mut self, raw: At<RawRule>, shared: &Shared) -> Option<Rule> {
        let At { value: raw, place } = raw;
        let (name, is_alert) = self.name(&raw, &place)?;
        if !is_alert {
            self.refuse_alert_keys(&raw);
        }
        let expr = self.expr(&raw.expr);
        let mut merged = shared.labels.clone();
        merged.extend(raw.labels.unwrap_or_default());
        let labels = self.templates(&merged, "label", is_alert);
        let annotations =
            self.templates(&raw.annotations.unwrap_or_default(), "annotation", is_alert);
        let millis = |duration: Option<At<agent_yaml::Duration>>| {
            duration.map_or(0, |duration| duration.value.as_millis())
        };
        let kind = match is_alert {
            true => RuleKind::Alert {
                for_ms: millis(raw.hold),
                keep_firing_for_ms: millis(raw.keep_firing_for),
                annotations,
            },
            false => RuleKind::Recording,
        };
        let id = self.id(&shared.name, &name, &raw.expr.value.0, &merged);
        let line = self.document.problem(&place, "").line;
        let (query_offset_ms, results_max) = (shared.query_offset_ms, shared.results_max);
        let sound = self.sound;
        expr.filter(|_| sound).map(|expr| Rule {
            id,
            name,
            line,
            expr,
            labels,
            query_offset_ms,
            results_max,
            kind,
        })
    }

    /// The name and whether it is an alert's.
    fn name(&mut self, raw: &RawRule, place: &Place) -> Option<(String, bool)> {
        match (&raw.alert, &raw.record) {
            (Some(alert), None) => {
                if alert.value.0.is_empty() {
                    self.refuse(&alert.place, "an alert needs a name");
                }
                Some((alert.value.0.clone(), true))
            }
            (None, Some(record)) => {
                // Any text is a name, but one with braces is an expression in the wrong place.
                let name = &record.value.0;
                if name.is_empty() || name.contains(['{', '}']) {
                    self.refuse(&record.place, format!("{name:?} is not a metric name"));
                }
                Some((record.value.0.clone(), false))
            }
            (Some(_), Some(record)) => {
                self.refuse(&record.place, "a rule has `alert` or `record`, not both");
                None
            }
            (None, None) => {
                self.refuse(place, "a rule needs `alert` or `record`");
                None
            }
        }
    }

    fn refuse_alert_keys(&mut self, raw: &RawRule) {
        let hold = raw.hold.as_ref().map(|hold| ("for", &hold.place));
        let keep = raw.keep_firing_for.as_ref().map(|keep| ("keep_firing_for", &keep.place));
        let note = raw
            .annotations
            .iter()
            .flat_map(|notes| notes.values())
            .next()
            .map(|note| ("annotations", &note.place));
        for (key, place) in [hold, keep, note].into_iter().flatten() {
            self.refuse(place, format!("`{key}` is for alerts, not for recorded metrics"));
        }
    }

    fn expr(&mut self, text: &At<Text>) -> Option<rules_promql::Expr> {
        match parse(&text.value.0) {
            Ok(expr) if matches!(expr.result_type(), ResultType::Scalar | ResultType::Vector) => {
                Some(expr)
            }
            Ok(_) => {
                self.refuse(&text.place, "a rule needs a scalar or an instant vector");
                None
            }
            Err(error) => {
                self.refuse(&text.place, error.to_string());
                None
            }
        }
    }

    fn templates(&mut self, raw: &RawLabels, what: &str, alert: bool) -> Vec<(String, Template)> {
        let mut templates = Vec::with_capacity(raw.len());
        for (name, text) in raw {
            if name.is_empty() || name == Labels::NAME {
                self.refuse(&text.place, format!("{name:?} cannot be the name of a {what} here"));
            }
            // Only alerts have templates; in a recording rule `{{` is plain text.
            let template = match alert {
                true => Template::parse(&text.value.0),
                false => Ok(Template::literal(&text.value.0)),
            };
            match template {
                Ok(template) => templates.push((name.clone(), template)),
                Err(error) => {
                    let message = format!("{what} {name:?}: the template cannot be used: {error}");
                    self.refuse(&text.place, message);
                }
            }
        }
        templates
    }

    fn id(&self, group: &str, name: &str, expr: &str, labels: &RawLabels) -> RuleId {
        let file = self.document.file().file_name().unwrap_or_default().to_string_lossy();
        let labels =
            labels.iter().flat_map(|(name, value)| [name.as_str(), value.value.0.as_str()]);
        RuleId::of([&*file, group, name, expr.trim()].into_iter().chain(labels))
    }
}
