//! Ten thousand alerts from one dead switch: each group is told once, and when one alert explains them all, one message says so.

use std::collections::BTreeMap;

use agent_model::{Labels, Millis};
use collector_alerting::PostedAlert;

use crate::harness::{HOUR, MINUTE, SECOND, START, World};

const RULES: usize = 20;
const HOSTS: usize = 500;

/// As many as Prometheus sends in one request.
const BATCH: usize = 64;

const CONFIG: &str = "
route: {receiver: hook, group_by: [alertname], group_wait: 30s, group_interval: 5m}
inhibit_rules:
  - {source_matchers: [alertname=SwitchDown], target_matchers: [alertname!=SwitchDown], equal: [switch]}
receivers: [{name: hook, webhook_configs: [{url: URL/}]}]
";

fn alert(name: String, host: String, ends: Millis) -> PostedAlert {
    let labels = [("alertname", name), ("host", host), ("switch", "sw-07".to_owned())];
    PostedAlert {
        labels: Labels::new(labels),
        annotations: BTreeMap::new(),
        generator_url: String::new(),
        starts_ms: Some(START),
        ends_ms: Some(ends),
    }
}

async fn post(world: &World, ends: Millis, now: Millis) {
    let all: Vec<PostedAlert> = (0..RULES * HOSTS)
        .map(|at| alert(format!("Rule{:02}", at / HOSTS), format!("h{:03}", at % HOSTS), ends))
        .collect();
    for batch in all.chunks(BATCH) {
        let outcome = world.alerting.post_alerts(batch, now).await.unwrap();
        assert_eq!((outcome.invalid.len(), outcome.refused), (0, 0));
    }
}

/// How many messages are told until then, with how many alerts that fire and that ended.
async fn told(world: &World, from: Millis, until: Millis) -> (usize, usize, usize) {
    let (mut messages, mut firing, mut ended) = (0, 0, 0);
    for (_, message) in world.pass_before(from, until).await {
        let alerts = message.body["alerts"].as_array().unwrap();
        let fires = alerts.iter().filter(|alert| alert["status"] == "firing").count();
        (messages, firing, ended) = (messages + 1, firing + fires, ended + alerts.len() - fires);
    }
    (messages, firing, ended)
}

#[tokio::test]
async fn a_storm_is_one_message_for_each_group_and_so_is_its_end() {
    let world = World::new(CONFIG).await;
    post(&world, START + HOUR, START).await;
    let all = RULES * HOSTS;
    assert_eq!(told(&world, START, START + 10 * MINUTE).await, (RULES, all, 0));
    // Prometheus says every minute that they go on: nothing is told.
    post(&world, START + HOUR, START + 10 * MINUTE).await;
    assert_eq!(told(&world, START + 10 * MINUTE, START + 20 * MINUTE).await, (0, 0, 0));
    let back = START + 20 * MINUTE;
    post(&world, back - SECOND, back).await;
    assert_eq!(told(&world, back, back + 10 * MINUTE).await, (RULES, 0, all));
    let stats = world.alerting.stats(back + 10 * MINUTE).await.unwrap();
    assert_eq!((stats.alerts_firing, stats.outbox_length, stats.failed), (0, 0, 0));
    assert!(world.alerting.groups(back + 10 * MINUTE).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_storm_that_one_alert_explains_is_one_message() {
    let world = World::new(CONFIG).await;
    let cause = alert("SwitchDown".to_owned(), "sw-07".to_owned(), START + HOUR);
    world.alerting.post_alerts(&[cause], START).await.unwrap();
    post(&world, START + HOUR, START).await;
    assert_eq!(told(&world, START, START + 30 * MINUTE).await, (1, 1, 0));
}
