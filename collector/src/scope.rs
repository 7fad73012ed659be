//! What somebody may see and silence, as matchers: a vendor its own systems, everybody else everything.
//!
//! Promises: whatever lies in a scope is picked by all its matchers; a silence that a scope covers silences nothing else.

use std::fmt;
use std::sync::Arc;

use agent_model::{Labels, MatchOp, Matcher};
use collector_alerting::{matchers_from_text, matchers_text};

/// Matchers of one scope: whose systems they are, not a list of systems.
const MATCHERS_MAX: usize = 10;

/// Bytes of a scope as text.
const BYTES_MAX: usize = 2_048;

/// Cheap to clone. The default holds everything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scope(Arc<[Matcher]>);

impl Scope {
    /// Reads matchers as `alerting.yml` has them: `{vendor="vnpt"}`, `host=~"cam-.*"`.
    pub fn read(text: &str) -> Result<Self, String> {
        if text.len() > BYTES_MAX {
            return Err(format!("a scope has at most {BYTES_MAX} bytes"));
        }
        let matchers = matchers_from_text(text)?;
        if matchers.len() > MATCHERS_MAX {
            return Err(format!("a scope has at most {MATCHERS_MAX} matchers"));
        }
        // Else it would hold whatever lacks these labels.
        if matchers.iter().all(|matcher| matcher.matches("")) {
            let text = "a scope has a matcher that an absent label does not match, for example vendor=\"vnpt\"";
            return Err(text.to_owned());
        }
        Ok(Self(matchers.into()))
    }

    pub fn is_everything(&self) -> bool {
        self.0.is_empty()
    }

    /// To be added to what somebody asks for.
    pub fn matchers(&self) -> &[Matcher] {
        &self.0
    }

    pub fn holds(&self, labels: &Labels) -> bool {
        self.0.iter().all(|matcher| matcher.matches_labels(labels))
    }

    /// Whether whatever these matchers pick lies provably within: each matcher of the scope is among them, or follows from
    /// an equality among them.
    pub fn covers(&self, matchers: &[Matcher]) -> bool {
        self.0.iter().all(|own| {
            matchers.iter().any(|one| {
                let fixes = one.op == MatchOp::Equal && own.matches(&one.value);
                one == own || one.name == own.name && fixes
            })
        })
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&matchers_text(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scope(text: &str) -> Scope {
        Scope::read(text).unwrap()
    }

    #[test]
    fn a_scope_says_whose_systems_it_holds() {
        assert_eq!(scope("vendor=vnpt").to_string(), r#"{vendor="vnpt"}"#);
        assert!(Scope::default().is_everything() && Scope::default().covers(&[]));
        for wrong in
            ["", "{}", "vendor=~\".*\"", "vendor!=vnpt", "vendor=\"\"", "vendor", "a=~\"(\""]
        {
            assert!(Scope::read(wrong).is_err(), "{wrong}");
        }
        let many = |count: usize| vec!["a=b"; count].join(",");
        assert!(Scope::read(&many(MATCHERS_MAX)).is_ok());
        assert!(Scope::read(&many(MATCHERS_MAX + 1)).is_err());
        let long = |bytes: usize| format!("a={}", "x".repeat(bytes - 2));
        assert!(Scope::read(&long(BYTES_MAX)).is_ok());
        assert!(Scope::read(&long(BYTES_MAX + 1)).is_err());
    }

    #[test]
    fn a_silence_lies_within_when_its_matchers_say_so() {
        let covers =
            |own: &str, asked: &str| scope(own).covers(&matchers_from_text(asked).unwrap());
        let own = r#"vendor="vnpt",host=~"cam-.*""#;
        assert!(covers(own, r#"vendor="vnpt",host="cam-1""#));
        assert!(covers(own, r#"vendor="vnpt",host=~"cam-.*",alertname=~".+""#));
        assert!(!covers(own, r#"vendor="vnpt""#));
        assert!(!covers(own, r#"vendor="vnpt",host="srv-1""#));
        assert!(!covers(own, r#"vendor="vnpt",host=~"cam-1|srv-1""#));
        assert!(!covers(own, r#"vendor=~"vnpt|fpt",host="cam-1""#));
        assert!(!covers(r#"vendor="a""#, r#"vendor!="b""#));
    }

    /// Few names and values, so that matchers and labels meet.
    fn matcher() -> impl Strategy<Value = Matcher> {
        let value = prop_oneof![
            "[ab]{0,2}",
            Just(".*".to_owned()),
            Just("a|b".to_owned()),
            Just("a.*".to_owned())
        ];
        let op = prop_oneof![
            Just(MatchOp::Equal),
            Just(MatchOp::NotEqual),
            Just(MatchOp::Matches),
            Just(MatchOp::MatchesNot)
        ];
        ("[xyz]", op, value).prop_map(|(name, op, value)| Matcher::new(name, op, value).unwrap())
    }

    fn labels() -> impl Strategy<Value = Labels> {
        prop::collection::btree_map("[xyz]", "[ab]{1,2}", 0..4).prop_map(Labels::new)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn what_a_scope_covers_never_picks_anything_outside(
            own in prop::collection::vec(matcher(), 1..3),
            mut asked in prop::collection::vec(matcher(), 0..4),
            shared in any::<bool>(),
            all in prop::collection::vec(labels(), 50),
        ) {
            // Chance alone seldom asks for what is allowed.
            if shared { asked.extend(own.iter().cloned()); }
            let scope = Scope(own.into());
            if scope.covers(&asked) {
                for labels in all.iter().filter(|labels| asked.iter().all(|one| one.matches_labels(labels))) {
                    prop_assert!(scope.holds(labels), "{labels}");
                }
            }
        }
    }
}
