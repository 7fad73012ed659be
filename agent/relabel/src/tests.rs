//! Rules as in Prometheus' own documentation and tests, and rules that are refused.

use std::path::Path;

use expect_test::{Expect, expect};

use super::*;

#[derive(Debug, Deserr)]
#[deserr(deny_unknown_fields)]
struct File {
    rules: Vec<At<Config>>,
}

/// Labels after the rules, or that the series is dropped.
fn check(rules: &str, labels: &str, expected: Expect) {
    let text = format!("rules:\n{rules}");
    let document = Document::parse(Path::new("rules.yml"), &text).unwrap();
    let mut problems = Vec::new();
    let read = document.read::<File>().map(|file| file.rules);
    for rule in read.iter().flatten() {
        Config::check(rule, &["host"], &document, &mut problems);
    }
    let shown = match read {
        Err(problems) => problems.to_string(),
        Ok(_) if !problems.is_empty() => agent_model::Problems(problems).to_string(),
        Ok(rules) => {
            let rules: Vec<Rule> = rules.iter().map(|rule| rule.value.rule().unwrap()).collect();
            let mut labels = series(labels);
            match apply(&rules, &mut labels) {
                true => agent_model::Labels::new(labels).to_string(),
                false => "dropped".to_owned(),
            }
        }
    };
    expected.assert_eq(&shown);
}

/// `name{a="b",c="d"}`, without anything that would have to be escaped.
fn series(text: &str) -> LabelList {
    let (name, labels) = text.trim_end_matches('}').split_once('{').unwrap_or((text, ""));
    let pairs = labels.split(',').filter_map(|pair| pair.split_once('='));
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned()));
    std::iter::once(("__name__".to_owned(), name.to_owned())).chain(pairs).collect()
}

#[test]
fn keep_and_drop_look_at_the_joined_values() {
    let drop = "      - {source_labels: [__name__, a], regex: 'go_.*;.*|.*;1', action: drop}\n";
    check(drop, "go_x", expect!["dropped"]);
    check(drop, "x{a=\"1\"}", expect!["dropped"]);
    check(drop, "x{a=\"12\"}", expect![[r#"x{a="12"}"#]]);
    let keep = "      - {source_labels: [a], separator: '', regex: 'b|', action: keep}\n";
    check(keep, "x{a=\"b\"}", expect![[r#"x{a="b"}"#]]);
    check(keep, "x", expect!["x"]);
    check(keep, "x{a=\"bb\"}", expect!["dropped"]);
}

#[test]
fn replace_expands_groups_and_an_empty_value_removes() {
    let rule = "      - {source_labels: [a, b], regex: 'f(.*);(?P<second>.*)r', target_label: d, \
                replacement: '$second${1}-$$$1x$1'}\n";
    check(rule, "x{a=\"foo\",b=\"bar\"}", expect![[r#"x{a="foo",b="bar",d="baoo-$oo"}"#]]);
    check(rule, "x{a=\"no\",b=\"bar\"}", expect![[r#"x{a="no",b="bar"}"#]]);
    check(
        "      - {regex: '.*', target_label: a, replacement: ''}\n",
        "x{a=\"1\",b=\"2\"}",
        expect![[r#"x{b="2"}"#]],
    );
    check(
        "      - {source_labels: [a], regex: '(.*)=(.*)', target_label: '${1}', replacement: '$2'}\n",
        "x{a=\"k=v\"}",
        expect![[r#"x{a="k=v",k="v"}"#]],
    );
    check(
        "      - {source_labels: [__name__], regex: 'old_(.*)', target_label: __name__, \
         replacement: 'new_$1'}\n",
        "old_x",
        expect!["new_x"],
    );
}

#[test]
fn labels_are_mapped_kept_dropped_and_compared() {
    check(
        "      - {regex: 'k8s_(.+)', action: labelmap}\n      - {regex: 'k8s_.+', action: labeldrop}\n",
        "x{k8s_a=\"1\",b=\"2\"}",
        expect![[r#"x{a="1",b="2"}"#]],
    );
    check(
        "      - {regex: '__name__|a', action: labelkeep}\n",
        "x{a=\"1\",ab=\"2\"}",
        expect![[r#"x{a="1"}"#]],
    );
    check(
        "      - {source_labels: [a], target_label: a, action: uppercase}\n      \
         - {source_labels: [b], target_label: c, action: lowercase}\n",
        "x{a=\"đb\",b=\"ĐB\"}",
        expect![[r#"x{a="ĐB",b="ĐB",c="đb"}"#]],
    );
    let equal = "      - {source_labels: [a], target_label: b, action: keepequal}\n";
    check(equal, "x{a=\"1\",b=\"1\"}", expect![[r#"x{a="1",b="1"}"#]]);
    check(equal, "x{a=\"1\",b=\"2\"}", expect!["dropped"]);
    let equal = "      - {source_labels: [a], target_label: b, action: dropequal}\n";
    check(equal, "x{a=\"1\",b=\"1\"}", expect!["dropped"]);
}

#[test]
fn what_cannot_work_is_told_by_line() {
    check(
        "      - {action: hashmod}\n      - {action: replace}\n      - {regex: '(', action: labeldrop}\n      \
         - {source_labels: [a], target_label: host}\n      - {action: drop}\n      \
         - {source_labels: [a], target_label: ''}\n      - {moduls: 3}\n",
        "x",
        expect![[r#"
            rules.yml:2: "hashmod" is none of: replace, keep, drop, keepequal, dropequal, labelmap, labelkeep, labeldrop, lowercase, uppercase
            rules.yml:8: unknown key `moduls`; known here: source_labels, separator, regex, target_label, replacement, action"#]],
    );
    check(
        "      - {action: replace}\n      - {regex: '(', action: labeldrop}\n      \
         - {source_labels: [a], target_label: host}\n      - {action: drop}\n      \
         - {source_labels: [a], target_label: ''}\n",
        "x",
        expect![[r#"
            rules.yml:2: this action needs a target_label
            rules.yml:3: "(" cannot be used: regex parse error:
                ^(?s:()$
                 ^
            error: unclosed group
            rules.yml:4: `host` is set by the collector
            rules.yml:5: without source_labels, keep or drop looks at nothing
            rules.yml:6: a target_label needs a name"#]],
    );
}
