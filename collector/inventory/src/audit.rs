//! The audit log: who did what, when, to what, and whether it was allowed. It is only appended to; old entries go
//! with their retention, the oldest first.
//!
//! Promises: each entry is sealed with the one before (`audit/seal`), so that nobody changes or removes one without breaking
//! the chain behind it. Who can write the file can also seal it anew from there on: only a seal that was noted elsewhere
//! proves that this was not done.

mod seal;
mod verify;

use agent_model::Millis;
use sqlx::SqliteConnection;

pub use verify::{AuditBreak, AuditVerified, Noted};

use crate::error::sql;
use crate::values::{from_sql, to_sql};
use crate::{Inventory, InventoryError};

#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct AuditEntry {
    pub time_ms: Millis,
    /// A user, `admin.token`, or the host that asked.
    pub who: String,
    /// In whole words: `token.create`, `host.revoke`, `session.create` …
    pub action: String,
    pub object: String,
    /// `done`, or why it was refused.
    pub outcome: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberedAuditEntry {
    /// Grows by one with each entry: a hole shows that something was removed.
    pub number: u64,
    pub entry: AuditEntry,
    /// SHA-256 over the seal before and this entry, in hexadecimal.
    pub seal: String,
}

#[derive(sqlx::FromRow)]
struct Row {
    number: i64,
    #[sqlx(flatten)]
    entry: AuditEntry,
    seal: String,
}

/// Where the chain goes on: the number and seal of an entry, or of what stood before the oldest one.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
struct Link {
    number: i64,
    seal: String,
}

impl Link {
    fn next(&self, entry: &AuditEntry) -> Self {
        let number = self.number.saturating_add(1);
        Self { number, seal: seal::of(&self.seal, number, entry) }
    }
}

impl Inventory {
    /// Appends an entry and returns its number, once it is on the disk.
    pub async fn audit_append(&self, entry: &AuditEntry) -> Result<u64, InventoryError> {
        let failed = || sql("append to the audit log");
        let mut transaction = self.writer.begin().await.map_err(failed())?;
        let link = last(&mut transaction).await?.next(entry);
        sqlx::query(
            "INSERT INTO audit (number, time_ms, who, action, object, outcome, seal)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(link.number)
        .bind(entry.time_ms)
        .bind(&entry.who)
        .bind(&entry.action)
        .bind(&entry.object)
        .bind(&entry.outcome)
        .bind(&link.seal)
        .execute(&mut *transaction)
        .await
        .map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
        Ok(from_sql(link.number))
    }

    /// The newest entries first; for the next page give the last number of this one as `before`.
    pub async fn audit(
        &self,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<NumberedAuditEntry>, InventoryError> {
        let rows: Vec<Row> =
            sqlx::query_as("SELECT * FROM audit WHERE number < $1 ORDER BY number DESC LIMIT $2")
                .bind(before.map_or(i64::MAX, to_sql))
                .bind(limit)
                .fetch_all(&self.readers)
                .await
                .map_err(sql("read the audit log"))?;
        let numbered = |Row { number, entry, seal }: Row| NumberedAuditEntry {
            number: from_sql(number),
            entry,
            seal,
        };
        Ok(rows.into_iter().map(numbered).collect())
    }

    /// Deletes the oldest entries up to the first that is younger than `before_ms`, and notes where the chain goes on.
    pub(crate) async fn prune_audit(&self, before_ms: Millis) -> Result<u64, InventoryError> {
        let failed = || sql("delete old entries of the audit log");
        let mut transaction = self.writer.begin().await.map_err(failed())?;
        let kept: Option<i64> =
            sqlx::query_scalar("SELECT MIN(number) FROM audit WHERE time_ms >= $1")
                .bind(before_ms)
                .fetch_one(&mut *transaction)
                .await
                .map_err(failed())?;
        let kept = kept.unwrap_or(i64::MAX);
        sqlx::query(
            "UPDATE audit_start SET (number, seal) =
                 (SELECT number, seal FROM audit WHERE number < $1 ORDER BY number DESC LIMIT 1)
             WHERE EXISTS (SELECT 1 FROM audit WHERE number < $1)",
        )
        .bind(kept)
        .execute(&mut *transaction)
        .await
        .map_err(failed())?;
        let deleted = sqlx::query("DELETE FROM audit WHERE number < $1")
            .bind(kept)
            .execute(&mut *transaction)
            .await
            .map_err(failed())?
            .rows_affected();
        transaction.commit().await.map_err(failed())?;
        Ok(deleted)
    }

    /// Seals the entries of an inventory from before there were seals: only when none has one.
    pub(crate) async fn seal_old_audit(&self) -> Result<(), InventoryError> {
        let failed = || sql("seal the audit log");
        let mut transaction = self.writer.begin().await.map_err(failed())?;
        let sealed: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM audit WHERE seal <> ''")
            .fetch_one(&mut *transaction)
            .await
            .map_err(failed())?;
        if sealed > 0 {
            return Ok(());
        }
        let old: Vec<Row> = sqlx::query_as("SELECT * FROM audit ORDER BY number")
            .fetch_all(&mut *transaction)
            .await
            .map_err(failed())?;
        let mut link = start(&mut transaction).await?;
        if let Some(first) = old.first().filter(|_| link.number == 0) {
            // Older retention has taken entries without a trace.
            link.number = first.number - 1;
            sqlx::query("UPDATE audit_start SET number = $1")
                .bind(link.number)
                .execute(&mut *transaction)
                .await
                .map_err(failed())?;
        }
        for row in &old {
            // A hole stays one: it is told by each verification.
            link = Link { number: row.number - 1, ..link }.next(&row.entry);
            sqlx::query("UPDATE audit SET seal = $1 WHERE number = $2")
                .bind(&link.seal)
                .bind(row.number)
                .execute(&mut *transaction)
                .await
                .map_err(failed())?;
        }
        transaction.commit().await.map_err(failed())
    }
}

/// The newest entry, or what stood before the oldest when there is none.
async fn last(connection: &mut SqliteConnection) -> Result<Link, InventoryError> {
    let newest = sqlx::query_as("SELECT number, seal FROM audit ORDER BY number DESC LIMIT 1")
        .fetch_optional(&mut *connection)
        .await
        .map_err(sql("read the end of the audit log"))?;
    match newest {
        Some(link) => Ok(link),
        None => start(connection).await,
    }
}

/// What stood before the oldest entry.
async fn start(connection: &mut SqliteConnection) -> Result<Link, InventoryError> {
    sqlx::query_as("SELECT number, seal FROM audit_start")
        .fetch_one(connection)
        .await
        .map_err(sql("read the start of the audit log"))
}

#[cfg(test)]
mod tests;
