//! What every rule carries besides its condition: its name, its weight, its sentences, its labels.

use std::collections::BTreeMap;

use agent_model::{EventId, Labels, Millis, Severity};
use rsigma_parser::Level;

use crate::correlation::Correlation;
use crate::detection::{Detection, DetectionId, EVENT_IDS_MAX, SINGLE_HOLD_MS};
use crate::text::Sentence;
use crate::view::EventView;

/// Event fields that become labels of a single-event detection, with the label's name. Everything else is too
/// varied to tell alerts apart by.
const LABEL_FIELDS: [(&str, &str); 6] = [
    ("Host", "host"),
    ("User", "user"),
    ("TargetUser", "target_user"),
    ("Group", "group"),
    ("SourceIp", "source_ip"),
    ("TargetFilename", "file"),
];

#[derive(Debug)]
pub(crate) struct Meta {
    pub(crate) id: String,
    pub(crate) version: String,
    pub(crate) title: String,
    /// Sigma's `name`, else the title's words joined: the `alertname` label.
    pub(crate) alert_name: String,
    pub(crate) level: Severity,
    pub(crate) tags: Vec<String>,
    pub(crate) annotations: BTreeMap<String, Sentence>,
}

/// A loaded rule: a condition on one event (matched by rsigma), or a correlation of other rules.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) meta: Meta,
    pub(crate) correlation: Option<Correlation>,
    /// The correlations that count this rule's findings, each with the place it has there.
    pub(crate) feeds: Vec<Feed>,
    /// A rule that only serves correlations says nothing itself (Sigma's `generate: false`).
    pub(crate) emits: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Feed {
    pub(crate) rule: usize,
    pub(crate) slot: u16,
}

/// A rule has found something: it completed at `time_ms` with these events.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) rule: usize,
    pub(crate) time_ms: Millis,
    /// Oldest first, at most [`EVENT_IDS_MAX`].
    pub(crate) event_ids: Vec<EventId>,
    pub(crate) event_count: u64,
}

impl Finding {
    pub(crate) fn single(rule: usize, time_ms: Millis, id: EventId) -> Self {
        Self { rule, time_ms, event_ids: vec![id], event_count: 1 }
    }

    /// Keeps the newest ids when there are more than a detection names.
    pub(crate) fn bounded(mut ids: Vec<EventId>) -> Vec<EventId> {
        let excess = ids.len().saturating_sub(EVENT_IDS_MAX);
        ids.drain(..excess);
        ids
    }
}

impl Rule {
    /// `view` is the event that completed the finding.
    pub(crate) fn detection(&self, finding: &Finding, view: &EventView<'_>) -> Detection {
        let meta = &self.meta;
        let labels = self.labels(view);
        let annotations = meta.annotations.iter().map(|(name, sentence)| {
            let label = |name: &str| labels.get(name);
            let field = |name: &str| view.field(name);
            (name.clone(), sentence.fill(label, field, finding.event_count))
        });
        Detection {
            id: DetectionId::new(&meta.id, &meta.version, &finding.event_ids),
            rule_id: meta.id.clone(),
            rule_version: meta.version.clone(),
            title: meta.title.clone(),
            level: meta.level,
            tags: meta.tags.clone(),
            annotations: annotations.collect(),
            labels: labels.clone(),
            event_ids: finding.event_ids.clone(),
            event_count: finding.event_count,
            time_ms: finding.time_ms,
            hold_ms: self.correlation.as_ref().map_or(SINGLE_HOLD_MS, |one| one.hold_ms),
        }
    }

    /// A correlation is labelled by what it groups by and nothing else: its events may come from many hosts, and
    /// the same group must always be the same alert.
    fn labels(&self, view: &EventView<'_>) -> Labels {
        let mut pairs = vec![
            ("alertname".to_owned(), self.meta.alert_name.clone()),
            ("severity".to_owned(), severity_label(self.meta.level).to_owned()),
        ];
        match &self.correlation {
            Some(correlation) => pairs.extend(correlation.group_by.iter().filter_map(|field| {
                let value = view.field(field.completing_field())?;
                Some((label_name(&field.name), value.to_owned()))
            })),
            None => pairs.extend(LABEL_FIELDS.iter().filter_map(|(field, label)| {
                Some(((*label).to_owned(), view.field(field)?.to_owned()))
            })),
        }
        Labels::new(pairs)
    }
}

/// The label of a field: the usual one, or its CamelCase as snake_case.
pub(crate) fn label_name(field: &str) -> String {
    if let Some((_, label)) = LABEL_FIELDS.iter().find(|(known, _)| *known == field) {
        return (*label).to_owned();
    }
    let mut label = String::new();
    let mut before_lower = false;
    for letter in field.chars() {
        if letter.is_ascii_uppercase() && before_lower {
            label.push('_');
        }
        let plain = letter.is_ascii_alphanumeric();
        label.push(if plain { letter.to_ascii_lowercase() } else { '_' });
        before_lower = letter.is_ascii_lowercase() || letter.is_ascii_digit();
    }
    if label.starts_with(|letter: char| letter.is_ascii_digit()) {
        label.insert(0, '_');
    }
    label
}

pub(crate) fn severity_label(level: Severity) -> &'static str {
    match level {
        Severity::Informational => "info",
        other => other.name(),
    }
}

/// A rule without a level counts as medium: worth a look, nobody is woken.
pub(crate) fn severity(level: Option<Level>) -> Severity {
    match level {
        Some(Level::Informational) => Severity::Informational,
        Some(Level::Low) => Severity::Low,
        Some(Level::Medium) | None => Severity::Medium,
        Some(Level::High) => Severity::High,
        Some(Level::Critical) => Severity::Critical,
    }
}
