//! Links in messages by which who reads one takes its alerts: once, for a time, and only what the message told of.

use collector_alerting::{Alerting, AlertingError, LinkRefused};

use crate::harness::{HOUR, MINUTE, START, World, labels, observation, open};

const CHAT: &str = r#"
route: {receiver: chat, group_by: [alertname], group_wait: 0s, group_interval: 1m, repeat_interval: 1h}
receivers:
  - name: chat
    slack_configs: [{api_url: URL/chat, send_resolved: true, text: '{{ template "__acknowledge" . }}'}]
"#;

/// The links that came since the last call, empty texts included.
fn links(world: &World) -> Vec<String> {
    let received = world.receiver.take().into_iter();
    let texts = received.map(|one| one.body["attachments"][0]["text"].as_str().unwrap().to_owned());
    texts
        .map(|text| {
            let base = "Tiếp nhận (một lần): http://haidang.example/acknowledge/";
            text.strip_prefix(base).unwrap_or(&text).trim().to_owned()
        })
        .collect()
}

async fn pass(world: &World, from: i64, until: i64) {
    let mut now = from;
    while now <= until {
        world.alerting.tick(now).await.unwrap();
        world.alerting.deliver_due(now).await.unwrap();
        now += MINUTE;
    }
}

async fn refusal(alerting: &Alerting, link: &str, now: i64) -> LinkRefused {
    let looked = alerting.link_offer(link, now).await;
    let taken = alerting.acknowledge_by_link(link, "", None, now).await;
    match (looked, taken) {
        (Err(AlertingError::LinkRefused(one)), Err(AlertingError::LinkRefused(other))) => {
            assert_eq!(one, other, "looking says what using says");
            one
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn looking_changes_nothing_and_using_takes_what_the_message_told_of_once() {
    let world = World::new(CHAT).await;
    world.observe(START, &["a", "b"]).await;
    pass(&world, START, START).await;
    let link = links(&world).remove(0);
    // Afterwards one ends, and another begins that the message did not tell of.
    world.observe(START + MINUTE, &["a", "c"]).await;
    pass(&world, START + MINUTE, START + 2 * MINUTE).await;
    let later = links(&world);
    let now = START + 3 * MINUTE;
    for _ in 0..3 {
        let offer = world.alerting.link_offer(&link, now).await.unwrap();
        assert_eq!(offer.by, "via link, chat");
        assert_eq!(offer.expires_ms, START + 24 * HOUR);
        assert_eq!(offer.alerts.len(), 1);
        assert_eq!(offer.alerts[0].headline, "[KHẨN CẤP] ổ đĩa sắp đầy");
        assert_eq!(offer.alerts[0].taken_by, None);
    }
    let until_ms = Some(now + HOUR);
    world.alerting.acknowledge_by_link(&link, "đang xem", until_ms, now).await.unwrap();
    let of = |host: &str| labels("DiskFull", host).fingerprint();
    let taken = world.alerting.alert(of("a"), now).await.unwrap().unwrap().alert.acknowledgement;
    let taken = taken.unwrap();
    assert_eq!((taken.by.as_str(), taken.note.as_str()), ("via link, chat", "đang xem"));
    assert_eq!(taken.until_ms, until_ms);
    let other = world.alerting.alert(of("c"), now).await.unwrap().unwrap().alert;
    assert_eq!(other.acknowledgement, None);
    let used = LinkRefused::Used { by: "via link, chat".to_owned(), at_ms: now };
    assert_eq!(refusal(&world.alerting, &link, now).await, used);
    // The link of the later message is another one, and says who has taken what.
    let offer = world.alerting.link_offer(later.last().unwrap(), now).await.unwrap();
    let taken: Vec<_> = offer.alerts.iter().map(|one| one.taken_by.as_deref()).collect();
    assert_eq!(taken, [Some("via link, chat"), None]);
    // A restart forgets neither the key nor what was used.
    let World { alerting, receiver, directory } = world;
    alerting.close().await;
    let alerting = open(directory.path(), &receiver, CHAT, now).await;
    assert_eq!(refusal(&alerting, &link, now).await, used);
    assert_eq!(alerting.link_offer(later.last().unwrap(), now).await.unwrap().alerts.len(), 2);
}

#[tokio::test]
async fn a_link_that_was_used_ends_repeats_and_one_that_ran_out_or_came_too_late_does_nothing() {
    let world = World::new(CHAT).await;
    world.observe(START, &["a"]).await;
    pass(&world, START, START + 61 * MINUTE).await;
    let sent = links(&world);
    assert_eq!(sent.len(), 2, "told and repeated");
    assert_eq!(refusal(&world.alerting, &sent[0], START + 24 * HOUR).await, LinkRefused::Expired);
    assert!(world.alerting.link_offer(&sent[0], START + 24 * HOUR - 1).await.is_ok());
    let now = START + 62 * MINUTE;
    world.alerting.acknowledge_by_link(&sent[1], "", None, now).await.unwrap();
    pass(&world, now, now + 3 * HOUR).await;
    assert!(links(&world).is_empty(), "nobody is told again");
    // It ends: the message about that has no link, and the first link has nothing left to take.
    let end = now + 4 * HOUR;
    world.observe(end, &[]).await;
    pass(&world, end, end + MINUTE).await;
    assert_eq!(links(&world), [""]);
    assert_eq!(refusal(&world.alerting, &sent[0], end).await, LinkRefused::Over);
    // A later episode is none that the message told of.
    let again = observation("DiskFull", 0, end + 2 * MINUTE, &["a"]);
    world.alerting.observe_rule(again).await.unwrap();
    assert_eq!(refusal(&world.alerting, &sent[0], end + 2 * MINUTE).await, LinkRefused::Over);
}

#[tokio::test]
async fn two_who_use_it_at_once_are_told_apart_and_a_strangers_link_is_unknown() {
    let world = World::new(CHAT).await;
    world.observe(START, &["a"]).await;
    pass(&world, START, START).await;
    let link = links(&world).remove(0);
    let using = || world.alerting.acknowledge_by_link(&link, "", None, START);
    let (one, other) = tokio::join!(using(), using());
    assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
    let elsewhere = World::new(CHAT).await;
    assert_eq!(refusal(&elsewhere.alerting, &link, START).await, LinkRefused::Forged);
}

#[tokio::test]
async fn a_person_of_a_roster_is_named_and_a_receiver_may_want_no_links() {
    let config = r#"
people: [{name: lan, receiver: lan}]
rosters: [{name: duty, rotations: [{people: [lan], starts: '2026-01-05 08:00', every: 7d}]}]
route:
  receiver: duty
  group_wait: 0s
  routes: [{matchers: ['host="b"'], receiver: without}]
delivery: {acknowledge_link_lifetime: 2h}
receivers:
  - {name: duty, on_call_configs: [{roster: duty}]}
  - name: lan
    slack_configs: [{api_url: URL/lan, text: '{{ template "__acknowledge" . }}'}]
  - name: without
    acknowledge_links: false
    slack_configs: [{api_url: URL/without, text: '{{ template "__acknowledge" . }}'}]
"#;
    let world = World::new(config).await;
    world.observe(START, &["a"]).await;
    pass(&world, START, START).await;
    let link = links(&world).remove(0);
    let offer = world.alerting.link_offer(&link, START).await.unwrap();
    assert_eq!((offer.by.as_str(), offer.expires_ms), ("via link, lan", START + 2 * HOUR));
    world.observe(START + MINUTE, &["a", "b"]).await;
    pass(&world, START + MINUTE, START + MINUTE).await;
    assert_eq!(links(&world), [""]);
    // The test of a channel has nothing to take.
    world.alerting.test_receiver("lan", None, "minh", START).await.unwrap();
    assert_eq!(links(&world), [""]);
}
