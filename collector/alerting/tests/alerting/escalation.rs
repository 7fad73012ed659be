//! Who is told besides when nobody takes an alert, and when.

use std::path::Path;

use agent_model::Matcher;
use collector_alerting::{Deed, NewSilence, Routing};

use crate::harness::{HOUR, MINUTE, SECOND, START, World, labels, open, routing, short, taken};

const CHAIN: &str = "
escalations:
  - name: khẩn
    levels:
      - { after: 10m, receivers: [lead] }
      - { after: 30m, receivers: [director, office] }
route:
  receiver: duty
  group_by: [alertname]
  group_wait: 30s
  group_interval: 5m
  repeat_interval: 12h
  escalation: khẩn
  routes:
    - matchers: [host=quiet]
      escalation: none
receivers:
  - name: duty
    webhook_configs: [{ url: URL/duty }]
  - name: lead
    webhook_configs: [{ url: URL/lead }]
  - name: director
    webhook_configs: [{ url: URL/director }]
  - name: office
    webhook_configs: [{ url: URL/office, send_resolved: false }]
";

#[tokio::test]
async fn who_does_not_take_an_alert_has_the_next_level_told_and_each_is_told_the_end() {
    let world = World::new(CHAIN).await;
    world.observe(START, &["a", "quiet"]).await;
    let told = world.who_is_told(START, START + 2 * HOUR).await;
    assert_eq!(
        short(&told),
        [
            (0, "duty", "firing"),
            (0, "duty", "firing"),
            (10, "lead", "firing"),
            (30, "director", "firing"),
            (30, "office", "firing"),
        ]
    );
    world.observe(START + 2 * HOUR, &["quiet"]).await;
    let told = world.who_is_told(START + 2 * HOUR, START + 3 * HOUR).await;
    let ends =
        [(120, "director", "resolved"), (120, "duty", "resolved"), (120, "lead", "resolved")];
    assert_eq!(short(&told), ends);
}

#[tokio::test]
async fn who_takes_it_ends_the_chain_and_giving_it_back_begins_it_anew() {
    let world = World::new(CHAIN).await;
    world.observe(START, &["a"]).await;
    world.who_is_told(START, START + 20 * MINUTE).await;
    let alert = labels("DiskFull", "a").fingerprint();
    world.alerting.act(alert, "lan", taken(""), START + 20 * MINUTE).await.unwrap();
    assert_eq!(world.who_is_told(START + 20 * MINUTE, START + 5 * HOUR).await, []);
    let back = Deed::GiveBack { note: String::new() };
    world.alerting.act(alert, "lan", back, START + 5 * HOUR).await.unwrap();
    let told = world.who_is_told(START + 5 * HOUR, START + 6 * HOUR).await;
    let anew = [
        (300, "duty", "firing"),
        (310, "lead", "firing"),
        (330, "director", "firing"),
        (330, "office", "firing"),
    ];
    assert_eq!(short(&told), anew);
    world.alerting.act(alert, "lan", taken(""), START + 6 * HOUR).await.unwrap();
    world.observe(START + 6 * HOUR, &[]).await;
    let told = world.who_is_told(START + 6 * HOUR, START + 7 * HOUR).await;
    assert_eq!(told.len(), 3, "{told:?}");
}

#[tokio::test]
async fn a_silence_stops_the_clock_of_a_level_and_a_restart_does_not() {
    let world = World::new(CHAIN).await;
    world.observe(START, &["a"]).await;
    assert_eq!(world.who_is_told(START, START + 5 * MINUTE).await.len(), 1);
    let reopened = open(world.directory.path(), &world.receiver, CHAIN, START + 5 * MINUTE).await;
    let world = World { alerting: reopened, ..world };
    let told = world.who_is_told(START + 5 * MINUTE, START + 15 * MINUTE).await;
    assert_eq!(short(&told), [(10, "lead", "firing")]);
    let silence = NewSilence {
        matchers: vec![Matcher::equal("host", "a")],
        starts_ms: START + 15 * MINUTE,
        ends_ms: START + 60 * MINUTE,
        created_by: "lan".to_owned(),
        comment: String::new(),
        is_wide: false,
    };
    world.alerting.add_silence(silence, START + 15 * MINUTE).await.unwrap();
    let told = world.who_is_told(START + 15 * MINUTE, START + 2 * HOUR).await;
    assert_eq!(short(&told), [(90, "director", "firing"), (90, "office", "firing")]);
}

#[tokio::test]
async fn a_chain_that_was_changed_holds_from_the_reload_on() {
    let world = World::new(CHAIN).await;
    world.observe(START, &["a"]).await;
    world.who_is_told(START, START + 5 * MINUTE).await;
    let later = CHAIN.replace("after: 10m", "after: 20m");
    let next = routing(&world.receiver, &later);
    world.alerting.reload(next, START + 5 * MINUTE).await.unwrap();
    let told = world.who_is_told(START + 5 * MINUTE, START + 25 * MINUTE).await;
    assert_eq!(short(&told), [(20, "lead", "firing")]);
}

#[test]
fn what_is_wrong_with_a_chain_is_told_at_once_with_its_lines() {
    let text = "
escalations:
  - { name: a, levels: [] }
  - name: none
    levels:
      - { after: 10m, receivers: [x] }
      - { after: 10m, receivers: [gone] }
      - { after: 20m, receivers: [] }
  - { name: a, levels: [{ after: 1m, receivers: [x] }] }
  - { name: hasty, levels: [{ after: 5m, receivers: [x] }] }
route:
  receiver: x
  escalation: b
  routes: [{ escalation: hasty }, { escalation: hasty, group_interval: 4m }]
receivers: [{ name: x }]
";
    let problems = Routing::parse(Path::new("alerting.yml"), text).unwrap_err().to_string();
    let expected = expect_test::expect![[r#"
        alerting.yml:3: an escalation has 1 to 10 levels
        alerting.yml:4: `none` is what routes without an escalation write
        alerting.yml:7: `after` must be longer than that of the level before, and than zero
        alerting.yml:7: there is no receiver "gone"
        alerting.yml:8: a level needs `receivers`
        alerting.yml:9: escalation "a" is there twice
        alerting.yml:13: there is no escalation "b"
        alerting.yml:14: the first level of this escalation may come before the receiver of the route is told: its `after` must be longer than `group_wait` and `group_interval`"#]];
    expected.assert_eq(&problems);
}

/// Whoever is to be told: a level whose receiver has no way is over once it is due.
#[tokio::test]
async fn a_level_that_reaches_nobody_keeps_nothing_busy() {
    let config = CHAIN.replace("    webhook_configs: [{ url: URL/lead }]\n", "");
    let world = World::new(&config).await;
    world.observe(START, &["a"]).await;
    world.who_is_told(START, START + 10 * MINUTE).await;
    let next = world.alerting.tick(START + 11 * MINUTE).await.unwrap().unwrap();
    assert!(next >= START + 12 * MINUTE, "{next}");
    let told = world.who_is_told(START + 11 * MINUTE, START + 40 * MINUTE).await;
    assert_eq!(short(&told), [(30, "director", "firing"), (30, "office", "firing")]);
}

/// Seconds matter to nobody here, but a level is never early.
#[tokio::test]
async fn a_level_is_told_to_the_second_and_not_before() {
    let world = World::new(CHAIN).await;
    world.observe(START, &["a"]).await;
    let told = world.who_is_told(START, START + 10 * MINUTE - SECOND).await;
    assert_eq!(short(&told), [(0, "duty", "firing")]);
    let told = world.who_is_told(START + 10 * MINUTE - SECOND, START + 10 * MINUTE).await;
    assert_eq!(short(&told), [(10, "lead", "firing")]);
}
