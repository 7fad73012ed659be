//! Remote write targets that do not take what they are sent, as problems of the status.

use agent_model::Millis;

use super::{StatusProblem, words};
use crate::outward::{Health, Outward};

/// A target may restart in this time without being told of.
const BAD_SECONDS: i64 = 60;

/// A remote write target that does not take what it is sent.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::http) struct BadTarget {
    name: String,
    why: String,
    seconds: i64,
    /// What it was sent is lost; otherwise it waits.
    loses: bool,
}

/// The targets that have been bad for a while.
pub(in crate::http) fn targets(outward: &Outward, now_ms: Millis) -> Vec<BadTarget> {
    let bad = outward.targets().filter_map(|target| {
        let (since_ms, why, loses) = match target.health() {
            Health::Good => return None,
            Health::Failing { since_ms, why } => (since_ms, why, false),
            Health::Refusing { since_ms, why } => (since_ms, why, true),
        };
        let seconds = now_ms.saturating_sub(since_ms) / 1_000;
        let told = loses || seconds >= BAD_SECONDS;
        told.then(|| BadTarget { name: target.name().to_owned(), why, seconds, loses })
    });
    bad.collect()
}

pub(super) fn problems(targets: &[BadTarget], found: &mut Vec<StatusProblem>) {
    for BadTarget { name, why, seconds, loses } in targets {
        let minutes = (seconds + 59) / 60;
        let what = if *loses {
            words(
                format!("Hệ thống nhận {name} từ chối mẫu đo, phần bị từ chối đã mất: {why}"),
                format!("the remote write target {name} refuses samples, they are lost: {why}"),
            )
        } else {
            words(
                format!("Hệ thống nhận {name} không nhận mẫu đo đã {minutes} phút: {why}"),
                format!("the remote write target {name} takes nothing for {minutes} min: {why}"),
            )
        };
        found.push(StatusProblem {
            severity: if *loses { "high" } else { "medium" },
            what,
            what_to_do: words(
                "Kiểm tra địa chỉ, quyền truy cập và tình trạng của hệ thống nhận \
                 (remote_write.targets trong collector.yml).",
                "Check the target's address, credentials and state (remote_write.targets in \
                 collector.yml).",
            ),
            link: "#/",
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_loses_samples_weighs_more_than_one_that_waits() {
        let bad = |loses| BadTarget {
            name: "vm".to_owned(),
            why: "503: no".to_owned(),
            seconds: 61,
            loses,
        };
        let mut found = Vec::new();
        problems(&[bad(true), bad(false)], &mut found);
        let told: Vec<_> =
            found.iter().map(|problem| (problem.severity, problem.what.en.as_str())).collect();
        assert_eq!(
            told,
            [
                ("high", "the remote write target vm refuses samples, they are lost: 503: no"),
                ("medium", "the remote write target vm takes nothing for 2 min: 503: no"),
            ]
        );
    }
}
