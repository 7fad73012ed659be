//! Checks rule files and their tests: what `haidang rules check` and `haidang rules test` print, as values. Metric
//! rules (Prometheus' format) and Sigma rules are told apart by what is in the file.

use std::path::{Path, PathBuf};

use agent_model::{Problem, Problems};
use rules_sigma::{SigmaRules, SigmaStats};

use crate::detection_tests::DetectionTests;
use crate::metric_rules::{RuleSet, load_rule_files};
use crate::rule_files::{is_detection_test, is_sigma};
use crate::unit_tests::run_test_file;

/// What a set of rule files holds, and everything that is wrong with it.
#[derive(Clone, Debug)]
pub struct CheckReport {
    pub rules: RuleSet,
    pub detections: SigmaStats,
    pub problems: Problems,
}

/// What came of a file of tests.
#[derive(Clone, Debug)]
pub struct Tested {
    /// How many expectations were looked at.
    pub expectations: usize,
    /// Those that were not met, each with file and line.
    pub failures: Vec<String>,
    /// What is odd in the file and yet no mistake.
    pub remarks: Problems,
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

    pub fn sigma_rules(&self) -> usize {
        self.detections.detection_rules + self.detections.correlation_rules
    }
}

/// Loads the files and says everything that is wrong with them. All Sigma files are one set: a correlation may refer
/// to a rule in another file.
pub fn check_rule_files(files: &[PathBuf]) -> CheckReport {
    let (mut metric, mut sigma) = (Vec::new(), Vec::new());
    for file in files {
        match std::fs::read_to_string(file) {
            Ok(text) if is_sigma(&text) => sigma.push((file, text)),
            // One that cannot be read is told by the loader.
            _ => metric.push(file.clone()),
        }
    }
    let (rules, mut problems) = load_rule_files(&metric);
    let (detections, wrong) = SigmaRules::load(&sigma);
    problems.0.extend(wrong.0);
    CheckReport { rules, detections: detections.stats(), problems }
}

/// Runs each test file; a file that cannot be read or names bad rules has its problems in the place of a report.
pub fn test_rule_files(
    files: &[PathBuf],
) -> impl Iterator<Item = (&Path, Result<Tested, Problems>)> {
    files.iter().map(|file| (file.as_path(), test_rule_file(file)))
}

fn test_rule_file(file: &Path) -> Result<Tested, Problems> {
    if std::fs::read_to_string(file).is_ok_and(|text| is_detection_test(&text)) {
        return test_detections(file);
    }
    let report = run_test_file(file)?;
    let failures = report.failures.iter().map(ToString::to_string).collect();
    Ok(Tested { expectations: report.expectations, failures, remarks: report.remarks })
}

fn test_detections(file: &Path) -> Result<Tested, Problems> {
    let tests = DetectionTests::open(file)?;
    let mut texts = Vec::new();
    for file in tests.find_rule_files()? {
        match std::fs::read_to_string(&file) {
            Ok(text) => texts.push((file, text)),
            Err(error) => {
                let message = format!("cannot be read: {error}");
                return Err(Problems(vec![Problem { file, line: None, message }]));
            }
        }
    }
    let (rules, problems) = SigmaRules::load(&texts);
    if !problems.0.is_empty() {
        return Err(problems);
    }
    let failures = tests.run(&rules).0.iter().map(ToString::to_string).collect();
    Ok(Tested { expectations: tests.count(), failures, remarks: Problems::default() })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use expect_test::{Expect, expect};

    use super::*;

    const SIGMA: &str = "title: Root\nname: RootLogin\nlogsource: {}\ndetection:\n  x: {User: root}\n  condition: x\n";
    const METRIC: &str = "groups:\n  - name: a\n    rules:\n      - {alert: Down, expr: up == 0}\n";
    const SIGMA_TEST: &str = "rule_files: ['root*.yml']\ntests:\n  - name: root\n    events:\n      - {source: s, class: \
                              authentication, fields: {User: root}}\n    detections: [{alertname: RootLogin, labels: {host: \
                              dc1-srv01, user: root}}]\n";
    const METRIC_TEST: &str = "rule_files: [down.yml]\ntests:\n  - input_series:\n      - {series: up, values: '1 1 1'}\n    \
                               alert_rule_test:\n      - {eval_time: 1m, alertname: Down}\n";

    /// Writes the files, and shows what the two commands make of those named.
    fn check(written: &[(&str, &str)], asked: &[&str], expected: Expect) {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in written {
            fs::write(directory.path().join(name), text).unwrap();
        }
        let paths: Vec<_> = asked.iter().map(|name| directory.path().join(name)).collect();
        let (tests, rules): (Vec<_>, Vec<_>) =
            paths.into_iter().partition(|path| path.to_string_lossy().contains(".test."));
        let report = check_rule_files(&rules);
        let mut shown = format!(
            "{} alerts, {} recordings, {} Sigma rules\n{}",
            report.alerts(),
            report.recordings(),
            report.sigma_rules(),
            report.problems
        );
        for (_, tested) in test_rule_files(&tests) {
            shown += &match tested {
                Ok(tested) => format!("{} {}\n", tested.expectations, tested.failures.join("\n")),
                Err(problems) => format!("{problems}\n"),
            };
        }
        let folder = format!("{}/", directory.path().display());
        expected.assert_eq(&shown.replace(&folder, ""));
    }

    #[test]
    fn both_languages_are_checked_and_tested() {
        let files = [
            ("root.yml", SIGMA),
            ("down.yml", METRIC),
            ("root.test.yml", SIGMA_TEST),
            ("down.test.yml", METRIC_TEST),
        ];
        let asked = ["root.yml", "down.yml", "root.test.yml", "down.test.yml"];
        check(
            &files,
            &asked,
            expect![[r#"
                1 alerts, 0 recordings, 1 Sigma rules
                1 
                1 
            "#]],
        );
    }

    #[test]
    fn what_is_wrong_with_sigma_is_told_with_file_and_line() {
        let broken = SIGMA.replace("condition: x", "condition: y");
        let surprised = SIGMA_TEST.replace("User: root}}\n", "User: an}}\n");
        let files = [
            ("root.yml", SIGMA),
            ("broken.yml", broken.as_str()),
            ("surprised.test.yml", surprised.as_str()),
            (
                "lost.test.yml",
                "rule_files: [nothing.yml]\ntests:\n  - {name: a, events: [], detections: []}\n",
            ),
            (
                "bad.test.yml",
                "rule_files: [broken.yml]\ntests:\n  - name: a\n    events: []\n    detections: []\n",
            ),
        ];
        let asked = ["broken.yml", "surprised.test.yml", "lost.test.yml", "bad.test.yml"];
        check(
            &files,
            &asked,
            expect![[r#"
            0 alerts, 0 recordings, 0 Sigma rules
            broken.yml:6: unknown detection identifier: y1 surprised.test.yml:3: "root" expects detections: RootLogin{host="dc1-srv01",user="root"}; there were: none
            lost.test.yml:1: "nothing.yml" names no file
            broken.yml:6: unknown detection identifier: y
        "#]],
        );
    }
}
