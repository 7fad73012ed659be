//! What Alertmanager's own acceptance tests look at, as scenes of ours on the fake clock: what is posted, silenced and
//! reloaded when, and what is told when. Where we differ on purpose the scene says so.

use std::collections::BTreeMap;

use agent_model::{Labels, Millis};
use collector_alerting::{NewSilence, PostedAlert, matchers_from_text};

use crate::harness::{Answer, SECOND, START, World, routing, summary};

/// Tenths of a second from the start, as scenes count.
const TENTH: Millis = SECOND / 10;

enum Deed {
    /// An alert by its labels, since when, and until when if it says so.
    Post(&'static str, i64, Option<i64>),
    Silence(&'static str, i64),
    /// Ends every silence.
    Unsilence,
    Reload,
}

use Deed::{Post, Reload, Silence, Unsilence};

struct Scene {
    name: &'static str,
    /// What stands in the route beside receiver and `group_by`.
    timing: &'static str,
    more: &'static str,
    deeds: &'static [(i64, Deed)],
    told: &'static [(i64, &'static str)],
}

const EVERY_SECOND: &str = "group_wait: 1s, group_interval: 1s, repeat_interval: 1ms";

const INHIBIT: &str = "inhibit_rules: [{source_match: {alertname: RackDown}, target_match: {alertname: HostDown}, equal: [rack]}]";

const SCENES: &[Scene] = &[
    Scene {
        name: "posts of one alert are one alert, and it is repeated at every turn",
        timing: EVERY_SECOND,
        more: "",
        deeds: &[
            (10, Post("alertname=Disk", 10, None)),
            (12, Post("alertname=Disk", 9, None)),
            (25, Post("alertname=Disk", 20, Some(400))),
        ],
        told: &[(20, "firing[Disk]"), (30, "firing[Disk]"), (40, "firing[Disk]")],
    },
    Scene {
        name: "an end is told once and nothing afterwards",
        timing: EVERY_SECOND,
        more: "",
        deeds: &[
            (10, Post("alertname=Disk", 10, None)),
            (25, Post("alertname=Disk", 10, Some(24))),
        ],
        told: &[(20, "firing[Disk]"), (30, "resolved[Disk]")],
    },
    Scene {
        name: "one that comes back after its end is told anew",
        timing: "group_wait: 1s, group_interval: 1s, repeat_interval: 1h",
        more: "",
        deeds: &[
            (10, Post("alertname=Disk", 10, None)),
            (21, Post("alertname=Disk", 10, Some(21))),
            (32, Post("alertname=Disk", 32, None)),
        ],
        told: &[(20, "firing[Disk]"), (30, "resolved[Disk]"), (42, "firing[Disk]")],
    },
    Scene {
        name: "what comes within the wait goes together, what comes later with all that fires",
        timing: "group_wait: 1s, group_interval: 1s, repeat_interval: 1h",
        more: "",
        deeds: &[
            (10, Post("alertname=Disk,host=a", 10, None)),
            (17, Post("alertname=Disk,host=b", 16, None)),
            (33, Post("alertname=Disk,host=c", 33, None)),
            (33, Post("alertname=Disk,host=d", 33, None)),
        ],
        told: &[(20, "firing[Disk a, Disk b]"), (40, "firing[Disk a, Disk b, Disk c, Disk d]")],
    },
    Scene {
        name: "what is not posted again ends by the timeout, all in one message",
        timing: "group_wait: 1s, group_interval: 3s",
        more: "global: {resolve_timeout: 10s}",
        deeds: &[
            (10, Post("alertname=Disk,host=a", 10, None)),
            (10, Post("alertname=Disk,host=b", 10, None)),
        ],
        told: &[(20, "firing[Disk a, Disk b]"), (110, "resolved[Disk a, Disk b]")],
    },
    Scene {
        // Alertmanager begins to count anew at a reload; here the group keeps its turns.
        name: "a reload tells nothing again and keeps the turns of groups",
        timing: "group_wait: 1s, group_interval: 6s, repeat_interval: 10m",
        more: "",
        deeds: &[
            (10, Post("alertname=Disk,host=a", 10, None)),
            (30, Reload),
            (40, Post("alertname=Disk,host=b", 40, None)),
        ],
        told: &[(20, "firing[Disk a]"), (80, "firing[Disk a, Disk b]")],
    },
    Scene {
        name: "a silence takes one alert out of the messages until it ends",
        timing: EVERY_SECOND,
        more: "",
        deeds: &[
            (10, Post("alertname=Disk,host=a", 10, None)),
            (10, Post("alertname=Disk,host=b", 10, None)),
            (23, Silence("host=a", 45)),
        ],
        told: &[
            (20, "firing[Disk a, Disk b]"),
            (30, "firing[Disk b]"),
            (40, "firing[Disk b]"),
            (50, "firing[Disk a, Disk b]"),
        ],
    },
    Scene {
        name: "what was left out of a message is told again when its silence ends",
        timing: "group_wait: 1s, group_interval: 1s, repeat_interval: 1h",
        more: "",
        deeds: &[
            (10, Post("alertname=Disk,host=a", 10, None)),
            (22, Silence("host=a", 500)),
            (32, Post("alertname=Disk,host=b", 32, None)),
            (55, Unsilence),
        ],
        told: &[(20, "firing[Disk a]"), (40, "firing[Disk b]"), (55, "firing[Disk a, Disk b]")],
    },
    Scene {
        name: "what was silenced between two messages is not told again",
        timing: "group_wait: 1s, group_interval: 1s, repeat_interval: 1h",
        more: "",
        deeds: &[
            (10, Post("alertname=Disk,host=a", 10, None)),
            (22, Silence("host=a", 500)),
            (55, Unsilence),
        ],
        told: &[(20, "firing[Disk a]")],
    },
    Scene {
        name: "a silence of everything that is taken back",
        timing: "group_wait: 1s, group_interval: 1s, repeat_interval: 1h",
        more: "",
        deeds: &[
            (10, Post("alertname=Disk,host=a", 10, None)),
            (10, Post("alertname=Disk,host=b", 10, None)),
            (13, Silence("alertname=~\".+\"", 1_000)),
            (35, Unsilence),
        ],
        told: &[(35, "firing[Disk a, Disk b]")],
    },
    Scene {
        // Alertmanager says nothing of the end, ever.
        name: "an end that came while silenced is told when the silence ends",
        timing: "group_wait: 1s, group_interval: 1s, repeat_interval: 1h",
        more: "",
        deeds: &[
            (10, Post("alertname=Disk,host=a", 10, None)),
            (22, Silence("host=a", 60)),
            (32, Post("alertname=Disk,host=a", 10, Some(32))),
        ],
        told: &[(20, "firing[Disk a]"), (60, "resolved[Disk a]")],
    },
    Scene {
        name: "what is inhibited is told again once its source has ended",
        timing: "group_wait: 1s, group_interval: 1s, repeat_interval: 1h",
        more: INHIBIT,
        deeds: &[
            (10, Post("alertname=HostDown,host=a,rack=r1", 10, None)),
            (10, Post("alertname=HostDown,host=b,rack=r2", 10, None)),
            (22, Post("alertname=RackDown,rack=r1", 22, None)),
            (36, Post("alertname=RackDown,rack=r1", 22, Some(36))),
        ],
        told: &[
            (20, "firing[HostDown a, HostDown b]"),
            (30, "firing[RackDown, HostDown b]"),
            (40, "firing[HostDown a, HostDown b] resolved[RackDown]"),
        ],
    },
    Scene {
        // Alertmanager tells the end of the inhibited one too, of which nobody had heard.
        name: "source and target that end together",
        timing: "group_wait: 1s, group_interval: 1s, repeat_interval: 1h",
        more: INHIBIT,
        deeds: &[
            (10, Post("alertname=HostDown,host=a,rack=r1", 10, None)),
            (10, Post("alertname=RackDown,rack=r1", 10, None)),
            (26, Post("alertname=RackDown,rack=r1", 10, Some(26))),
            (26, Post("alertname=HostDown,host=a,rack=r1", 10, Some(26))),
        ],
        told: &[(20, "firing[RackDown]"), (30, "resolved[RackDown]")],
    },
    Scene {
        name: "an inhibition without matchers inhibits nothing",
        timing: "group_wait: 1s, group_interval: 1s, repeat_interval: 1h",
        more: "inhibit_rules: [{equal: [alertname]}]",
        deeds: &[
            (10, Post("alertname=Disk,host=a", 10, None)),
            (10, Post("alertname=Disk,host=b", 10, None)),
        ],
        told: &[(20, "firing[Disk a, Disk b]")],
    },
    Scene {
        name: "names of labels in any script",
        timing: "group_wait: 1s, group_interval: 1s, repeat_interval: 1h",
        more: "inhibit_rules: [{source_matchers: ['\"phòng máy\"=\"A\"'], target_matchers: ['🙂=đỏ']}]",
        deeds: &[
            (10, Silence("\"cơ sở\"=\"Nam Từ\"", 1_000)),
            (10, Post("alertname=Disk,host=a,🙂=đỏ,00=x", 10, None)),
            (10, Post("alertname=Disk,host=b,cơ sở=Nam Từ", 10, None)),
            (22, Post("alertname=Disk,host=c,phòng máy=A", 22, None)),
            (32, Post("alertname=Disk,host=d,🙂=đỏ", 32, None)),
        ],
        told: &[(20, "firing[Disk a]"), (30, "firing[Disk c]")],
    },
];

fn labels(text: &str) -> Labels {
    Labels::new(text.split(',').map(|pair| pair.split_once('=').unwrap()))
}

async fn act(world: &World, config: &str, deed: &Deed, now: Millis) {
    let alerting = &world.alerting;
    match deed {
        Post(text, starts, ends) => {
            let post = PostedAlert {
                labels: labels(text),
                annotations: BTreeMap::new(),
                generator_url: String::new(),
                starts_ms: Some(START + starts * TENTH),
                ends_ms: ends.map(|ends| START + ends * TENTH),
            };
            let outcome = alerting.post_alerts(&[post], now).await.unwrap();
            assert_eq!(outcome.invalid, Vec::<String>::new());
        }
        Silence(text, ends) => {
            let wish = NewSilence {
                matchers: matchers_from_text(text).unwrap(),
                starts_ms: now,
                ends_ms: START + ends * TENTH,
                created_by: "lan".to_owned(),
                comment: String::new(),
                is_wide: false,
            };
            alerting.add_silence(wish, now).await.unwrap();
        }
        Unsilence => {
            for silence in alerting.silences(now).await.unwrap() {
                alerting.expire_silence(&silence.id, now).await.unwrap();
            }
        }
        Reload => alerting.reload(routing(&world.receiver, config), now).await.unwrap(),
    }
}

async fn play(scene: &Scene) -> Vec<(i64, String)> {
    let config = format!(
        "route: {{receiver: hook, group_by: [], {}}}\nreceivers: [{{name: hook, webhook_configs: [{{url: URL/}}]}}]\n{}\n",
        scene.timing, scene.more
    );
    let world = World::new(&config).await;
    let (mut now, mut seen) = (START, Vec::new());
    for (at, deed) in scene.deeds {
        let then = START + at * TENTH;
        seen.extend(world.pass_before(now, then).await);
        act(&world, &config, deed, then).await;
        now = then;
    }
    seen.extend(world.pass_before(now, now + 15 * SECOND).await);
    seen.iter().map(|(at, one)| ((at - START) / TENTH, summary(&one.body))).collect()
}

#[tokio::test]
async fn scenes_are_told_as_they_should_be() {
    let mut wrong = String::new();
    for scene in SCENES {
        let told = play(scene).await;
        let wanted = scene.told.iter().map(|(at, text)| (*at, (*text).to_owned()));
        // What is repeated at every turn goes on: as many as the scene names are compared.
        let wanted: Vec<(i64, String)> = wanted.collect();
        let repeats = scene.timing == EVERY_SECOND && told.len() > wanted.len();
        let seen = if repeats { told[..wanted.len()].to_vec() } else { told };
        if seen != wanted {
            wrong.push_str(&format!("{}\n  told   {seen:?}\n  wanted {wanted:?}\n", scene.name));
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[tokio::test]
async fn the_earliest_start_and_the_latest_annotations_are_told() {
    let config = format!(
        "route: {{receiver: hook, {EVERY_SECOND}}}\nreceivers: [{{name: hook, webhook_configs: [{{url: URL/}}]}}]\n"
    );
    let world = World::new(&config).await;
    let post = |starts: i64, note: &str, ends: Option<i64>| PostedAlert {
        labels: labels("alertname=Disk"),
        annotations: BTreeMap::from([("note".to_owned(), note.to_owned())]),
        generator_url: String::new(),
        starts_ms: Some(START + starts * SECOND),
        ends_ms: ends.map(|ends| START + ends * SECOND),
    };
    let mut said = Vec::new();
    for (at, posts) in [
        (10, vec![post(8, "one", None), post(5, "two", None), post(7, "three", None)]),
        (20, vec![post(6, "four", None)]),
        // Several ends: the latest one is the end.
        (30, vec![post(9, "five", Some(27)), post(9, "six", Some(29)), post(9, "seven", Some(28))]),
    ] {
        let now = START + at * SECOND;
        world.alerting.post_alerts(&posts, now).await.unwrap();
        world.alerting.tick(now + 2 * SECOND).await.unwrap();
        world.alerting.deliver_due(now + 2 * SECOND).await.unwrap();
        let received = world.receiver.take();
        let alert = &received.last().unwrap().body["alerts"][0];
        let text = |name: &str| alert[name].as_str().unwrap()[17..19].to_owned();
        let note = alert["annotations"]["note"].as_str().unwrap().to_owned();
        said.push((note, text("startsAt"), text("endsAt")));
    }
    let wanted = [("three", "05", "00"), ("four", "05", "00"), ("seven", "05", "29")];
    let wanted = wanted.map(|(note, from, to)| (note.to_owned(), from.to_owned(), to.to_owned()));
    assert_eq!(said, wanted);
}

#[tokio::test]
async fn a_receiver_that_fails_is_tried_again_and_the_other_hears_nothing_twice() {
    let config = "route: {receiver: hook, group_wait: 1s, group_interval: 1s, repeat_interval: 1h}\n\
                  receivers: [{name: hook, webhook_configs: [{url: URL/well}, {url: OTHER/ill}]}]\n";
    let other = crate::harness::Receiver::start().await;
    other.answer([Answer::Status(500), Answer::Status(503), Answer::Status(500)]);
    let world = World::new(&config.replace("OTHER", &other.address)).await;
    world.observe(START, &["a"]).await;
    let told = world.pass_to(START, START + 60 * SECOND).await;
    assert_eq!(told, [(1, "firing[DiskFull a]".to_owned())]);
    let tries = other.take();
    assert_eq!(tries.len(), 4);
    assert!(tries.iter().all(|one| one.key == tries[0].key));
}

#[tokio::test]
async fn a_webhook_that_hangs_is_left_after_its_timeout_and_tried_again() {
    let config = "route: {receiver: hook, group_wait: 1s}\n\
                  receivers: [{name: hook, webhook_configs: [{url: URL/, timeout: 3s}]}]\n";
    let world = World::new(config).await;
    world.receiver.answer([Answer::Hang]);
    world.observe(START, &["a"]).await;
    let told = world.pass_to(START, START + 30 * SECOND).await;
    // The first is taken and never answered; the second is the same one again.
    assert_eq!(told.len(), 2, "{told:?}");
    let record = world.alerting.notifications(1).await.unwrap().remove(0);
    assert_eq!((record.attempts, record.last_error.as_str()), (2, ""));
    let attempts = world.alerting.attempts(&record.id).await.unwrap();
    assert!(attempts[1].detail.contains("timed out"), "{}", attempts[1].detail);
}

#[tokio::test]
async fn ends_that_are_not_sent_are_noted_all_the_same() {
    let config = "route: {receiver: hook, group_by: [], group_wait: 1s, group_interval: 5s, repeat_interval: 1h}\n\
                  receivers: [{name: hook, webhook_configs: [{url: URL/all}, {url: OTHER/some, send_resolved: false}]}]\n";
    let other = crate::harness::Receiver::start().await;
    let world = World::new(&config.replace("OTHER", &other.address)).await;
    let told = async |from: i64, until: i64| {
        let all = world.pass_to(START + from * SECOND, START + until * SECOND).await;
        let all: Vec<String> = all.into_iter().map(|(_, text)| text).collect();
        (all, crate::harness::told(&other.take()))
    };
    let one = |text: &str| vec![text.to_owned()];
    world.observe(START, &["a", "b"]).await;
    let first = one("firing[DiskFull a, DiskFull b]");
    assert_eq!(told(0, 2).await, (first.clone(), first));
    world.observe(START + 3 * SECOND, &["b", "c"]).await;
    let second = "firing[DiskFull b, DiskFull c]";
    let all = one(&format!("{second} resolved[DiskFull a]"));
    assert_eq!(told(3, 8).await, (all, one(second)));
    world.observe(START + 9 * SECOND, &["c"]).await;
    let all = one("firing[DiskFull c] resolved[DiskFull b]");
    assert_eq!(told(9, 14).await, (all, vec![]));
    // It fires again: that is new to both.
    world.observe(START + 15 * SECOND, &["b", "c"]).await;
    let again = one("firing[DiskFull b, DiskFull c]");
    assert_eq!(told(15, 20).await, (again.clone(), again));
}
