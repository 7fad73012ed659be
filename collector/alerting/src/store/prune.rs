//! Deleting what is older than it is kept. Whatever is still open stays, and what was never delivered until a person has seen it.
//! Of a notification its words and attempts go first; that it was sent, to whom and what came of it stays with the history.

use agent_model::Millis;

use crate::limits::{HISTORY_KEPT_MS, WORDS_KEPT_MS};

use super::commit::Sql;

pub(super) async fn prune(sql: Sql<'_>, now_ms: Millis) -> Result<(), sqlx::Error> {
    let (history_ms, words_ms) = (now_ms - HISTORY_KEPT_MS, now_ms - WORDS_KEPT_MS);
    // Each by an index: nothing reads what stays. What was finished before a time was also made before it.
    for (statement, before_ms) in [
        ("DELETE FROM transitions WHERE at_ms < $1", history_ms),
        (
            "DELETE FROM tellings WHERE created_ms < $1 AND fingerprint IN \
             (SELECT fingerprint FROM lives WHERE fired_ms < $1)",
            history_ms,
        ),
        ("DELETE FROM lives WHERE fired_ms < $1 AND resolved_ms < $1", history_ms),
        ("DELETE FROM detections WHERE time_ms < $1 AND recorded_ms < $1", history_ms),
        ("DELETE FROM alerts WHERE is_open = 0 AND resolved_ms < $1", history_ms),
        ("DELETE FROM silences WHERE ends_ms < $1", history_ms),
        ("DELETE FROM swaps WHERE until_ms < $1", history_ms),
        (
            "DELETE FROM attempts WHERE outbox_id IN (SELECT id FROM outbox WHERE content <> '' \
             AND created_ms < $1 AND finished_ms < $1 AND state IN ('sent', 'superseded', 'dismissed'))",
            words_ms,
        ),
        // What another took the place of told nobody anything.
        (
            "DELETE FROM outbox WHERE state = 'superseded' AND created_ms < $1 AND finished_ms < $1",
            words_ms,
        ),
        (
            "UPDATE outbox SET content = '', group_key = '' WHERE content <> '' \
             AND created_ms < $1 AND finished_ms < $1 AND state IN ('sent', 'dismissed')",
            words_ms,
        ),
        (
            "DELETE FROM outbox WHERE state IN ('sent', 'dismissed') \
             AND created_ms < $1 AND finished_ms < $1",
            history_ms,
        ),
    ] {
        sqlx::query(statement).bind(before_ms).execute(&mut *sql).await?;
    }
    Ok(())
}
