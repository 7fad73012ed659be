//! The audit log: who did what, when, to what, and whether it was allowed. It is only appended to; old entries go
//! with their retention.

use agent_model::Millis;

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
}

#[derive(sqlx::FromRow)]
struct Row {
    number: i64,
    #[sqlx(flatten)]
    entry: AuditEntry,
}

impl Inventory {
    /// Appends an entry and returns its number, once it is on the disk.
    pub async fn audit_append(&self, entry: &AuditEntry) -> Result<u64, InventoryError> {
        let number: i64 = sqlx::query_scalar(
            "INSERT INTO audit (number, time_ms, who, action, object, outcome)
             SELECT COALESCE(MAX(number), 0) + 1, $1, $2, $3, $4, $5 FROM audit
             RETURNING number",
        )
        .bind(entry.time_ms)
        .bind(&entry.who)
        .bind(&entry.action)
        .bind(&entry.object)
        .bind(&entry.outcome)
        .fetch_one(&self.writer)
        .await
        .map_err(sql("append to the audit log"))?;
        Ok(from_sql(number))
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
        let numbered =
            |row: Row| NumberedAuditEntry { number: from_sql(row.number), entry: row.entry };
        Ok(rows.into_iter().map(numbered).collect())
    }
}
