//! Matchers: what picks series, alerts and targets by one label.
//! Regular expressions are anchored at both ends, and an absent label reads as the empty string, as in Prometheus.

use std::fmt;

use regex::Regex;

use crate::{Labels, expression};

#[derive(Clone, Debug)]
pub struct Matcher {
    pub name: String,
    pub op: MatchOp,
    pub value: String,
    /// Compiled for the two regular operations.
    regex: Option<Regex>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MatchOp {
    Equal,
    NotEqual,
    Matches,
    MatchesNot,
}

/// The expression does not compile, or is too large once compiled.
#[derive(Debug, thiserror::Error)]
#[error("the regular expression {pattern:?} of label {name:?} cannot be used")]
pub struct MatcherError {
    name: String,
    pattern: String,
    #[source]
    source: regex::Error,
}

impl Matcher {
    pub fn new(
        name: impl Into<String>,
        op: MatchOp,
        value: impl Into<String>,
    ) -> Result<Self, MatcherError> {
        let (name, value) = (name.into(), value.into());
        let regex = match op {
            MatchOp::Equal | MatchOp::NotEqual => None,
            MatchOp::Matches | MatchOp::MatchesNot => {
                Some(expression::anchored(&value).map_err(|source| MatcherError {
                    name: name.clone(),
                    pattern: value.clone(),
                    source,
                })?)
            }
        };
        Ok(Self { name, op, value, regex })
    }

    /// `name = value`, which needs no expression and so cannot fail.
    pub fn equal(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), op: MatchOp::Equal, value: value.into(), regex: None }
    }

    /// Whether a value of this label is picked; give `""` for an absent one.
    pub fn matches(&self, value: &str) -> bool {
        match (self.op, &self.regex) {
            (MatchOp::NotEqual, _) => value != self.value,
            (MatchOp::Matches, Some(regex)) => regex.is_match(value),
            (MatchOp::MatchesNot, Some(regex)) => !regex.is_match(value),
            (MatchOp::Equal | MatchOp::Matches | MatchOp::MatchesNot, _) => value == self.value,
        }
    }

    pub fn matches_labels(&self, labels: &Labels) -> bool {
        self.matches(labels.get(&self.name).unwrap_or(""))
    }
}

impl MatchOp {
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Matches => "=~",
            Self::MatchesNot => "!~",
        }
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.op, &self.value) == (&other.name, other.op, &other.value)
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{}{:?}", self.name, self.op.symbol(), self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_anchored_and_absent_labels_are_empty() {
        let labels = Labels::metric("up", [("host", "dc1-srv01")]);
        let check = |name: &str, op, value: &str| {
            Matcher::new(name, op, value).unwrap().matches_labels(&labels)
        };
        assert!(check("host", MatchOp::Matches, "dc1-.*|x"));
        assert!(!check("host", MatchOp::Matches, "dc1"));
        assert!(check("site", MatchOp::Equal, ""));
        assert!(check("site", MatchOp::Matches, ".*"));
        assert!(!check("site", MatchOp::Matches, ".+"));
        assert!(check("host", MatchOp::MatchesNot, "bk-.*"));
        assert!(check("host", MatchOp::NotEqual, ""));
    }

    #[test]
    fn a_bomb_is_refused() {
        assert!(Matcher::new("a", MatchOp::Matches, "(((a{100}){100}){100})").is_err());
        assert!(Matcher::new("a", MatchOp::Matches, "(").is_err());
    }
}
