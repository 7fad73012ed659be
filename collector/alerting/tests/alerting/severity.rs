//! Severities by the hour: a firing alert goes elsewhere when the working day ends or begins, and nobody hears a false end.

use std::path::Path;

use collector_alerting::Routing;

use crate::harness::{HOUR, MINUTE, START, World, labels, open};

/// Monday, 08:12 in Vietnam; Tuesday is a holiday.
const MONDAY: i64 = START + 48 * HOUR;

const CONFIG: &str = r#"
holidays: [{date: 2026-11-24, name: nghỉ bù}]
time_intervals:
  - name: working
    time_intervals:
      - {times: [{start_time: '07:30', end_time: '17:00'}], weekdays: ['monday:friday'], location: Asia/Ho_Chi_Minh, holidays: false}
severity_rules:
  - {matchers: ['alertname="DiskFull"'], outside: [working], severity: info}
route:
  receiver: quiet
  group_by: [alertname]
  group_wait: 0s
  group_interval: 1m
  repeat_interval: 30d
  routes: [{matchers: ['severity="critical"'], receiver: loud}]
receivers:
  - {name: loud, webhook_configs: [{url: URL/loud}]}
  - {name: quiet, webhook_configs: [{url: URL/quiet}]}
"#;

/// Lets the time pass; who was told what, when, with which severity.
async fn pass(world: &World, from: i64, until: i64) -> Vec<String> {
    let fingerprint = labels("DiskFull", "a").fnv_fingerprint();
    let told = world.pass(from, until).await.into_iter().map(|(_, one)| {
        let alert = &one.body["alerts"][0];
        assert_eq!(alert["fingerprint"], format!("{fingerprint:016x}"), "it stays who it is");
        let text = |name: &str| alert["labels"][name].as_str().unwrap_or("-").to_owned();
        let status = alert["status"].as_str().unwrap();
        format!("{} {status} {} {}", one.path, text("severity"), text("severity_given"))
    });
    told.collect()
}

async fn restart(world: World, now: i64) -> World {
    let World { alerting, receiver, directory } = world;
    alerting.close().await;
    let alerting = open(directory.path(), &receiver, CONFIG, now).await;
    World { alerting, receiver, directory }
}

#[tokio::test]
async fn at_the_end_of_the_day_it_goes_elsewhere_and_its_end_is_told_to_all_who_heard_of_it() {
    let world = World::new(CONFIG).await;
    world.alerting.tick(MONDAY).await.unwrap();
    world.observe(MONDAY, &["a"]).await;
    let evening = MONDAY + 8 * HOUR + 47 * MINUTE;
    assert_eq!(pass(&world, MONDAY, evening).await, ["/loud firing critical -"]);
    let night = evening + 2 * MINUTE;
    assert_eq!(pass(&world, evening, night).await, ["/quiet firing info critical"]);
    let fingerprint = labels("DiskFull", "a").fingerprint();
    let seen = world.alerting.alert(fingerprint, night).await.unwrap().unwrap();
    assert_eq!(seen.alert.labels.get("severity"), Some("info"));
    let receivers: Vec<&str> = seen.receivers.iter().map(AsRef::as_ref).collect();
    assert_eq!(receivers, ["quiet"]);
    let world = restart(world, night + HOUR).await;
    assert!(pass(&world, night + HOUR, night + 2 * HOUR).await.is_empty(), "told already");
    world.observe(night + 3 * HOUR, &[]).await;
    let mut told = pass(&world, night + 3 * HOUR, night + 4 * HOUR).await;
    told.sort();
    assert_eq!(told, ["/loud resolved info critical", "/quiet resolved info critical"]);
    let history = world.alerting.history(fingerprint, 10).await.unwrap();
    let lines: Vec<_> =
        history.iter().map(|one| (one.state.as_str(), one.detail.as_str())).collect();
    assert_eq!(lines, [("resolved", ""), ("severity", "critical → info"), ("firing", "")]);
}

#[tokio::test]
async fn what_began_at_night_rises_on_the_next_working_day_and_a_holiday_is_none() {
    let world = World::new(CONFIG).await;
    let night = MONDAY + 12 * HOUR;
    world.observe(night, &["a"]).await;
    assert_eq!(pass(&world, night, night + HOUR).await, ["/quiet firing info critical"]);
    // Tuesday, a holiday.
    assert!(pass(&world, night + HOUR, MONDAY + 25 * HOUR).await.is_empty());
    let world = restart(world, MONDAY + 25 * HOUR).await;
    let wednesday = MONDAY + 48 * HOUR - 42 * MINUTE;
    assert!(pass(&world, MONDAY + 25 * HOUR, wednesday - 1).await.is_empty());
    let told = pass(&world, wednesday, wednesday + MINUTE).await;
    assert_eq!(told, ["/loud firing critical -"]);
    // The working day is over while nobody runs us: what was told is still owed its end.
    let world = restart(world, wednesday + 11 * HOUR).await;
    assert!(pass(&world, wednesday + 11 * HOUR, wednesday + 12 * HOUR).await.is_empty());
    world.observe(wednesday + 12 * HOUR, &[]).await;
    let mut told = pass(&world, wednesday + 12 * HOUR, wednesday + 13 * HOUR).await;
    told.sort();
    assert_eq!(told, ["/loud resolved info critical", "/quiet resolved info critical"]);
}

#[test]
fn what_is_wrong_with_a_rule_is_told_with_its_line() {
    let text = "
route: { receiver: x }
receivers: [{ name: x }]
severity_rules:
  - { severity: info }
  - { severity: '', outside: [nowhere] }
";
    let problems = Routing::parse(Path::new("alerting.yml"), text).unwrap_err().to_string();
    let expected = expect_test::expect![[r#"
        alerting.yml:5: a severity rule names time intervals in one of `during` and `outside`
        alerting.yml:6: a severity rule needs a `severity`
        alerting.yml:6: there is no time interval "nowhere""#]];
    expected.assert_eq(&problems);
}
