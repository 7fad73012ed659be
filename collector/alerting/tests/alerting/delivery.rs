//! Delivery: until it is taken, never twice after that, and no receiver hurts another.

use std::time::Duration;

use collector_alerting::{Alerting, OutboxState};

use crate::harness::{
    Answer, HOUR, MINUTE, Receiver, SECOND, SIMPLE, START, World, detection, told,
};

async fn raise(alerting: &Alerting, position: u64, host: &str, now: i64) {
    let id = u8::try_from(position).unwrap();
    let found = vec![detection(id, host, now)];
    alerting.commit_detections(position, b"", found, now).await.unwrap();
}

#[tokio::test]
async fn a_failed_notification_is_repeated_with_its_key_until_it_is_taken() {
    let world = World::new(SIMPLE).await;
    world.receiver.answer([Answer::Status(500), Answer::Status(404), Answer::RetryAfter(429, 60)]);
    raise(&world.alerting, 1, "a", START).await;
    let mut now = START;
    let mut attempts = Vec::new();
    while attempts.len() < 4 {
        world.alerting.deliver_due(now).await.unwrap();
        let got = world.receiver.take();
        attempts.extend(got.into_iter().map(|one| (now - START, one.key)));
        now = world.alerting.tick(now).await.unwrap().unwrap();
    }
    assert!(attempts.iter().all(|(_, key)| *key == attempts[0].1), "{attempts:?}");
    assert!(attempts[3].0 - attempts[2].0 >= 60 * SECOND, "{attempts:?}");
    assert!(now > START + 5 * MINUTE, "the end of the hold is what is due next");
    assert_eq!(world.pass_to(START + 5 * MINUTE, START + 6 * MINUTE).await, []);
    let stats = world.alerting.stats(now).await.unwrap();
    assert_eq!((stats.sent, stats.failed, stats.retried, stats.outbox_length), (1, 3, 3, 0));
    let failed = world.alerting.failed_by_receiver(now).await.unwrap();
    assert_eq!(failed.values().copied().collect::<Vec<_>>(), [3]);
    let record = world.alerting.notifications(10).await.unwrap().remove(0);
    assert_eq!((record.state, record.attempts), (OutboxState::Sent, 4));
}

#[tokio::test]
async fn an_undelivered_notification_gives_way_to_a_newer_one_that_says_all_it_said() {
    let world = World::new(SIMPLE).await;
    world.receiver.answer(vec![Answer::Status(503); 8]);
    world.observe(START, &["a", "b"]).await;
    world.pass_to(START, START + MINUTE).await;
    // While the receiver was away one alert ended and one began.
    world.observe(START + MINUTE, &["b", "c"]).await;
    world.receiver.answer(vec![Answer::Status(503); 2]);
    let mut last = String::new();
    for (_, text) in world.pass_to(START + MINUTE, START + HOUR).await {
        last = text;
    }
    assert_eq!(last, "firing[DiskFull b, DiskFull c] resolved[DiskFull a]");
    let stats = world.alerting.stats(START + HOUR).await.unwrap();
    assert_eq!((stats.sent, stats.superseded, stats.outbox_length), (1, 1, 0));
}

#[tokio::test]
async fn without_resolved_messages_a_late_one_still_does_not_say_that_it_fires() {
    let config = SIMPLE.replace("/hook\n", "/hook\n        send_resolved: false\n");
    let world = World::new(&config).await;
    world.receiver.answer(vec![Answer::Status(503); 20]);
    world.observe(START, &["a"]).await;
    world.pass_to(START, START + MINUTE).await;
    world.observe(START + MINUTE, &[]).await;
    let told = world.pass_to(START + MINUTE, START + 3 * HOUR).await;
    assert_eq!(told.last().unwrap().1, "resolved[DiskFull a]");
    assert!(world.alerting.groups(START + 3 * HOUR).await.unwrap().is_empty());
    // Told in time, the end is not sent.
    world.observe(START + 4 * HOUR, &["a"]).await;
    world.pass_to(START + 4 * HOUR, START + 5 * HOUR).await;
    world.observe(START + 5 * HOUR, &[]).await;
    assert_eq!(world.pass_to(START + 5 * HOUR, START + 6 * HOUR).await, []);
}

const TWO: &str = "
route:
  receiver: slow
  routes:
    - receiver: slow
      continue: true
    - receiver: quick
receivers:
  - name: slow
    webhook_configs: [{url: 'URL/slow'}]
  - name: quick
    webhook_configs: [{url: 'OTHER/quick'}]
";

#[tokio::test]
async fn a_receiver_that_hangs_delays_no_other() {
    let quick = Receiver::start().await;
    let world = World::new(&TWO.replace("OTHER", &quick.address)).await;
    world.receiver.answer(vec![Answer::Hang; 100]);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let alerting = world.alerting.clone();
    let running = tokio::spawn(async move {
        alerting.run(|| START, async { stopped.await.unwrap_or(()) }).await;
    });
    for position in 1..=20 {
        raise(&world.alerting, position, &format!("h{position}"), START).await;
    }
    let got = quick.wait_for(20).await;
    assert_eq!(got.len(), 20);
    assert!(got.iter().all(|one| one.path == "/quick"));
    // The slow one holds its few connections and no more.
    assert_eq!(world.receiver.take().len(), 4);
    running.abort();
    drop(stop);
}

#[tokio::test]
async fn a_detection_wakes_the_running_task() {
    let world = World::new(SIMPLE).await;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let alerting = world.alerting.clone();
    let running = tokio::spawn(async move {
        alerting.run(|| START, async { stopped.await.unwrap_or(()) }).await;
    });
    let mut changes = world.alerting.subscribe();
    raise(&world.alerting, 1, "a", START).await;
    assert_eq!(told(&world.receiver.wait_for(1).await), ["firing[BruteForce a]"]);
    assert_eq!(changes.recv().await.unwrap().kind.name(), "firing");
    stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(30), running).await.unwrap().unwrap();
    assert_eq!(world.alerting.stats(START).await.unwrap().sent, 1);
}

#[tokio::test]
async fn an_answer_that_is_no_http_is_a_failed_attempt() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::io::AsyncWriteExt::write_all(&mut stream, b"\x16\x03 garbage\r\n").await.ok();
        }
    });
    let config = SIMPLE.replace("URL", &format!("http://{address}"));
    let world = World::new(&config).await;
    raise(&world.alerting, 1, "a", START).await;
    world.alerting.deliver_due(START).await.unwrap();
    let stats = world.alerting.stats(START).await.unwrap();
    assert_eq!((stats.sent, stats.failed, stats.outbox_length), (0, 1, 1));
    let record = world.alerting.notifications(1).await.unwrap().remove(0);
    assert!(record.last_error.contains("did not answer as HTTP"), "{}", record.last_error);
}
