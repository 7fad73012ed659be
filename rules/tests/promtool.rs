//! The same verdicts as promtool on the same files: good and bad rules, tests that pass and that fail.
//! promtool comes with Debian's package `prometheus`; where it is absent this is said, and under CI it is a failure.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "an error fails the test; what is left out is told"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use rules::check::check_rule_files;
use rules::load_rule_text;
use rules::unit_tests::run_test_file;

/// Each is one bad rule file.
const BAD: &[(&str, &str)] = &[
    ("expression", "groups: [{name: g, rules: [{alert: A, expr: 'sum(up'}]}]"),
    ("unknown function", "groups: [{name: g, rules: [{alert: A, expr: 'nope(up)'}]}]"),
    ("key", "groups: [{name: g, rules: [{alert: A, expr: up, severty: high}]}]"),
    ("label", "groups: [{name: g, rules: [{alert: A, expr: up, labels: {bad-name: x}}]}]"),
    ("reserved label", "groups: [{name: g, rules: [{alert: A, expr: up, labels: {__name__: x}}]}]"),
    (
        "template",
        "groups: [{name: g, rules: [{alert: A, expr: up, annotations: {s: '{{ $no }}'}}]}]",
    ),
    ("record", "groups: [{name: g, rules: [{record: 'a b', expr: up}]}]"),
    ("for", "groups: [{name: g, rules: [{record: a, expr: up, for: 5m}]}]"),
    ("neither", "groups: [{name: g, rules: [{expr: up}]}]"),
    ("both", "groups: [{name: g, rules: [{alert: A, record: a, expr: up}]}]"),
    ("duration", "groups: [{name: g, rules: [{alert: A, expr: up, for: soon}]}]"),
    ("no expression", "groups: [{name: g, rules: [{alert: A}]}]"),
    ("group twice", "groups: [{name: g, rules: []}, {name: g, rules: []}]"),
    ("no group name", "groups: [{rules: []}]"),
    ("scalar comparison", "groups: [{name: g, rules: [{alert: A, expr: 1 > 2}]}]"),
    ("matching", "groups: [{name: g, rules: [{alert: A, expr: a and group_left b}]}]"),
];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// Whether promtool is content; `None` where it is not installed.
fn promtool(arguments: &[&str], file: &Path) -> Option<bool> {
    match Command::new("promtool").args(arguments).arg(file).output() {
        Ok(output) => Some(output.status.success()),
        Err(_) if std::env::var_os("CI").is_some() => panic!("promtool is missing"),
        Err(error) => {
            println!("LEFT OUT: promtool cannot be run: {error}");
            None
        }
    }
}

#[test]
fn the_good_rules_and_their_tests_are_good_for_both() {
    let report = check_rule_files(&[fixture("good_rules.yml")]);
    assert!(report.is_sound(), "{}", report.problems);
    assert_eq!((report.alerts(), report.recordings()), (3, 1));
    let tests = run_test_file(&fixture("good_tests.yml")).unwrap();
    let failures: Vec<String> = tests.failures.iter().map(ToString::to_string).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert_eq!(tests.expectations, 11);
    let Some(verdict) = promtool(&["check", "rules"], &fixture("good_rules.yml")) else { return };
    assert!(verdict);
    assert_eq!(promtool(&["test", "rules"], &fixture("good_tests.yml")), Some(true));
}

#[test]
fn failing_tests_fail_for_both() {
    assert_eq!(run_test_file(&fixture("failing_tests.yml")).unwrap().failures.len(), 2);
    let verdict = promtool(&["test", "rules"], &fixture("failing_tests.yml"));
    assert!(matches!(verdict, None | Some(false)));
}

#[test]
fn bad_rules_are_bad_for_both() {
    let folder = tempfile::tempdir().unwrap();
    for (what, text) in BAD {
        let (_, problems) = load_rule_text(Path::new("bad.yml"), text);
        assert_eq!(problems.0.len(), 1, "{what}: {problems}");
        let file = folder.path().join("bad.yml");
        std::fs::write(&file, text).unwrap();
        let verdict = promtool(&["check", "rules"], &file);
        assert!(matches!(verdict, None | Some(false)), "promtool takes {what}");
    }
}
