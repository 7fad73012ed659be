//! Who is on duty is told: turns, shifts, swaps, and what goes on when they change.

use std::path::Path;

use agent_model::Millis;
use collector_alerting::{AlertingError, NewSwap, Routing};

use crate::harness::{HOUR, MINUTE, START, World, open, routing, short};

/// 08:12 on a Saturday is the start. Lan has the week until Monday 08:00, then Minh; at night Tuấn, but not on holidays.
const ROSTER: &str = "
people:
  - { name: lan, receiver: lan }
  - { name: minh, receiver: minh }
  - { name: tuấn, receiver: tuấn }
holidays: [{ date: 2026-11-23, name: Ngày Di sản }]
time_intervals:
  - name: đêm
    time_intervals:
      - { times: [{ start_time: '22:00', end_time: '24:00' }], location: Asia/Ho_Chi_Minh, holidays: false }
rosters:
  - name: hạ tầng
    rotations:
      - { people: [minh, lan], starts: '2026-11-09 08:00', every: 7d }
      - { people: [tuấn], starts: '2026-11-01 00:00', every: 1d, during: [đêm] }
route:
  receiver: trực
  group_by: [alertname]
  group_wait: 0s
  group_interval: 1m
  repeat_interval: 12h
receivers:
  - name: trực
    on_call_configs: [{ roster: hạ tầng }]
  - name: lan
    webhook_configs: [{ url: URL/lan }]
  - name: minh
    webhook_configs: [{ url: URL/minh }]
  - name: tuấn
    webhook_configs: [{ url: URL/tuan }]
";

/// Minutes since the start of a time of day, days later.
fn minute_of(day: i64, hour: i64, minute: i64) -> i64 {
    (day * 24 + hour - 8) * 60 + minute - 12
}

#[tokio::test]
async fn each_turn_is_told_when_it_begins_and_who_was_told_hears_the_end() {
    let world = World::new(ROSTER).await;
    world.observe(START, &["a"]).await;
    let told = world.who_is_told(START, START + 13 * HOUR).await;
    assert_eq!(short(&told), [(0, "lan", "firing"), (720, "lan", "firing")]);
    // The night is Tuấn's, and after midnight it is Lan's again, who knows.
    let told = world.who_is_told(START + 13 * HOUR, START + 23 * HOUR).await;
    assert_eq!(short(&told), [(minute_of(0, 22, 0), "tuan", "firing")]);
    let monday = START + minute_of(2, 7, 0) * MINUTE;
    world.who_is_told(START + 23 * HOUR, monday).await;
    let told = world.who_is_told(monday, monday + 2 * HOUR).await;
    assert_eq!(short(&told), [(minute_of(2, 8, 0), "minh", "firing")]);
    world.observe(monday + 2 * HOUR, &[]).await;
    let told = world.who_is_told(monday + 2 * HOUR, monday + 3 * HOUR).await;
    let end = minute_of(2, 9, 0);
    let all = [(end, "lan", "resolved"), (end, "minh", "resolved"), (end, "tuan", "resolved")];
    assert_eq!(short(&told), all);
}

#[tokio::test]
async fn the_outlook_names_turns_nights_and_holidays_as_they_come() {
    let world = World::new(ROSTER).await;
    let shown = world.alerting.on_call(START, 72 * HOUR).await.unwrap();
    let [roster] = &shown[..] else { panic!("{shown:?}") };
    let stretches = roster.stretches.iter().map(|one| {
        let people: Vec<&str> = one.duty.people.iter().map(AsRef::as_ref).collect();
        ((one.from_ms - START) / MINUTE, people.join(","))
    });
    let expected = [
        (0, "lan"),
        (minute_of(0, 22, 0), "tuấn"),
        (minute_of(0, 24, 0), "lan"),
        (minute_of(1, 22, 0), "tuấn"),
        (minute_of(1, 24, 0), "lan"),
        // Monday is a holiday: no night of its own.
        (minute_of(2, 8, 0), "minh"),
    ];
    let expected: Vec<_> = expected.iter().map(|(at, who)| (*at, (*who).to_owned())).collect();
    assert_eq!(stretches.collect::<Vec<_>>(), expected);
}

fn swap(person: &str, from_ms: Millis, until_ms: Millis) -> NewSwap {
    NewSwap {
        roster: "hạ tầng".to_owned(),
        person: person.to_owned(),
        from_ms,
        until_ms,
        made_by: "lan".to_owned(),
        note: "ốm".to_owned(),
    }
}

#[tokio::test]
async fn a_swap_holds_over_a_restart_until_it_ends_or_is_taken_back() {
    let world = World::new(ROSTER).await;
    world.observe(START, &["a"]).await;
    world.who_is_told(START, START + MINUTE).await;
    let wish = swap("minh", START + HOUR, START + 3 * HOUR);
    let made = world.alerting.add_swap(wish, START + MINUTE).await.unwrap();
    let reopened = open(world.directory.path(), &world.receiver, ROSTER, START + MINUTE).await;
    let world = World { alerting: reopened, ..world };
    let told = world.who_is_told(START + MINUTE, START + 2 * HOUR).await;
    assert_eq!(short(&told), [(60, "minh", "firing")]);
    let now = START + 2 * HOUR;
    world.alerting.remove_swap(&made.id, now).await.unwrap();
    let again = world.alerting.remove_swap(&made.id, now).await;
    assert!(matches!(again, Err(AlertingError::SwapUnknown(_))), "{again:?}");
    let shown = world.alerting.on_call(now, HOUR).await.unwrap();
    assert!(shown[0].swaps.is_empty());
    assert!(shown[0].stretches[0].duty.people.contains("lan"));
    for wrong in [
        swap("nobody", now, now + HOUR),
        swap("lan", now, now),
        NewSwap { roster: "none".to_owned(), ..swap("lan", now, now + HOUR) },
    ] {
        let refused = world.alerting.add_swap(wrong, now).await;
        assert!(matches!(refused, Err(AlertingError::SwapRefused(_))), "{refused:?}");
    }
}

#[tokio::test]
async fn who_stands_in_and_leaves_the_file_leaves_nobody_untold() {
    let world = World::new(ROSTER).await;
    world.alerting.add_swap(swap("minh", START, START + 9 * HOUR), START).await.unwrap();
    let later =
        ROSTER.replace("{ name: minh,", "{ name: hoa,").replace("[minh, lan]", "[hoa, lan]");
    world.alerting.reload(routing(&world.receiver, &later), START).await.unwrap();
    world.observe(START, &["a"]).await;
    let told = world.who_is_told(START, START + HOUR).await;
    assert_eq!(short(&told), [(0, "lan", "firing")]);
}

#[tokio::test]
async fn where_nobody_has_the_turn_everybody_is_told() {
    let hole = "
    shifts:
      - { person: lan, from: '2026-11-21 08:00', until: '2026-11-21 09:00' }
      - { person: minh, from: '2026-11-21 10:00', until: '2026-11-21 11:00' }
route:";
    let from = ROSTER.find("    rotations:").unwrap();
    let to = ROSTER.find("route:").unwrap();
    let config = format!("{}{}{}", &ROSTER[..from], &hole[1..], &ROSTER[to + "route:".len()..]);
    let world = World::new(&config).await;
    world.observe(START, &["a"]).await;
    let told = world.who_is_told(START, START + HOUR).await;
    assert_eq!(short(&told), [(0, "lan", "firing"), (minute_of(0, 9, 0), "minh", "firing")]);
    let shown = world.alerting.on_call(START, 3 * HOUR).await.unwrap();
    let by: Vec<&str> = shown[0].stretches.iter().map(|one| one.duty.by.name()).collect();
    assert_eq!(by, ["shift", "everybody", "shift", "everybody"]);
}

#[tokio::test]
async fn who_leaves_the_file_is_told_nothing_more() {
    let world = World::new(ROSTER).await;
    world.observe(START, &["a"]).await;
    world.who_is_told(START, START + MINUTE).await;
    let later = ROSTER.replace("people: [minh, lan]", "people: [minh]");
    world.alerting.reload(routing(&world.receiver, &later), START + MINUTE).await.unwrap();
    let told = world.who_is_told(START + MINUTE, START + HOUR).await;
    assert_eq!(short(&told), [(1, "minh", "firing")]);
}

#[test]
fn what_is_wrong_with_people_and_rosters_is_told_at_once_with_its_lines() {
    let text = "
people:
  - { name: lan, receiver: x }
  - { name: lan, receiver: duty }
  - { name: minh, receiver: gone }
holidays: [{ date: 30/4/2027, name: Thống nhất }]
rosters:
  - name: a
  - name: a
    time_zone: Asia/Saigon_
    rotations:
      - { people: [], starts: 8 giờ, every: 10m, during: [never] }
    shifts:
      - { person: tuấn, from: '2026-11-21 08:00', until: '2026-11-21 07:00' }
route: { receiver: duty }
receivers:
  - { name: x }
  - { name: duty, on_call_configs: [{ roster: a }, { roster: b }] }
";
    let problems = Routing::parse(Path::new("alerting.yml"), text).unwrap_err().to_string();
    let expected = expect_test::expect![[r#"
        alerting.yml:4: "lan" is there twice
        alerting.yml:4: "duty" is whoever is on duty, which is no way to one person
        alerting.yml:5: there is no receiver "gone"
        alerting.yml:6: "30/4/2027" is no date of Thống nhất; write for example 2027-01-01
        alerting.yml:8: a roster needs `rotations` or `shifts`
        alerting.yml:9: roster "a" is there twice
        alerting.yml:10: there is no time zone "Asia/Saigon_": failed to find time zone `Asia/Saigon_` in time zone database
        alerting.yml:12: a rotation needs `people`
        alerting.yml:12: turns change at most once an hour
        alerting.yml:12: "8 giờ" is no time; write for example "2026-11-30 08:00"
        alerting.yml:12: there is no time interval "never"
        alerting.yml:14: a shift must end after it begins
        alerting.yml:14: "tuấn" is not among the `people`
        alerting.yml:18: there is no roster "b""#]];
    expected.assert_eq(&problems);
}
