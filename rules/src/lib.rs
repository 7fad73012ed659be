//! Rule files, backup policy and drill plans: load, check, evaluate; pure but for reading files.

pub mod backup_policy;
pub mod backup_truth;
pub mod check;
pub mod detection_tests;
pub mod drill;
mod lenient;
pub mod library;
pub mod metric_rules;
mod rule_files;
mod templates;
pub mod unit_tests;

pub use metric_rules::{
    EvaluationError, Finding, Findings, Rule, RuleGroup, RuleId, RuleKind, RuleSet, evaluate,
    load_rule_files, load_rule_text,
};
pub use templates::{External, Template, TemplateError};
