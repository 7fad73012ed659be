//! Measures detection: events through 250 rules, on one core.
//! Prints rows of the table of `cargo xtask bench`. What is told is this thread's time on a processor, which the machine's
//! other work does not change much.

#![allow(clippy::print_stdout, reason = "the figures are the output")]
#![allow(clippy::unwrap_used, reason = "a measurement that fails has nothing to say")]

use std::collections::BTreeMap;
use std::fmt::Write;

use agent_model::{Event, EventClass, EventId, HostEvent, HostId, Severity};
use rules_sigma::{CorrelationState, SigmaRules};

const RULES: usize = 250;
const EVENTS: u64 = 200_000;

/// Failed log-ins by source, as a pack's correlations count them.
const CORRELATION: &str = "\
title: Failed login
name: LoginFailed
logsource: {product: linux, service: auth}
detection:
  failed: {EventType: login_failed}
  condition: failed
---
title: Many failed logins
name: ManyLoginsFailed
correlation:
  type: event_count
  rules: [LoginFailed]
  group-by: [SourceIp, Host]
  timespan: 5m
  condition: {gte: 10}
";

/// Rules as packs have them: one event type, a few exact fields, substrings, an exception.
fn pack() -> String {
    let mut text = CORRELATION.to_owned();
    for n in 0..RULES {
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

/// The worst kind: no exact field that an index could use, three substrings of the command line each.
fn substrings() -> String {
    let mut text = CORRELATION.to_owned();
    for n in 0..RULES {
        write!(
            text,
            "---\ntitle: Rule {n}\nid: rule-{n}\nlogsource: {{product: linux}}\ndetection:\n  x: \
             {{CommandLine|contains: ['tool-{n} -x', '/opt/evil{n}/', 'curl {n}.example']}}\n  \
             condition: x\n"
        )
        .unwrap();
    }
    text
}

fn event(number: u64, fields: &[(&str, &str)]) -> HostEvent {
    let fields: BTreeMap<String, String> =
        fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let mut id = [0; 16];
    id[8..].copy_from_slice(&number.to_be_bytes());
    // A thousand events a second.
    let time_ms = number.cast_signed();
    HostEvent {
        id: EventId(id),
        host: HostId::new("dc1-srv01").unwrap(),
        received_ms: time_ms + 200,
        event: Event {
            time_ms,
            class: EventClass::Authentication,
            severity: Severity::Informational,
            source: "auth_log".into(),
            message: format!("line {number}"),
            fields,
        },
    }
}

/// One failed log-in, three commands, one file and five plain lines of every ten.
fn events() -> Vec<HostEvent> {
    let one = |n: u64| {
        let command = format!("/usr/bin/tool-{} --list /srv/data", n % 400);
        let source = format!("203.0.{}.{}", n % 7, n % 200);
        match n % 10 {
            0 => {
                event(n, &[("EventType", "login_failed"), ("SourceIp", &source), ("User", "root")])
            }
            1..=3 => event(
                n,
                &[
                    ("EventType", "sudo_command"),
                    ("User", "an"),
                    ("CommandLine", &command),
                    ("TTY", "pts/0"),
                    ("Program", "sudo"),
                    ("TargetUser", "root"),
                ],
            ),
            4 => event(n, &[("EventType", "file_modified"), ("TargetFilename", "/etc/passwd")]),
            _ => event(n, &[("EventType", "log_line"), ("Program", "cron"), ("ProcessId", "12")]),
        }
    };
    (0..EVENTS).map(one).collect()
}

fn measure(kind: &str, text: &str, events: &[HostEvent]) {
    let (rules, problems) = SigmaRules::load(&[("pack.yml", text)]);
    assert_eq!(problems.to_string(), "");
    let mut state = CorrelationState::default();
    let begin = processor_seconds();
    let found: usize = events.iter().map(|event| rules.evaluate(event, &mut state).len()).sum();
    let seconds = processor_seconds() - begin;
    #[allow(clippy::cast_precision_loss, reason = "a figure for people")]
    let rate = events.len() as f64 / seconds / 1e3;
    println!(
        "| Sigma, {RULES} rules, {kind} | {rate:.0} k events/s on one core; {EVENTS} events, \
         {found} detections | target: 50 k events/s |"
    );
}

/// What this thread has used of a processor (proc(5), schedstat: nanoseconds first).
fn processor_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}

fn main() {
    let events = events();
    measure("an event type and exact fields each", &pack(), &events);
    measure("only substrings, the worst case", &substrings(), &events);
}
