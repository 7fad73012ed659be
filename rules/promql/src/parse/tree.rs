//! An expression for tools: as a tree in the form of Prometheus' API, and printed over several lines.

use serde::{Serialize, Serializer};

use crate::PromqlError;

/// A parsed expression whose types were checked. It serialises as `/api/v1/parse_query` shows trees.
pub struct SyntaxTree {
    tree: promql_parser::parser::Expr,
    text: String,
}

impl SyntaxTree {
    pub fn parse(text: &str) -> Result<Self, PromqlError> {
        super::parse(text)?;
        Ok(Self { tree: super::parse_tree(text)?, text: text.to_owned() })
    }

    /// The expression with long parts on lines of their own; never another expression than the one given.
    pub fn pretty(&self) -> String {
        let pretty = self.tree.prettify();
        // The parser's printing may lose what it should escape.
        match super::parse_tree(&pretty) {
            Ok(again) if again == self.tree => pretty,
            _ => self.text.trim().to_owned(),
        }
    }
}

impl Serialize for SyntaxTree {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.tree.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_means_the_same() {
        let pretty = |text: &str| SyntaxTree::parse(text).unwrap().pretty();
        assert_eq!(pretty("sum(rate(a [5m]))by(b)"), "sum by (b) (rate(a[5m]))");
        let quoted = "label_replace(a,\"b\",\"\\\"$1\\\"\",'c',\"(.*)\")";
        assert_eq!(
            SyntaxTree::parse(&pretty(quoted)).unwrap().tree,
            SyntaxTree::parse(quoted).unwrap().tree
        );
        assert!(SyntaxTree::parse("sum(").is_err());
    }

    #[test]
    fn a_tree_has_prometheus_fields() {
        let tree = SyntaxTree::parse("foo{a=\"b\"}[5m] offset 1m").unwrap();
        let json = serde_json::to_value(&tree).unwrap();
        assert_eq!(json["type"], "matrixSelector");
        assert_eq!(json["range"], 300_000);
    }
}
