//! Bounds and refusals that show from outside: slow subscribers, kept attempts, secrets, reloads.

use std::path::Path;

use collector_alerting::{
    AlertFilter, DETECTIONS_PER_RULE_AND_MINUTE_MAX, LATE_ANNOTATION, Routing, STORM_ALERT,
};
use tokio::sync::broadcast::error::RecvError;

use crate::harness::{Answer, HOUR, MINUTE, SIMPLE, START, World, detection, labels, told};

#[tokio::test]
async fn a_slow_subscriber_is_told_how_much_it_missed() {
    let world = World::new(SIMPLE).await;
    let mut changes = world.alerting.subscribe();
    let hosts: Vec<String> = (0..1_100).map(|number| format!("h{number}")).collect();
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    world.observe(START, &hosts).await;
    assert!(matches!(changes.recv().await, Err(RecvError::Lagged(missed)) if missed >= 76));
    assert!(changes.recv().await.is_ok());
}

#[tokio::test]
async fn of_very_many_attempts_the_last_hundred_are_kept() {
    let patient = format!("{SIMPLE}delivery: {{give_up_after: 30d}}\n");
    let world = World::new(&patient).await;
    world.receiver.answer(vec![Answer::Status(500); 103]);
    let found = vec![detection(1, "a", START)];
    world.alerting.commit_detections(1, b"", found, START).await.unwrap();
    for attempt in 0..104 {
        world.alerting.deliver_due(START + attempt * HOUR).await.unwrap();
    }
    let record = world.alerting.notifications(1).await.unwrap().remove(0);
    assert_eq!(record.attempts, 104);
    let attempts = world.alerting.attempts(&record.id).await.unwrap();
    assert_eq!(attempts.len(), 100);
    assert_eq!((attempts[0].number, attempts[0].delivered), (104, true));
    assert_eq!(attempts[1].detail, "the receiver answered 500: not today");
}

#[tokio::test]
async fn addresses_and_credentials_from_files_are_read_at_each_attempt() {
    let files = tempfile::tempdir().unwrap();
    let file = |name: &str| files.path().join(name);
    let config = format!(
        "
route: {{receiver: hook}}
receivers:
  - name: hook
    webhook_configs:
      - url_file: {}
        http_config: {{authorization: {{credentials_file: {}}}}}
",
        file("address").display(),
        file("token").display()
    );
    let world = World::new(&config).await;
    let found = vec![detection(1, "a", START)];
    world.alerting.commit_detections(1, b"", found, START).await.unwrap();
    world.alerting.deliver_due(START).await.unwrap();
    let error = world.alerting.notifications(1).await.unwrap().remove(0).last_error;
    assert!(error.contains("the webhook's address cannot be read from"), "{error}");
    std::fs::write(file("address"), format!("{}/soc\n", world.receiver.address)).unwrap();
    std::fs::write(file("token"), "bí-mật-1".replace(|c: char| !c.is_ascii(), "x")).unwrap();
    world.alerting.deliver_due(START + MINUTE).await.unwrap();
    let received = world.receiver.take();
    assert_eq!((received[0].path.as_str(), received.len()), ("/soc", 1));
    assert_eq!(received[0].authorization, "Bearer bx-mxt-1");
}

#[tokio::test]
async fn a_reload_that_cannot_be_set_up_changes_nothing() {
    let world = World::new(SIMPLE).await;
    let broken = "
route: {receiver: other}
receivers:
  - name: other
    webhook_configs: [{url: 'http://x/', http_config: {tls_config: {ca_file: /not/there}}}]
";
    let broken = Routing::parse(Path::new("a.yml"), broken).unwrap();
    let refused = world.alerting.reload(broken, START).await.unwrap_err();
    assert_eq!(refused.to_string(), "receiver other cannot be set up for sending");
    world.observe(START, &["a"]).await;
    let told = world.pass_to(START, START + MINUTE).await;
    assert_eq!(told, [(30, "firing[DiskFull a]".to_owned())]);
}

#[tokio::test]
async fn what_waits_for_a_receiver_that_is_taken_out_is_set_aside_and_counted() {
    let world = World::new(SIMPLE).await;
    world.receiver.answer([Answer::Status(500)]);
    world.observe(START, &["a"]).await;
    world.pass_to(START, START + MINUTE / 2).await;
    world.alerting.reload(Routing::nobody(), START + MINUTE / 2).await.unwrap();
    let stats = world.alerting.stats(START + MINUTE).await.unwrap();
    assert_eq!((stats.undeliverable, stats.outbox_length), (1, 0));
    let record = world.alerting.notifications(1).await.unwrap().remove(0);
    assert_eq!(record.state.name(), "undeliverable");
}

#[tokio::test]
async fn a_detection_that_comes_late_is_told_once_and_marked() {
    let world = World::new(SIMPLE).await;
    let found = vec![detection(1, "a", START), detection(2, "a", START + MINUTE)];
    let now = START + 5 * HOUR;
    world.alerting.commit_detections(1, b"", found, now).await.unwrap();
    world.alerting.deliver_due(now).await.unwrap();
    let received = world.receiver.take();
    assert_eq!(told(&received), ["firing[BruteForce a]"]);
    let alert = &received[0].body["alerts"][0];
    assert_eq!(alert["annotations"][LATE_ANNOTATION], "true");
    assert_eq!(alert["startsAt"], "2026-11-21T01:12:00Z");
    let open = world.alerting.alert(labels("BruteForce", "a").fingerprint(), now).await.unwrap();
    assert!(open.unwrap().alert.is_firing());
}

#[tokio::test]
async fn a_storm_of_one_rule_is_told_as_one_beyond_its_bound_and_nothing_of_it_is_lost() {
    const MAX: usize = DETECTIONS_PER_RULE_AND_MINUTE_MAX;
    let world = World::new(SIMPLE).await;
    let found = |from: usize, to: usize, at_ms| {
        let each = (from..to).map(|number| {
            detection(u8::try_from(number).unwrap(), &format!("10.0.0.{number}"), at_ms)
        });
        each.collect::<Vec<_>>()
    };
    let names = |world: &World| {
        let told = told(&world.receiver.take());
        let storms = told.iter().filter(|one| one.contains(STORM_ALERT)).count();
        (told.len() - storms, storms)
    };
    world.alerting.commit_detections(1, b"", found(0, MAX, START), START).await.unwrap();
    world.alerting.deliver_due(START).await.unwrap();
    assert_eq!(names(&world), (MAX, 0), "at the bound each is told by itself");
    let now = START + 1_000;
    world.alerting.commit_detections(2, b"", found(MAX, 200, now), now).await.unwrap();
    world.alerting.deliver_due(now).await.unwrap();
    assert_eq!(names(&world), (0, 1), "beyond it one tells of all");
    let stats = world.alerting.stats(now).await.unwrap();
    assert_eq!(stats.detections_grouped, 200 - MAX as u64);
    assert_eq!(world.alerting.detections(1_000).await.unwrap().len(), 200, "all are recorded");
    let open = world.alerting.alerts(&AlertFilter::default(), now).await.unwrap();
    let storm = open.iter().find(|one| one.alert.labels.get("alertname") == Some(STORM_ALERT));
    let storm = &storm.unwrap().alert;
    assert_eq!(storm.labels.get("rule"), Some("BruteForce"));
    assert_eq!(storm.annotations["grouped"], (200 - MAX).to_string());
    // One that fires already is prolonged, and the next minute begins anew.
    let again = detection(250, "10.0.0.1", now);
    world.alerting.commit_detections(3, b"", vec![again], now).await.unwrap();
    let later = START + MINUTE;
    let next = detection(251, "10.0.0.251", later);
    world.alerting.commit_detections(4, b"", vec![next], later).await.unwrap();
    world.alerting.deliver_due(later).await.unwrap();
    assert_eq!(names(&world), (1, 0));
    assert_eq!(
        world.alerting.stats(later).await.unwrap().detections_grouped,
        stats.detections_grouped
    );
}

/// Makes every write to a table fail, as a full disk would, until it is taken back.
pub(crate) async fn break_table(world: &World, table: &str) -> sqlx::SqlitePool {
    let file = world.directory.path().join("alerting.db");
    let pool = sqlx::SqlitePool::connect(&format!("sqlite:{}", file.display())).await.unwrap();
    let trigger = format!(
        "CREATE TRIGGER full BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'full'); END"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(trigger)).execute(&pool).await.unwrap();
    pool
}

#[tokio::test]
async fn a_change_that_cannot_be_written_has_no_effect_and_the_next_one_works() {
    let world = World::new(SIMPLE).await;
    world.observe(START, &["a"]).await;
    let pool = break_table(&world, "alerts").await;
    let observation = crate::harness::observation("DiskFull", 0, START + MINUTE, &[]);
    let failed = world.alerting.observe_rule(observation.clone()).await.unwrap_err();
    assert!(failed.to_string().contains("see that its disk has space"), "{failed}");
    let alert = labels("DiskFull", "a").fingerprint();
    assert!(world.alerting.alert(alert, START).await.unwrap().unwrap().alert.is_firing());
    sqlx::query("DROP TRIGGER full").execute(&pool).await.unwrap();
    world.alerting.observe_rule(observation).await.unwrap();
    assert!(!world.alerting.alert(alert, START).await.unwrap().unwrap().alert.is_firing());
}

#[tokio::test]
async fn a_success_that_cannot_be_recorded_yet_is_not_sent_again() {
    let world = World::new(SIMPLE).await;
    let found = vec![detection(1, "a", START)];
    world.alerting.commit_detections(1, b"", found, START).await.unwrap();
    let pool = break_table(&world, "attempts").await;
    let alerting = world.alerting.clone();
    let sending = tokio::spawn(async move { alerting.deliver_due(START).await });
    assert_eq!(world.receiver.wait_for(1).await.len(), 1);
    // Others may try meanwhile; the row is on its way until its success is on disk.
    assert_eq!(world.alerting.deliver_due(START + HOUR).await.unwrap(), 0);
    assert_eq!(world.alerting.stats(START).await.unwrap().outbox_length, 1);
    sqlx::query("DROP TRIGGER full").execute(&pool).await.unwrap();
    assert_eq!(sending.await.unwrap().unwrap(), 1);
    assert_eq!(world.alerting.deliver_due(START + HOUR).await.unwrap(), 0);
    assert_eq!(world.receiver.take().len(), 0);
    assert_eq!(world.alerting.stats(START).await.unwrap().outbox_length, 0);
}
