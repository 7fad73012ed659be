//! Rule files: every problem with its line, what is good is loaded, and findings are what people will read.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "an error fails the test")]

use std::path::{Path, PathBuf};

use agent_model::{Labels, Sample};
use expect_test::{Expect, expect};
use rules::unit_tests::run_test_file;
use rules::{External, Findings, RuleSet, evaluate, load_rule_files, load_rule_text};
use rules_promql::{Limits, MemorySource};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn sound(text: &str) -> RuleSet {
    let (rules, problems) = load_rule_text(Path::new("a.yml"), text);
    assert_eq!(problems.to_string(), "");
    rules
}

fn check_findings(text: &str, expected: Expect) {
    let mut source = MemorySource::default();
    for (host, value) in [("a", 0.0), ("b", 1.0), ("c", 0.0)] {
        let labels = Labels::metric("up", [("host", host)]);
        source.insert(&labels, Sample { timestamp_ms: 60_000, value });
    }
    let rules = sound(text);
    let shown = rules.rules().map(|rule| {
        match evaluate(rule, 120_000, &source, &Limits::default(), &External::default()) {
            Ok(Findings::Alerts(alerts)) => alerts
                .iter()
                .map(|a| format!("{} {:?} {}\n", a.labels, a.annotations, a.value))
                .collect(),
            Ok(Findings::Recorded(series)) => {
                series.iter().map(|s| format!("{} {:?}\n", s.labels, s.samples)).collect::<String>()
            }
            Err(error) => format!("{error}\n"),
        }
    });
    expected.assert_eq(&shown.collect::<String>());
}

#[test]
fn every_problem_is_told_with_its_line_and_the_good_rules_are_loaded() {
    let text = std::fs::read_to_string(fixture("bad_rules.yml")).unwrap();
    let (rules, problems) = load_rule_text(Path::new("bad.yml"), &text);
    expect![[r#"
        bad.yml:7: the expression cannot be parsed: unclosed left parenthesis
        bad.yml:10: unknown key `severty`; known here: alert, record, expr, for, keep_firing_for, labels, annotations
        bad.yml:14: "__name__" cannot be the name of a label here
        bad.yml:18: annotation "summary": the template cannot be used: undefined variable "$nothing"
        bad.yml:19: "bad{name=\"x\"}" is not a metric name
        bad.yml:23: `for` is for alerts, not for recorded metrics
        bad.yml:24: a rule needs `alert` or `record`
        bad.yml:27: "soon" is not a duration; write for example 15s, 5m or 1h30m
        bad.yml:29: a rule needs a scalar or an instant vector
        bad.yml:34: the group "mixed" stands in this file twice"#]].assert_eq(&problems.to_string());
    let names: Vec<&str> = rules.rules().map(|rule| rule.name.as_str()).collect();
    assert_eq!(names, ["Sound", "Sound", "sound:too"]);
    let remark = "bad.yml:30: \"Sound\" stands in this file twice with these labels";
    assert_eq!(rules.remarks.to_string(), remark);
}

#[test]
fn a_file_that_is_no_yaml_or_not_there_does_not_stop_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken.yml");
    std::fs::write(&broken, "groups: [\n").unwrap();
    let files = [broken, folder.path().join("missing.yml"), fixture("good_rules.yml")];
    let (rules, problems) = load_rule_files(&files);
    assert_eq!(rules.rules().count(), 4);
    assert_eq!(problems.0.len(), 2, "{problems}");
}

#[test]
fn alerts_carry_the_labels_of_the_result_the_group_and_the_rule() {
    check_findings(
        r#"
groups:
  - name: g
    labels: {team: net, severity: low}
    rules:
      - alert: Down
        expr: up == 0
        labels: {severity: "{{ if eq $labels.host \"a\" }}high{{ else }}low{{ end }}", site: ""}
        annotations: {summary: "{{ $labels.host }} = {{ $value }}"}
      - record: hosts:up:sum
        expr: sum(up)
        labels: {text: "{{ kept }}"}
      - record: constant
        expr: 1 + 1
"#,
        expect![[r#"
            {alertname="Down",host="a",severity="high",team="net"} [("summary", "a = 0")] 0
            {alertname="Down",host="c",severity="low",team="net"} [("summary", "c = 0")] 0
            hosts:up:sum{severity="low",team="net",text="{{ kept }}"} [Sample { timestamp_ms: 120000, value: 1.0 }]
            constant{severity="low",team="net"} [Sample { timestamp_ms: 120000, value: 2.0 }]
        "#]],
    );
}

#[test]
fn too_many_results_and_results_alike_are_errors() {
    check_findings(
        r#"
groups:
  - name: g
    limit: 1
    rules: [{alert: Down, expr: up == 0}]
  - name: h
    rules: [{alert: Down, expr: up == 0, labels: {host: ""}}]
  - name: i
    rules: [{record: same, expr: up, labels: {host: x}}]
  - name: j
    rules: [{record: wrong, expr: up / on () up}]
"#,
        expect![[r#"
            rule "Down" yields 2 results; its group allows 1
            rule "Down" yields two results with the labels {alertname="Down"} once its own are applied
            rule "same" yields two results with the labels same{host="x"} once its own are applied
            the expression of rule "wrong" cannot be evaluated
        "#]],
    );
}

#[test]
fn identities_follow_the_rule_not_its_place() {
    let one = sound("groups: [{name: g, rules: [{alert: A, expr: up}, {alert: B, expr: up}]}]");
    let other = sound("groups: [{name: g, rules: [{alert: B, expr: up, for: 5m}]}]");
    let moved = sound("groups: [{name: h, rules: [{alert: B, expr: up}]}]");
    let id = |rules: &RuleSet, at: usize| rules.rules().nth(at).unwrap().id;
    assert_eq!(id(&one, 1), id(&other, 0));
    assert_ne!(id(&one, 0), id(&one, 1));
    assert_ne!(id(&one, 1), id(&moved, 0));
}

#[test]
fn a_failing_test_says_what_was_expected_and_what_came() {
    let report = run_test_file(&fixture("failing_tests.yml")).unwrap();
    assert_eq!(report.expectations, 2);
    let shown: Vec<String> = report.failures.iter().map(ToString::to_string).collect();
    let folder = fixture("").to_string_lossy().into_owned();
    expect![[r##"
        failing_tests.yml:8: test "#1" at 1m: alert "HostDown"
          expected:
            labels {alertname="HostDown",host="a",job="node",severity="critical",where="a"} annotations {}
          got: none
        failing_tests.yml:13: test "#1" at 1m: up
          expected:
            up{host="a",job="node"} 1
          got:
            up{host="a",job="node"} 0"##]].assert_eq(&shown.join("\n").replace(&folder, ""));
}

#[test]
fn bad_test_files_have_all_their_problems_told() {
    let text = "tests:\n  - input_series:\n      - series: up{\n        values: 1+2\n    promql_expr_test:\n      - expr: sum(\n        eval_time: 1m\n    nonsense: 1\n  - interval: 0s\n    input_series:\n      - series: a\n        values: '{{sum:1}}'\n";
    let problems = |text: &str| {
        rules::unit_tests::run_test_text(Path::new("t.yml"), text, &RuleSet::default()).unwrap_err()
    };
    expect!["t.yml:8: unknown key `nonsense`; known here: name, interval, input_series, alert_rule_test, promql_expr_test, external_labels, external_url"].assert_eq(&problems(text).to_string());
    expect![[r#"
        t.yml:3: a label or `}` is missing before ""
        t.yml:4: "1+2" lacks its `x` and a count
        t.yml:6: the expression cannot be parsed: unclosed left parenthesis
        t.yml:11: native histograms are not supported"#]]
    .assert_eq(&problems(&text.replace("    nonsense: 1\n", "")).to_string());
}

#[test]
fn good_tests_are_met_and_counted() {
    let report = rules::check::check_rule_files(&[fixture("good_rules.yml")]);
    assert!(report.is_sound(), "{}", report.problems);
    assert_eq!((report.alerts(), report.recordings()), (3, 1));
    let tests = run_test_file(&fixture("good_tests.yml")).unwrap();
    let failures: Vec<String> = tests.failures.iter().map(ToString::to_string).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert_eq!(tests.expectations, 11);
}
