//! The copies of backup jobs, one row for each place and depth, and the newest of them one by one.
//! A look that failed stands beside what the last good one saw; a late look changes nothing.

use std::collections::HashMap;

use agent_model::{BackupCopy, CopyEntry, HostId};
use sqlx::SqliteConnection;

use super::StoredBackupCopy;
use crate::InventoryError;
use crate::error::sql;
use crate::values::{depth_from_sql, from_sql, to_sql};

#[derive(sqlx::FromRow)]
struct CopyRow {
    host: String,
    job: String,
    location: String,
    depth: i64,
    tool: String,
    observed_ms: i64,
    newest_ms: Option<i64>,
    consistent_ms: Option<i64>,
    oldest_ms: Option<i64>,
    bytes: Option<i64>,
    copies: i64,
    content_id: Option<String>,
    error: Option<String>,
    error_ms: Option<i64>,
}

#[derive(sqlx::FromRow)]
struct EntryRow {
    host: String,
    job: String,
    location: String,
    depth: i64,
    content_id: String,
    consistent_ms: Option<i64>,
    bytes: Option<i64>,
}

pub(crate) async fn store_copy(
    connection: &mut SqliteConnection,
    host: &HostId,
    copy: &BackupCopy,
) -> Result<(), InventoryError> {
    if let Some(error) = &copy.error {
        return store_failed_look(connection, host, copy, error).await;
    }
    // A look that comes late tells nothing about now.
    let stored = sqlx::query(
        "INSERT INTO backup_copies (host, job, location, depth, tool, observed_ms, newest_ms, bytes,
             copies, content_id, consistent_ms, oldest_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
         ON CONFLICT (host, job, location, depth) DO UPDATE SET
             tool = excluded.tool, observed_ms = excluded.observed_ms,
             newest_ms = excluded.newest_ms, bytes = excluded.bytes, copies = excluded.copies,
             content_id = excluded.content_id, consistent_ms = excluded.consistent_ms,
             oldest_ms = excluded.oldest_ms, error = NULL, error_ms = NULL
         WHERE excluded.observed_ms
             >= COALESCE(backup_copies.error_ms, backup_copies.observed_ms)",
    )
    .bind(host.as_str())
    .bind(&copy.job)
    .bind(&copy.location)
    .bind(copy.depth as i64)
    .bind(&copy.tool)
    .bind(copy.observed_ms)
    .bind(copy.newest_ms)
    .bind(copy.bytes.map(to_sql))
    .bind(to_sql(copy.copies))
    .bind(&copy.content_id)
    .bind(copy.consistent_ms)
    .bind(copy.oldest_ms)
    .execute(&mut *connection)
    .await
    .map_err(sql("store a backup copy"))?;
    if stored.rows_affected() == 0 {
        return Ok(());
    }
    store_entries(connection, host, copy).await
}

/// The entries of the newest look take the place of the earlier ones.
async fn store_entries(
    connection: &mut SqliteConnection,
    host: &HostId,
    copy: &BackupCopy,
) -> Result<(), InventoryError> {
    let failed = || sql("store the entries of a backup copy");
    sqlx::query(
        "DELETE FROM backup_copy_entries
         WHERE host = $1 AND job = $2 AND location = $3 AND depth = $4",
    )
    .bind(host.as_str())
    .bind(&copy.job)
    .bind(&copy.location)
    .bind(copy.depth as i64)
    .execute(&mut *connection)
    .await
    .map_err(failed())?;
    for (entry, position) in copy.recent.iter().zip(0_i64..) {
        sqlx::query(
            "INSERT INTO backup_copy_entries (host, job, location, depth, position, content_id,
                 consistent_ms, bytes)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(host.as_str())
        .bind(&copy.job)
        .bind(&copy.location)
        .bind(copy.depth as i64)
        .bind(position)
        .bind(&entry.content_id)
        .bind(entry.consistent_ms)
        .bind(entry.bytes.map(to_sql))
        .execute(&mut *connection)
        .await
        .map_err(failed())?;
    }
    Ok(())
}

async fn store_failed_look(
    connection: &mut SqliteConnection,
    host: &HostId,
    copy: &BackupCopy,
    error: &str,
) -> Result<(), InventoryError> {
    sqlx::query(
        "INSERT INTO backup_copies (host, job, location, depth, tool, observed_ms, copies, error,
             error_ms)
         VALUES ($1, $2, $3, $4, $5, 0, 0, $6, $7)
         ON CONFLICT (host, job, location, depth) DO UPDATE SET
             error = excluded.error, error_ms = excluded.error_ms
         WHERE excluded.error_ms
             >= COALESCE(backup_copies.error_ms, backup_copies.observed_ms)",
    )
    .bind(host.as_str())
    .bind(&copy.job)
    .bind(&copy.location)
    .bind(copy.depth as i64)
    .bind(&copy.tool)
    .bind(error)
    .bind(copy.observed_ms)
    .execute(connection)
    .await
    .map_err(sql("store a failed look at a backup copy"))?;
    Ok(())
}

/// Every copy with its host, in order of place and depth.
pub(super) async fn all(
    view: &mut SqliteConnection,
) -> Result<Vec<(String, StoredBackupCopy)>, InventoryError> {
    let failed = || sql("list backup copies");
    let rows: Vec<CopyRow> = sqlx::query_as("SELECT * FROM backup_copies ORDER BY location, depth")
        .fetch_all(&mut *view)
        .await
        .map_err(failed())?;
    let entries: Vec<EntryRow> =
        sqlx::query_as("SELECT * FROM backup_copy_entries ORDER BY position")
            .fetch_all(&mut *view)
            .await
            .map_err(failed())?;
    let mut recent: HashMap<_, Vec<CopyEntry>> = HashMap::new();
    for EntryRow { host, job, location, depth, content_id, consistent_ms, bytes } in entries {
        let bytes = bytes.map(from_sql);
        let entry = CopyEntry { content_id, consistent_ms, bytes };
        recent.entry((host, job, location, depth)).or_default().push(entry);
    }
    let ready = |row: CopyRow| {
        let key = (row.host.clone(), row.job.clone(), row.location.clone(), row.depth);
        let entries = recent.remove(&key).unwrap_or_default();
        Ok((key.0, row.ready(entries)?))
    };
    rows.into_iter().map(ready).collect()
}

impl CopyRow {
    fn ready(self, recent: Vec<CopyEntry>) -> Result<StoredBackupCopy, InventoryError> {
        Ok(StoredBackupCopy {
            copy: BackupCopy {
                job: self.job,
                tool: self.tool,
                location: self.location,
                observed_ms: self.observed_ms,
                newest_ms: self.newest_ms,
                consistent_ms: self.consistent_ms,
                oldest_ms: self.oldest_ms,
                bytes: self.bytes.map(from_sql),
                copies: from_sql(self.copies),
                content_id: self.content_id,
                recent,
                depth: depth_from_sql(self.depth)?,
                error: self.error,
            },
            error_ms: self.error_ms,
        })
    }
}
