//! The lives of alerts, told from the database.

use agent_model::Matcher;
use collector_alerting::Deed;

use crate::harness::{HOUR, MINUTE, SECOND, SIMPLE, START, World, labels};

#[tokio::test]
async fn the_history_tells_who_is_noisy_and_how_long_people_took() {
    let world = World::new(SIMPLE).await;
    for round in 0..3 {
        let now = START + round * HOUR;
        world.observe(now, &["a", "b"]).await;
        world.pass_to(now, now + MINUTE).await;
        let deed = Deed::Acknowledge { note: String::new(), until_ms: None };
        let alert = labels("DiskFull", "a").fingerprint();
        world.alerting.act(alert, "lan", deed, now + 10 * MINUTE).await.unwrap();
        world.observe(now + 30 * MINUTE, &[]).await;
        world.pass_to(now + 30 * MINUTE, now + 50 * MINUTE).await;
    }
    let end = START + 5 * HOUR;
    let all = world.alerting.lives(START, end, &[]).await.unwrap();
    assert_eq!((all.lives.len(), all.cut), (6, false));
    assert_eq!(all.lives[0].fired_ms, START + 2 * HOUR);
    let rule = all.by("alertname").remove(0);
    assert_eq!((rule.value.as_str(), rule.fired, rule.acknowledged), ("DiskFull", 6, 3));
    assert_eq!(rule.mean_to_acknowledge_ms, Some(10 * MINUTE));
    assert_eq!(rule.mean_to_resolve_ms, Some(30 * MINUTE));
    let only = [Matcher::equal("host", "b")];
    let of_b = world.alerting.lives(START + HOUR, end, &only).await.unwrap();
    assert_eq!(of_b.lives.len(), 2);
    assert!(of_b.lives.iter().all(|life| life.acknowledged_ms.is_none()));
    assert_eq!(world.alerting.lives(end, end + HOUR, &[]).await.unwrap().lives, []);
}

#[tokio::test]
async fn what_was_only_pending_again_takes_nothing_from_the_life_before() {
    let world = World::new(SIMPLE).await;
    world.observe(START, &["a"]).await;
    world.pass_to(START, START + MINUTE).await;
    world.observe(START + HOUR, &[]).await;
    world.pass_to(START + HOUR, START + HOUR + 10 * MINUTE).await;
    // With `for` it goes pending, and goes away.
    let nervous =
        |at, hosts: &[&str]| crate::harness::observation("DiskFull", 5 * MINUTE, at, hosts);
    for (minute, hosts) in [(120, &["a"][..]), (121, &[])] {
        let at = START + minute * MINUTE;
        world.alerting.observe_rule(nervous(at, hosts)).await.unwrap();
        world.pass_to(at, at + SECOND).await;
    }
    let end = START + 5 * HOUR;
    let only = [Matcher::equal("host", "a")];
    let lives = world.alerting.lives(START, end, &only).await.unwrap().lives;
    assert_eq!(lives.len(), 1);
    assert_eq!((lives[0].fired_ms, lives[0].resolved_ms), (START, Some(START + HOUR)));
    let resolved = world.alerting.resolved(10).await.unwrap();
    assert_eq!(resolved.len(), 1);
    assert_eq!(resolved[0].resolved_ms, Some(START + HOUR));
}

#[tokio::test]
async fn an_end_by_a_clock_that_is_behind_ends_the_life() {
    let world = World::new(SIMPLE).await;
    for (minute, ends) in [(0, START + HOUR), (1, START - HOUR)] {
        let post = collector_alerting::PostedAlert {
            labels: labels("Slow", "a"),
            annotations: std::collections::BTreeMap::new(),
            generator_url: String::new(),
            starts_ms: Some(START - 2 * HOUR),
            ends_ms: Some(ends),
        };
        world.alerting.post_alerts(&[post], START + minute * MINUTE).await.unwrap();
    }
    let lives = world.alerting.lives(START - HOUR, START + HOUR, &[]).await.unwrap().lives;
    assert_eq!(lives.len(), 1);
    assert_eq!(lives[0].resolved_ms, Some(START + MINUTE));
}
