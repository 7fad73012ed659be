//! Checks rule files and their tests: what `haidang rules check` and `haidang rules test` print, as values.

use std::path::{Path, PathBuf};

use agent_model::Problems;

use crate::metric_rules::{RuleSet, load_rule_files};
use crate::unit_tests::{TestReport, run_test_file};

/// What a set of rule files holds, and everything that is wrong with it.
#[derive(Clone, Debug)]
pub struct CheckReport {
    pub rules: RuleSet,
    pub problems: Problems,
}

impl CheckReport {
    pub fn is_sound(&self) -> bool {
        self.problems.0.is_empty()
    }

    pub fn alerts(&self) -> usize {
        self.rules.rules().filter(|rule| rule.is_alert()).count()
    }

    pub fn recordings(&self) -> usize {
        self.rules.rules().count() - self.alerts()
    }
}

/// Loads the files and says everything that is wrong with them.
pub fn check_rule_files(files: &[PathBuf]) -> CheckReport {
    let (rules, problems) = load_rule_files(files);
    CheckReport { rules, problems }
}

/// Runs each test file; a file that cannot be read or names bad rules has its problems in the place of a report.
pub fn test_rule_files(
    files: &[PathBuf],
) -> impl Iterator<Item = (&Path, Result<TestReport, Problems>)> {
    files.iter().map(|file| (file.as_path(), run_test_file(file)))
}
