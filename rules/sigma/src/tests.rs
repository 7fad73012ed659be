//! The crate as others use it: rules in, events in, detections out.

mod correlations;
mod loading;
mod matching;
mod properties;
mod saving;

use std::collections::BTreeMap;

use agent_model::{Event, EventClass, EventId, HostEvent, HostId, Severity};

use crate::{CorrelationState, Detection, SigmaRules};

/// Loads rules that must be sound.
fn load(text: &str) -> SigmaRules {
    let (rules, problems) = SigmaRules::load(&[("rules.yml", text)]);
    assert_eq!(problems.to_string(), "");
    rules
}

fn problems(text: &str) -> String {
    SigmaRules::load(&[("rules.yml", text)]).1.to_string()
}

/// An event of dc1-srv01 at a second; the id is made from `number`.
fn event(number: u64, second: i64, fields: &[(&str, &str)]) -> HostEvent {
    let fields: BTreeMap<String, String> =
        fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let mut id = [0; 16];
    id[8..].copy_from_slice(&number.to_be_bytes());
    HostEvent {
        id: EventId(id),
        host: HostId::new("dc1-srv01").unwrap(),
        received_ms: second * 1000 + 200,
        event: Event {
            time_ms: second * 1000,
            class: EventClass::Authentication,
            severity: Severity::Informational,
            source: "auth_log".into(),
            message: format!("line {number}"),
            fields,
        },
    }
}

fn run(rules: &SigmaRules, events: &[HostEvent]) -> Vec<Detection> {
    let mut state = CorrelationState::default();
    events.iter().flat_map(|event| rules.evaluate(event, &mut state)).collect()
}

/// `second: alertname{labels} xCOUNT` for each detection.
fn story(detections: &[Detection]) -> String {
    let line = |one: &Detection| {
        let alert = one.labels.get("alertname").unwrap();
        let labels = one.labels.with("alertname", "").with("severity", "");
        format!("{}: {alert}{labels} x{}\n", one.time_ms / 1000, one.event_count)
    };
    detections.iter().map(line).collect()
}

fn failed(number: u64, second: i64, source: &str) -> HostEvent {
    event(number, second, &[("EventType", "login_failed"), ("SourceIp", source), ("User", "root")])
}

fn succeeded(number: u64, second: i64, source: &str) -> HostEvent {
    event(number, second, &[("EventType", "login"), ("SourceIp", source), ("User", "root")])
}

/// Ten failures within five minutes, then a success of the same source.
const BRUTE_FORCE: &str = r"
title: Failed login
name: LoginFailed
logsource: {product: linux, service: auth}
detection:
  failed: {EventType: login_failed}
  condition: failed
---
title: Login
name: LoginSucceeded
logsource: {product: linux, service: auth}
detection:
  good: {EventType: login}
  condition: good
---
title: Many failed logins
name: ManyLoginsFailed
correlation:
  type: event_count
  rules: [LoginFailed]
  group-by: [SourceIp, Host]
  timespan: 5m
  condition: {gte: 10}
---
title: Password guessed
name: PasswordGuessed
level: critical
tags: [attack.credential-access, attack.t1110.001]
correlation:
  type: temporal_ordered
  rules: [ManyLoginsFailed, LoginSucceeded]
  group-by: [SourceIp, Host]
  timespan: 15m
annotations:
  summary_vi: Có thể đã dò được mật khẩu trên {{ $labels.host }} từ {{ $labels.source_ip }}
  summary_en: A password of {{ $event.User }} was probably guessed from {{ $labels.source_ip }} after {{ $count }} events
";
