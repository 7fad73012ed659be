//! Loading: files → documents → rules, then references between them. Whatever is wrong is told with its file and
//! line, and only the rule it stands in (and what refers to it) is left out.

mod link;
mod read;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use agent_model::{Problem, Problems};
use rsigma_parser::{CorrelationRule, SigmaRule};

use crate::rule::{Meta, Rule};
use crate::rules::{SigmaRules, compile};
use crate::state::EVENTS_PER_GROUP_MAX;

/// The largest single rule; published ones stay below a tenth of it.
pub const DOCUMENT_BYTES_MAX: usize = 256 << 10;
/// The longest time a correlation may look back or hold still: a week.
pub const TIMESPAN_SECONDS_MAX: u64 = 7 * 24 * 3600;
/// The most events or values that a correlation may ask for.
pub const THRESHOLD_MAX: u64 = EVENTS_PER_GROUP_MAX as u64 / 2;

/// A rule that was read, with what later checks need to point at it.
pub(crate) struct Read {
    pub(crate) meta: Meta,
    /// Sigma's own name, by which correlations may refer to it.
    pub(crate) name: Option<String>,
    pub(crate) body: Body,
    pub(crate) place: Place,
}

pub(crate) enum Body {
    Detection(Box<SigmaRule>),
    Correlation(Box<CorrelationRule>),
}

/// Where a rule stands, and where the parts of it that may be wrong stand.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) file: PathBuf,
    pub(crate) first: Option<usize>,
    pub(crate) detection: Option<usize>,
    pub(crate) condition: Option<usize>,
    pub(crate) rules: Option<usize>,
}

impl Place {
    pub(crate) fn problem(&self, line: Option<usize>, message: impl Into<String>) -> Problem {
        Problem { file: self.file.clone(), line, message: message.into() }
    }
}

impl SigmaRules {
    /// Loads files given as (name, text). Every rule that is sound is loaded, whatever the others are.
    pub fn load<N: AsRef<Path>, T: AsRef<str>>(files: &[(N, T)]) -> (Self, Problems) {
        let mut problems = Vec::new();
        let mut read = Vec::new();
        for (name, text) in files {
            read::file(name.as_ref(), text.as_ref(), &mut read, &mut problems);
        }
        let read = refuse_repeated(read, &mut problems);
        let read = leave_out_uncompilable(read, &mut problems);
        (link::link(read, &mut problems), Problems(problems))
    }
}

/// Ids and names must tell rules apart; the first of each keeps it.
fn refuse_repeated(read: Vec<Read>, problems: &mut Vec<Problem>) -> Vec<Read> {
    let mut seen: HashMap<String, Place> = HashMap::new();
    let mut kept = Vec::new();
    for rule in read {
        let names = [Some(rule.meta.id.clone()), rule.name.clone()];
        let known = names.iter().flatten().find_map(|name| Some((name, seen.get(name)?)));
        if let Some((name, first)) = known {
            let file = first.file.display();
            let line = first.first.map_or(String::new(), |line| format!(":{line}"));
            let message = format!(
                "{name:?} is already the id or name of the rule at {file}{line}; this rule is left out"
            );
            problems.push(rule.place.problem(rule.place.first, message));
            continue;
        }
        seen.extend(names.into_iter().flatten().map(|name| (name, rule.place.clone())));
        kept.push(rule);
    }
    kept
}

/// rsigma parses more than it can compile (a broken regular expression, say).
fn leave_out_uncompilable(read: Vec<Read>, problems: &mut Vec<Problem>) -> Vec<Read> {
    let (_, errors) = compile(detections(&read));
    let errors: HashMap<usize, String> = errors.into_iter().collect();
    let mut kept = Vec::new();
    for (index, rule) in read.into_iter().enumerate() {
        match errors.get(&index) {
            Some(error) => {
                let about_condition = error.contains("identifier");
                let place = &rule.place;
                let line = if about_condition { place.condition } else { place.detection };
                problems.push(place.problem(line, one_line(error)));
            }
            None => kept.push(rule),
        }
    }
    kept
}

/// Parsers draw the place with arrows over several lines; a problem is one line.
pub(crate) fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(crate) fn detections(read: &[Read]) -> Vec<(usize, SigmaRule)> {
    let rules = read.iter().enumerate().filter_map(|(index, rule)| match &rule.body {
        Body::Detection(detection) => Some((index, (**detection).clone())),
        Body::Correlation(_) => None,
    });
    rules.collect()
}

impl From<Meta> for Rule {
    fn from(meta: Meta) -> Self {
        Self { meta, correlation: None, feeds: Vec::new(), emits: true }
    }
}
