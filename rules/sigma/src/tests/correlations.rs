//! Correlations: what is counted, what is held, what is late.

use expect_test::expect;

use super::{BRUTE_FORCE, event, failed, load, run, story, succeeded};
use crate::{CorrelationState, EVENT_IDS_MAX};

#[test]
fn twelve_failures_then_a_success_of_the_same_source_are_one_detection() {
    let mut events: Vec<_> =
        (0..12).map(|n| failed(n, 5 * n.cast_signed(), "203.0.113.9")).collect();
    events.push(succeeded(90, 70, "203.0.113.9"));
    let detections = run(&load(BRUTE_FORCE), &events);
    expect![[r#"
        70: PasswordGuessed{host="dc1-srv01",source_ip="203.0.113.9"} x11
    "#]]
    .assert_eq(&story(&detections));
    let one = &detections[0];
    assert_eq!(one.event_ids.len(), 11, "ten failures and the success");
    assert_eq!(one.event_ids.last(), Some(&events[12].id));
    assert_eq!(one.tags, ["attack.credential-access", "attack.t1110.001"]);
    expect![[r#"
        {
            "summary_en": "A password of root was probably guessed from 203.0.113.9 after 11 events",
            "summary_vi": "Có thể đã dò được mật khẩu trên dc1-srv01 từ 203.0.113.9",
        }
    "#]]
    .assert_debug_eq(&one.annotations);
}

#[test]
fn a_success_of_another_source_or_too_few_failures_stay_silent() {
    let rules = load(BRUTE_FORCE);
    let mut events: Vec<_> = (0..12).map(|n| failed(n, 5, "203.0.113.9")).collect();
    events.push(succeeded(90, 70, "198.51.100.1"));
    events.extend((20..29).map(|n| failed(n, 80, "192.0.2.7")));
    events.push(succeeded(91, 90, "192.0.2.7"));
    assert_eq!(story(&run(&rules, &events)), "");
}

#[test]
fn a_success_before_the_failures_is_not_their_fruit() {
    let mut events = vec![succeeded(90, 1, "203.0.113.9")];
    events.extend((0..12).map(|n| failed(n, 5, "203.0.113.9")));
    assert_eq!(story(&run(&load(BRUTE_FORCE), &events)), "");
}

#[test]
fn events_of_one_second_keep_their_order_of_arrival() {
    let mut events: Vec<_> = (0..10).map(|n| failed(n, 5, "203.0.113.9")).collect();
    events.push(succeeded(90, 5, "203.0.113.9"));
    assert_eq!(run(&load(BRUTE_FORCE), &events).len(), 1);
}

const COUNT: &str = r"
title: Failed login
name: LoginFailed
logsource: {service: auth}
detection:
  failed: {EventType: login_failed}
  condition: failed
---
title: Many failed logins
name: BruteForce
correlation:
  type: event_count
  rules: [LoginFailed]
  group-by: [SourceIp]
  timespan: 5m
  condition: {gte: 10}
";

#[test]
fn an_attack_that_goes_on_is_told_once_per_hold() {
    // One failure a second for eleven minutes.
    let events: Vec<_> = (0..660).map(|n| failed(n, n.cast_signed(), "203.0.113.9")).collect();
    let detections = run(&load(COUNT), &events);
    expect![[r#"
        9: BruteForce{source_ip="203.0.113.9"} x10
        309: BruteForce{source_ip="203.0.113.9"} x20
        609: BruteForce{source_ip="203.0.113.9"} x20
    "#]]
    .assert_eq(&story(&detections));
}

#[test]
fn a_longer_hold_can_be_asked_for() {
    let held = COUNT.replace("name: BruteForce", "name: BruteForce\nrsigma.suppress: 1h");
    let events: Vec<_> = (0..660).map(|n| failed(n, n.cast_signed(), "203.0.113.9")).collect();
    let rules = load(&held);
    let mut state = CorrelationState::default();
    let found: usize = events.iter().map(|event| rules.evaluate(event, &mut state).len()).sum();
    assert_eq!(found, 1);
    assert_eq!(state.counters().held_back, 650);
}

#[test]
fn slow_failures_never_fill_a_window() {
    // Ten within 301 seconds, the window being 300.
    let mut events: Vec<_> = (0..9).map(|n| failed(n, 0, "203.0.113.9")).collect();
    events.push(failed(9, 300, "203.0.113.9"));
    assert_eq!(story(&run(&load(COUNT), &events)), "");
    events[9].event.time_ms -= 1;
    assert_eq!(run(&load(COUNT), &events).len(), 1);
}

#[test]
fn an_event_that_comes_late_completes_what_it_would_have_completed() {
    let mut events: Vec<_> = (0..9).map(|n| failed(n, n.cast_signed(), "203.0.113.9")).collect();
    events.push(failed(50, 400, "203.0.113.9"));
    let mut late = failed(51, 20, "203.0.113.9");
    late.received_ms = 401_000;
    events.push(late);
    expect![[r#"
        20: BruteForce{source_ip="203.0.113.9"} x10
    "#]]
    .assert_eq(&story(&run(&load(COUNT), &events)));
}

#[test]
fn a_clock_in_the_future_ages_nobody_elses_events() {
    let mut events: Vec<_> = (0..9).map(|n| failed(n, 10, "203.0.113.9")).collect();
    let mut wrong = failed(50, 11, "203.0.113.9");
    wrong.event.time_ms = 9_000_000_000_000;
    events.push(wrong);
    assert_eq!(run(&load(COUNT), &events).len(), 1);
}

#[test]
fn a_repeated_event_counts_once() {
    let events: Vec<_> = (0..30).map(|n| failed(n % 9, 10, "203.0.113.9")).collect();
    assert_eq!(story(&run(&load(COUNT), &events)), "");
}

#[test]
fn values_are_counted_once_each_and_absent_ones_not_at_all() {
    let rules = load(
        r"
title: Failed login
name: LoginFailed
logsource: {service: auth}
detection:
  failed: {EventType: login_failed}
  condition: failed
---
title: One source tries many users
name: UserGuessing
correlation:
  type: value_count
  rules: [LoginFailed]
  group-by: [SourceIp]
  timespan: 1m
  condition: {field: User, gte: 3}
",
    );
    let user = |n: u64, user: &str| {
        event(n, 5, &[("EventType", "login_failed"), ("SourceIp", "192.0.2.7"), ("User", user)])
    };
    let nobody = event(7, 5, &[("EventType", "login_failed"), ("SourceIp", "192.0.2.7")]);
    let same = [user(1, "an"), user(2, "an"), user(3, "binh"), nobody];
    assert_eq!(story(&run(&rules, &same)), "");
    let other = [user(1, "an"), user(2, "an"), user(3, "binh"), user(4, "chi")];
    expect![[r#"
        5: UserGuessing{source_ip="192.0.2.7"} x4
    "#]]
    .assert_eq(&story(&run(&rules, &other)));
}

#[test]
fn temporal_takes_any_order_and_a_condition() {
    let rules = |condition: &str| {
        load(&format!(
            r"
title: A
name: A
logsource: {{service: auth}}
detection: {{x: {{EventType: a}}, condition: x}}
---
title: B
name: B
logsource: {{service: auth}}
detection: {{x: {{EventType: b}}, condition: x}}
---
title: C
name: C
logsource: {{service: auth}}
detection: {{x: {{EventType: c}}, condition: x}}
---
title: Both
name: Both
correlation:
  type: temporal
  rules: [A, B, C]
  group-by: [Host]
  timespan: 1m
  {condition}
"
        ))
    };
    let kind = |n: u64, kind: &str| event(n, 5, &[("EventType", kind)]);
    let two = [kind(1, "c"), kind(2, "a")];
    assert_eq!(run(&rules("condition: A and (B or C)"), &two).len(), 1);
    assert_eq!(run(&rules("condition: A and B"), &two).len(), 0);
    assert_eq!(run(&rules(""), &two).len(), 0);
    assert_eq!(run(&rules(""), &[kind(1, "c"), kind(2, "a"), kind(3, "b")]).len(), 1);
}

#[test]
fn aliases_join_rules_that_name_the_same_thing_differently() {
    let rules = load(
        r"
title: Locked
name: Locked
logsource: {service: auth}
detection: {x: {EventType: locked}, condition: x}
---
title: Root session
name: RootSession
logsource: {service: auth}
detection: {x: {EventType: session}, condition: x}
---
title: Locked, then root
name: LockedThenRoot
correlation:
  type: temporal_ordered
  rules: [Locked, RootSession]
  aliases:
    account: {Locked: TargetUser, RootSession: User}
  group-by: [account]
  timespan: 1m
",
    );
    let events = [
        event(1, 5, &[("EventType", "locked"), ("TargetUser", "an"), ("User", "root")]),
        event(2, 6, &[("EventType", "session"), ("User", "an")]),
    ];
    expect![[r#"
        6: LockedThenRoot{account="an"} x2
    "#]]
    .assert_eq(&story(&run(&rules, &events)));
}

#[test]
fn a_detection_names_the_newest_events_and_counts_all() {
    let many = COUNT.replace("gte: 10", "gte: 100");
    let events: Vec<_> = (0..100).map(|n| failed(n, 10, "203.0.113.9")).collect();
    let detections = run(&load(&many), &events);
    assert_eq!(detections[0].event_count, 100);
    assert_eq!(detections[0].event_ids.len(), EVENT_IDS_MAX);
    assert_eq!(detections[0].event_ids.last(), Some(&events[99].id));
}

#[test]
fn generate_lets_the_counted_rule_speak_too() {
    let loud = COUNT.replace("name: BruteForce", "name: BruteForce\ngenerate: true");
    let events: Vec<_> = (0..10).map(|n| failed(n, 10, "203.0.113.9")).collect();
    assert_eq!(run(&load(&loud), &events).len(), 11);
}
