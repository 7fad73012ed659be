//! Problems: each with its line, none silencing the others.

use expect_test::{Expect, expect};

use super::{event, problems, run};
use crate::{SigmaRules, THRESHOLD_MAX};

fn check(text: &str, expected: Expect) {
    expected.assert_eq(&problems(text));
}

const GOOD: &str = r"
title: Good
name: Good
logsource: {}
detection: {x: {Message|contains: line}, condition: x}
";

#[test]
fn one_bad_rule_never_silences_the_rest() {
    let text = format!(
        "{GOOD}---\ntitle: No condition\nlogsource: {{}}\ndetection:\n  x: {{a: b}}\n---\n\
         title: Broken YAML\ndetection: [\n---\n{}",
        GOOD.replace("Good", "AlsoGood")
    );
    let (rules, problems) = SigmaRules::load(&[("rules.yml", text)]);
    assert_eq!(run(&rules, &[event(1, 5, &[])]).len(), 2);
    assert_eq!(problems.0.len(), 2, "{problems}");
    expect![[r#"
        rules.yml:7: Missing required field 'condition'
        rules.yml:14: YAML parse error: did not find expected node content at line 14 column 1, while parsing a flow node"#]]
    .assert_eq(&problems.to_string());
}

#[test]
fn what_is_wrong_inside_a_rule_is_told_at_its_place() {
    check(
        "title: T\nlogsource: {}\ndetection:\n  x: {a: b}\n  condition: x and y\n",
        expect!["rules.yml:5: unknown detection identifier: y"],
    );
    check(
        "title: T\nlogsource: {}\ndetection:\n  x: {a|re: '('}\n  condition: x\n",
        expect!["rules.yml:3: invalid regex pattern: regex parse error: ( ^ error: unclosed group"],
    );
    check(
        "title: T\nlevel: urgent\nlogsource: {}\ndetection:\n  x: {a: b}\n  condition: x\n",
        expect!["rules.yml:2: invalid level: 'urgent'"],
    );
    check(
        "title: T\nlogsource: {}\ndetection:\n  x: {a|nonsense: b}\n  condition: x\n",
        expect!["rules.yml:3: Unknown modifier 'nonsense'"],
    );
    check(
        "title: T\nlogsource: {}\ndetection:\n  x: {a: b}\n  condition: x\nannotations:\n  summary_vi: '{{ .Labels.host }}'\n",
        expect![[
            r#"rules.yml:7: summary_vi: cannot fill "{{ .Labels.host }}"; a detection knows {{ $labels.NAME }}, {{ $event.FIELD }} and {{ $count }}"#
        ]],
    );
}

#[test]
fn references_that_lead_nowhere_or_round_are_told() {
    let correlation = |name: &str, below: &str| {
        format!(
            "---\ntitle: {name}\nname: {name}\ncorrelation:\n  type: event_count\n  rules: [{below}]\n  \
             timespan: 1m\n  condition: {{gte: 1}}\n"
        )
    };
    check(
        &format!("{GOOD}{}", correlation("Up", "Nothing")),
        expect![[r#"rules.yml:11: refers to "Nothing", but no sound rule has that id or name"#]],
    );
    check(
        &format!("{GOOD}{}{}", correlation("One", "Two"), correlation("Two", "One")),
        expect![[r#"
            rules.yml:11: refers to "Two", which is left out itself or refers back to this rule
            rules.yml:19: refers to "One", which is left out itself or refers back to this rule"#]],
    );
    let broken = correlation("Low", "Good").replace("gte: 1", "lt: 5");
    check(
        &format!("{GOOD}{broken}{}", correlation("High", "Low")),
        expect![[r#"
        rules.yml:13: needs gt, gte or eq above zero: that something stayed away is never an event, so an upper bound alone can not be noticed
        rules.yml:19: refers to "Low", which is left out itself"#]],
    );
}

#[test]
fn repeated_names_are_told_and_the_first_keeps_it() {
    check(
        &format!("{GOOD}---{GOOD}"),
        expect![[
            r#"rules.yml:7: "Good" is already the id or name of the rule at rules.yml:2; this rule is left out"#
        ]],
    );
}

#[test]
fn what_we_do_not_do_is_told() {
    let correlation = |kind: &str, rest: &str| {
        format!(
            "{GOOD}---\ntitle: C\ncorrelation:\n  type: {kind}\n  rules: [Good]\n  timespan: 1m\n  {rest}\n"
        )
    };
    let too_many = format!("condition: {{gte: {}}}", THRESHOLD_MAX + 1);
    let all = [
        problems(&correlation("value_sum", "condition: {field: a, gte: 5}")),
        problems(&correlation("event_count", "window: tumbling\n  condition: {gte: 5}")),
        problems(&correlation("event_count", &too_many)),
        problems(&correlation("value_count", "condition: {gte: 5}")),
        problems(&correlation("temporal", "condition: not Good")),
        problems(&correlation("event_count", "condition: {gte: 5}").replace("1m", "8d")),
        problems(&correlation("event_count", "condition: {gte: 5}").replace("1m", "soon")),
        problems(
            "title: F\nlogsource: {}\nfilter:\n  rules: [Good]\n  x: {a: b}\n  condition: x\n",
        ),
    ];
    expect![[r#"
        rules.yml:7: value_sum with this condition is not known; known are event_count, value_count, temporal and temporal_ordered
        rules.yml:7: only sliding windows are known; leave "window" out
        rules.yml:12: asks for 501 events; at most 500 are kept
        rules.yml:12: value_count needs "field" in its condition
        rules.yml:12: "not" in a correlation needs a clock: that something did not happen is never an event. Ask for what did happen
        rules.yml:7: a correlation spans 1 to 604800 s, not 691200 s
        rules.yml:11: Invalid timespan 'soon'
        rules.yml:1: "F" is a Sigma filter, which we do not apply; write the exception into the rule's own condition"#]].assert_eq(&all.join("\n"));
}

#[test]
fn what_would_overflow_the_stack_is_refused() {
    let deep = |condition: String| {
        format!("title: T\ndetection:\n  x: {{a: b}}\n  condition: {condition}\n")
    };
    check(
        &deep(format!("{}x{}", "(".repeat(10_000), ")".repeat(10_000))),
        expect!["rules.yml:1: brackets are 10000 deep; at most 200"],
    );
    check(
        &deep(format!("{}x", "not ".repeat(10_000))),
        expect![[r#"rules.yml:1: "not" stands 10000 times in a row; at most 50"#]],
    );
    let yaml = format!(
        "title: T\ndetection:\n  x: {}a{}\n  condition: x\n",
        "[".repeat(9_000),
        "]".repeat(9_000)
    );
    assert_eq!(SigmaRules::load(&[("rules.yml", yaml)]).1.0.len(), 1);
}

#[test]
fn rules_for_other_systems_are_loaded_and_counted() {
    let text = GOOD.replace("logsource: {}", "logsource: {product: windows}");
    let (rules, problems) = SigmaRules::load(&[("rules.yml", text)]);
    assert!(problems.0.is_empty());
    assert_eq!(rules.stats().unreachable_rules, 1);
}

#[test]
fn a_file_with_actions_is_read_as_sigma_means_it() {
    let text = "action: global\ntitle: Both\nlogsource: {}\n---\nid: one\ndetection: {x: {a: b}, condition: x}\n\
                ---\nid: two\ndetection: {x: {a: c}, condition: x}\n";
    let (rules, problems) = SigmaRules::load(&[("rules.yml", text)]);
    assert_eq!(problems.to_string(), "");
    assert_eq!(rules.stats().detection_rules, 2);
}
