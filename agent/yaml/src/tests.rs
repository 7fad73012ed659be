//! Files that people write, with every mistake told at its line.

use std::path::Path;

use deserr::Deserr;
use expect_test::{Expect, expect};

use crate::{At, Bytes, Document, Duration, Entries, Number, Text};

#[derive(Debug, Deserr)]
#[deserr(deny_unknown_fields)]
#[allow(dead_code, reason = "read through Debug only")]
struct Config {
    #[deserr(default = Duration::from_secs(15))]
    interval: Duration,
    #[deserr(default)]
    spool: Option<Bytes>,
    #[deserr(default)]
    labels: Entries<Text>,
    #[deserr(default)]
    rules: Vec<Rule>,
}

#[derive(Debug, Deserr)]
#[deserr(deny_unknown_fields)]
#[allow(dead_code, reason = "read through Debug only")]
struct Rule {
    name: String,
    expr: At<String>,
}

fn check(text: &str, expected: Expect) {
    let shown =
        match Document::parse(Path::new("a.yml"), text).and_then(|file| file.read::<Config>()) {
            Ok(config) => format!("{config:#?}"),
            Err(problems) => problems.to_string(),
        };
    expected.assert_eq(&shown);
}

#[test]
fn every_problem_is_told_at_once_with_its_line() {
    check(
        "interval: soon\nspool: big\nnonsense: 1\nrules:\n  - name: one\n    expr: 3\n  - nam: two\n    expr: up\n",
        expect![[r#"
            a.yml:1: "soon" is not a duration; write for example 15s, 5m or 1h30m
            a.yml:2: "big" is not a size; write for example 64MiB or 1GB
            a.yml:3: unknown key `nonsense`; known here: interval, spool, labels, rules
            a.yml:6: wants text, got 3
            a.yml:7: unknown key `nam`; known here: name, expr
            a.yml:7: `name` is missing"#]],
    );
}

#[test]
fn broken_yaml_and_repeated_keys_name_their_line() {
    check(
        "a: [1\nb: 2\n",
        expect![
            "a.yml:2: is not YAML: illegal placement of ':' indicator at byte 7 line 2 column 2"
        ],
    );
    check(
        "interval: 1s\ninterval: 2s\n",
        expect![[r#"a.yml:2: `interval` is given twice; the first is on line 1"#]],
    );
    check(
        "- a\n- b\n",
        expect![[r#"a.yml:1: the file must hold `key: value` lines at its top level"#]],
    );
}

#[test]
fn an_empty_file_has_every_default() {
    assert!(Document::parse(Path::new("a.yml"), "# nothing\n\n").unwrap().read::<Config>().is_ok());
}

#[test]
fn a_place_keeps_its_line_for_later_checks() {
    let text = "rules:\n  - name: one\n    expr: |\n      up ==\n";
    let document = Document::parse(Path::new("a.yml"), text).unwrap();
    let config: Config = document.read().unwrap();
    assert_eq!(document.problem(&config.rules[0].expr.place, "bad").to_string(), "a.yml:3: bad");
}

#[test]
fn durations_are_those_of_prometheus() {
    let millis = |text: &str| Duration::parse(text).map(Duration::as_millis);
    assert_eq!(millis("1h30m"), Ok(5_400_000));
    assert_eq!(millis("200ms"), Ok(200));
    assert_eq!(millis("1y"), Ok(31_536_000_000));
    for wrong in ["", "5", "m", "5x", "-5m", "99999999999999999999y", "1.5h"] {
        assert!(millis(wrong).is_err(), "{wrong:?}");
    }
}

/// Reads `labels` and shows them as `key=value`.
fn labels(text: &str) -> Vec<String> {
    let document = Document::parse(Path::new("a.yml"), text).unwrap_or_else(|it| panic!("{it}"));
    let config = document.read::<Config>().unwrap_or_else(|problems| panic!("{problems}"));
    config.labels.iter().map(|(key, text)| format!("{key}={}", text.0)).collect()
}

#[test]
fn text_keeps_what_was_written() {
    let text = "labels: {a: 1.10, b: 007, c: 1e3, d: 1.5, e: -0.50, f: 12, g: +1, h: 0x1f, i: .5, \
                j: 12345678901234567890123, k: true, l: ~}";
    let expected = [
        "a=1.10",
        "b=007",
        "c=1e3",
        "d=1.5",
        "e=-0.50",
        "f=12",
        "g=+1",
        "h=0x1f",
        "i=.5",
        "j=12345678901234567890123",
        "k=true",
        "l=",
    ];
    assert_eq!(labels(text), expected);
}

#[test]
fn what_is_quoted_is_text() {
    check(
        "interval: \"\"\n",
        expect![[r#"a.yml:1: "" is not a duration; write for example 15s, 5m or 1h30m"#]],
    );
    #[derive(Debug, Deserr)]
    #[allow(dead_code, reason = "read through Debug only")]
    struct Quoted {
        empty: Option<String>,
        number: String,
        boolean: String,
        nothing: Option<String>,
        block: String,
        numbers: Vec<Number>,
    }
    let text = "empty: ''\nnumber: '5'\nboolean: \"true\"\nnothing:\nblock: |\n  7\n\
                numbers: [1, -2, 0.5, 1.10, 1e3]\n";
    let read = Document::parse(Path::new("a.yml"), text).unwrap().read::<Quoted>().unwrap();
    expect![[r#"Quoted { empty: Some(""), number: "5", boolean: "true", nothing: None, block: "7\n", numbers: [Number(1.0), Number(-2.0), Number(0.5), Number(1.1), Number(1000.0)] }"#]].assert_eq(&format!("{read:?}"));
}

#[test]
fn anchors_aliases_and_merge_keys_are_read() {
    let text = "labels: &common {team: dc, severity: warning}\nrules:\n  - &rule {name: one, expr: up}\n  \
                - *rule\n  - <<: *rule\n    name: three\n";
    let config: Config = Document::parse(Path::new("a.yml"), text).unwrap().read().unwrap();
    let shown: Vec<_> =
        config.rules.iter().map(|rule| format!("{} {}", rule.name, rule.expr.value)).collect();
    assert_eq!(shown, ["one up", "one up", "three up"]);
    let list = "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nlabels: {z: 3, <<: [*a, *b]}\n";
    let document = Document::parse(Path::new("a.yml"), list).unwrap();
    #[derive(Deserr)]
    struct Merged {
        labels: Entries<Text>,
    }
    let merged: Merged = document.read().unwrap();
    let shown = merged.labels.iter().map(|(key, text)| (key.as_str(), text.0.as_str()));
    assert_eq!(shown.collect::<Vec<_>>(), [("x", "1"), ("y", "1"), ("z", "3")]);
    check("labels: {<<: 5}\n", expect!["a.yml:1: `<<` wants a mapping or a list of them"]);
    check("labels: &a [*a]\n", expect!["a.yml:1: an alias stands within its own anchor"]);
    check(
        "labels: *unknown\n",
        expect![
            "a.yml:1: is not YAML: while parsing node, found unknown anchor at byte 8 line 1 column 9"
        ],
    );
    check(
        "rules:\n  - &rule {name: one, exp: up}\n  - *rule\n",
        expect![[r#"
        a.yml:2: unknown key `exp`; known here: name, expr
        a.yml:2: `expr` is missing
        a.yml:2: unknown key `exp`; known here: name, expr
        a.yml:2: `expr` is missing"#]],
    );
}

#[test]
fn a_billion_laughs_are_refused_and_what_is_within_the_bound_is_read() {
    let mut laughs = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for level in 1..10 {
        let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
        laughs.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    check(&laughs, expect!["a.yml:7: aliases (`*name`) repeat more than 16777216 bytes"]);
    let long = "x".repeat(1 << 20);
    let copies = |count: usize| {
        let copies: Vec<_> = (0..count).map(|n| format!("l{n}: *a")).collect();
        format!("labels: {{l: &a {long}, {}}}\n", copies.join(", "))
    };
    assert_eq!(labels(&copies(15)).len(), 16);
    assert!(Document::parse(Path::new("a.yml"), &copies(17)).is_err());
}

#[test]
fn deep_nesting_tags_and_several_documents_are_refused() {
    let mut deep = "a:\n".to_owned();
    deep.push_str(&"- ".repeat(100_000));
    check(&deep, expect!["a.yml:2: nests deeper than 100 levels"]);
    check(
        &format!("a: {}", "[".repeat(5_000)),
        expect!["a.yml:1: is not YAML: recursion limit exceeded at byte 258 line 1 column 259"],
    );
    check("labels: !secret {}\n", expect!["a.yml:1: tags (`!name`) are not supported"]);
    check(
        "labels: {}\n---\nlabels: {}\n",
        expect!["a.yml:2: a second document begins (`---`); one file holds one"],
    );
    check("? [a]\n: b\n", expect!["a.yml:1: a key must be plain text"]);
    check(
        "just words\n",
        expect!["a.yml:1: the file must hold `key: value` lines at its top level"],
    );
    check(
        "---\n",
        expect![[r#"
            Config {
                interval: Duration(
                    15s,
                ),
                spool: None,
                labels: Entries(
                    {},
                ),
                rules: [],
            }"#]],
    );
}

#[test]
fn an_entry_that_cannot_be_read_is_told() {
    check(
        "labels: {a: x, b: {c: d}, e: [f]}\n",
        expect![[r#"
            a.yml:1: wants text, got `key: value` lines
            a.yml:1: wants text, got a list"#]],
    );
    let wrong = Duration::parse("5m1h");
    assert!(wrong.is_err() && Duration::parse("1h5m").is_ok() && Duration::parse("1m1m").is_err());
}
