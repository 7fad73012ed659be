//! Where calls and aggregations stand in a text. The parser keeps no positions, so they are found by a scan of the
//! text: the names before an opening parenthesis come in the same order as the calls of the tree, walked from above.
//!
//! Promises: a place is right or absent. Where scan and tree disagree, no place is given at all.

use std::collections::HashMap;
use std::fmt;

use promql_parser::parser::{AggregateExpr, Call, Expr};

/// Line and byte in it, both from 1, as Prometheus tells places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    line: usize,
    column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.line, self.column)
    }
}

/// The places of one call or aggregation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CallSite {
    name: String,
    pub(crate) start: Option<Place>,
    arguments: Vec<Place>,
}

impl CallSite {
    pub(crate) fn argument(&self, index: usize) -> Option<Place> {
        self.arguments.get(index).copied()
    }
}

/// The call sites of a tree, by the node's address; the tree does not move while they are used.
#[derive(Debug, Default)]
pub(crate) struct CallSites(HashMap<usize, CallSite>);

impl CallSites {
    pub(crate) fn find(text: &str, tree: &Expr) -> Self {
        let mut nodes = Vec::new();
        collect(tree, &mut nodes);
        let sites = scan(text);
        let agree = nodes.len() == sites.len()
            && nodes.iter().zip(&sites).all(|((_, name), site)| *name == site.name);
        if !agree {
            return Self::default();
        }
        Self(nodes.into_iter().map(|(address, _)| address).zip(sites).collect())
    }

    pub(crate) fn of_call(&self, call: &Call) -> CallSite {
        self.0.get(&std::ptr::from_ref(call).addr()).cloned().unwrap_or_default()
    }

    pub(crate) fn of_aggregate(&self, aggregate: &AggregateExpr) -> CallSite {
        self.0.get(&std::ptr::from_ref(aggregate).addr()).cloned().unwrap_or_default()
    }
}

/// Address and name of every call and aggregation, in the order of the text.
fn collect(tree: &Expr, nodes: &mut Vec<(usize, String)>) {
    // A loop over a stack of its own: the tree may be deeper than what is evaluated.
    let mut open = vec![tree];
    while let Some(node) = open.pop() {
        match node {
            Expr::Aggregate(aggregate) => {
                let name = aggregate.op.to_string();
                nodes.push((std::ptr::from_ref(aggregate).addr(), name));
                open.push(&aggregate.expr);
                open.extend(aggregate.param.as_deref());
            }
            Expr::Call(call) => {
                nodes.push((std::ptr::from_ref(call).addr(), call.func.name.to_owned()));
                open.extend(call.args.args.iter().rev().map(AsRef::as_ref));
            }
            Expr::Binary(binary) => open.extend([&*binary.rhs, &*binary.lhs]),
            Expr::Unary(unary) => open.push(&unary.expr),
            Expr::Paren(paren) => open.push(&paren.expr),
            Expr::Subquery(subquery) => open.push(&subquery.expr),
            _ => {}
        }
    }
}

/// Names that may stand before a parenthesis without being called.
const KEYWORDS: [&str; 14] = [
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
    "bool",
    "and",
    "or",
    "unless",
    "atan2",
    "fill",
    "fill_left",
    "fill_right",
];

fn scan(text: &str) -> Vec<CallSite> {
    let bytes = text.as_bytes();
    let mut sites = Vec::new();
    let mut at = 0;
    let mut after_at = false;
    while at < bytes.len() {
        let start = at;
        match bytes[at] {
            b'@' => {
                (after_at, at) = (true, at + 1);
                continue;
            }
            byte if byte.is_ascii_alphabetic() || byte == b'_' || byte == b':' => {
                at = name_end(bytes, at);
                let name = text[start..at].to_ascii_lowercase();
                if let Some(open) = arguments_open(bytes, at, &name).filter(|_| !after_at) {
                    let arguments = arguments(bytes, open);
                    let arguments = arguments.into_iter().map(|at| place(text, at)).collect();
                    sites.push(CallSite { name, start: Some(place(text, start)), arguments });
                }
            }
            // A duration or a number: its letters are no name.
            byte if byte.is_ascii_digit() => at = name_end(bytes, at),
            b'{' | b'[' => at = group_end(bytes, at),
            _ => at = token_end(bytes, at),
        }
        after_at = after_at && bytes[start].is_ascii_whitespace();
    }
    sites
}

fn name_end(bytes: &[u8], from: usize) -> usize {
    let rest = &bytes[from..];
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':');
    from + rest.iter().position(|byte| !is_name(byte)).unwrap_or(rest.len())
}

/// Behind a string, a comment or a single byte.
fn token_end(bytes: &[u8], from: usize) -> usize {
    let rest = &bytes[from + 1..];
    let length = match bytes[from] {
        quote @ (b'"' | b'\'' | b'`') => {
            let mut escaped = false;
            let end = rest.iter().position(|byte| {
                let ends = !escaped && *byte == quote;
                escaped = !escaped && *byte == b'\\' && quote != b'`';
                ends
            });
            end.map(|end| end + 1)
        }
        b'#' => rest.iter().position(|byte| *byte == b'\n'),
        _ => Some(0),
    };
    from + 1 + length.unwrap_or(rest.len())
}

/// Behind the bracket that closes the one at `from`.
fn group_end(bytes: &[u8], from: usize) -> usize {
    let (mut depth, mut at) = (0_usize, from);
    while at < bytes.len() {
        match bytes[at] {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at = token_end(bytes, at);
        if depth == 0 {
            break;
        }
    }
    at
}

fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() && (bytes[at].is_ascii_whitespace() || bytes[at] == b'#') {
        at = token_end(bytes, at);
    }
    at
}

/// Where the arguments of a name begin, if it is called: `sum(` as well as `sum by (x) (`.
fn arguments_open(bytes: &[u8], behind_name: usize, name: &str) -> Option<usize> {
    if KEYWORDS.contains(&name) {
        return None;
    }
    let at = skip_space(bytes, behind_name);
    if bytes.get(at) == Some(&b'(') {
        return Some(at);
    }
    let end = name_end(bytes, at);
    if !matches!(bytes[at..end].to_ascii_lowercase().as_slice(), b"by" | b"without") {
        return None;
    }
    let labels = skip_space(bytes, end);
    let open = skip_space(bytes, group_end(bytes, labels));
    (bytes.get(labels) == Some(&b'(') && bytes.get(open) == Some(&b'(')).then_some(open)
}

/// Where each argument between parentheses begins.
fn arguments(bytes: &[u8], open: usize) -> Vec<usize> {
    let mut starts = Vec::new();
    let mut at = skip_space(bytes, open + 1);
    if bytes.get(at) == Some(&b')') {
        return starts;
    }
    starts.push(at);
    while at < bytes.len() {
        match bytes[at] {
            b'(' | b'[' | b'{' => at = group_end(bytes, at),
            b')' => break,
            b',' => {
                at = skip_space(bytes, at + 1);
                starts.push(at);
            }
            _ => at = token_end(bytes, at),
        }
    }
    starts
}

fn place(text: &str, at: usize) -> Place {
    let before = &text.as_bytes()[..at];
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    Place { line, column: at - line_start + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let tree = promql_parser::parser::parse(text).unwrap();
        let sites = scan(text);
        assert_eq!(CallSites::find(text, &tree).0.len(), sites.len(), "{text}");
        let one = |site: &CallSite| {
            let arguments = site.arguments.iter().map(|place| format!(" {place}"));
            format!("{}@{}:{}", site.name, site.start.unwrap(), arguments.collect::<String>())
        };
        sites.iter().map(one).collect()
    }

    #[test]
    fn calls_and_their_arguments_are_found_in_order() {
        assert_eq!(
            shown("sum by (rate) (rate(a{b=\"sum(\"}[5m]))  /  SUM(a) by (x)"),
            ["sum@1:1: 1:16", "rate@1:16: 1:21", "sum@1:43: 1:47"]
        );
        assert_eq!(
            shown("quantile(0.9,\n  # of (all,\n  rate(x[1m] @ start()))"),
            ["quantile@1:1: 1:10 3:3", "rate@3:3: 3:8"]
        );
        assert_eq!(shown("time() - 3e5 - up * on (x) (up)"), ["time@1:1:"]);
        assert_eq!(
            shown("label_replace(a, \"x\", \")\\\"(\", 'y', `.*`) or vector(1)"),
            ["label_replace@1:1: 1:15 1:18 1:23 1:31 1:36", "vector@1:45: 1:52"]
        );
    }

    #[test]
    fn a_text_that_does_not_fit_its_tree_has_no_places() {
        let tree = promql_parser::parser::parse("sum(a)").unwrap();
        assert!(CallSites::find("max(a)", &tree).0.is_empty());
    }
}
