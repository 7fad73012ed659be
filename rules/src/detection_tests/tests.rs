//! Test files of detections: what they accept and what they refuse.

use std::path::Path;

use expect_test::{Expect, expect};
use rules_sigma::SigmaRules;

use super::DetectionTests;

const RULE: &str =
    "title: Root\nname: RootLogin\nlogsource: {}\ndetection:\n  x: {User: root}\n  condition: x\n";

fn check(text: &str, expected: Expect) {
    let (rules, problems) = SigmaRules::load(&[("root.yml", RULE)]);
    assert_eq!(problems.to_string(), "");
    let shown = match DetectionTests::parse(Path::new("root.test.yml"), text) {
        Ok(tests) => tests.run(&rules),
        Err(problems) => problems,
    };
    expected.assert_eq(&shown.to_string());
}

#[test]
fn a_case_that_goes_as_expected_says_nothing() {
    check(
        "rule_files: [root.yml]\ntests:\n  - name: two\n    events:\n      - {repeat: 2, source: s, class: authentication, \
         host: 'srv{n}', fields: {User: root}}\n    detections:\n      - {alertname: RootLogin, labels: {host: srv1, user: root}}\n      \
         - {alertname: RootLogin, labels: {host: srv2, user: root}}\n",
        expect![[""]],
    );
}

#[test]
fn a_case_that_does_not_is_told_with_both_sides() {
    check(
        "rule_files: [root.yml]\ntests:\n  - name: nobody\n    events:\n      - {source: s, class: authentication, fields: {User: an}}\n    \
         detections: [{alertname: RootLogin}]\n  - name: root\n    events:\n      - {source: s, class: authentication, fields: {User: root}}\n    \
         detections: []\n",
        expect![[r#"
            root.test.yml:3: "nobody" expects detections: RootLogin{}; there were: none
            root.test.yml:7: "root" expects detections: none; there were: RootLogin{host="dc1-srv01",user="root"}"#]],
    );
}

#[test]
fn what_is_wrong_with_the_file_is_told() {
    check(
        "rule_files: [root.yml]\ntests:\n  - name: a\n    events:\n      - {source: s, class: nonsense}\n    detections: []\n",
        expect![[
            r#"root.test.yml:5: "nonsense" is no class; known are base_event, file_system_activity, process_activity, detection_finding, account_change, authentication, network_activity, device_config_change"#
        ]],
    );
    check(
        "rule_files: [root.yml]\ntests:\n  - name: a\n    events:\n      - {source: s, clas: base_event}\n    detections: []\n",
        expect![[r#"
            root.test.yml:5: unknown key `clas`; known here: at, repeat, every, host, source, class, severity, message, fields
            root.test.yml:5: `class` is missing"#]],
    );
    check(
        "rule_files: [root.yml]\ntests:\n  - name: a\n    events:\n      - {source: s, class: base_event, repeat: 10001}\n    detections: []\n",
        expect!["root.test.yml:3: repeats 10001 times; at most 10000"],
    );
}
