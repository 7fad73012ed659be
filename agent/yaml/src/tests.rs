//! Files that people write, with every mistake told at its line.

use std::collections::BTreeMap;
use std::path::Path;

use deserr::Deserr;
use expect_test::{Expect, expect};

use crate::{At, Bytes, Document, Duration, Text};

#[derive(Debug, Deserr)]
#[deserr(deny_unknown_fields)]
#[allow(dead_code, reason = "read through Debug only")]
struct Config {
    #[deserr(default = Duration::from_secs(15))]
    interval: Duration,
    #[deserr(default)]
    spool: Option<Bytes>,
    #[deserr(default)]
    labels: BTreeMap<String, Text>,
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
