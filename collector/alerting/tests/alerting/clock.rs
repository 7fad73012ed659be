//! The clock jumps: an hour back and a day on. Nothing stops, nothing floods, nothing is given up for it.

use crate::harness::{Answer, HOUR, MINUTE, SECOND, START, World, detection};

const HOSTS: &str = "
route: {receiver: hook, group_by: [host], group_wait: 10s, group_interval: 1m, repeat_interval: 4h}
receivers:
  - name: hook
    webhook_configs: [{url: URL/hook}]
";

#[tokio::test]
async fn an_hour_back_delays_neither_what_waits_nor_what_is_new() {
    let world = World::new(HOSTS).await;
    world.receiver.answer(vec![Answer::RetryAfter(503, 300)]);
    world.observe(START, &["a"]).await;
    assert_eq!(world.pass_to(START, START + 20 * SECOND).await.len(), 1);
    let back = START + 20 * SECOND - HOUR;
    // What waited is tried at once; a group that was told in the "future" tells what is new.
    let told = world.pass_to(back, back + SECOND).await;
    assert_eq!(told, [(-3_580, "firing[DiskFull a]".to_owned())]);
    world.observe(back + MINUTE, &["a", "b"]).await;
    let told = world.pass_to(back + MINUTE, back + 3 * MINUTE).await;
    assert_eq!(told, [((back + MINUTE - START) / SECOND + 10, "firing[DiskFull b]".to_owned())]);
    world.observe(back + 3 * MINUTE, &["b"]).await;
    let told = world.pass_to(back + 3 * MINUTE, back + 5 * MINUTE).await;
    assert_eq!(told[0].1, "resolved[DiskFull a]");
    let found = vec![detection(1, "c", back + 5 * MINUTE)];
    world.alerting.commit_detections(1, b"", found, back + 5 * MINUTE).await.unwrap();
    let told = world.pass_to(back + 5 * MINUTE, back + 5 * MINUTE + SECOND).await;
    assert_eq!(told.len(), 1, "{told:?}");
}

#[tokio::test]
async fn a_day_on_repeats_each_group_once_and_gives_nothing_up() {
    let world = World::new(&(HOSTS.to_owned() + "delivery: {give_up_after: 12h}\n")).await;
    world.observe(START, &["a", "b", "c"]).await;
    assert_eq!(world.pass_to(START, START + MINUTE).await.len(), 3);
    world.receiver.answer(vec![Answer::Status(500); 6]);
    world.observe(START + MINUTE, &["a", "b", "c", "d"]).await;
    let jumped = START + 25 * HOUR;
    world.pass_to(START + 2 * MINUTE, START + 2 * MINUTE + SECOND).await;
    world.observe(jumped, &["a", "b", "c", "d"]).await;
    let told = world.pass_to(jumped, jumped + 30 * MINUTE).await;
    let mut groups: Vec<&str> = told.iter().map(|(_, text)| text.as_str()).collect();
    groups.sort_unstable();
    groups.dedup();
    assert_eq!(groups.len(), 4, "{told:?}");
    let stats = world.alerting.stats(jumped + HOUR).await.unwrap();
    assert_eq!((stats.dead, stats.outbox_length, stats.sent), (0, 0, 7));
}
