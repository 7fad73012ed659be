//! How fast it is: `cargo test --release -p rules-sigma speed -- --ignored --nocapture`. Nothing is asserted,
//! because a machine may be busy.

use std::fmt::Write;

use super::{event, failed};
use crate::{CorrelationState, SigmaRules};

/// Rules as packs have them: one event type, a few exact fields, substrings, an exception; and some correlations.
fn pack(rules: usize) -> String {
    let mut text = super::BRUTE_FORCE.to_owned();
    for n in 0..rules {
        let kind = ["sudo_command", "ssh_login_failed", "file_modified", "log_line"][n % 4];
        write!(
            text,
            "---\ntitle: Rule {n}\nid: rule-{n}\nlogsource: {{product: linux}}\ndetection:\n  \
             x: {{EventType: {kind}, CommandLine|contains: ['tool-{n} -x', '/opt/evil{n}/']}}\n  \
             y: {{User: 'svc{n}'}}\n  condition: x and not y\n"
        )
        .unwrap();
    }
    text
}

#[test]
#[ignore = "a measurement, not a test"]
#[allow(clippy::disallowed_methods, clippy::print_stdout, reason = "it measures and tells")]
fn two_hundred_and_fifty_rules_on_one_core() {
    let (rules, problems) = SigmaRules::load(&[("pack.yml", pack(250))]);
    assert_eq!(problems.to_string(), "");
    let events: Vec<_> = (0..200_000_u64)
        .map(|n| {
            let second = (n / 1000).cast_signed();
            let command = format!("/usr/bin/tool-{} --list /srv/data", n % 400);
            match n % 10 {
                0 => failed(n, second, &format!("203.0.{}.{}", n % 7, n % 200)),
                1..=3 => event(
                    n,
                    second,
                    &[
                        ("EventType", "sudo_command"),
                        ("User", "an"),
                        ("CommandLine", &command),
                        ("TTY", "pts/0"),
                        ("Program", "sudo"),
                        ("TargetUser", "root"),
                    ],
                ),
                4 => event(
                    n,
                    second,
                    &[("EventType", "file_modified"), ("TargetFilename", "/etc/passwd")],
                ),
                _ => event(
                    n,
                    second,
                    &[("EventType", "log_line"), ("Program", "cron"), ("ProcessId", "12")],
                ),
            }
        })
        .collect();
    let mut state = CorrelationState::default();
    let begin = std::time::Instant::now();
    let found: usize = events.iter().map(|event| rules.evaluate(event, &mut state).len()).sum();
    let seconds = begin.elapsed().as_secs_f64();
    println!(
        "{:.0} events/s with {:?}; {found} detections, {} groups, {} bytes saved",
        events.len() as f64 / seconds,
        rules.stats(),
        state.groups(),
        state.to_bytes().len()
    );
}
