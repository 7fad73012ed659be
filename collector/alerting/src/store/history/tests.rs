//! What an older format knew is taken over. How large and how slow a long history is, the bench `history` measures.

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
