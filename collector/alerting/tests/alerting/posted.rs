//! Alerts that other programs post: their times, what of two posts is one episode, what is refused, a restart between.

use std::collections::BTreeMap;

use agent_model::{Labels, Millis};
use collector_alerting::{
    ALERTS_MAX, AlertFilter, AlertState, POSTED_BYTES_MAX, POSTED_LABELS_MAX, PostOutcome,
    PostedAlert, Routing,
};

use crate::harness::{HOUR, MINUTE, SECOND, SIMPLE, START, World, labels, open, taken};

fn posted(host: &str, starts: Option<Millis>, ends: Option<Millis>) -> PostedAlert {
    PostedAlert {
        labels: labels("DiskFull", host),
        annotations: BTreeMap::new(),
        generator_url: "http://prometheus/graph".to_owned(),
        starts_ms: starts,
        ends_ms: ends,
    }
}

impl World {
    async fn post(&self, posts: &[PostedAlert], now: Millis) -> PostOutcome {
        self.alerting.post_alerts(posts, now).await.unwrap()
    }
}

fn at(seconds: i64, text: &str) -> (i64, String) {
    (seconds, text.to_owned())
}

#[tokio::test]
async fn without_an_end_an_alert_ends_once_it_is_not_posted_for_the_resolve_timeout() {
    let world = World::new(SIMPLE).await;
    for minute in 0..4 {
        let now = START + minute * MINUTE;
        assert_eq!(world.post(&[posted("a", None, None)], now).await.firing, 1);
    }
    let told = world.pass_to(START, START + HOUR).await;
    assert_eq!(told, [at(30, "firing[DiskFull a]"), at(10 * 60 + 30, "resolved[DiskFull a]")]);
}

#[tokio::test]
async fn what_began_long_ago_has_waited_enough() {
    let world = World::new(SIMPLE).await;
    let end = Some(START + HOUR);
    world.post(&[posted("a", Some(START - MINUTE), end)], START).await;
    assert_eq!(world.pass_to(START, START + SECOND).await, [at(0, "firing[DiskFull a]")]);
    world.post(&[posted("a", Some(START - MINUTE), Some(START + MINUTE))], START + MINUTE).await;
    let told = world.pass_to(START + MINUTE, START + 6 * MINUTE).await;
    assert_eq!(told, [at(300, "resolved[DiskFull a]")]);
}

#[tokio::test]
async fn overlapping_posts_are_one_episode_from_the_earliest_start() {
    let world = World::new(SIMPLE).await;
    let times = async |now| {
        let alerts = world.alerting.alerts(&AlertFilter::default(), now).await.unwrap();
        let alert = &alerts[0].alert;
        ((alert.starts_ms() - START) / MINUTE, (alert.ends_ms.unwrap() - START) / MINUTE)
    };
    let minutes = |minutes: i64| Some(START + minutes * MINUTE);
    world.post(&[posted("a", minutes(-5), minutes(20))], START).await;
    // A later start within: the earlier one counts, and an end that was said is not taken back by an earlier one.
    world.post(&[posted("a", minutes(1), minutes(10))], START + MINUTE).await;
    assert_eq!(times(START + MINUTE).await, (-5, 20));
    world.post(&[posted("a", minutes(1), minutes(30))], START + MINUTE).await;
    assert_eq!(times(START + MINUTE).await, (-5, 30));
    // No overlap: what is said now is all there is.
    world.post(&[posted("a", minutes(-9), minutes(40))], START + 2 * MINUTE).await;
    assert_eq!(times(START + 2 * MINUTE).await, (-9, 40));
}

#[tokio::test]
async fn the_valid_alerts_of_a_post_are_taken() {
    let world = World::new(SIMPLE).await;
    let nameless = PostedAlert { labels: Labels::empty(), ..posted("x", None, None) };
    let backwards = posted("y", Some(START), Some(START - MINUTE));
    let unnamed = PostedAlert { labels: Labels::new([("", "b")]), ..posted("z", None, None) };
    let outcome = world.post(&[nameless, backwards, unnamed, posted("a", None, None)], START).await;
    let reasons = [
        "at least one label pair required",
        "start time must be before end time",
        "invalid label set: invalid name \"\"",
    ];
    assert_eq!(outcome.invalid, reasons);
    let alerts = world.alerting.alerts(&AlertFilter::default(), START).await.unwrap();
    assert_eq!(alerts.len(), 1);
    assert_eq!(alerts[0].alert.labels, labels("DiskFull", "a"));
}

#[tokio::test]
async fn a_posted_alert_has_bounds_at_which_it_is_taken_and_beyond_which_it_is_counted() {
    let world = World::new(SIMPLE).await;
    let many = |count: usize| (0..count).map(|at| (format!("n{at}"), "x".to_owned()));
    let labelled =
        |count| PostedAlert { labels: Labels::new(many(count)), ..posted("", None, None) };
    let noted =
        |count| PostedAlert { annotations: many(count).collect(), ..posted("n", None, None) };
    let bare = posted("b", None, None);
    let used: usize = bare.labels.iter().map(|label| label.name.len() + label.value.len()).sum();
    let room = POSTED_BYTES_MAX - used - bare.generator_url.len() - "text".len();
    let long = |bytes| PostedAlert {
        annotations: BTreeMap::from([("text".to_owned(), "x".repeat(bytes))]),
        ..bare.clone()
    };
    let good = [labelled(POSTED_LABELS_MAX), noted(POSTED_LABELS_MAX), long(room)];
    let outcome = world.post(&good, START).await;
    assert_eq!((outcome.begun.len(), outcome.invalid.len()), (3, 0));
    let bad = [labelled(POSTED_LABELS_MAX + 1), noted(POSTED_LABELS_MAX + 1), long(room + 1)];
    let outcome = world.post(&bad, START).await;
    let reasons = [
        "an alert has 129 labels, and 128 are the most that is taken",
        "an alert has 129 annotations, and 128 are the most that is taken",
        "an alert has 16385 bytes of labels and annotations, and 16384 are the most that is taken; \
         shorten its annotations",
    ];
    assert_eq!(outcome.invalid, reasons);
    assert_eq!(world.alerting.stats(START).await.unwrap().posts_invalid, 3);
}

#[tokio::test]
async fn a_post_says_what_it_began_and_ended_and_nothing_of_what_goes_on() {
    let world = World::new(SIMPLE).await;
    let post = async |posts: &[PostedAlert], now| {
        let outcome = world.post(posts, now).await;
        (outcome.begun, outcome.ended)
    };
    let name = || vec!["DiskFull".to_owned()];
    let nameless = PostedAlert { labels: Labels::new([("job", "x")]), ..posted("", None, None) };
    let begun = post(&[posted("a", None, None), nameless], START).await.0;
    assert_eq!(begun, ["DiskFull", "{job=\"x\"}"]);
    assert_eq!(post(&[posted("a", None, None)], START + MINUTE).await, (vec![], vec![]));
    let end = [posted("a", Some(START), Some(START + MINUTE))];
    assert_eq!(post(&end, START + 2 * MINUTE).await, (vec![], name()));
    assert_eq!(post(&end, START + 3 * MINUTE).await, (vec![], vec![]));
    assert_eq!(post(&[posted("a", None, None)], START + 4 * MINUTE).await, (name(), vec![]));
}

#[tokio::test]
async fn what_ended_before_it_was_posted_is_told_nobody() {
    let world = World::new(SIMPLE).await;
    let outcome = world.post(&[posted("a", Some(START - HOUR), Some(START - MINUTE))], START).await;
    assert_eq!((outcome.firing, outcome.resolved), (0, 1));
    assert_eq!(world.pass_to(START, START + HOUR).await, []);
}

#[tokio::test]
async fn a_rule_of_ours_keeps_the_alert_that_somebody_posts() {
    let world = World::new(SIMPLE).await;
    world.observe(START, &["a"]).await;
    world.post(&[posted("a", None, Some(START + SECOND))], START).await;
    world.alerting.tick(START + MINUTE).await.unwrap();
    let stats = world.alerting.stats(START).await.unwrap();
    assert_eq!((stats.alerts_firing, stats.findings_disputed), (1, 1));
}

#[tokio::test]
async fn after_an_absence_of_ours_the_sender_has_time_to_say_it_again() {
    let world = World::new(SIMPLE).await;
    world.post(&[posted("a", None, None)], START).await;
    world.pass_to(START, START + MINUTE).await;
    world.alerting.close().await;
    let back = START + 3 * HOUR;
    let alerting = open(world.directory.path(), &world.receiver, SIMPLE, back).await;
    let world = World { alerting, ..world };
    let alerts = world.alerting.alerts(&AlertFilter::default(), back).await.unwrap();
    let alert = &alerts[0].alert;
    assert_eq!((alert.state, alert.starts_ms()), (AlertState::Firing, START));
    assert_eq!(alert.generator_url().unwrap().as_ref(), "http://prometheus/graph");
    let told = world.pass_to(back, back + HOUR).await;
    assert_eq!(told, [at(3 * 3_600 + 330, "resolved[DiskFull a]")]);
}

/// Another process takes the database up; the first is not asked to end well.
async fn killed(world: World, now: Millis) -> World {
    let alerting = open(world.directory.path(), &world.receiver, SIMPLE, now).await;
    World { alerting, ..world }
}

#[tokio::test]
async fn what_was_posted_again_shortly_before_a_kill_does_not_end_by_its_older_end() {
    let world = World::new(SIMPLE).await;
    world.post(&[posted("a", None, None)], START).await;
    assert_eq!(world.pass_to(START, START + 4 * MINUTE).await.len(), 1);
    // Its end is now at 9 minutes, and nothing has been written since.
    world.post(&[posted("a", None, None)], START + 4 * MINUTE).await;
    let back = START + 4 * MINUTE + 40 * SECOND;
    let world = killed(world, back).await;
    let told = world.pass_to(back, START + HOUR).await;
    assert_eq!(told, [at(10 * 60 + 30, "resolved[DiskFull a]")]);
}

#[tokio::test]
async fn an_end_that_was_said_survives_a_kill() {
    let world = World::new(SIMPLE).await;
    let end = |minutes: i64| Some(START + minutes * MINUTE);
    let post = [posted("a", Some(START), end(2)), posted("b", Some(START), end(50))];
    world.post(&post, START).await;
    let again = [posted("a", Some(START), end(30)), posted("b", Some(START), end(20))];
    world.post(&again, START + SECOND).await;
    let ends = async |world: &World, now| {
        let alerts = world.alerting.alerts(&AlertFilter::default(), now).await.unwrap();
        let ends = alerts.iter().map(|one| (one.alert.ends_ms.unwrap() - START) / MINUTE);
        ends.collect::<std::collections::BTreeSet<_>>()
    };
    let before = ends(&world, START + SECOND).await;
    let world = killed(world, START + MINUTE).await;
    assert_eq!(ends(&world, START + MINUTE).await, before);
    assert!(before.contains(&30), "{before:?}");
}

#[tokio::test]
async fn a_write_that_fails_takes_no_time_from_what_was_posted_before() {
    let world = World::new(SIMPLE).await;
    world.post(&[posted("a", None, None)], START).await;
    world.pass_to(START, START + 4 * MINUTE).await;
    world.post(&[posted("a", None, None)], START + 4 * MINUTE).await;
    let pool = crate::limits::break_table(&world, "alerts").await;
    let other = [posted("b", None, None)];
    let now = START + 4 * MINUTE + 30 * SECOND;
    assert!(world.alerting.post_alerts(&other, now).await.is_err());
    sqlx::query("DROP TRIGGER full").execute(&pool).await.unwrap();
    let told = world.pass_to(now, START + HOUR).await;
    assert_eq!(told, [at(10 * 60 + 30, "resolved[DiskFull a]")]);
}

#[tokio::test]
async fn more_alerts_than_fit_are_refused_and_counted() {
    let world = World::new(SIMPLE).await;
    world.alerting.reload(Routing::nobody(), START).await.unwrap();
    let posts: Vec<PostedAlert> =
        (0..=ALERTS_MAX).map(|at| posted(&at.to_string(), None, None)).collect();
    let outcome = world.post(&posts, START).await;
    assert_eq!((outcome.firing, outcome.refused), (ALERTS_MAX + 1, 1));
    assert_eq!(world.alerting.stats(START).await.unwrap().alerts_refused, 1);
}

#[tokio::test]
async fn a_group_is_not_repeated_more_often_than_it_is_looked_at() {
    let config = SIMPLE.replace("repeat_interval: 4h", "repeat_interval: 1s");
    let world = World::new(&config).await;
    world.post(&[posted("a", None, Some(START + HOUR))], START).await;
    let told = world.pass_to(START, START + 11 * MINUTE).await;
    let text = "firing[DiskFull a]";
    assert_eq!(told, [at(30, text), at(330, text), at(630, text)]);
}

#[tokio::test]
async fn an_alert_is_taken_by_the_fingerprint_that_webhooks_carry() {
    let world = World::new(SIMPLE).await;
    world.post(&[posted("a", None, None)], START).await;
    let other_name = labels("DiskFull", "a").fnv_fingerprint();
    world.alerting.act(other_name, "lan", taken(""), START).await.unwrap();
    assert!(world.alerting.act(other_name + 1, "lan", taken(""), START).await.is_err());
    let alerts = world.alerting.alerts(&AlertFilter::default(), START).await.unwrap();
    assert_eq!(alerts[0].alert.acknowledgement.as_ref().unwrap().by, "lan");
}
