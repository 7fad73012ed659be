//! How large thirteen months of alerts are on disk, and how long it takes to look through them: a row of `cargo xtask bench`.
//! Nothing else keeps such a history, so no peer stands beside it; the limit is what a page may make a person wait.
#![allow(clippy::print_stdout, reason = "a benchmark: what it prints is its result")]

use std::time::{Duration, Instant};

use collector_alerting::{Alerting, AlertingConfig, LivesAsked, Routing};

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

const LIVES: u64 = 100_000;
const DAY_MS: i64 = 86_400_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let database = directory.path().join("alerting.db");
    let now_ms = 100_000 * 400_000;
    let config = AlertingConfig {
        database: database.clone(),
        external_url: String::new(),
        answers_links: false,
    };
    let alerting = Alerting::open(config, Routing::nobody(), now_ms).await?;
    let pool = sqlx::SqlitePool::connect(&format!("sqlite:{}", database.display())).await?;
    sqlx::raw_sql(YEAR).execute(&pool).await?;
    sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)").execute(&pool).await?;
    pool.close().await;
    let mebibytes = std::fs::metadata(&database)?.len() >> 20;
    let asked = LivesAsked { from_ms: 0, to_ms: now_ms, matchers: Vec::new() };
    let (tallies, by_rule) =
        timed(alerting.tallies(&asked, &["alertname", "service"], now_ms)).await;
    let by_rule = by_rule?;
    let fired = by_rule.first().map_or(0, |tallies| tallies.all.fired);
    if fired != LIVES {
        return Err(format!("{fired} lives were tallied instead of {LIVES}").into());
    }
    let peak = peak_mebibytes()?;
    let (newest, found) = timed(alerting.lives(&asked, None, 200)).await;
    let (week, budget) = timed(alerting.budget(0, now_ms)).await;
    let (pruned, ticked) = timed(alerting.tick(now_ms + DAY_MS)).await;
    drop((found?, budget?, ticked?));
    println!(
        "| 100,000 lives of alerts (13 months of 200 a day, 640,000 tellings): on disk; tallies by rule and service; the \
         newest 200; the week's budget; a day later what is older goes | {mebibytes} MiB; {:.2} s, peak {peak} MiB; \
         {:.3} s; {:.3} s; {:.2} s | nothing else keeps them |",
        tallies.as_secs_f64(),
        newest.as_secs_f64(),
        week.as_secs_f64(),
        pruned.as_secs_f64(),
    );
    Ok(())
}

async fn timed<T>(work: impl Future<Output = T>) -> (Duration, T) {
    #[expect(clippy::disallowed_methods, reason = "a measurement is of the real clock")]
    let began = Instant::now();
    let done = work.await;
    (began.elapsed(), done)
}

/// The most memory that this process has had.
fn peak_mebibytes() -> Result<u64, Box<dyn std::error::Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()).ok_or("no VmHWM")?;
    Ok(kibibytes.parse::<u64>()? >> 10)
}
