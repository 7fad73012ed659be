//! Tests of channels, by hand and daily.

use crate::harness::{Answer, HOUR, MINUTE, Receiver, START, World, told};

const TWO: &str = "
route: {receiver: first, group_wait: 0s}
receivers:
  - name: first
    webhook_configs: [{url: URL/first}, {url: URL/second}]
  - name: other
    webhook_configs: [{url: OTHER/other}]
  - name: nobody
";

#[tokio::test]
async fn a_test_by_hand_says_that_it_is_one_and_what_came_of_it() {
    let other = Receiver::start().await;
    let world = World::new(&TWO.replace("OTHER", &other.address)).await;
    world.receiver.answer([Answer::Status(403)]);
    let only = Some("webhook/1");
    let tests = world.alerting.test_receiver("first", only, "lan", START).await.unwrap();
    assert_eq!(tests.len(), 1);
    assert_eq!(tests[0].error.as_deref(), Some("the receiver answered 403: not today"));
    let body = world.receiver.take().remove(0).body;
    let notes = &body["alerts"][0]["annotations"];
    assert_eq!(notes["summary_vi"], "Tin thử kênh first (webhook/1), không phải sự cố");
    assert!(notes["description_vi"].as_str().unwrap().contains("do lan gửi"), "{notes}");
    let tests = world.alerting.test_receiver("first", None, "lan", START + MINUTE).await.unwrap();
    assert!(tests.iter().all(|test| test.error.is_none()) && tests.len() == 2, "{tests:?}");
    let channel = world.alerting.channels(START).await.unwrap().remove(1);
    assert_eq!(channel.last_success_ms, Some(START + MINUTE));
    assert_eq!((channel.tested_ms, channel.failing_since_ms), (Some(START + MINUTE), None));
    // A test is no notification.
    assert_eq!(world.alerting.notifications(10).await.unwrap(), []);
    for (receiver, integration, text) in [
        ("nowhere", None, "no receiver \"nowhere\""),
        ("first", Some("email"), "does not have email"),
        ("nobody", None, "does not have any integration"),
    ] {
        let refused = world.alerting.test_receiver(receiver, integration, "lan", START).await;
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains(text), "{refused}");
    }
}

#[tokio::test]
async fn the_daily_test_is_made_at_its_hour_in_vietnam_and_again_until_a_dead_channel_works() {
    let other = Receiver::start().await;
    // START is 08:12 there: the next test is tomorrow at 07:30.
    let config = TWO.replace("OTHER", &other.address)
        + "delivery: {daily_test: {at: '07:30', receivers: [other]}}\n";
    let world = World::new(&config).await;
    let tomorrow = START + 23 * HOUR + 18 * MINUTE;
    world.pass_to(START, tomorrow - MINUTE).await;
    assert_eq!(other.take().len(), 0);
    other.answer([Answer::Status(500), Answer::Status(500)]);
    world.pass_to(tomorrow - MINUTE, tomorrow).await;
    assert_eq!(told(&other.take()), ["firing[ChannelTest]"]);
    let failing = world.alerting.channels(tomorrow).await.unwrap().remove(2);
    assert_eq!((failing.failing_since_ms, failing.tested_ms), (Some(tomorrow), Some(tomorrow)));
    world.pass_to(tomorrow, tomorrow + 4 * MINUTE).await;
    assert_eq!(other.take().len(), 0);
    world.pass_to(tomorrow + 4 * MINUTE, tomorrow + 22 * HOUR).await;
    assert_eq!(other.take().len(), 2, "one more failed, then one arrived");
    let works = world.alerting.channels(tomorrow).await.unwrap().remove(2);
    assert_eq!(
        (works.failing_since_ms, works.last_success_ms),
        (None, Some(tomorrow + 10 * MINUTE))
    );
    // A day on, an hour back: one test a day.
    world.pass_to(tomorrow + 25 * HOUR, tomorrow + 26 * HOUR).await;
    world.pass_to(tomorrow + 23 * HOUR, tomorrow + 26 * HOUR).await;
    assert_eq!(other.take().len(), 1);
    assert_eq!(world.receiver.take().len(), 0, "only the receivers that it names");
}

#[tokio::test]
async fn the_daily_test_waits_as_long_as_the_channel_has_asked() {
    let other = Receiver::start().await;
    let config = TWO.replace("OTHER", &other.address)
        + "delivery: {daily_test: {at: '07:30', receivers: [other]}}\n";
    let world = World::new(&config).await;
    let test = START + 23 * HOUR + 18 * MINUTE;
    other.answer([Answer::RetryAfter(429, 3600)]);
    let by_hand = world.alerting.test_receiver("other", None, "lan", test - MINUTE).await.unwrap();
    assert!(by_hand[0].error.is_some());
    other.take();
    world.pass_to(test - MINUTE, test + 58 * MINUTE).await;
    assert_eq!(other.take().len(), 0);
    world.pass_to(test + 58 * MINUTE, test + 2 * HOUR).await;
    assert_eq!(told(&other.take()), ["firing[ChannelTest]"]);
}
