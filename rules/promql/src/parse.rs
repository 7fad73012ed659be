//! Text to a checked plan: the limits on a text, the parser's own panics, and the types of what came out.

mod comments;
mod escapes;
pub(crate) mod places;
mod tree;

use std::panic::{AssertUnwindSafe, catch_unwind};

use agent_model::Matcher;

pub use tree::SyntaxTree;

use crate::PromqlError;
use crate::parse::places::CallSites;
use crate::plan::{Plan, VectorPlan, compile};

/// Longer than any expression people write, with room for a regular expression over thousands of hosts.
const TEXT_BYTES_MAX: usize = 128 << 10;

/// The parser recurses once per operator; this many characters outside of string literals fit a small stack.
const SYNTAX_BYTES_MAX: usize = 8 << 10;

/// A parsed, type-checked expression.
#[derive(Clone, Debug)]
pub struct Expr {
    pub(crate) plan: Plan,
    text: String,
    pub(crate) delayed_names: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResultType {
    Scalar,
    Vector,
    Matrix,
    Text,
}

/// Parses and checks an expression.
pub fn parse(text: &str) -> Result<Expr, PromqlError> {
    let tree = parse_tree(text)?;
    let plan = compile::plan(&tree, &CallSites::find(&comments::blanked(text), &tree))?;
    // Printing recurses too, so only what passed the check of depth is printed.
    Ok(Expr { plan, text: tree.to_string(), delayed_names: false })
}

/// Parses a series selector as `match[]` takes it: `up{job="node"}`, without range, offset or `@`.
pub fn parse_matchers(text: &str) -> Result<Vec<Matcher>, PromqlError> {
    match parse(text)?.plan {
        Plan::Vector(VectorPlan::Select(selector)) => Ok(selector.matchers),
        _ => Err(PromqlError::Parse(format!("{text:?} is not a series selector"))),
    }
}

impl Expr {
    /// Metric names that a function drops stay until the result is complete, so that `label_replace` still sees them:
    /// Prometheus' feature `promql-delayed-name-removal`, which its own test scripts run with.
    pub fn with_delayed_name_removal(self) -> Self {
        Self { delayed_names: true, ..self }
    }

    pub fn result_type(&self) -> ResultType {
        match self.plan {
            Plan::Scalar(_) => ResultType::Scalar,
            Plan::Vector(_) => ResultType::Vector,
            Plan::Range(_) => ResultType::Matrix,
            Plan::Text(_) => ResultType::Text,
        }
    }
}

/// The expression as the parser prints it, in one line.
impl std::fmt::Display for Expr {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.text)
    }
}

fn parse_tree(text: &str) -> Result<promql_parser::parser::Expr, PromqlError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(PromqlError::TooLong { bytes: text.len(), max: TEXT_BYTES_MAX });
    }
    let text = comments::blanked(text);
    let syntax = syntax_bytes(&text);
    if syntax > SYNTAX_BYTES_MAX {
        return Err(PromqlError::TooLong { bytes: syntax, max: SYNTAX_BYTES_MAX });
    }
    let text = escapes::resolved(&text)?;
    // promql-parser 0.11 panics on some numbers, for example in `up[1e300]`.
    let parsed = catch_unwind(AssertUnwindSafe(|| promql_parser::parser::parse(&text)));
    match parsed {
        Ok(Ok(tree)) => Ok(tree),
        Ok(Err(message)) => Err(PromqlError::Parse(message)),
        Err(_) => Err(PromqlError::Parse("a number in it is out of range".to_owned())),
    }
}

/// Bytes outside of string literals that are no white space: a text without comments.
fn syntax_bytes(text: &str) -> usize {
    let mut count = 0;
    let mut quote = None;
    let mut escaped = false;
    for byte in text.bytes() {
        match quote {
            None => {
                count += usize::from(!byte.is_ascii_whitespace());
                if matches!(byte, b'"' | b'\'' | b'`') {
                    quote = Some(byte);
                }
            }
            Some(_) if escaped => escaped = false,
            Some(b'"' | b'\'') if byte == b'\\' => escaped = true,
            Some(open) if open == byte => quote = None,
            Some(_) => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_out_of_range_are_errors_not_panics() {
        for text in ["up[1e300]", "up offset 1e300", "up @ 1e300", "up[5m:1e300]"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_quote_in_a_comment_begins_no_literal() {
        let behind = |text: &str| parse(&format!("# don't `\" é\n{text}"));
        let nested = "(".repeat(30_000) + "1" + &")".repeat(30_000);
        assert!(matches!(behind(&nested), Err(PromqlError::TooLong { .. })));
        assert!(matches!(behind(&("1+".repeat(20_000) + "1")), Err(PromqlError::TooLong { .. })));
        let plain = parse("sum by (b) (up{a=~\"\\\\d\\xc3\\xa9\"})").unwrap().to_string();
        let same = behind("sum by (b) (up{a=~\"\\\\d\\xc3\\xa9\"}) # 'end").unwrap().to_string();
        assert_eq!(same, plain);
        assert!(plain.contains('é'), "{plain}");
        let raw = behind("up{a=~`\\d+`} # `").unwrap().to_string();
        assert_eq!(raw, parse("up{a=~`\\d+`}").unwrap().to_string());
        // Words about a rule may be long.
        assert!(parse(&format!("up # {}\n", "dài ".repeat(5_000))).is_ok());
    }

    #[test]
    fn long_and_deep_texts_are_refused_without_exhausting_the_stack() {
        let chain = "1+".repeat(4_000) + "1";
        assert!(matches!(parse(&chain), Err(PromqlError::TooDeep { .. })));
        let nested = "(".repeat(4_000) + "1" + &")".repeat(4_000);
        assert!(parse(&nested).is_err());
        assert!(matches!(parse(&"1+".repeat(5_000)), Err(PromqlError::TooLong { .. })));
        let hosts = format!("up{{host=~\"{}\"}}", "dc1-srv01|".repeat(2_000));
        assert!(parse(&hosts).is_ok());
    }

    #[test]
    fn a_selector_is_told_from_other_expressions() {
        assert_eq!(parse_matchers("up{job='node'}").unwrap().len(), 2);
        assert!(parse_matchers("sum(up)").is_err());
        assert_eq!(parse("up[5m]").unwrap().result_type(), ResultType::Matrix);
    }
}
