//! Routing files read, and mistakes in them told.

use std::path::Path;

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

fn check(text: &str, expected: Expect) {
    let shown = match Routing::parse(Path::new("alerting.yml"), text) {
        Ok(routing) => format!("{:#?}", routing.routes),
        Err(problems) => problems.to_string(),
    };
    expected.assert_eq(&shown);
}

#[test]
fn every_problem_of_a_file_is_told_with_its_line() {
    check(
        "route:
  group_interval: 0s
  routes:
    - receiver: nobody
      matchers: ['severity=critical\"', 'a=~\"(\"']
      group_by: ['...', host]
receivers:
  - name: a
    webhook_configs:
      - url: ftp://x
      - max_alerts: 3
  - name: a
    email_configs:
      - to: not an address
        auth_username: u
        smarthost: mail
        headers: {Subject: '{{ .x }}'}
",
        expect![[r#"
            alerting.yml:1: the root `route` needs a `receiver`
            alerting.yml:2: `group_interval` cannot be zero
            alerting.yml:4: there is no receiver "nobody"
            alerting.yml:5: "severity=critical\"" has '"' where a comma should be
            alerting.yml:5: the regular expression "(" of label "a" cannot be used: regex parse error:
                ^(?s:()$
                 ^
            error: unclosed group
            alerting.yml:6: `group_by` with '...' can name nothing else
            alerting.yml:6: `group_by` with '...' can name nothing else
            alerting.yml:10: "ftp://x" is not an http:// or https:// address
            alerting.yml:11: a webhook needs one of `url` and `url_file`
            alerting.yml:12: receiver "a" is there twice
            alerting.yml:14: "not an address" is not an e-mail address, nor several with commas between
            alerting.yml:14: an e-mail receiver needs `from` (or `smtp_from` in `global`)
            alerting.yml:14: `auth_username` and `auth_password` or `auth_password_file` go together
            alerting.yml:16: "mail" is not host:port"#]],
    );
}

#[test]
fn unknown_keys_are_refused() {
    check(
        "route: {receiver: a, group_weight: 3s}\nreceivers: [{name: a, slack_configs: []}]\n",
        expect![
            "alerting.yml:1: unknown key `group_weight`; known here: receiver, matchers, match, match_re, group_by, continue, group_wait, group_interval, repeat_interval, mute_time_intervals, active_time_intervals, escalation, routes"
        ],
    );
}

#[test]
fn detections_take_timing_from_below_the_root_only() {
    let text = "
route:
  receiver: a
  group_by: [site]
  group_wait: 1m
  repeat_interval: 2h
  routes:
    - matchers: ['team=\"soc\"']
      group_by: [host]
      group_wait: 5s
receivers: [{name: a}]
";
    let routing = Routing::parse(Path::new("a.yml"), text).unwrap();
    let hour = 3_600_000;
    let [root, soc] = &routing.routes[..] else { panic!("two routes") };
    assert_eq!((root.timing.group_wait_ms, root.timing.repeat_interval_ms), (60_000, 2 * hour));
    let detections = &root.detection_timing;
    assert_eq!((&detections.group_by, detections.group_wait_ms), (&GroupBy::All, 0));
    assert_eq!(detections.repeat_interval_ms, 2 * hour);
    assert_eq!(soc.detection_timing.group_wait_ms, 5_000);
    assert_eq!(soc.detection_timing.group_by, soc.timing.group_by);
    assert_eq!(soc.key, "{}/{team=\"soc\"}");
}

#[test]
fn matchers_read_back_as_they_were_written() {
    for text in [
        "{a=\"b\"}",
        "{a!=\"b\",c=~\"d|e\",f!~\"g.*\"}",
        "{\"tên máy\"=\"x, y\"}",
        "{a=\"\\\\ \\\" \\n\"}",
        "{a=~\"\\\\d+\"}",
        "{}",
    ] {
        assert_eq!(matchers_text(&matchers_from_text(text).unwrap()), text);
    }
    // Each may be an expression of a megabyte: nobody compiles more than people write.
    for most in ["a=~b,".repeat(64), "máy=~b,".repeat(64)] {
        assert_eq!(matchers_from_text(&most).map(|matchers| matchers.len()), Ok(64));
        let refused = matchers_from_text(&(most + "c=d")).unwrap_err();
        assert!(refused.contains("more than 64 matchers"), "{refused}");
    }
    assert_eq!(matchers_text(&matchers_from_text(" a = b , c=~d ").unwrap()), "{a=\"b\",c=~\"d\"}");
    assert_eq!(matchers_text(&matchers_from_text(r#"a=~"\d""#).unwrap()), r#"{a=~"\\d"}"#);
    for (text, same) in
        [("a==b", r#"{a="=b"}"#), ("a=b c=d", r#"{a="b c=d"}"#), ("a=", r#"{a=""}"#)]
    {
        assert_eq!(matchers_text(&matchers_from_text(text).unwrap()), same);
    }
    for wrong in ["a", "=b", "a=\"b", "\"ô=b", "ô=b c=d", "a=~\"(\"", "a<b", "a=\"b\"c"] {
        assert!(matchers_from_text(wrong).is_err(), "{wrong}");
    }
}

/// A route for the property below: one matcher on one label, a receiver of its own.
#[derive(Clone, Debug)]
struct Spec {
    label: u8,
    value: u8,
    continues: bool,
    routes: Vec<Spec>,
}

fn spec() -> impl Strategy<Value = Spec> {
    let part = (0..3_u8, 0..2_u8, any::<bool>());
    let leaf = part.clone().prop_map(|(label, value, continues)| Spec {
        label,
        value,
        continues,
        routes: Vec::new(),
    });
    leaf.prop_recursive(3, 24, 4, move |inner| {
        (part.clone(), proptest::collection::vec(inner, 0..4)).prop_map(
            |((label, value, continues), routes)| Spec { label, value, continues, routes },
        )
    })
}

/// Writes the tree as YAML flow text; receivers are numbered in the order of the file.
fn write(spec: &Spec, is_root: bool, next: &mut u32) -> String {
    let own = *next;
    *next += 1;
    let matcher =
        format!("matchers: ['l{}=\"{}\"'], continue: {}, ", spec.label, spec.value, spec.continues);
    let below: Vec<String> = spec.routes.iter().map(|one| write(one, false, next)).collect();
    let matcher = if is_root { String::new() } else { matcher };
    format!("{{receiver: r{own}, {matcher}routes: [{}]}}", below.join(", "))
}

/// The rule in words, read naively: numbers all nodes, tries every child, and stops as the text says.
fn reference(spec: &Spec, is_root: bool, values: [u8; 3], next: &mut u32) -> Vec<u32> {
    let own = *next;
    *next += 1;
    let mut found = Vec::new();
    let mut stopped = false;
    for child in &spec.routes {
        let of_child = reference(child, false, values, next);
        if stopped || of_child.is_empty() {
            continue;
        }
        found.extend(of_child);
        stopped = !child.continues;
    }
    if !is_root && values[usize::from(spec.label)] != spec.value {
        return Vec::new();
    }
    if found.is_empty() { vec![own] } else { found }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn routing_is_what_the_naive_reading_says(spec in spec(), values in [0..2_u8, 0..2_u8, 0..2_u8]) {
        let mut count = 0;
        let route = write(&spec, true, &mut count);
        let receivers: Vec<String> = (0..count).map(|one| format!("{{name: r{one}}}")).collect();
        let text = format!("route: {route}\nreceivers: [{}]\n", receivers.join(", "));
        let routing = Routing::parse(Path::new("a.yml"), &text).unwrap();
        let labels = Labels::new((0..3).map(|at| (format!("l{at}"), values[at].to_string())));
        let found: Vec<String> =
            routing.receiver_names(&labels).iter().map(ToString::to_string).collect();
        let wanted: Vec<String> = reference(&spec, true, values, &mut 0)
            .into_iter()
            .map(|one| format!("r{one}"))
            .collect();
        prop_assert_eq!(found, wanted);
    }
}

/// A route as it is made up: what it wants of labels `a` and `b`, and what stands below it.
#[derive(Clone, Debug)]
struct Made {
    matchers: Vec<(&'static str, &'static str, &'static str)>,
    continues: bool,
    below: Vec<Made>,
}

fn made(depth: u32) -> BoxedStrategy<Made> {
    let name = prop_oneof![Just("a"), Just("b")];
    let op = prop_oneof![Just("="), Just("!="), Just("=~"), Just("!~")];
    let value = prop_oneof![Just("x"), Just("y"), Just("x|z"), Just("")];
    let matchers = proptest::collection::vec((name, op, value), 0..3);
    let below = if depth == 0 {
        Just(Vec::new()).boxed()
    } else {
        proptest::collection::vec(made(depth - 1), 0..4).boxed()
    };
    (matchers, any::<bool>(), below)
        .prop_map(|(matchers, continues, below)| Made { matchers, continues, below })
        .boxed()
}

impl Made {
    fn wants(&self, labels: &[(&str, &str)]) -> bool {
        self.matchers.iter().all(|(name, op, wanted)| {
            let value = labels.iter().find(|(label, _)| label == name).map_or("", |pair| pair.1);
            let one_of = wanted.split('|').any(|one| one == value);
            match *op {
                "=" => value == *wanted,
                "!=" => value != *wanted,
                "=~" => one_of,
                _ => !one_of,
            }
        })
    }

    /// Every route with the way to it, each step with its elder siblings.
    fn ways<'a>(
        &'a self,
        way: &[(&'a Made, &'a [Made])],
        all: &mut Vec<Vec<(&'a Made, &'a [Made])>>,
    ) {
        all.push(way.to_vec());
        for (at, child) in self.below.iter().enumerate() {
            let way = [way, &[(child, &self.below[..at])]].concat();
            child.ways(&way, all);
        }
    }

    fn write(&self, number: &mut usize, indent: usize, text: &mut String) {
        let pad = " ".repeat(indent);
        text.push_str(&format!("{pad}receiver: r{number}\n"));
        *number += 1;
        if !self.matchers.is_empty() {
            let matchers =
                self.matchers.iter().map(|(name, op, value)| format!("'{name}{op}\"{value}\"'"));
            text.push_str(&format!(
                "{pad}matchers: [{}]\n",
                matchers.collect::<Vec<_>>().join(", ")
            ));
        }
        if self.continues {
            text.push_str(&format!("{pad}continue: true\n"));
        }
        if !self.below.is_empty() {
            text.push_str(&format!("{pad}routes:\n"));
        }
        for child in &self.below {
            text.push_str(&format!("{pad}- group_wait: 1s\n"));
            child.write(number, indent + 2, text);
        }
    }
}

/// Said without walking: a route takes an alert if it and all above it want it, no elder sibling on the way wants it without
/// going on, and none below it wants it.
fn naive(root: &Made, labels: &[(&str, &str)]) -> Vec<String> {
    let mut ways = Vec::new();
    root.ways(&[(root, &[])], &mut ways);
    let taken = ways.iter().enumerate().filter(|(_, way)| {
        let open = |(route, elders): &(&Made, &[Made])| {
            route.wants(labels)
                && !elders.iter().any(|elder| elder.wants(labels) && !elder.continues)
        };
        let last = way.last().unwrap().0;
        way.iter().all(open) && !last.below.iter().any(|child| child.wants(labels))
    });
    taken.map(|(number, _)| format!("r{number}")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn routing_is_what_a_naive_reference_says(root in made(3)) {
        let root = Made { matchers: Vec::new(), continues: false, ..root };
        let (mut text, mut number) = ("route:\n".to_owned(), 0);
        root.write(&mut number, 2, &mut text);
        let names = (0..number).map(|at| format!("{{name: r{at}}}"));
        text.push_str(&format!("receivers: [{}]\n", names.collect::<Vec<_>>().join(", ")));
        let routing = Routing::parse(Path::new("a.yml"), &text).map_err(|problems| {
            TestCaseError::fail(format!("{problems}\n{text}"))
        })?;
        for a in ["", "x", "y", "z"] {
            for b in ["", "x", "y", "z"] {
                let labels = [("a", a), ("b", b)];
                let given = labels.iter().filter(|(_, value)| !value.is_empty());
                let found = routing.receiver_names(&Labels::new(given.copied()));
                let found: Vec<&str> = found.iter().map(AsRef::as_ref).collect();
                prop_assert_eq!(found, naive(&root, &labels), "{:?} in {}", labels, text);
            }
        }
    }
}
