//! A document written out again: what a program shows of the file it runs by, with secrets covered.
//! Comments, anchors and layout are gone; what is read from it is the same.

use yaml_rust2::{Yaml, YamlEmitter};

use crate::Document;
use crate::tree::{Kind, Node};

impl Document {
    /// The document as block YAML. `shown(keys, text)` may put another text in the place of the one that stands under these
    /// keys, the outermost first (or in a list under them).
    pub fn write(&self, shown: impl Fn(&[&str], &str) -> Option<String>) -> String {
        let mut text = String::new();
        let emitted = emitted(&self.root, &mut Vec::new(), &shown);
        let written = YamlEmitter::new(&mut text).dump(&emitted);
        debug_assert!(written.is_ok(), "a write to a text does not fail");
        // The mark of its start, which a file need not have.
        format!("{}\n", text.strip_prefix("---\n").unwrap_or(&text))
    }
}

/// Plain scalars stay as they are, for they may be numbers or nothing; what was quoted is quoted where it must be. A tree is
/// no deeper than its file was allowed to be.
fn emitted<'a>(
    node: &'a Node,
    keys: &mut Vec<&'a str>,
    shown: &dyn Fn(&[&str], &str) -> Option<String>,
) -> Yaml {
    match &node.kind {
        Kind::Scalar { text, plain } => match shown(keys, text) {
            Some(instead) => Yaml::String(instead),
            None if *plain && !text.contains('\n') => Yaml::Real(text.clone()),
            None => Yaml::String(text.clone()),
        },
        Kind::Sequence(items) => {
            Yaml::Array(items.iter().map(|item| emitted(item, keys, shown)).collect())
        }
        Kind::Mapping(pairs) => {
            let pairs = pairs.iter().map(|(key, value)| {
                keys.push(&key.text);
                let value = emitted(value, keys, shown);
                keys.pop();
                (Yaml::String(key.text.clone()), value)
            });
            Yaml::Hash(pairs.collect())
        }
    }
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
        let hide =
            |keys: &[&str], _: &str| (keys == ["list", "password"]).then(|| "<secret>".to_owned());
        let written = parse(text).write(hide);
        expect![[r#"
            a:
              b:
                - 1
                - two
                - "3\n"
              c: []
              d: {}
              e f: ~
            list:
              - - 1
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
              e f: ~
            words: no
            it: "no"
        "#]]
        .assert_eq(&written);
        assert_eq!(parse(&written).write(hide), written);
        // As deep as a file may be.
        let deep = format!("deep: {}x{}\n", "[".repeat(90), "]".repeat(90));
        assert!(parse(&deep).write(hide).contains('x'));
    }
}
