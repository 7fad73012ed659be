//! When a silence is wide, so that one person alone may not have it: it names nothing, or it reaches most of what there is.

use agent_model::{Labels, MatchOp, Matcher};
use regex_syntax::hir::literal::{ExtractKind, Extractor};

/// Labels by which a person says what a silence is for.
const NAMING_LABELS: [&str; 5] = ["alertname", "host", "instance", "job", "service"];

/// Characters of a name's beginning or end in a regular expression that say which names are meant.
const NAMED_BYTES_MIN: usize = 3;

/// So few firing alerts, or hosts, are looked through by eye: most of them is not yet everything.
const FEW: usize = 10;

/// Why it is wide; `None` for a silence that one person may have.
pub(super) fn reason<'a>(
    matchers: &[Matcher],
    firing: impl Iterator<Item = &'a Labels>,
    hosts: &[Labels],
) -> Option<String> {
    if !matchers.iter().any(names) {
        return Some(format!("it names none of {}", NAMING_LABELS.join(", ")));
    }
    let (mut all, mut silenced) = (0_usize, 0_usize);
    for labels in firing {
        all += 1;
        silenced += usize::from(matchers.iter().all(|matcher| matcher.matches_labels(labels)));
    }
    if silenced > FEW && silenced * 2 > all {
        return Some(format!("it silences {silenced} of {all} alerts that fire"));
    }
    let reached = hosts_reached(matchers, hosts);
    (reached > FEW && reached * 2 > hosts.len())
        .then(|| format!("it silences {reached} of {} hosts", hosts.len()))
}

/// Whether a matcher says which alert, host, service or job is meant: a value, or an expression of which every
/// alternative is a text or begins or ends with one.
fn names(matcher: &Matcher) -> bool {
    if !NAMING_LABELS.contains(&matcher.name.as_str()) || matcher.matches("") {
        return false;
    }
    match matcher.op {
        MatchOp::Equal => true,
        MatchOp::Matches => [ExtractKind::Prefix, ExtractKind::Suffix]
            .into_iter()
            .any(|kind| has_literals(&matcher.value, kind)),
        MatchOp::NotEqual | MatchOp::MatchesNot => false,
    }
}

fn has_literals(expression: &str, kind: ExtractKind) -> bool {
    let Ok(parsed) = regex_syntax::parse(expression) else { return false };
    let found = Extractor::new().kind(kind).extract(&parsed);
    let literals = found.literals().unwrap_or_default();
    let says = |length: usize, exact: bool| exact || length >= NAMED_BYTES_MIN;
    !literals.is_empty() && literals.iter().all(|one| says(one.len(), one.is_exact()))
}

/// Hosts of which every alert would be silenced, as far as their labels say: a condition on something that a host has not
/// (a severity) narrows nothing, unless it names alerts or services.
fn hosts_reached(matchers: &[Matcher], hosts: &[Labels]) -> usize {
    let of_alerts = |one: &&Matcher| matches!(one.name.as_str(), "alertname" | "service");
    if matchers.iter().filter(of_alerts).any(names) {
        return 0;
    }
    let reaches = |host: &&Labels| {
        matchers.iter().all(|one| host.get(&one.name).is_none_or(|value| one.matches(value)))
    };
    hosts.iter().filter(reaches).count()
}

#[cfg(test)]
mod tests {
    use collector_alerting::matchers_from_text;

    use super::*;

    fn of(text: &str, firing: &[Labels], hosts: &[Labels]) -> Option<String> {
        reason(&matchers_from_text(text).unwrap(), firing.iter(), hosts)
    }

    #[test]
    fn a_silence_that_names_nothing_is_wide() {
        for narrow in [
            "alertname=HostDown",
            "host=~\"a|b\"",
            "host=~\"dc1-.*\"",
            "host=~\".*-srv\",severity=~\".*\"",
            "job=node",
            "instance=~\"10[.]0[.]0[.].+\"",
            "service=dvc,alertname=~\".*\"",
        ] {
            assert_eq!(of(narrow, &[], &[]), None, "{narrow}");
        }
        for wide in [
            "severity=critical",
            "alertname=~\".*\",severity=critical",
            "alertname=~\".+\"",
            "alertname=~\"[A-Z].*\"",
            "alertname=~\"HostDown|.+\"",
            "alertname=~\"HostDown|H.+\"",
            "alertname=~\"(?s:.)+\"",
            "host!=a",
            "host!~\"a|b\"",
            "host=\"\",severity=high",
            "site=dc1",
            "host=~\"\\\\S+\"",
        ] {
            assert!(of(wide, &[], &[]).is_some(), "{wide}");
        }
    }

    #[test]
    fn a_silence_of_most_that_fires_is_wide_beyond_a_few() {
        let alerts = |name: &'static str, count: usize| {
            (0..count).map(move |at| Labels::new([("alertname", name), ("at", &at.to_string())]))
        };
        let check = |down: usize, full: usize| {
            let firing: Vec<Labels> = alerts("Down", down).chain(alerts("Full", full)).collect();
            of("alertname=Down", &firing, &[])
        };
        assert_eq!((check(FEW, 0), check(FEW + 1, FEW + 1)), (None, None));
        assert_eq!(check(FEW + 1, FEW), Some("it silences 11 of 21 alerts that fire".to_owned()));
    }

    #[test]
    fn a_silence_of_most_hosts_is_wide_unless_it_names_alerts() {
        let host = |site: &'static str, at: usize| {
            let host = format!("{site}-srv{at}");
            Labels::new([
                ("host", host.as_str()),
                ("instance", &host),
                ("job", "node"),
                ("site", site),
            ])
        };
        let hosts: Vec<Labels> =
            (0..=FEW).map(|at| host("dc1", at)).chain((0..FEW).map(|at| host("dc2", at))).collect();
        let check = |text: &str| of(text, &[], &hosts);
        assert_eq!(check("host=~\"dc1-.*\""), Some("it silences 11 of 21 hosts".to_owned()));
        assert_eq!(check("host=~\"dc2-.*\""), None);
        assert!(check("job=node").is_some());
        assert!(check("job=node,severity=high").is_some());
        assert!(check("job=node,site=~\"dc.\"").is_some());
        assert_eq!(check("job=node,site=dc2"), None);
        assert_eq!(check("alertname=HostDown,job=node"), None);
        assert!(check("alertname=~\".+\",job=node").is_some());
        assert_eq!(check("job=backup"), None);
    }
}
