//! The lives of alerts, told from the database.

use agent_model::{Matcher, Millis};
use collector_alerting::{Deed, LifeKey, LifeStory, LivesAsked, NewSilence, OutboxState, Tally};

use crate::harness::{
    Answer, HOUR, MINUTE, SECOND, SIMPLE, START, World, labels, observation, open, taken,
};

const DAY: Millis = 24 * HOUR;

fn asked(from_ms: Millis, to_ms: Millis) -> LivesAsked {
    LivesAsked { from_ms, to_ms, matchers: Vec::new() }
}

async fn story(world: &World, host: &str, fired_ms: Millis, now: Millis) -> LifeStory {
    let key = LifeKey { fingerprint: labels("DiskFull", host).fingerprint(), fired_ms };
    world.alerting.life(key, now).await.unwrap().expect("there is such a life")
}

#[tokio::test]
async fn the_history_tells_who_is_noisy_and_how_long_people_took() {
    let world = World::new(SIMPLE).await;
    for round in 0..3 {
        let now = START + round * HOUR;
        world.observe(now, &["a", "b"]).await;
        world.pass_to(now, now + MINUTE).await;
        let alert = labels("DiskFull", "a").fingerprint();
        world.alerting.act(alert, "lan", taken(""), now + 10 * MINUTE).await.unwrap();
        world.observe(now + 30 * MINUTE, &[]).await;
        world.pass_to(now + 30 * MINUTE, now + 50 * MINUTE).await;
    }
    let end = START + 5 * HOUR;
    let span = asked(START, end);
    let all = world.alerting.lives(&span, None, 10).await.unwrap();
    assert_eq!((all.lives.len(), all.more), (6, false));
    assert_eq!(all.lives[0].fired_ms, START + 2 * HOUR);
    let tallies = world.alerting.tallies(&span, &["alertname", "host"], end).await.unwrap();
    let (name, rule) = &tallies[0].values[0];
    assert_eq!((name.as_str(), rule.fired, rule.told, rule.acknowledged), ("DiskFull", 6, 6, 3));
    assert_eq!(rule.mean_to_acknowledge_ms(), Some(10 * MINUTE));
    assert_eq!(rule.mean_to_resolve_ms(), Some(30 * MINUTE));
    assert_eq!(*rule, tallies[0].all);
    let hosts: Vec<_> =
        tallies[1].values.iter().map(|(host, one)| (host.as_str(), one.fired)).collect();
    assert_eq!(hosts, [("a", 3), ("b", 3)]);
    let only =
        LivesAsked { matchers: vec![Matcher::equal("host", "b")], ..asked(START + HOUR, end) };
    let of_b = world.alerting.lives(&only, None, 10).await.unwrap();
    assert_eq!(of_b.lives.len(), 2);
    assert!(of_b.lives.iter().all(|life| life.acknowledged_ms.is_none()));
    assert_eq!(world.alerting.lives(&asked(end, end + HOUR), None, 10).await.unwrap().lives, []);
}

#[tokio::test]
async fn a_list_goes_on_behind_its_last_life_and_says_whether_there_are_more() {
    let world = World::new(SIMPLE).await;
    // Two fire at one time, and the same two again later.
    for at in [START, START + HOUR] {
        world.observe(at, &["a", "b"]).await;
        world.observe(at + 30 * MINUTE, &[]).await;
    }
    let span = asked(START, START + DAY);
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = world.alerting.lives(&span, after, 1).await.unwrap();
        seen.extend(
            page.lives
                .iter()
                .map(|life| (life.fired_ms, life.labels.get("host").unwrap().to_owned())),
        );
        after = page.lives.last().map(|life| life.key());
        if !page.more {
            break;
        }
    }
    let times: Vec<Millis> = seen.iter().map(|(at, _)| *at).collect();
    assert_eq!(times, [START + HOUR, START + HOUR, START, START]);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 4, "each once: {seen:?}");
}

#[tokio::test]
async fn a_life_tells_all_that_happened_in_it() {
    let world = World::new(SIMPLE).await;
    let observe = async |at, hosts: &[&str]| {
        let observation = observation("DiskFull", 5 * MINUTE, at, hosts);
        world.alerting.observe_rule(observation).await.unwrap();
    };
    // Pending for five minutes, then told: the receiver is away at first.
    observe(START, &["a"]).await;
    world.receiver.answer([Answer::Status(500)]);
    let fired = START + 5 * MINUTE;
    observe(fired, &["a"]).await;
    world.pass_to(fired, fired + MINUTE).await;
    let alert = labels("DiskFull", "a").fingerprint();
    world.alerting.act(alert, "lan", taken("thay đĩa"), fired + 2 * MINUTE).await.unwrap();
    let silence = |host: &str, starts_ms| NewSilence {
        matchers: vec![Matcher::equal("host", host)],
        starts_ms,
        ends_ms: starts_ms + HOUR,
        created_by: "minh".to_owned(),
        comment: "bảo trì".to_owned(),
        is_wide: false,
    };
    // One that holds for it, one for another host, and one that begins when it is over.
    let silenced = fired + 3 * MINUTE;
    let id = world.alerting.add_silence(silence("a", silenced), silenced).await.unwrap();
    world.alerting.add_silence(silence("b", silenced), silenced).await.unwrap();
    world.alerting.add_silence(silence("a", fired + HOUR), silenced).await.unwrap();
    world.alerting.expire_silence(&id.id, fired + 10 * MINUTE).await.unwrap();
    let ended = fired + 20 * MINUTE;
    observe(ended, &[]).await;
    world.pass_to(ended, ended + 10 * MINUTE).await;

    // It fires again: another life, to which nothing of this belongs.
    let again = ended + 2 * HOUR;
    observe(again, &["a"]).await;
    observe(again + 5 * MINUTE, &["a"]).await;

    let told = story(&world, "a", fired, again + HOUR).await;
    assert_eq!((told.life.active_since_ms, told.life.resolved_ms), (START, Some(ended)));
    assert_eq!((told.life.acknowledged_ms, told.life.was_told), (Some(fired + 2 * MINUTE), true));
    let changes: Vec<_> =
        told.changes.iter().map(|one| (one.state.as_str(), one.detail.as_str())).collect();
    assert_eq!(changes, [("firing", ""), ("acknowledged", "lan: thay đĩa"), ("resolved", "")]);
    let tellings: Vec<_> = told
        .tellings
        .iter()
        .map(|one| {
            (one.receiver.as_str(), one.integration.as_str(), one.is_end, one.state, one.attempts)
        })
        .collect();
    let expected = [
        ("hook", "webhook/0", false, OutboxState::Sent, 2),
        ("hook", "webhook/0", true, OutboxState::Sent, 1),
    ];
    assert_eq!(tellings, expected);
    assert!(told.tellings[0].created_ms > fired && told.tellings[1].created_ms >= ended);
    let silences: Vec<_> = told.silences.iter().map(|one| (one.starts_ms, one.ends_ms)).collect();
    assert_eq!(silences, [(silenced, fired + 10 * MINUTE)]);
    assert!(!told.cut);

    let second = story(&world, "a", again + 5 * MINUTE, again + HOUR).await;
    assert_eq!((second.life.active_since_ms, second.life.resolved_ms), (again, None));
    assert_eq!((second.changes.len(), second.tellings.len(), second.silences.len()), (1, 0, 0));
    assert!(!second.life.was_told);
    let unknown = LifeKey { fingerprint: alert, fired_ms: fired + 1 };
    assert_eq!(world.alerting.life(unknown, again).await.unwrap(), None);
}

#[tokio::test]
async fn who_was_told_is_kept_as_long_as_the_history_and_the_words_for_ninety_days() {
    let world = World::new(SIMPLE).await;
    world.observe(START, &["a"]).await;
    world.pass_to(START, START + MINUTE).await;
    world.observe(START + HOUR, &[]).await;
    world.pass_to(START + HOUR, START + 2 * HOUR).await;
    let listed = async || world.alerting.notifications(10).await.unwrap().len();
    let tellings = async |now| story(&world, "a", START, now).await.tellings.len();
    for (days, words) in [(89, 2), (91, 0), (399, 0)] {
        let now = START + days * DAY;
        world.alerting.tick(now).await.unwrap();
        assert_eq!((listed().await, tellings(now).await), (words, 2), "after {days} days");
    }
    let now = START + 401 * DAY;
    world.alerting.tick(now).await.unwrap();
    assert_eq!(world.alerting.lives(&asked(0, now), None, 10).await.unwrap().lives, []);
    let key = LifeKey { fingerprint: labels("DiskFull", "a").fingerprint(), fired_ms: START };
    assert_eq!(world.alerting.life(key, now).await.unwrap(), None);
}

/// What a flapping rule, a real alert and one that was taken at once come to.
#[tokio::test]
async fn the_budget_counts_a_week_from_monday_in_vietnam() {
    let config = format!(
        "{SIMPLE}\nalert_budget:\n  per_week: 10\n  fleeting_within: 5m\n  parts:\n    - {{ name: db, matchers: ['host=~\"b.*\"'], per_week: 2 }}\n"
    );
    let world = World::new(&config).await;
    // START is a Saturday, 08:12; Monday is the day after the next.
    let monday = START + 2 * DAY - 8 * HOUR - 12 * MINUTE;
    let blink = async |at: Millis, host: &str, lasts: Millis| {
        world.observe(at, &[host]).await;
        world.pass_to(at, at + MINUTE).await;
        world.observe(at + lasts, &[]).await;
        world.pass_to(at + lasts, at + lasts + 10 * MINUTE).await;
    };
    blink(monday - HOUR, "a", 2 * MINUTE).await;
    blink(monday, "a", 5 * MINUTE).await;
    blink(monday + HOUR, "b1", 5 * MINUTE + SECOND).await;
    // Gone before the group's wait was over: nobody was called.
    world.observe(monday + 2 * HOUR, &["b2"]).await;
    world.observe(monday + 2 * HOUR + SECOND, &[]).await;
    // Taken, so it did not go by itself.
    let at = monday + 3 * HOUR;
    world.observe(at, &["a"]).await;
    let comment = Deed::Comment { text: "xem".to_owned() };
    world
        .alerting
        .act(labels("DiskFull", "a").fingerprint(), "lan", comment, at + SECOND)
        .await
        .unwrap();
    world.observe(at + 2 * SECOND, &[]).await;

    let now = monday + DAY;
    let week = world.alerting.budget(0, now).await.unwrap();
    assert_eq!((week.from_ms, week.to_ms), (monday, monday + 7 * DAY));
    let counts = |tally: &Tally| (tally.fired, tally.told, tally.fleeting);
    let parts: Vec<_> = week
        .parts
        .iter()
        .map(|one| (one.name.as_str(), one.per_week, counts(&one.tally)))
        .collect();
    assert_eq!(parts, [("all", Some(10), (4, 2, 2)), ("db", Some(2), (2, 1, 1))]);
    assert_eq!(week.parts[1].matchers, "{host=~\"b.*\"}");
    let last = world.alerting.budget(1, now).await.unwrap();
    assert_eq!((last.to_ms, counts(&last.parts[0].tally)), (monday, (1, 1, 1)));
    assert_eq!(world.alerting.budget(0, monday - 1).await.unwrap().from_ms, last.from_ms);

    let reopened = open(world.directory.path(), &world.receiver, SIMPLE, now).await;
    let week = reopened.budget(0, now).await.unwrap();
    assert_eq!((week.parts.len(), week.parts[0].per_week), (1, None));
    assert_eq!(counts(&week.parts[0].tally), (4, 2, 2));
}

#[tokio::test]
async fn what_was_only_pending_again_takes_nothing_from_the_life_before() {
    let world = World::new(SIMPLE).await;
    world.observe(START, &["a"]).await;
    world.pass_to(START, START + MINUTE).await;
    world.observe(START + HOUR, &[]).await;
    world.pass_to(START + HOUR, START + HOUR + 10 * MINUTE).await;
    // With `for` it goes pending, and goes away.
    let nervous =
        |at, hosts: &[&str]| crate::harness::observation("DiskFull", 5 * MINUTE, at, hosts);
    for (minute, hosts) in [(120, &["a"][..]), (121, &[])] {
        let at = START + minute * MINUTE;
        world.alerting.observe_rule(nervous(at, hosts)).await.unwrap();
        world.pass_to(at, at + SECOND).await;
    }
    let end = START + 5 * HOUR;
    let only = LivesAsked { matchers: vec![Matcher::equal("host", "a")], ..asked(START, end) };
    let lives = world.alerting.lives(&only, None, 10).await.unwrap().lives;
    assert_eq!(lives.len(), 1);
    assert_eq!((lives[0].fired_ms, lives[0].resolved_ms), (START, Some(START + HOUR)));
    let (resolved, _) = world.alerting.resolved(START, &[], 10).await.unwrap();
    assert_eq!(resolved.len(), 1);
    assert_eq!(resolved[0].resolved_ms, Some(START + HOUR));
}

#[tokio::test]
async fn what_resolved_beyond_the_limit_is_counted_within_what_is_asked_for() {
    let world = World::new(SIMPLE).await;
    world.observe(START, &["a", "b", "c"]).await;
    world.pass_to(START, START + MINUTE).await;
    for (hour, left) in [(1, &["b", "c"][..]), (2, &["c"]), (3, &[])] {
        let at = START + hour * HOUR;
        world.observe(at, left).await;
        world.pass_to(at, at + 10 * MINUTE).await;
    }
    let check = async |since_ms, matchers: &[Matcher], limit, hosts: &[&str], more: usize| {
        let (found, beyond) = world.alerting.resolved(since_ms, matchers, limit).await.unwrap();
        let found: Vec<_> = found.iter().filter_map(|one| one.labels.get("host")).collect();
        assert_eq!((found.as_slice(), beyond), (hosts, more));
    };
    check(START, &[], 3, &["c", "b", "a"], 0).await;
    check(START, &[], 2, &["c", "b"], 1).await;
    check(START + HOUR, &[], 1, &["c"], 1).await;
    check(START, &[Matcher::equal("host", "a")], 1, &["a"], 0).await;
    check(
        START,
        &[Matcher::new("host", agent_model::MatchOp::NotEqual, "c").unwrap()],
        1,
        &["b"],
        1,
    )
    .await;
}

#[tokio::test]
async fn an_end_by_a_clock_that_is_behind_ends_the_life() {
    let world = World::new(SIMPLE).await;
    for (minute, ends) in [(0, START + HOUR), (1, START - HOUR)] {
        let post = collector_alerting::PostedAlert {
            labels: labels("Slow", "a"),
            annotations: std::collections::BTreeMap::new(),
            generator_url: String::new(),
            starts_ms: Some(START - 2 * HOUR),
            ends_ms: Some(ends),
        };
        world.alerting.post_alerts(&[post], START + minute * MINUTE).await.unwrap();
    }
    let span = asked(START - HOUR, START + HOUR);
    let lives = world.alerting.lives(&span, None, 10).await.unwrap().lives;
    assert_eq!(lives.len(), 1);
    assert_eq!(lives[0].resolved_ms, Some(START + MINUTE));
}
