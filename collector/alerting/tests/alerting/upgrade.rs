//! A database of each earlier format is opened by the program of today: nothing that it knew is lost, and it goes on where
//! it stood.

use std::fmt::Debug;
use std::path::{Path, PathBuf};

use agent_model::{Labels, Matcher};
use collector_alerting::{
    AlertFilter, Alerting, Deed, LivesAsked, NewSilence, NewSwap, PostedAlert,
};
use sqlx::migrate::Migrator;
use sqlx::{ConnectOptions, Row, SqliteConnection};

use crate::harness::{Answer, HOUR, MINUTE, START, World, detection, labels, open, summary, taken};

const CONFIG: &str = "
people: [{name: lan, receiver: hook}]
rosters: [{name: đêm, rotations: [{people: [lan], starts: '2026-11-01 00:00', every: 1d}]}]
route: {receiver: hook, group_by: [alertname], group_wait: 0s, group_interval: 1m, repeat_interval: 4h}
receivers:
  - name: hook
    webhook_configs: [{url: URL/hook, send_resolved: true}]
";

/// The last thing that happened; a minute later another program opens the file.
const THEN: i64 = START + 10 * MINUTE;

/// Something of each kind: told, taken, ended, silenced, detected, posted, on its way and given up on for now.
async fn lived() -> World {
    let world = World::new(CONFIG).await;
    let alerting = &world.alerting;
    let wish = NewSilence {
        matchers: vec![Matcher::equal("host", "c")],
        starts_ms: START,
        ends_ms: START + 9 * HOUR,
        created_by: "lan".to_owned(),
        comment: "bảo trì".to_owned(),
        is_wide: false,
    };
    alerting.add_silence(wish, START).await.unwrap();
    world.observe(START, &["a", "b", "c"]).await;
    world.pass(START, START + MINUTE).await;
    let fingerprint = labels("DiskFull", "a").fingerprint();
    alerting.act(fingerprint, "lan", taken("đang xem"), START + MINUTE).await.unwrap();
    let comment = Deed::Comment { text: "thay đĩa".to_owned() };
    alerting.act(fingerprint, "lan", comment, START + MINUTE).await.unwrap();
    world.observe(START + 2 * MINUTE, &["a", "c"]).await;
    world.pass(START + 2 * MINUTE, START + 5 * MINUTE).await;
    let swap = NewSwap {
        roster: "đêm".to_owned(),
        person: "lan".to_owned(),
        from_ms: START,
        until_ms: START + 9 * HOUR,
        made_by: "lan".to_owned(),
        note: String::new(),
    };
    alerting.add_swap(swap, START + 5 * MINUTE).await.unwrap();
    let posted = PostedAlert {
        labels: Labels::new([("alertname", "Posted"), ("host", "p")]),
        annotations: [("summary".to_owned(), "từ nơi khác".to_owned())].into(),
        generator_url: "http://prometheus/".to_owned(),
        starts_ms: Some(START),
        ends_ms: Some(START + 9 * HOUR),
    };
    alerting.post_alerts(&[posted], START + 5 * MINUTE).await.unwrap();
    let found = vec![detection(1, "d", START + 6 * MINUTE)];
    alerting.commit_detections(77, b"state", found, START + 6 * MINUTE).await.unwrap();
    world.receiver.answer(vec![Answer::Status(503); 50]);
    world.pass(START + 6 * MINUTE, THEN).await;
    world.receiver.forget_script();
    world
}

/// What the program of today says of a database, by the format from which on a database could know it.
async fn facts(alerting: &Alerting) -> Vec<(usize, &'static str, String)> {
    fn fact(what: impl Debug) -> String {
        format!("{what:#?}")
    }
    let now = THEN + MINUTE;
    let alerts = alerting.alerts(&AlertFilter::default(), now).await.unwrap();
    let least = alerts.iter().map(|one| {
        let alert = &one.alert;
        let by = alert.acknowledgement.as_ref().map(|taken| (&taken.by, &taken.note, taken.at_ms));
        (&alert.labels, alert.state, alert.active_since_ms, alert.firing_since_ms, by)
    });
    let mut history = Vec::new();
    for host in ["a", "b", "c"] {
        let fingerprint = labels("DiskFull", host).fingerprint();
        history.push(alerting.history(fingerprint, 99).await.unwrap());
    }
    let notifications = alerting.notifications(99).await.unwrap();
    let mut attempts = Vec::new();
    for one in &notifications {
        attempts.push(alerting.attempts(&one.id).await.unwrap());
    }
    let asked = LivesAsked { from_ms: 0, to_ms: now, matchers: Vec::new() };
    let lives = alerting.lives(&asked, None, 99).await.unwrap().lives;
    let mut stories = Vec::new();
    for life in &lives {
        let mut story = alerting.life(life.key(), now).await.unwrap().unwrap();
        // Until format 10 nothing was kept of it: when it fired stands for it.
        story.life.active_since_ms = story.life.fired_ms;
        stories.push(story);
    }
    let on_duty = alerting.on_call(now, MINUTE).await.unwrap();
    vec![
        (1, "alerts", fact(least.collect::<Vec<_>>())),
        (1, "silences", fact(alerting.silences(0).await.unwrap())),
        (1, "history", fact(history)),
        (1, "notifications", fact(notifications)),
        (1, "attempts", fact(attempts)),
        (1, "detections", fact(alerting.detections(99).await.unwrap())),
        (1, "position", fact(alerting.detections_position().await.unwrap())),
        // Worked out from the history and the outbox when format 10 is made.
        (1, "stories", fact(stories)),
        (3, "channels", fact(alerting.channels(now).await.unwrap())),
        (5, "whole alerts", fact(alerts)),
        (7, "swaps", fact(on_duty)),
        (10, "lives", fact(lives)),
    ]
}

/// The migrations in order.
fn formats() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(directory).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

/// The number of the format that a migration makes.
fn format_of(file: &Path) -> usize {
    file.file_name().unwrap().to_str().unwrap()[..4].parse().unwrap()
}

/// A database that was made by the first of the migrations, with all that it could know of another one.
async fn as_it_was(path: &Path, formats: &[PathBuf], whole: &Path) {
    let directory = tempfile::tempdir().unwrap();
    for file in formats {
        std::fs::copy(file, directory.path().join(file.file_name().unwrap())).unwrap();
    }
    let mut old = collector_sqlite::options(path).connect().await.unwrap();
    Migrator::new(directory.path()).await.unwrap().run(&mut old).await.unwrap();
    let attach = "ATTACH DATABASE $1 AS whole";
    sqlx::query(attach).bind(whole.to_str().unwrap()).execute(&mut old).await.unwrap();
    let tables = "SELECT name FROM main.sqlite_master WHERE type = 'table' AND name NOT LIKE '%sqli%' \
                  AND name NOT LIKE '_sqlx%'";
    for table in names(&mut old, tables).await {
        let columns = format!("SELECT name FROM pragma_table_info('{table}', 'main')");
        let columns = names(&mut old, &columns).await.join(", ");
        let copy =
            format!("INSERT INTO main.{table} ({columns}) SELECT {columns} FROM whole.{table}");
        sqlx::query(sqlx::AssertSqlSafe(copy)).execute(&mut old).await.unwrap();
    }
    sqlx::Connection::close(old).await.unwrap();
}

async fn names(connection: &mut SqliteConnection, statement: &str) -> Vec<String> {
    let rows = sqlx::query(sqlx::AssertSqlSafe(statement.to_owned())).fetch_all(connection).await;
    rows.unwrap().iter().map(|row| row.get(0)).collect()
}

/// What people are told after the upgrade.
async fn told(world: &World) -> Vec<(i64, String)> {
    let later = THEN + 6 * HOUR;
    let mut seen = world.pass(THEN + MINUTE, THEN + HOUR).await;
    world.observe(THEN + HOUR, &[]).await;
    seen.extend(world.pass(THEN + HOUR, later).await);
    seen.iter().map(|(at, one)| ((at - START) / MINUTE, summary(&one.body))).collect()
}

#[tokio::test]
async fn a_database_of_each_earlier_format_is_taken_over_whole() {
    let World { alerting, receiver, directory } = lived().await;
    alerting.close().await;
    let whole = directory.path().join("alerting.db");
    let formats = formats();
    let mut reference = None;
    // The newest first: with it the others are compared.
    for count in (1..=formats.len()).rev() {
        let format = format_of(&formats[count - 1]);
        let directory = tempfile::tempdir().unwrap();
        as_it_was(&directory.path().join("alerting.db"), &formats[..count], &whole).await;
        let alerting = open(directory.path(), &receiver, CONFIG, THEN + MINUTE).await;
        let facts = facts(&alerting).await;
        let world = World { alerting, receiver: receiver.clone(), directory };
        let told = told(&world).await;
        let Some((all, told_by_all)) = &reference else {
            assert!(told.len() > 3, "{told:?}");
            reference = Some((facts, told));
            continue;
        };
        for ((since, what, known), (_, _, wanted)) in facts.iter().zip(all) {
            assert!(
                *since > format || known == wanted,
                "format {format}, {what}: {known}\n{wanted}"
            );
        }
        // Alerts that others post came with format 2: in format 1 they are something else.
        let known = |said: &&(i64, String)| format > 1 || !said.1.contains("Posted");
        let said = |told: &[(i64, String)]| told.iter().filter(known).cloned().collect::<Vec<_>>();
        assert_eq!(said(&told), said(told_by_all), "format {format}");
    }
}
