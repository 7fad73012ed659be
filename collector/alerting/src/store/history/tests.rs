//! What an older format knew is taken over; and how large and how slow a long history is.

use crate::{Alerting, AlertingConfig, LifeKey, LivesAsked, OutboxState, Routing};
use agent_model::Labels;

/// A database as format 7 left it.
const OLD: &str = r#"
    INSERT INTO alerts (fingerprint, labels, annotations, state, active_since_ms, last_true_ms, is_open)
    VALUES ('F', '{"alertname":"A","host":"á \"1\""}', '{}', 'resolved', 10, 10, 0);
    INSERT INTO transitions (fingerprint, at_ms, state, detail) VALUES
        ('F', 5, 'resolved', ''), ('F', 10, 'firing', ''), ('F', 20, 'acknowledged', 'lan: '),
        ('F', 25, 'acknowledged', 'lan: '), ('F', 40, 'resolved', ''), ('F', 50, 'firing', ''),
        ('F', 51, 'firing', ''), ('F', 55, 'assigned', 'lan: minh');
    INSERT INTO outbox VALUES ('n1', 'g', '{}', 'hook', 'webhook/0', 1,
        '{"group_labels":{},"alerts":[{"labels":{"alertname":"A","host":"á \"1\""},"annotations":{},"starts_ms":10,"resolved_ms":null}]}',
        'sent', 11, 11, 1, 12, '', 0, NULL);
"#;

#[tokio::test]
async fn what_an_older_format_knew_of_lives_is_taken_over() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("alerting.db");
    let labels = Labels::new([("alertname", "A"), ("host", "á \"1\"")]);
    let fingerprint = labels.fingerprint();
    let pool = collector_sqlite::lasting(1)
        .connect_with(collector_sqlite::options(&database))
        .await
        .unwrap();
    let mut old = sqlx::migrate!("./migrations");
    old.migrations.to_mut().retain(|one| one.version <= 7);
    old.run(&pool).await.unwrap();
    let rows = OLD.replace("'F'", &format!("'{}'", crate::fingerprint_text(fingerprint)));
    sqlx::raw_sql(sqlx::AssertSqlSafe(rows)).execute(&pool).await.unwrap();
    pool.close().await;

    let config = AlertingConfig { database, external_url: String::new(), answers_links: false };
    let alerting = Alerting::open(config, Routing::nobody(), 100).await.unwrap();
    let asked = LivesAsked { from_ms: 0, to_ms: 100, matchers: Vec::new() };
    let lives = alerting.lives(&asked, None, 10).await.unwrap().lives;
    let told: Vec<_> = lives
        .iter()
        .map(|one| (one.fired_ms, one.acknowledged_ms, one.handled_ms, one.resolved_ms))
        .collect();
    assert_eq!(told, [(50, None, Some(55), None), (10, Some(20), Some(20), Some(40))]);
    assert_eq!((&lives[0].labels, lives[0].was_told, lives[1].was_told), (&labels, false, true));
    let story = alerting.life(LifeKey { fingerprint, fired_ms: 10 }, 100).await.unwrap().unwrap();
    assert_eq!(story.tellings.len(), 1);
    assert_eq!((story.tellings[0].state, story.tellings[0].is_end), (OutboxState::Sent, false));
}

/// 400 days of 200 alerts, each told four times (its start, two repeats, its end) by two integrations.
const YEAR: &str = "
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 99999)
    INSERT INTO lives SELECT printf('%016x', i % 5000), i * 400000,
        printf('{\"alertname\":\"Rule%d\",\"host\":\"dc1-srv%03d\",\"severity\":\"high\",\"service\":\"s%d\"}', i % 90, i % 400, i % 12),
        i * 400000, NULL, CASE WHEN i % 3 = 0 THEN i * 400000 + 60000 END, i * 400000 + 300000 FROM n;
    INSERT INTO transitions SELECT fingerprint, fired_ms, 'firing', '' FROM lives;
    INSERT INTO transitions SELECT fingerprint, resolved_ms, 'resolved', '' FROM lives;
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 639999)
    INSERT INTO outbox (id, group_id, group_key, receiver, integration, sequence, content, state,
        created_ms, next_attempt_ms, attempts, finished_ms, last_error, tried_ms, tried_at_ms)
        SELECT printf('%032x', (i * 2654435761) % 4294967296), printf('%016x', i % 5000), '', 'truc-ban',
        'webhook/' || (i % 2), i, '', 'sent', (i / 8) * 400000 + (i / 2 % 4) * 1000, 0, 1, (i / 8) * 400000 + 5000, '', 0, NULL FROM n;
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 639999)
    INSERT INTO tellings SELECT printf('%016x', (i / 8) % 5000), (i / 8) * 400000 + (i / 2 % 4) * 1000,
        printf('%032x', (i * 2654435761) % 4294967296), i / 2 % 4 = 3 FROM n;
";

/// Prints how large 13 months are on disk, and how long tallies of them take, in how much memory.
#[tokio::test]
#[ignore = "measures; asserts nothing of what it measures"]
async fn a_hundred_thousand_lives_measured() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("alerting.db");
    let config = AlertingConfig {
        database: database.clone(),
        external_url: String::new(),
        answers_links: false,
    };
    let now_ms = 100_000 * 400_000;
    let alerting = Alerting::open(config, Routing::nobody(), now_ms).await.unwrap();
    let pool = &alerting.inner.store.pool;
    sqlx::raw_sql(YEAR).execute(pool).await.unwrap();
    sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)").execute(pool).await.unwrap();
    for table in ["lives", "tellings", "outbox", "transitions"] {
        let size = "SELECT COALESCE(SUM(pgsize), 0) FROM dbstat WHERE name IN \
                    (SELECT name FROM sqlite_schema WHERE tbl_name = $1)";
        let bytes: Result<i64, _> = sqlx::query_scalar(size).bind(table).fetch_one(pool).await;
        println!("{table}: {bytes:?} bytes");
    }
    println!("file: {} bytes", std::fs::metadata(&database).unwrap().len());
    let peak_kb = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
        line.to_owned()
    };
    println!("before: {}", peak_kb());
    let asked = LivesAsked { from_ms: 0, to_ms: now_ms, matchers: Vec::new() };
    let tallies =
        timed("tallies of 13 months", alerting.tallies(&asked, &["alertname", "service"], now_ms));
    let tallies = tallies.await.unwrap();
    assert_eq!((tallies[0].values.len(), tallies[0].all.fired), (90, 100_000));
    println!("told: {}", tallies[0].all.told);
    println!("after tallies: {}", peak_kb());
    timed("the newest 200", alerting.lives(&asked, None, 200)).await.unwrap();
    timed("the week's budget", alerting.budget(0, now_ms)).await.unwrap();
    timed("a tick that prunes", alerting.tick(now_ms + 86_400_000)).await.unwrap();
    println!("at the end: {}", peak_kb());
}

async fn timed<T>(what: &str, future: impl Future<Output = T>) -> T {
    #[expect(clippy::disallowed_methods, reason = "a measurement is of the real clock")]
    let began = std::time::Instant::now();
    let done = future.await;
    println!("{what}: {} ms", began.elapsed().as_millis());
    done
}
