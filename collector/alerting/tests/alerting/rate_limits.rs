//! Rate limits and `Retry-After`: what waits is merged and goes out later, all of it.

use std::collections::BTreeMap;

use crate::harness::{Answer, MINUTE, SECOND, START, World, observation};

const LIMITED: &str = "
route: {receiver: sms, group_by: [host], group_wait: 0s, group_interval: 10s}
receivers:
  - name: sms
    webhook_configs: [{url: URL/sms}]
delivery:
  rate_limits:
    - {receiver: sms, integration: webhook, messages: 10, per: 1m}
";

fn hosts(count: usize) -> Vec<String> {
    (0..count).map(|at| format!("h{at:02}")).collect()
}

async fn observe(world: &World, now: i64, hosts: &[String]) {
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    world.alerting.observe_rule(observation("DiskFull", 0, now, &hosts)).await.unwrap();
}

#[tokio::test]
async fn ten_a_minute_are_ten_in_any_minute_and_all_arrive() {
    let world = World::new(LIMITED).await;
    observe(&world, START, &hosts(25)).await;
    let told = world.pass_to(START, START + 59 * SECOND).await;
    assert_eq!(told.len(), 10);
    let channel = world.alerting.channels(START + 59 * SECOND).await.unwrap().remove(0);
    assert_eq!((channel.waiting, channel.limited), (15, 15));
    assert_eq!(channel.failing_since_ms, None, "a channel that is limited works");
    let mut by_second = BTreeMap::new();
    for (at, _) in world.pass_to(START + 59 * SECOND, START + 5 * MINUTE).await {
        *by_second.entry(at).or_insert(0) += 1;
    }
    assert_eq!(by_second, BTreeMap::from([(60, 10), (120, 5)]));
    let stats = world.alerting.stats(START + 5 * MINUTE).await.unwrap();
    assert_eq!((stats.sent, stats.limited, stats.outbox_length, stats.dead), (25, 15, 0, 0));
}

#[tokio::test]
async fn what_a_limit_holds_back_is_replaced_by_what_is_newer_of_its_group() {
    let world = World::new(LIMITED).await;
    observe(&world, START, &hosts(12)).await;
    let first = world.pass_to(START, START + 20 * SECOND).await;
    assert_eq!(first.len(), 10);
    let was_told = |host: &&String| first.iter().any(|(_, text)| text.contains(host.as_str()));
    let all = hosts(12);
    let (told, waiting): (Vec<&String>, Vec<&String>) = all.iter().partition(was_told);
    let told: Vec<String> = told.into_iter().cloned().collect();
    // What the two groups that wait were to say is over meanwhile.
    observe(&world, START + 20 * SECOND, &told).await;
    let later = world.pass_to(START + 20 * SECOND, START + 10 * MINUTE).await;
    let mut later: Vec<String> = later.into_iter().map(|(_, text)| text).collect();
    later.sort();
    let ended = waiting.iter().map(|host| format!("resolved[DiskFull {host}]"));
    assert_eq!(later, ended.collect::<Vec<_>>());
    assert_eq!(world.alerting.stats(START).await.unwrap().superseded, 2);
}

#[tokio::test]
async fn who_asks_to_be_left_alone_is_left_alone_by_every_group() {
    let config = LIMITED.split("delivery:").next().unwrap();
    let world = World::new(config).await;
    world.receiver.answer([Answer::RetryAfter(429, 600)]);
    observe(&world, START, &hosts(1)).await;
    assert_eq!(world.pass_to(START, START + SECOND).await.len(), 1);
    observe(&world, START + MINUTE, &hosts(5)).await;
    assert_eq!(world.pass_to(START + MINUTE, START + 9 * MINUTE).await, []);
    let channel = world.alerting.channels(START + 9 * MINUTE).await.unwrap().remove(0);
    assert_eq!((channel.waiting, channel.held_until_ms), (5, Some(START + 10 * MINUTE)));
    let told = world.pass_to(START + 9 * MINUTE, START + 11 * MINUTE).await;
    assert_eq!(told.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [600; 5]);
}

#[tokio::test]
async fn what_is_not_sent_because_the_disk_is_full_uses_up_no_limit() {
    let world = World::new(LIMITED).await;
    observe(&world, START, &hosts(9)).await;
    world.alerting.tick(START).await.unwrap();
    let pool = crate::limits::break_table(&world, "outbox").await;
    let now = START + SECOND;
    observe(&world, now, &hosts(10)).await;
    world.alerting.run(move || now, std::future::ready(())).await;
    assert!(world.receiver.take().is_empty());
    sqlx::query("DROP TRIGGER full").execute(&pool).await.unwrap();
    assert_eq!(world.pass_to(now, now + SECOND).await.len(), 10);
}
