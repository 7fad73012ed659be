//! A process may end at any moment: what was committed goes on, what was not never happened.

use std::time::Duration;

use agent_model::Matcher;
use collector_alerting::{AlertState, Alerting, NewSilence};

use crate::harness::{
    Answer, HOUR, MINUTE, SECOND, SIMPLE, START, World, detection, labels, observation, open,
    taken, told,
};

/// The process ends without a word, and another one opens the same file.
async fn restarted(world: World, now: i64) -> World {
    let World { alerting, receiver, directory } = world;
    drop(alerting);
    let alerting = open(directory.path(), &receiver, SIMPLE, now).await;
    World { alerting, receiver, directory }
}

#[tokio::test]
async fn pending_goes_on_where_it_stood() {
    let world = World::new(SIMPLE).await;
    let slow = |now| observation("Slow", 4 * MINUTE, now, &["a"]);
    world.alerting.observe_rule(slow(START)).await.unwrap();
    world.alerting.observe_rule(slow(START + 2 * MINUTE)).await.unwrap();
    world.alerting.tick(START + 2 * MINUTE).await.unwrap();
    let world = restarted(world, START + 4 * MINUTE).await;
    world.alerting.observe_rule(slow(START + 4 * MINUTE)).await.unwrap();
    let alert = world.alerting.alert(labels("Slow", "a").fingerprint(), START).await.unwrap();
    let alert = alert.unwrap().alert;
    assert_eq!((alert.state, alert.active_since_ms), (AlertState::Firing, START));
}

#[tokio::test]
async fn timers_silences_and_acknowledgements_survive() {
    let world = World::new(SIMPLE).await;
    let wish = NewSilence {
        matchers: vec![Matcher::equal("host", "b")],
        starts_ms: START,
        ends_ms: START + 2 * HOUR,
        created_by: "lan".to_owned(),
        comment: String::new(),
        is_wide: false,
    };
    let awaited =
        NewSilence { matchers: vec![Matcher::equal("host", "a")], is_wide: true, ..wish.clone() };
    world.alerting.add_silence(wish, START).await.unwrap();
    world.alerting.add_silence(awaited, START).await.unwrap();
    world.observe(START, &["a", "b"]).await;
    let world = restarted(world, START + 10 * SECOND).await;
    // One that waits for a second person still does. The group's wait counts from its beginning, not from the restart.
    let told = world.pass_to(START + 10 * SECOND, START + MINUTE).await;
    assert_eq!(told, [(30, "firing[DiskFull a]".to_owned())]);
    let alert = labels("DiskFull", "a").fingerprint();
    world.alerting.act(alert, "lan", taken(""), START + MINUTE).await.unwrap();
    let world = restarted(world, START + HOUR).await;
    let told = world.pass_to(START + HOUR, START + 9 * HOUR).await;
    // Nothing is told again; the silence ends and what it hid is told; then `b` alone keeps the group repeating.
    assert_eq!(told[0], (7_200, "firing[DiskFull a, DiskFull b]".to_owned()));
    assert_eq!(told.len(), 2, "{told:?}");
    let shown = world.alerting.alert(alert, START).await.unwrap().unwrap();
    assert_eq!(shown.alert.acknowledgement.unwrap().by, "lan");
}

#[tokio::test]
async fn a_committed_detection_is_sent_after_a_crash_and_only_then_done() {
    let world = World::new(SIMPLE).await;
    let found = vec![detection(1, "a", START)];
    world.alerting.commit_detections(5, b"x", found.clone(), START).await.unwrap();
    let world = restarted(world, START + SECOND).await;
    assert_eq!(world.alerting.detections_position().await.unwrap(), (5, Some(b"x".to_vec())));
    // The journal is replayed a little: the same detection again has no effect.
    let again = world.alerting.commit_detections(5, b"x", found, START + SECOND).await.unwrap();
    assert_eq!((again.new, again.repeated), (0, 1));
    world.alerting.deliver_due(START + SECOND).await.unwrap();
    assert_eq!(told(&world.receiver.take()), ["firing[BruteForce a]"]);
    let world = restarted(world, START + 2 * SECOND).await;
    world.alerting.deliver_due(START + MINUTE).await.unwrap();
    assert_eq!(world.receiver.take().len(), 0);
}

#[tokio::test]
async fn a_crash_between_sending_and_recording_repeats_once_with_the_same_key() {
    let world = World::new(SIMPLE).await;
    // The receiver takes the message and never answers; the process dies waiting.
    world.receiver.answer([Answer::Hang]);
    let found = vec![detection(1, "a", START)];
    world.alerting.commit_detections(1, b"", found, START).await.unwrap();
    let alerting: Alerting = world.alerting.clone();
    let sending = tokio::spawn(async move { alerting.deliver_due(START).await });
    let first = world.receiver.wait_for(1).await;
    sending.abort();
    assert!(sending.await.unwrap_err().is_cancelled());
    let world = restarted(world, START + SECOND).await;
    world.alerting.deliver_due(START + SECOND).await.unwrap();
    let second = world.receiver.take();
    assert_eq!(second.len(), 1);
    assert_eq!(first[0].key, second[0].key);
    assert_eq!(first[0].body, second[0].body);
}

#[tokio::test]
async fn a_caller_who_stops_waiting_leaves_no_half_change() {
    let world = World::new(SIMPLE).await;
    for round in 0..20_u8 {
        let now = START + i64::from(round) * SECOND;
        let found = vec![detection(round, "a", now), detection(round + 100, "b", now)];
        let commit =
            world.alerting.commit_detections(u64::from(round) + 1, b"", found.clone(), now);
        // Give up after a moment that grows with each round, so that it falls in different places.
        let patience = Duration::from_micros(u64::from(round) * 150);
        tokio::time::timeout(patience, commit).await.ok();
        let (position, _) = world.alerting.detections_position().await.unwrap();
        let known = world.alerting.detections(1_000).await.unwrap();
        let whole = known.iter().filter(|one| one.time_ms == now).count();
        assert_eq!(whole, if position == u64::from(round) + 1 { 2 } else { 0 });
        world.alerting.commit_detections(u64::from(round) + 1, b"", found, now).await.unwrap();
    }
    world.alerting.deliver_due(START + MINUTE).await.unwrap();
    let mut told = told(&world.receiver.take());
    told.sort();
    assert_eq!(told, ["firing[BruteForce a]", "firing[BruteForce b]"]);
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused_by_name() {
    let world = World::new(SIMPLE).await;
    world.alerting.close().await;
    let file = world.directory.path().join("alerting.db");
    let pool = sqlx::SqlitePool::connect(&format!("sqlite:{}", file.display())).await.unwrap();
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9999, 'later', 1, x'00', 0)",
    )
    .execute(&pool)
    .await
    .unwrap();
    pool.close().await;
    let routing = crate::harness::routing(&world.receiver, SIMPLE);
    let config = collector_alerting::AlertingConfig {
        database: file,
        external_url: String::new(),
        answers_links: false,
    };
    let refused = Alerting::open(config, routing, START).await.err().unwrap();
    assert!(refused.to_string().contains("another version"), "{refused}");
}
