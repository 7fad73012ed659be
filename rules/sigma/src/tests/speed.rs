//! How fast it is: `cargo test --release -p rules-sigma speed -- --ignored --nocapture`. Nothing is asserted,
//! because a machine may be slow; what is told is the
//! processor's time, which its other work does not change much.

use std::fmt::Write;

use super::{event, failed};
use crate::{CorrelationState, SigmaRules};

/// The worst kind: no exact field that an index could use, three substrings of the command line each.
fn substrings(rules: usize) -> String {
    let mut text = super::BRUTE_FORCE.to_owned();
    for n in 0..rules {
        write!(
            text,
            "---\ntitle: Rule {n}\nid: rule-{n}\nlogsource: {{product: linux}}\ndetection:\n  \
             x: {{CommandLine|contains: ['tool-{n} -x', '/opt/evil{n}/', 'curl {n}.example']}}\n  condition: x\n"
        )
        .unwrap();
    }
    text
}

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
fn two_hundred_and_fifty_rules_on_one_core() {
    measure("exact fields", &pack(250));
    measure("substrings alone", &substrings(250));
}

#[allow(clippy::print_stdout, reason = "it measures and tells")]
fn measure(name: &str, text: &str) {
    let (rules, problems) = SigmaRules::load(&[("pack.yml", text)]);
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
    let begin = processor_seconds();
    let found: usize = events.iter().map(|event| rules.evaluate(event, &mut state).len()).sum();
    let seconds = processor_seconds() - begin;
    println!(
        "{name}: {:.0} events/s with {:?}; {found} detections, {} groups, {} bytes saved",
        events.len() as f64 / seconds,
        rules.stats(),
        state.groups(),
        state.to_bytes().len()
    );
}

/// What this thread has used of a processor (proc(5), schedstat: nanoseconds first).
fn processor_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}
