//! Metric rules in Prometheus' file format: alerts and recordings, loaded with every problem at once and evaluated
//! without any state of their own.
//!
//! Promises: a bad rule is left out and reported with file and line, and never silences the others; evaluation is
//! pure (rule, instant, source -> findings). Leaves to others: when to evaluate, and what becomes of a finding over
//! time (pending, firing, resolved).

mod evaluation;
mod file;
mod identity;
mod load;

use std::path::PathBuf;

use agent_model::{Millis, Problems};
use rules_promql::Expr;

use crate::templates::Template;

pub use evaluation::{EvaluationError, Finding, Findings, evaluate};
pub use identity::RuleId;
pub use load::{load_rule_files, load_rule_text};

/// Every rule that could be loaded, in the order of the files.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    pub groups: Vec<RuleGroup>,
    /// What is odd in the files and yet no mistake; the rules are among the groups.
    pub remarks: Problems,
}

/// Rules that are evaluated together, one after the other.
#[derive(Clone, Debug)]
pub struct RuleGroup {
    pub file: PathBuf,
    /// Unique within its file.
    pub name: String,
    /// How often; `None` means as often as the evaluator's setting says.
    pub interval_ms: Option<Millis>,
    pub rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
pub struct Rule {
    pub id: RuleId,
    /// The alert's name, or the metric that is recorded.
    pub name: String,
    /// Where it stands in its file, counted from 1.
    pub line: Option<usize>,
    pub expr: Expr,
    /// Added to every result; an empty text removes a label. The group's labels are among them.
    pub labels: Vec<(String, Template)>,
    /// How far back in time the rule looks, for data that comes late.
    pub query_offset_ms: Millis,
    /// More results than this are an error; `None` is no limit.
    pub results_max: Option<usize>,
    pub kind: RuleKind,
}

#[derive(Clone, Debug)]
pub enum RuleKind {
    Alert {
        /// How long the expression must hold before the alert fires.
        for_ms: Millis,
        /// How long it goes on firing after the expression held last.
        keep_firing_for_ms: Millis,
        annotations: Vec<(String, Template)>,
    },
    Recording,
}

impl RuleSet {
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.groups.iter().flat_map(|group| &group.rules)
    }
}

impl RuleGroup {
    /// How far back in time its rules look.
    pub fn query_offset_ms(&self) -> Millis {
        self.rules.first().map_or(0, |rule| rule.query_offset_ms)
    }
}

impl Rule {
    pub fn is_alert(&self) -> bool {
        matches!(self.kind, RuleKind::Alert { .. })
    }
}
