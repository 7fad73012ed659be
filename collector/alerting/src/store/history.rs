//! The lives of alerts on disk: kept up as alerts change, read page by page, and one with all that happened in it.

use std::ops::ControlFlow;

use agent_model::Millis;
use sqlx::sqlite::SqliteRow;

use crate::AlertingError;
use crate::alert::{Alert, Change, ChangeKind, fingerprint_text};
use crate::lives::{Life, LifeKey, Telling};
use crate::notification::{Notification, OutboxState};
use crate::silence::Silence;

use super::commit::Sql;
use super::encode::{damaged, labels_from, labels_json};
use super::load::{column, fingerprint_column, silence_from};
use super::read::{HistoryEntry, entry_from};
use super::{Store, failed};

/// Lives read at one time: what is summed up is never in memory as a whole.
const PAGE_LIVES: i64 = 1_000;

/// Whether a receiver took a notification that it fires.
const COLUMNS: &str = "l.*, EXISTS (SELECT 1 FROM tellings t JOIN outbox o ON o.id = t.notification_id \
     WHERE t.fingerprint = l.fingerprint AND t.created_ms >= l.fired_ms \
     AND t.created_ms <= COALESCE(l.resolved_ms, 9223372036854775807) \
     AND t.is_end = 0 AND o.state = 'sent') AS was_told";

impl Store {
    /// Shows each life that began in a span, the newest first, beginning behind `after`, until `see` breaks.
    pub(crate) async fn each_life(
        &self,
        (from_ms, to_ms): (Millis, Millis),
        after: Option<LifeKey>,
        mut see: impl FnMut(Life) -> ControlFlow<()>,
    ) -> Result<(), AlertingError> {
        let statement = format!(
            "SELECT {COLUMNS} FROM lives l WHERE l.fired_ms >= $1 AND l.fired_ms < $2 \
             AND (l.fired_ms, l.fingerprint) < ($3, $4) \
             ORDER BY l.fired_ms DESC, l.fingerprint DESC LIMIT $5"
        );
        let mut after = after.unwrap_or(LifeKey { fired_ms: Millis::MAX, fingerprint: 0 });
        loop {
            let rows = sqlx::query(sqlx::AssertSqlSafe(statement.as_str()))
                .bind(from_ms)
                .bind(to_ms)
                .bind(after.fired_ms)
                .bind(fingerprint_text(after.fingerprint))
                .bind(PAGE_LIVES)
                .fetch_all(&self.pool)
                .await
                .map_err(failed("reading the lives of alerts"))?;
            for row in &rows {
                let life = life_from(row)?;
                after = life.key();
                if see(life).is_break() {
                    return Ok(());
                }
            }
            if rows.len() < usize::try_from(PAGE_LIVES).unwrap_or(usize::MAX) {
                return Ok(());
            }
        }
    }

    pub(crate) async fn life(&self, key: LifeKey) -> Result<Option<Life>, AlertingError> {
        let statement =
            format!("SELECT {COLUMNS} FROM lives l WHERE l.fingerprint = $1 AND l.fired_ms = $2");
        let row = sqlx::query(sqlx::AssertSqlSafe(statement))
            .bind(fingerprint_text(key.fingerprint))
            .bind(key.fired_ms)
            .fetch_optional(&self.pool)
            .await
            .map_err(failed("looking a life up"))?;
        row.as_ref().map(life_from).transpose()
    }

    /// When the same alert fired next.
    pub(crate) async fn fired_after(&self, key: LifeKey) -> Result<Option<Millis>, AlertingError> {
        let row = sqlx::query(
            "SELECT MIN(fired_ms) AS next_ms FROM lives WHERE fingerprint = $1 AND fired_ms > $2",
        )
        .bind(fingerprint_text(key.fingerprint))
        .bind(key.fired_ms)
        .fetch_one(&self.pool)
        .await
        .map_err(failed("looking for the next life"))?;
        column(&row, "next_ms")
    }

    /// What happened to an alert in a time, and what was told of it; each oldest first and at most `limit`.
    pub(crate) async fn happened(
        &self,
        fingerprint: u64,
        (from_ms, to_ms): (Millis, Millis),
        limit: usize,
    ) -> Result<(Vec<HistoryEntry>, Vec<Telling>), AlertingError> {
        let read = async |statement: &'static str| {
            sqlx::query(statement)
                .bind(fingerprint_text(fingerprint))
                .bind(from_ms)
                .bind(to_ms)
                .bind(i64::try_from(limit).unwrap_or(i64::MAX))
                .fetch_all(&self.pool)
                .await
                .map_err(failed("reading what happened to an alert"))
        };
        let changes = read(
            "SELECT * FROM transitions WHERE fingerprint = $1 AND at_ms >= $2 AND at_ms < $3 \
             ORDER BY at_ms, rowid LIMIT $4",
        );
        let tellings = read(
            "SELECT t.is_end, o.* FROM tellings t JOIN outbox o ON o.id = t.notification_id \
             WHERE t.fingerprint = $1 AND t.created_ms >= $2 AND t.created_ms < $3 \
             ORDER BY t.created_ms, o.sequence LIMIT $4",
        );
        let changes: Result<_, _> = changes.await?.iter().map(entry_from).collect();
        let tellings: Result<_, _> = tellings.await?.iter().map(telling_from).collect();
        Ok((changes?, tellings?))
    }

    /// Shows each silence that was active between two times.
    pub(crate) async fn silences_between(
        &self,
        (from_ms, to_ms): (Millis, Millis),
    ) -> Result<Vec<Silence>, AlertingError> {
        let rows = sqlx::query(
            "SELECT * FROM silences WHERE starts_ms < $2 AND ends_ms > $1 AND starts_ms < ends_ms \
             AND NOT awaits_confirmation ORDER BY starts_ms, id",
        )
        .bind(from_ms)
        .bind(to_ms)
        .fetch_all(&self.pool)
        .await
        .map_err(failed("reading silences"))?;
        rows.iter().map(silence_from).collect()
    }
}

fn life_from(row: &SqliteRow) -> Result<Life, AlertingError> {
    Ok(Life {
        fingerprint: fingerprint_column(row)?,
        labels: labels_from(column(row, "labels")?)?,
        active_since_ms: column(row, "active_since_ms")?,
        fired_ms: column(row, "fired_ms")?,
        handled_ms: column(row, "handled_ms")?,
        acknowledged_ms: column(row, "acknowledged_ms")?,
        resolved_ms: column(row, "resolved_ms")?,
        was_told: column::<i64>(row, "was_told")? != 0,
    })
}

fn telling_from(row: &SqliteRow) -> Result<Telling, AlertingError> {
    let state: &str = column(row, "state")?;
    let state = OutboxState::ALL.into_iter().find(|known| known.name() == state);
    let attempts: i64 = column(row, "attempts")?;
    Ok(Telling {
        notification: column(row, "id")?,
        receiver: column(row, "receiver")?,
        integration: column(row, "integration")?,
        is_end: column::<i64>(row, "is_end")? != 0,
        state: state.ok_or_else(|| damaged("a notification's state", "another word"))?,
        created_ms: column(row, "created_ms")?,
        finished_ms: column(row, "finished_ms")?,
        attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
        last_error: column(row, "last_error")?,
    })
}

/// Keeps the alert's life as its history goes on.
pub(super) async fn write_life(
    sql: Sql<'_>,
    change: &Change,
    alert: &Alert,
) -> Result<(), sqlx::Error> {
    let statement = match change.kind {
        ChangeKind::Firing => {
            let insert = sqlx::query(
                "INSERT INTO lives (fingerprint, fired_ms, labels, active_since_ms) \
                 VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
            );
            let insert = insert.bind(fingerprint_text(change.fingerprint)).bind(change.at_ms);
            let since_ms = alert.active_since_ms.min(change.at_ms);
            return insert
                .bind(labels_json(&alert.labels))
                .bind(since_ms)
                .execute(sql)
                .await
                .map(drop);
        }
        ChangeKind::Resolved => "resolved_ms = MAX($2, fired_ms)",
        ChangeKind::Acknowledged => {
            "acknowledged_ms = COALESCE(acknowledged_ms, $2), handled_ms = COALESCE(handled_ms, $2)"
        }
        ChangeKind::GivenBack | ChangeKind::Assigned | ChangeKind::Commented => {
            "handled_ms = COALESCE(handled_ms, $2)"
        }
        ChangeKind::Pending | ChangeKind::Cleared | ChangeKind::RanOut | ChangeKind::Severity => {
            return Ok(());
        }
    };
    let statement =
        format!("UPDATE lives SET {statement} WHERE fingerprint = $1 AND resolved_ms IS NULL");
    sqlx::query(sqlx::AssertSqlSafe(statement))
        .bind(fingerprint_text(change.fingerprint))
        .bind(change.at_ms)
        .execute(sql)
        .await
        .map(drop)
}

/// Notes of which alerts a notification tells.
pub(super) async fn write_tellings(
    sql: Sql<'_>,
    id: &str,
    notification: &Notification,
) -> Result<(), sqlx::Error> {
    for alert in &notification.alerts {
        sqlx::query(
            "INSERT INTO tellings (fingerprint, created_ms, notification_id, is_end) \
             VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        )
        .bind(fingerprint_text(alert.fingerprint))
        .bind(notification.created_ms)
        .bind(id)
        .bind(i64::from(alert.resolved_ms.is_some()))
        .execute(&mut *sql)
        .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
