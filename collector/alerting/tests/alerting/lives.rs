//! The lives of alerts, told from the database.

use agent_model::Matcher;
use collector_alerting::Deed;

use crate::harness::{HOUR, MINUTE, SIMPLE, START, World, labels};

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
