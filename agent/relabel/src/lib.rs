//! Prometheus' relabelling: which series are kept, and how their labels are changed
//! (prometheus.io/docs/prometheus/latest/configuration/configuration, relabel_config).
//! Promises: the same outcome as Prometheus for every action but `hashmod`, which is refused. Leaves to others: which
//! series, and which labels a rule may not set.

use agent_model::{Problem, expression};
use agent_yaml::{At, Document, Text};
use deserr::Deserr;
use regex::{Captures, Regex};

/// One rule as people write it.
#[derive(Clone, Debug, Deserr)]
#[deserr(deny_unknown_fields)]
pub struct Config {
    #[deserr(default)]
    source_labels: Vec<String>,
    #[deserr(default = Text(";".to_owned()))]
    separator: Text,
    /// Anchored at both ends.
    #[deserr(default)]
    regex: Option<At<Text>>,
    #[deserr(default)]
    target_label: Option<At<String>>,
    #[deserr(default = Text("$1".to_owned()))]
    replacement: Text,
    #[deserr(default = Action::Replace)]
    action: Action,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserr)]
#[deserr(rename_all = lowercase)]
enum Action {
    Replace,
    Keep,
    Drop,
    KeepEqual,
    DropEqual,
    LabelMap,
    LabelKeep,
    LabelDrop,
    Lowercase,
    Uppercase,
}

/// A rule that is ready to be applied.
#[derive(Clone, Debug)]
pub struct Rule {
    source_labels: Vec<String>,
    separator: String,
    regex: Regex,
    target_label: String,
    replacement: String,
    action: Action,
}

/// Labels of one series while rules are applied to them, with the metric's name.
pub type LabelList = Vec<(String, String)>;

impl Config {
    /// Adds what is wrong with rule `at`, whose place stands for it when nothing more precise does. The labels `own` are
    /// set by the collector.
    pub fn check(at: &At<Self>, own: &[&str], document: &Document, problems: &mut Vec<Problem>) {
        let rule = &at.value;
        if let Err(message) = rule.rule() {
            let place = rule.regex.as_ref().map_or(&at.place, |regex| &regex.place);
            problems.push(document.problem(place, message));
        }
        let needs_target = !matches!(
            rule.action,
            Action::Keep | Action::Drop | Action::LabelMap | Action::LabelKeep | Action::LabelDrop
        );
        match &rule.target_label {
            None if needs_target => {
                let message = "this action needs a target_label";
                problems.push(document.problem(&at.place, message));
            }
            Some(target) if own.contains(&target.value.as_str()) => {
                let message = format!("`{}` is set by the collector", target.value);
                problems.push(document.problem(&target.place, message));
            }
            Some(target) if target.value.is_empty() => {
                let message = "a target_label needs a name";
                problems.push(document.problem(&target.place, message));
            }
            _ => {}
        }
        if rule.source_labels.is_empty() && matches!(rule.action, Action::Keep | Action::Drop) {
            let message = "without source_labels, keep or drop looks at nothing";
            problems.push(document.problem(&at.place, message));
        }
    }

    /// The rule, or what is wrong with its expression.
    pub fn rule(&self) -> Result<Rule, String> {
        let pattern = self.regex.as_ref().map_or("(.*)", |regex| regex.value.0.as_str());
        let built = expression::anchored(pattern);
        Ok(Rule {
            source_labels: self.source_labels.clone(),
            separator: self.separator.0.clone(),
            regex: built.map_err(|error| format!("{pattern:?} cannot be used: {error}"))?,
            target_label: self.target_label.as_ref().map_or(String::new(), |at| at.value.clone()),
            replacement: self.replacement.0.clone(),
            action: self.action,
        })
    }
}

/// Applies rules in their order; whether the series is kept.
pub fn apply(rules: &[Rule], labels: &mut LabelList) -> bool {
    rules.iter().all(|rule| rule.apply(labels))
}

impl Rule {
    fn apply(&self, labels: &mut LabelList) -> bool {
        let sources = self.source_labels.iter().map(|name| get(labels, name));
        let source = sources.collect::<Vec<_>>().join(&self.separator);
        match self.action {
            Action::Keep => return self.regex.is_match(&source),
            Action::Drop => return !self.regex.is_match(&source),
            Action::KeepEqual => return get(labels, &self.target_label) == source,
            Action::DropEqual => return get(labels, &self.target_label) != source,
            Action::Replace => self.replace(&source, labels),
            Action::Lowercase => set(labels, &self.target_label, source.to_lowercase()),
            Action::Uppercase => set(labels, &self.target_label, source.to_uppercase()),
            Action::LabelMap => self.map(labels),
            Action::LabelKeep => labels.retain(|(name, _)| self.regex.is_match(name)),
            Action::LabelDrop => labels.retain(|(name, _)| !self.regex.is_match(name)),
        }
        true
    }

    fn replace(&self, source: &str, labels: &mut LabelList) {
        let Some(captures) = self.regex.captures(source) else { return };
        let target = expand(&captures, &self.target_label);
        if !target.is_empty() {
            set(labels, &target, expand(&captures, &self.replacement));
        }
    }

    fn map(&self, labels: &mut LabelList) {
        for (name, value) in labels.clone() {
            if let Some(captures) = self.regex.captures(&name) {
                let target = expand(&captures, &self.replacement);
                set(labels, &target, value);
            }
        }
    }
}

fn expand(captures: &Captures, template: &str) -> String {
    let mut out = String::new();
    captures.expand(template, &mut out);
    out
}

/// The value of a label; an absent one is empty.
pub fn get<'a>(labels: &'a LabelList, name: &str) -> &'a str {
    labels.iter().find(|(own, _)| own == name).map_or("", |(_, value)| value)
}

/// Sets a label, or with an empty value removes it.
pub fn set(labels: &mut LabelList, name: &str, value: String) {
    let at = labels.iter().position(|(own, _)| own == name);
    match at {
        Some(at) if value.is_empty() => drop(labels.remove(at)),
        Some(at) => labels[at].1 = value,
        None if value.is_empty() => {}
        None => labels.push((name.to_owned(), value)),
    }
}

#[cfg(test)]
mod tests;
