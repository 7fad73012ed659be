//! Unit tests of rules, in promtool's file format: series as written, rules evaluated as time passes, and what must
//! fire or be yielded at given instants (prometheus.io, "Unit testing for rules").
//!
//! Promises: the same files give the same verdict as `promtool test rules`, with Prometheus 3 semantics.
//! Leaves out native histograms (refused).

mod compare;
mod file;
mod plan;
mod simulation;

use std::fmt;
use std::path::{Path, PathBuf};

use agent_model::{Millis, Problems};
use agent_yaml::Document;

use crate::metric_rules::{RuleSet, load_rule_files};
use crate::rule_files::beside;
use plan::{Plan, TestPlan};
use simulation::Simulation;

/// What came of a file of tests.
#[derive(Clone, Debug)]
pub struct TestReport {
    pub file: PathBuf,
    /// How many expectations were looked at.
    pub expectations: usize,
    pub failures: Vec<Failure>,
    /// What is odd in the file and yet no mistake.
    pub remarks: Problems,
}

/// An expectation that was not met, or a rule that could not be evaluated.
#[derive(Clone, Debug)]
pub struct Failure {
    pub file: PathBuf,
    pub line: Option<usize>,
    /// The test's name, or its number in the file.
    pub test: String,
    pub at_ms: Millis,
    pub message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(formatter, ":{line}")?;
        }
        let at = compare::show_time(self.at_ms);
        write!(formatter, ": test {:?} at {at}: {}", self.test, self.message)
    }
}

/// Runs a file of tests over the rule files it names, which are looked up beside it.
pub fn run_test_file(file: &Path) -> Result<TestReport, Problems> {
    let document = Document::open(file)?;
    let plan = Plan::read(&document)?;
    // As for promtool, a pattern that names no file is no mistake; what its rules should say is missed where it is expected.
    let (rule_files, remarks) = beside(&document, &plan.rule_files);
    let (rules, problems) = load_rule_files(&rule_files);
    match problems.0.is_empty() {
        true => Ok(TestReport { remarks, ..run(&plan, &rules, file) }),
        false => Err(problems),
    }
}

/// Runs tests given as text over rules already loaded; the file's own `rule_files` is not looked at.
pub fn run_test_text(name: &Path, text: &str, rules: &RuleSet) -> Result<TestReport, Problems> {
    let plan = Plan::read(&Document::parse(name, text)?)?;
    Ok(run(&plan, rules, name))
}

fn run(plan: &Plan, rules: &RuleSet, file: &Path) -> TestReport {
    let mut report = TestReport {
        file: file.to_owned(),
        expectations: 0,
        failures: Vec::new(),
        remarks: Problems::default(),
    };
    for test in &plan.tests {
        report.expectations += test.alerts.len() + test.expressions.len();
        run_test(plan, test, rules, &mut report);
    }
    report
}

/// Lets time pass in steps of the evaluation interval; an instant between two steps sees the alerts of the earlier.
fn run_test(plan: &Plan, test: &TestPlan, rules: &RuleSet, report: &mut TestReport) {
    let mut simulation =
        Simulation::new(rules, &plan.group_order, test.source.clone(), &test.external);
    let file = report.file.clone();
    let fail = |line, at_ms, message| Failure {
        file: file.clone(),
        line,
        test: test.name.clone(),
        at_ms,
        message,
    };
    let last_ms = test.last_instant_ms();
    let mut at_ms = 0;
    while at_ms <= last_ms {
        for message in simulation.step(at_ms) {
            report.failures.push(fail(None, at_ms, message));
        }
        let next_ms = at_ms + plan.interval_ms;
        for alert in test.alerts.iter().filter(|alert| (at_ms..next_ms).contains(&alert.at_ms)) {
            if let Err(message) = compare::alerts(&simulation, alert) {
                report.failures.push(fail(alert.line, alert.at_ms, message));
            }
        }
        at_ms = next_ms;
    }
    for expression in &test.expressions {
        let outcome = compare::expression(&simulation, expression, plan.fuzzy);
        if let Err(message) = outcome {
            report.failures.push(fail(expression.line, expression.at_ms, message));
        }
    }
}
