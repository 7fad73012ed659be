//! The order of things in time: wait, interval, repeat, resolve, silence, inhibit, acknowledge.

use std::collections::BTreeSet;

use agent_model::Matcher;
use collector_alerting::{
    AlertFilter, AlertState, AlertingError, Confirmation, NewSilence, Routing,
};

use crate::harness::{
    HOUR, MINUTE, SECOND, SIMPLE, START, World, detection, labels, observation, routing, taken,
};

fn at(seconds: i64, text: &str) -> (i64, String) {
    (seconds, text.to_owned())
}

#[tokio::test]
async fn a_new_group_waits_then_later_alerts_wait_for_the_interval() {
    let world = World::new(SIMPLE).await;
    world.observe(START, &["a"]).await;
    world.observe(START + 10 * SECOND, &["a", "b"]).await;
    let first = world.pass_to(START + 10 * SECOND, START + 60 * SECOND).await;
    assert_eq!(first, [at(30, "firing[DiskFull a, DiskFull b]")]);
    world.observe(START + 60 * SECOND, &["a", "b", "c"]).await;
    let then = world.pass_to(START + 60 * SECOND, START + HOUR).await;
    assert_eq!(then, [at(330, "firing[DiskFull a, DiskFull b, DiskFull c]")]);
}

#[tokio::test]
async fn what_changes_in_a_quiet_group_waits_for_its_turn_and_what_comes_until_then_goes_with_it() {
    let world = World::new(SIMPLE).await;
    world.observe(START, &["a"]).await;
    let quiet = START + 21 * MINUTE;
    assert_eq!(world.pass_to(START, quiet).await, [at(30, "firing[DiskFull a]")]);
    // Turns are at half past every fifth minute, counted from the first message.
    world.observe(quiet, &["a", "b"]).await;
    assert_eq!(world.pass_to(quiet, quiet + 2 * MINUTE).await, []);
    world.observe(quiet + 2 * MINUTE, &["b", "c"]).await;
    let told = world.pass_to(quiet + 2 * MINUTE, START + 41 * MINUTE).await;
    let text = "firing[DiskFull b, DiskFull c] resolved[DiskFull a]";
    assert_eq!(told, [at(25 * 60 + 30, text)]);
    // One that came and went between two turns is told nobody.
    world.observe(START + 41 * MINUTE, &["b", "c", "d"]).await;
    world.observe(START + 43 * MINUTE, &["b", "c"]).await;
    assert_eq!(world.pass_to(START + 43 * MINUTE, START + HOUR).await, []);
    // Another group has its own wait.
    let other = observation("HostDown", 0, START + HOUR, &["a"]);
    world.alerting.observe_rule(other).await.unwrap();
    let told = world.pass_to(START + HOUR, START + HOUR + 5 * MINUTE).await;
    assert_eq!(told, [at(3_630, "firing[HostDown a]")]);
}

#[tokio::test]
async fn an_unchanged_group_is_repeated_and_its_end_is_told() {
    let world = World::new(SIMPLE).await;
    world.observe(START, &["a"]).await;
    let told = world.pass_to(START, START + 9 * HOUR).await;
    let repeat = 4 * 3_600;
    let text = "firing[DiskFull a]";
    assert_eq!(told, [at(30, text), at(30 + repeat, text), at(30 + 2 * repeat, text)]);
    world.observe(START + 9 * HOUR, &[]).await;
    let told = world.pass_to(START + 9 * HOUR, START + 20 * HOUR).await;
    assert_eq!(told, [at(9 * 3_600 + 30, "resolved[DiskFull a]")]);
    assert!(world.alerting.groups(START + 20 * HOUR).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_rule_waits_for_its_for_and_holds_for_its_keep_firing() {
    let world = World::new(SIMPLE).await;
    let state = async |now| {
        let status = world.alerting.alert(labels("Slow", "a").fingerprint(), now).await.unwrap();
        status.map(|status| status.alert.state)
    };
    let observe = async |now, hosts: &[&str]| {
        let mut observation = observation("Slow", 2 * MINUTE, now, hosts);
        observation.keep_firing_for_ms = 3 * MINUTE;
        world.alerting.observe_rule(observation).await.unwrap();
    };
    observe(START, &["a"]).await;
    assert_eq!(state(START).await, Some(AlertState::Pending));
    observe(START + MINUTE, &[]).await;
    assert_eq!(state(START + MINUTE).await, None);
    observe(START + 2 * MINUTE, &["a"]).await;
    observe(START + 3 * MINUTE, &["a"]).await;
    assert_eq!(state(START + 3 * MINUTE).await, Some(AlertState::Pending));
    observe(START + 4 * MINUTE, &["a"]).await;
    assert_eq!(state(START + 4 * MINUTE).await, Some(AlertState::Firing));
    observe(START + 5 * MINUTE, &[]).await;
    observe(START + 7 * MINUTE, &[]).await;
    assert_eq!(state(START + 7 * MINUTE).await, Some(AlertState::Firing));
    observe(START + 8 * MINUTE, &[]).await;
    assert_eq!(state(START + 8 * MINUTE).await, Some(AlertState::Resolved));
}

#[tokio::test]
async fn a_hole_in_the_evaluations_neither_resolves_nor_counts_towards_for() {
    let world = World::new(SIMPLE).await;
    let slow = |now, hosts| observation("Slow", 10 * MINUTE, now, hosts);
    world.alerting.observe_rule(slow(START, &["a"])).await.unwrap();
    world.observe(START, &["b"]).await;
    let back = START + 2 * HOUR;
    world.pass_to(START, back).await;
    world.alerting.observe_rule(slow(back, &["a"])).await.unwrap();
    let filter = AlertFilter::default();
    let alerts = world.alerting.alerts(&filter, back).await.unwrap();
    let states: Vec<_> =
        alerts.iter().map(|one| (one.alert.labels.get("host"), one.alert.state)).collect();
    assert_eq!(states, [(Some("a"), AlertState::Pending), (Some("b"), AlertState::Firing)]);
}

#[tokio::test]
async fn a_rule_that_is_gone_resolves_its_alerts() {
    let world = World::new(SIMPLE).await;
    world.observe(START, &["a"]).await;
    world.pass_to(START, START + MINUTE).await;
    let rules = BTreeSet::from(["DiskFull".to_owned()]);
    world.alerting.retain_rules(&rules, START + 10 * MINUTE).await.unwrap();
    assert_eq!(world.pass_to(START + 10 * MINUTE, START + 11 * MINUTE).await, []);
    world.alerting.retain_rules(&BTreeSet::new(), START + 11 * MINUTE).await.unwrap();
    let told = world.pass_to(START + 11 * MINUTE, START + 16 * MINUTE).await;
    assert_eq!(told, [at(930, "resolved[DiskFull a]")]);
}

#[tokio::test]
async fn a_detection_goes_out_at_once_once_and_ends_after_its_hold() {
    let world = World::new(SIMPLE).await;
    let commit = async |position, id, host: &str, now| {
        let found = vec![detection(id, host, now)];
        world.alerting.commit_detections(position, b"state", found, now).await.unwrap()
    };
    assert_eq!(commit(7, 1, "a", START).await.new, 1);
    assert_eq!(commit(8, 2, "b", START + SECOND).await.new, 1);
    assert_eq!(commit(8, 2, "b", START + SECOND).await.repeated, 1);
    // More of the same prolongs the alert and tells nobody again.
    commit(9, 3, "a", START + 2 * SECOND).await;
    let told = world.pass_to(START + 2 * SECOND, START + HOUR).await;
    assert_eq!(
        told,
        [
            at(2, "firing[BruteForce a]"),
            at(2, "firing[BruteForce b]"),
            at(601, "resolved[BruteForce b]"),
            at(602, "resolved[BruteForce a]"),
        ]
    );
    let position = world.alerting.detections_position().await.unwrap();
    assert_eq!(position, (9, Some(b"state".to_vec())));
    let behind = world.alerting.commit_detections(3, b"", vec![], START).await;
    assert!(matches!(behind, Err(AlertingError::PositionBehind { position: 3, reached: 9 })));
    // It comes back: told at once again.
    commit(10, 4, "a", START + 2 * HOUR).await;
    let told = world.pass_to(START + 2 * HOUR, START + 2 * HOUR + SECOND).await;
    assert_eq!(told, [at(7_200, "firing[BruteForce a]")]);
}

#[tokio::test]
async fn a_detection_with_the_labels_of_a_rules_alert_does_not_end_it() {
    let world = World::new(SIMPLE).await;
    let rule = |now| observation("BruteForce", 0, now, &["a"]);
    world.alerting.observe_rule(rule(START)).await.unwrap();
    let found = vec![detection(1, "a", START + SECOND)];
    world.alerting.commit_detections(1, b"", found, START + SECOND).await.unwrap();
    let told = world.pass_to(START + SECOND, START + HOUR).await;
    assert_eq!(told, [at(30, "firing[BruteForce a]")]);
    assert_eq!(world.alerting.detections(10).await.unwrap().len(), 1);
    assert_eq!(world.alerting.stats(START).await.unwrap().findings_disputed, 1);
}

#[tokio::test]
async fn a_silence_that_came_while_rules_were_evaluated_mutes() {
    let world = World::new(&SIMPLE.replace("group_wait: 30s", "group_wait: 0s")).await;
    let wish = NewSilence {
        matchers: vec![Matcher::equal("host", "a")],
        starts_ms: START + SECOND,
        ends_ms: START + HOUR,
        created_by: "lan".to_owned(),
        comment: "bảo trì".to_owned(),
        is_wide: false,
    };
    world.alerting.add_silence(wish, START + SECOND).await.unwrap();
    // The evaluation began before.
    world.observe(START, &["a"]).await;
    assert_eq!(world.pass_to(START + 2 * SECOND, START + MINUTE).await, []);
}

#[tokio::test]
async fn a_silence_mutes_and_what_still_fires_is_told_when_it_ends() {
    let world = World::new(SIMPLE).await;
    let wish = NewSilence {
        matchers: vec![Matcher::equal("host", "a")],
        starts_ms: START,
        ends_ms: START + HOUR,
        created_by: "lan".to_owned(),
        comment: "bảo trì".to_owned(),
        is_wide: false,
    };
    world.alerting.add_silence(wish.clone(), START).await.unwrap();
    world.observe(START, &["a"]).await;
    assert_eq!(world.pass_to(START, START + HOUR - SECOND).await, []);
    let told = world.pass_to(START + HOUR, START + 2 * HOUR).await;
    assert_eq!(told, [at(3_600, "firing[DiskFull a]")]);

    // Told as firing, then silenced: the end is told when the silence is over, here expired early.
    let second = NewSilence { ends_ms: START + 9 * HOUR, ..wish };
    let second = world.alerting.add_silence(second, START + 2 * HOUR).await.unwrap();
    world.observe(START + 2 * HOUR + MINUTE, &[]).await;
    let quiet = world.pass_to(START + 2 * HOUR + MINUTE, START + 3 * HOUR).await;
    assert_eq!(quiet, []);
    world.alerting.expire_silence(&second.id, START + 3 * HOUR).await.unwrap();
    let told = world.pass_to(START + 3 * HOUR, START + 4 * HOUR).await;
    assert_eq!(told, [at(3 * 3_600, "resolved[DiskFull a]")]);
    let again = world.alerting.expire_silence(&second.id, START + 4 * HOUR).await;
    assert!(matches!(again, Err(AlertingError::SilenceUnknown(_))));
    assert_eq!(world.alerting.silences(0).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_wide_silence_mutes_only_once_a_second_person_confirmed_it() {
    let world = World::new(SIMPLE).await;
    let wish = NewSilence {
        matchers: vec![Matcher::equal("alertname", "DiskFull")],
        starts_ms: START,
        ends_ms: START + 2 * HOUR,
        created_by: "lan".to_owned(),
        comment: "bảo trì".to_owned(),
        is_wide: true,
    };
    let silence = world.alerting.add_silence(wish, START).await.unwrap();
    world.observe(START, &["a"]).await;
    let told = world.pass_to(START, START + HOUR).await;
    assert_eq!(told, [at(30, "firing[DiskFull a]")], "it waits");
    let confirm = |by: &'static str, at_ms| world.alerting.confirm_silence(&silence.id, by, at_ms);
    let own = confirm("lan", START + HOUR).await;
    assert!(matches!(own, Err(AlertingError::ConfirmationRefused(_))));
    confirm("minh", START + HOUR).await.unwrap();
    world.observe(START + HOUR, &["a", "b"]).await;
    assert_eq!(world.pass_to(START + HOUR, START + 2 * HOUR - SECOND).await, []);
    let kept = world.alerting.silence(&silence.id).await.unwrap().unwrap();
    assert_eq!(kept.confirmation, Confirmation::By("minh".to_owned()));
    let told = world.pass_to(START + 2 * HOUR, START + 3 * HOUR).await;
    assert_eq!(told, [at(7_200, "firing[DiskFull a, DiskFull b]")]);
    let late = confirm("minh", START + 3 * HOUR).await;
    assert!(matches!(late, Err(AlertingError::SilenceUnknown(_))));
}

#[tokio::test]
async fn a_source_inhibits_its_targets_and_no_others() {
    let config = format!(
        "{SIMPLE}
inhibit_rules:
  - source_matchers: ['alertname=\"HostDown\"']
    target_matchers: ['alertname=\"DiskFull\"']
    equal: [host]
"
    );
    let world = World::new(&config).await;
    let down = |now, hosts| observation("HostDown", 0, now, hosts);
    world.alerting.observe_rule(down(START, &["a"])).await.unwrap();
    world.observe(START, &["a", "b"]).await;
    let mut told = world.pass_to(START, START + HOUR).await;
    told.sort();
    assert_eq!(told, [at(30, "firing[DiskFull b]"), at(30, "firing[HostDown a]")]);
    let muted = world.alerting.alert(labels("DiskFull", "a").fingerprint(), START).await.unwrap();
    assert_eq!(muted.unwrap().inhibited_by, [labels("HostDown", "a").fingerprint()]);
    world.alerting.observe_rule(down(START + HOUR, &[])).await.unwrap();
    let mut told = world.pass_to(START + HOUR, START + 2 * HOUR).await;
    told.sort();
    assert_eq!(
        told,
        [at(3_630, "firing[DiskFull a, DiskFull b]"), at(3_630, "resolved[HostDown a]")]
    );
}

#[tokio::test]
async fn an_acknowledged_alert_is_not_repeated_but_its_end_is_told() {
    let world = World::new(SIMPLE).await;
    world.observe(START, &["a"]).await;
    world.pass_to(START, START + MINUTE).await;
    let alert = labels("DiskFull", "a").fingerprint();
    let acknowledge = world.alerting.act(alert, "lan", taken("đang xem"), START + MINUTE);
    acknowledge.await.unwrap();
    assert_eq!(world.pass_to(START + MINUTE, START + 20 * HOUR).await, []);
    let shown = world.alerting.alert(alert, START).await.unwrap().unwrap();
    assert_eq!(shown.alert.acknowledgement.unwrap().by, "lan");
    world.observe(START + 20 * HOUR, &[]).await;
    let told = world.pass_to(START + 20 * HOUR, START + 21 * HOUR).await;
    assert_eq!(told, [at(72_030, "resolved[DiskFull a]")]);
    let unknown = world.alerting.act(alert, "lan", taken(""), START).await;
    assert!(matches!(unknown, Err(AlertingError::AlertUnknown(_))));
    let history = world.alerting.history(alert, 10).await.unwrap();
    let states: Vec<_> = history.iter().map(|entry| entry.state.as_str()).collect();
    assert_eq!(states, ["resolved", "acknowledged", "firing"]);
}

#[tokio::test]
async fn without_a_file_alerts_are_kept_and_it_is_said_that_nobody_is_told() {
    let world = World::new(SIMPLE).await;
    assert!(!world.alerting.stats(START).await.unwrap().nobody_is_notified);
    world.alerting.reload(Routing::nobody(), START).await.unwrap();
    world.observe(START, &["a"]).await;
    assert_eq!(world.pass_to(START, START + HOUR).await, []);
    let stats = world.alerting.stats(START + HOUR).await.unwrap();
    assert!(stats.nobody_is_notified);
    assert_eq!((stats.alerts_firing, stats.outbox_length), (1, 0));
    // With a way to reach somebody, what still fires is told.
    let next = routing(&world.receiver, SIMPLE);
    world.alerting.reload(next, START + HOUR).await.unwrap();
    let told = world.pass_to(START + HOUR, START + 2 * HOUR).await;
    assert_eq!(told, [at(3_630, "firing[DiskFull a]")]);
}

#[tokio::test]
async fn a_short_relapse_before_the_end_was_told_is_not_lost() {
    let world = World::new(SIMPLE).await;
    let slow = |now, hosts| observation("Slow", 2 * MINUTE, now, hosts);
    world.alerting.observe_rule(slow(START, &["a"])).await.unwrap();
    world.alerting.observe_rule(slow(START + 2 * MINUTE, &["a"])).await.unwrap();
    let told = world.pass_to(START + 2 * MINUTE, START + 3 * MINUTE).await;
    assert_eq!(told, [at(150, "firing[Slow a]")]);
    // Resolved, then pending again, then gone: the receiver must hear the end of the first episode.
    world.alerting.observe_rule(slow(START + 3 * MINUTE, &[])).await.unwrap();
    world.alerting.observe_rule(slow(START + 4 * MINUTE, &["a"])).await.unwrap();
    world.alerting.observe_rule(slow(START + 5 * MINUTE, &[])).await.unwrap();
    let told = world.pass_to(START + 5 * MINUTE, START + HOUR).await;
    assert_eq!(told, [at(450, "resolved[Slow a]")]);
}

#[tokio::test]
async fn a_route_is_muted_for_its_intervals_and_told_afterwards() {
    // It begins at 08:12 on a Saturday in Vietnam.
    let config = "
route:
  receiver: hook
  group_by: [alertname]
  group_wait: 30s
  group_interval: 5m
  routes:
    - matchers: ['alertname=DiskFull']
      mute_time_intervals: [weekend mornings]
time_intervals:
  - name: weekend mornings
    time_intervals:
      - weekdays: ['saturday', 'sunday']
        times: [{start_time: '06:00', end_time: '09:00'}]
        location: Asia/Ho_Chi_Minh
receivers: [{name: hook, webhook_configs: [{url: URL/hook}]}]
";
    let world = World::new(config).await;
    world.observe(START, &["a"]).await;
    let groups = world.alerting.groups(START).await.unwrap();
    assert_eq!(groups[0].muted_by, ["weekend mornings".into()]);
    let told = world.pass_to(START, START + HOUR).await;
    assert_eq!(told, [at(48 * 60, "firing[DiskFull a]")]);
    assert_eq!(world.alerting.groups(START + HOUR).await.unwrap()[0].muted_by, []);
}

#[tokio::test]
async fn a_route_that_is_active_at_times_is_muted_at_all_others() {
    let config = "
route:
  receiver: hook
  group_wait: 30s
  routes: [{matchers: [alertname=DiskFull], active_time_intervals: [office, never]}]
time_intervals:
  - {name: office, time_intervals: [{times: [{start_time: '02:00', end_time: '10:00'}]}]}
  - {name: never, time_intervals: [{years: ['1999']}]}
receivers: [{name: hook, webhook_configs: [{url: URL/hook}]}]
";
    let world = World::new(config).await;
    // 01:12 UTC.
    world.observe(START, &["a"]).await;
    let told = world.pass_to(START, START + HOUR).await;
    assert_eq!(told, [at(48 * 60, "firing[DiskFull a]")]);
}
