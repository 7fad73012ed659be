//! A document written out again: what a program shows of the file it runs by, with secrets covered.
//! Comments, anchors and layout are gone; what is read from it is the same.

use std::fmt::Write;

use crate::Document;
use crate::tree::{Key, Kind, Node};

/// Deeper than any configuration; beyond it nothing is written.
const DEPTH_MAX: usize = 64;

impl Document {
    /// The document as block YAML. `shown(key, text)` may put another text in the place of the one that stands under a
    /// key (or in a list under it).
    pub fn write(&self, shown: impl Fn(&str, &str) -> Option<String>) -> String {
        let mut text = String::new();
        Writer { text: &mut text, shown: &shown }.node(&self.root, "", 0, false);
        text
    }
}

struct Writer<'a> {
    text: &'a mut String,
    shown: &'a dyn Fn(&str, &str) -> Option<String>,
}

impl Writer<'_> {
    /// Writes a node that begins behind `key:` or `-`; `in_list` says that it begins on the line of its dash.
    fn node(&mut self, node: &Node, key: &str, depth: usize, in_list: bool) {
        if depth > DEPTH_MAX {
            return;
        }
        match &node.kind {
            Kind::Scalar { text, plain } => self.scalar(key, text, *plain),
            Kind::Sequence(items) if items.is_empty() => self.text.push_str(" []\n"),
            Kind::Mapping(pairs) if pairs.is_empty() => self.text.push_str(" {}\n"),
            Kind::Sequence(items) => {
                self.text.push_str(if depth == 0 { "" } else { "\n" });
                for item in items {
                    self.indent(depth);
                    self.text.push('-');
                    self.node(item, key, depth + 1, true);
                }
            }
            Kind::Mapping(pairs) => {
                self.text.push_str(if depth == 0 || in_list { "" } else { "\n" });
                for (at, (key, value)) in pairs.iter().enumerate() {
                    self.pair(key, value, depth, in_list && at == 0);
                }
            }
        }
    }

    fn pair(&mut self, key: &Key, value: &Node, depth: usize, behind_dash: bool) {
        if behind_dash {
            self.text.push(' ');
        } else {
            self.indent(depth);
        }
        self.text.push_str(&quoted_if_needed(&key.text));
        self.text.push(':');
        self.node(value, &key.text, depth + 1, false);
    }

    fn scalar(&mut self, key: &str, text: &str, plain: bool) {
        let text = match (self.shown)(key, text) {
            Some(instead) => quoted(&instead),
            None if plain && !text.contains('\n') => text.to_owned(),
            None => quoted_if_needed(text),
        };
        // A failed write to a text does not exist.
        writeln!(self.text, " {text}").unwrap_or_default();
    }

    fn indent(&mut self, depth: usize) {
        self.text.extend(std::iter::repeat_n("  ", depth));
    }
}

/// Bare when it can be nothing but text.
fn quoted_if_needed(text: &str) -> String {
    let bare = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-./@".contains(c))
        && !matches!(
            text.to_ascii_lowercase().as_str(),
            "null" | "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n"
        );
    if bare { text.to_owned() } else { quoted(text) }
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            control if control.is_control() => {
                quoted.push_str(&format!("\\u{:04x}", u32::from(control)));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use expect_test::expect;

    use super::*;

    #[test]
    fn a_written_document_reads_as_the_one_before() {
        let text = "a: &x {b: [1, 'two', \"3\\n\"], c: [], d: {}, 'e f': ~}\nlist:\n- - 1\n  - x: y\n    \
                    z: 5m\n- password: p\nagain: *x\nwords: no # really\nit: 'no'\n";
        let parse = |text: &str| Document::parse(Path::new("a.yml"), text).unwrap();
        let hide = |key: &str, _: &str| (key == "password").then(|| "<secret>".to_owned());
        let written = parse(text).write(hide);
        expect![[r#"
            a:
              b:
                - 1
                - two
                - "3\n"
              c: []
              d: {}
              "e f": ~
            list:
              -
                - 1
                - x: y
                  z: 5m
              - password: "<secret>"
            again:
              b:
                - 1
                - two
                - "3\n"
              c: []
              d: {}
              "e f": ~
            words: no
            it: "no"
        "#]]
        .assert_eq(&written);
        assert_eq!(parse(&written).write(hide), written);
    }
}
