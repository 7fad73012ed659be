//! Remote write targets that do not take what they are sent, or not fast enough, as problems of the status.

use agent_model::Millis;

use super::{StatusProblem, words};
use crate::outward::{Health, Outward};

/// A target may restart in this time without being told of.
const BAD_SECONDS: i64 = 60;

/// A target that takes everything may be so far behind; the alert `OutwardTargetBehind` says the same.
const BEHIND_SECONDS: i64 = 300;

/// A target that is not in order.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::http) struct BadTarget {
    name: String,
    state: State,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    /// What it was sent is lost.
    Refusing {
        why: String,
    },
    /// What waits is kept.
    Away {
        minutes: i64,
        why: String,
    },
    /// What waits cannot be read here.
    Standing {
        minutes: i64,
        why: String,
    },
    Behind {
        minutes: i64,
    },
}

/// The targets that have been bad for a while.
pub(in crate::http) fn targets(outward: &Outward, now_ms: Millis) -> Vec<BadTarget> {
    let bad = outward.targets().filter_map(|target| {
        let state = state(target.health(), target.lag_seconds(), now_ms)?;
        Some(BadTarget { name: target.name().to_owned(), state })
    });
    bad.collect()
}

fn state(health: Health, lag_seconds: i64, now_ms: Millis) -> Option<State> {
    let minutes = |seconds: i64| (seconds + 59) / 60;
    match health {
        Health::Refusing { why, .. } => Some(State::Refusing { why }),
        Health::Failing { since_ms, why } => {
            let seconds = now_ms.saturating_sub(since_ms) / 1_000;
            let minutes = minutes(seconds);
            (seconds >= BAD_SECONDS).then_some(State::Away { minutes, why })
        }
        Health::Standing { since_ms, why } => {
            let minutes = minutes(now_ms.saturating_sub(since_ms) / 1_000);
            Some(State::Standing { minutes, why })
        }
        Health::Good => {
            let minutes = minutes(lag_seconds);
            (lag_seconds > BEHIND_SECONDS).then_some(State::Behind { minutes })
        }
    }
}

pub(super) fn problems(targets: &[BadTarget], found: &mut Vec<StatusProblem>) {
    for BadTarget { name, state } in targets {
        let what = match state {
            State::Refusing { why } => words(
                format!("Hệ thống nhận {name} từ chối mẫu đo, phần bị từ chối đã mất: {why}"),
                format!("the remote write target {name} refuses samples, they are lost: {why}"),
            ),
            State::Away { minutes, why } => words(
                format!("Hệ thống nhận {name} không nhận mẫu đo đã {minutes} phút: {why}"),
                format!("the remote write target {name} takes nothing for {minutes} min: {why}"),
            ),
            State::Standing { minutes, why } => words(
                format!("Không đọc được dữ liệu chờ gửi cho {name}, đã {minutes} phút: {why}"),
                format!("what waits for {name} cannot be read for {minutes} min: {why}"),
            ),
            State::Behind { minutes } => words(
                format!("Hệ thống nhận {name} chậm {minutes} phút so với dữ liệu đã thu thập"),
                format!("the remote write target {name} is {minutes} min behind"),
            ),
        };
        let what_to_do = match state {
            State::Behind { .. } => words(
                "Tăng shards hoặc batch_samples_max của nó (remote_write.targets trong collector.yml).",
                "Raise its shards or batch_samples_max (remote_write.targets in collector.yml).",
            ),
            State::Standing { .. } => words(
                "Kiểm tra ổ đĩa chứa thư mục journal của máy thu thập (state_dir).",
                "Check the disk that holds the collector's journal directory (state_dir).",
            ),
            _ => words(
                "Kiểm tra địa chỉ, quyền truy cập và tình trạng của hệ thống nhận \
                 (remote_write.targets trong collector.yml).",
                "Check the target's address, credentials and state (remote_write.targets in \
                 collector.yml).",
            ),
        };
        let severity = if matches!(state, State::Refusing { .. }) { "high" } else { "medium" };
        found.push(StatusProblem { severity, what, what_to_do, link: "#/" });
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn a_target_that_loses_samples_weighs_more_than_one_that_waits_or_is_slow() {
        let why = || "503: no".to_owned();
        let failing = |since_ms| Health::Failing { since_ms, why: why() };
        let states = [
            (Health::Refusing { since_ms: 999_000, why: why() }, 0),
            (failing(940_001), 900),
            (failing(940_000), 900),
            (Health::Standing { since_ms: 900_000, why: "no".to_owned() }, 0),
            (Health::Good, 300),
            (Health::Good, 301),
        ];
        let mut found = Vec::new();
        for (health, lag_seconds) in states {
            let state = state(health, lag_seconds, 1_000_000);
            let bad = state.map(|state| BadTarget { name: "vm".to_owned(), state });
            problems(bad.as_slice(), &mut found);
        }
        let told = found.iter().map(|one| format!("{} {}\n", one.severity, one.what.en));
        expect![[r#"
            high the remote write target vm refuses samples, they are lost: 503: no
            medium the remote write target vm takes nothing for 1 min: 503: no
            medium what waits for vm cannot be read for 2 min: no
            medium the remote write target vm is 6 min behind
        "#]]
        .assert_eq(&told.collect::<String>());
    }
}
