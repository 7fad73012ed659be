//! What cannot be delivered is kept, counted, and sent again by hand.

use collector_alerting::OutboxState;

use crate::harness::{Answer, HOUR, MINUTE, SECOND, SIMPLE, START, World, open, told};

/// A channel that is given up soon, and repeats that come before.
const IMPATIENT: &str = "
route: {receiver: hook, group_by: [alertname], group_wait: 0s, group_interval: 1m, repeat_interval: 30m}
receivers:
  - name: hook
    webhook_configs: [{url: URL/hook}]
delivery: {give_up_after: 2h}
";

async fn given_up(world: &World) -> String {
    world.receiver.answer(vec![Answer::Status(503); 1_000]);
    world.observe(START, &["a", "b"]).await;
    world.pass_to(START, START + 2 * HOUR + 6 * MINUTE).await;
    let mut letters = world.alerting.dead_letters(10).await.unwrap();
    assert_eq!(letters.len(), 1, "{letters:?}");
    letters.remove(0).id
}

#[tokio::test]
async fn what_was_tried_in_vain_for_long_enough_is_a_dead_letter_although_repeats_replaced_it() {
    let world = World::new(IMPATIENT).await;
    let id = given_up(&world).await;
    let now = START + 2 * HOUR + 6 * MINUTE;
    let letter = world.alerting.dead_letters(10).await.unwrap().remove(0);
    assert_eq!((letter.id, letter.state), (id, OutboxState::Dead));
    assert!(letter.created_ms > START + HOUR, "repeats took the place of the first");
    let given_up_ms = letter.finished_ms.unwrap() - START;
    assert!((2 * HOUR..=2 * HOUR + 5 * MINUTE).contains(&given_up_ms), "{given_up_ms}");
    assert_eq!(letter.last_error, "the receiver answered 503: not today");
    let channel = world.alerting.channels(now).await.unwrap().remove(0);
    assert_eq!((channel.dead, channel.waiting), (1, 0));
    assert_eq!(channel.failing_since_ms, Some(START));
    let stats = world.alerting.stats(now).await.unwrap();
    assert_eq!((stats.dead, stats.sent), (1, 0));
    // Each repeat that replaced one that failed, and the last, which was given up.
    let sendings = world.alerting.sendings_by_kind()["webhook"];
    assert_eq!(sendings.failed, sendings.notifications, "{sendings:?}");
    assert_eq!(sendings.requests, sendings.requests_failed);
    assert!(sendings.requests > 10 * sendings.notifications, "{sendings:?}");
    // The alert still fires: the next repeat is tried for its own time.
    assert_eq!(world.alerting.groups(now).await.unwrap().len(), 1);
    world.receiver.forget_script();
    world.observe(now, &["a", "b"]).await;
    let later = world.pass_to(now, now + HOUR).await;
    assert_eq!(later[0].1, "firing[DiskFull a, DiskFull b]");
    let channel = world.alerting.channels(now + HOUR).await.unwrap().remove(0);
    assert_eq!((channel.dead, channel.failing_since_ms), (1, None));
}

#[tokio::test]
async fn a_dead_letter_that_is_sent_again_says_what_has_ended_meanwhile() {
    let world = World::new(IMPATIENT).await;
    let id = given_up(&world).await;
    let now = START + 3 * HOUR;
    world.receiver.forget_script();
    world.observe(now, &["b"]).await;
    world.pass_to(now, now + SECOND).await;
    let fresh = world.alerting.resend(&id, now + MINUTE).await.unwrap();
    assert_ne!(fresh, id);
    world.alerting.deliver_due(now + MINUTE).await.unwrap();
    let got = world.receiver.take();
    assert_eq!(told(&got), ["firing[DiskFull b] resolved[DiskFull a]"]);
    assert_eq!(got[0].key, fresh);
    assert_eq!(world.alerting.dead_letters(10).await.unwrap(), []);
    let again = world.alerting.resend(&id, now + MINUTE).await.unwrap_err();
    assert!(again.to_string().contains("there is no dead letter"), "{again}");
}

#[tokio::test]
async fn a_dead_letter_says_of_what_fires_again_that_it_fires() {
    let world = World::new(IMPATIENT).await;
    let id = given_up(&world).await;
    world.receiver.forget_script();
    for (hour, hosts) in [(3, &[][..]), (4, &["a", "b"])] {
        let now = START + hour * HOUR;
        world.observe(now, hosts).await;
        world.pass_to(now, now + 10 * MINUTE).await;
    }
    let now = START + 5 * HOUR;
    world.alerting.resend(&id, now).await.unwrap();
    world.alerting.deliver_due(now).await.unwrap();
    assert_eq!(told(&world.receiver.take()), ["firing[DiskFull a, DiskFull b]"]);
}

#[tokio::test]
async fn a_dead_letter_waits_for_a_person_however_long() {
    let world = World::new(IMPATIENT).await;
    let id = given_up(&world).await;
    world.observe(START + 3 * HOUR, &[]).await;
    let later = START + 120 * 24 * HOUR;
    world.receiver.forget_script();
    world.pass_to(later, later + HOUR).await;
    let letters = world.alerting.dead_letters(10).await.unwrap();
    assert_eq!(letters.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), [id.as_str()]);
    world.alerting.dismiss(&id, later + HOUR).await.unwrap();
    let much_later = later + 120 * 24 * HOUR;
    world.pass_to(much_later, much_later + HOUR).await;
    let kept = world.alerting.notifications(10).await.unwrap();
    assert!(kept.iter().all(|one| one.id != id), "{kept:?}");
}

#[tokio::test]
async fn a_dead_letter_that_somebody_has_seen_is_counted_no_longer() {
    let world = World::new(IMPATIENT).await;
    let id = given_up(&world).await;
    let now = START + 3 * HOUR;
    world.alerting.dismiss(&id, now).await.unwrap();
    assert_eq!(world.alerting.dead_letters(10).await.unwrap(), []);
    assert!(world.alerting.dead_letter_counts().await.unwrap().is_empty());
    let kept = world.alerting.notifications(10).await.unwrap();
    let states: Vec<OutboxState> = kept.iter().map(|one| one.state).collect();
    assert!(states.contains(&OutboxState::Dismissed), "{states:?}");
    assert!(world.alerting.dismiss(&id, now).await.is_err());
}

#[tokio::test]
async fn time_in_which_the_collector_was_off_does_not_count_towards_giving_up() {
    let config = SIMPLE.to_owned() + "delivery: {give_up_after: 6h}\n";
    let world = World::new(&config).await;
    world.receiver.answer(vec![Answer::Status(503); 1_000]);
    world.observe(START, &["a"]).await;
    world.pass_to(START, START + 10 * MINUTE).await;
    let World { alerting, receiver, directory } = world;
    drop(alerting);
    let later = START + 20 * HOUR;
    let alerting = open(directory.path(), &receiver, &config, later).await;
    let world = World { alerting, receiver, directory };
    world.pass_to(later, later + 3 * HOUR).await;
    assert_eq!(world.alerting.dead_letters(10).await.unwrap(), []);
    let channel = world.alerting.channels(later).await.unwrap().remove(0);
    assert!(
        channel.failing_since_ms.unwrap() < START + MINUTE,
        "the outage is older than this start"
    );
    world.pass_to(later + 3 * HOUR, later + 7 * HOUR).await;
    assert_eq!(world.alerting.dead_letters(10).await.unwrap().len(), 1);
}

const TWO_WAYS: &str = "
route: {receiver: both, group_wait: 0s}
receivers:
  - name: both
    webhook_configs: [{url: 'http://127.0.0.1:1/dead'}, {url: URL/alive}]
";

#[tokio::test]
async fn an_alert_about_a_dead_channel_does_not_wait_behind_it() {
    let world = World::new(TWO_WAYS).await;
    world.observe(START, &["a"]).await;
    assert_eq!(world.pass_to(START, START + 30 * MINUTE).await.len(), 1);
    let channels = world.alerting.channels(START + 30 * MINUTE).await.unwrap();
    assert_eq!(channels[0].failing_since_ms, Some(START));
    assert!(channels[0].last_error.contains("could not be reached"), "{}", channels[0].last_error);
    let failing =
        crate::harness::observation("NotificationFailing", 0, START + 31 * MINUTE, &["x"]);
    world.alerting.observe_rule(failing).await.unwrap();
    let told = world.pass_to(START + 31 * MINUTE, START + 37 * MINUTE).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].1.contains("NotificationFailing x"));
}
