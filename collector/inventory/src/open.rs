//! Opening the inventory's file: one writer, a few readers, the format brought up to date.
//! A write returns after it has reached the disk: identities and the ledger are what acknowledgements rest on.

use std::path::{Path, PathBuf};

use agent_model::Millis;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqlitePool, SqlitePoolOptions};

use crate::error::sql;
use crate::{InventoryError, metadata};

static MIGRATIONS: Migrator = sqlx::migrate!();

/// The format this program writes: the number of the newest migration.
pub const FORMAT: i64 = 8;

/// Pages are read by a few people at once; a reader costs a thread and a page cache.
const READERS_MAX: u32 = 3;

/// The inventory; clones share the file.
#[derive(Clone, Debug)]
pub struct Inventory {
    path: PathBuf,
    pub(crate) writer: SqlitePool,
    pub(crate) readers: SqlitePool,
}

/// How long each kind is kept. Used and expired tokens go with the audit log; users and facts stay.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    pub backup_runs_ms: Millis,
    pub probe_results_ms: Millis,
    pub gaps_ms: Millis,
    pub audit_ms: Millis,
    pub drills_ms: Millis,
    /// What metrics are, since it was said last.
    pub metadata_ms: Millis,
    /// Schemas no segment refers to any more; must exceed how long a spooled report may wait.
    pub schemas_ms: Millis,
}

impl Inventory {
    /// Opens the file, making it when it is absent and upgrading it when it is older.
    pub async fn open(path: &Path) -> Result<Self, InventoryError> {
        let options = collector_sqlite::options(path);
        let open = |source| InventoryError::Open { path: path.to_owned(), source };
        let writer =
            collector_sqlite::lasting(1).connect_with(options.clone()).await.map_err(open)?;
        match MIGRATIONS.run(&writer).await {
            Ok(()) => {}
            Err(MigrateError::VersionMissing(found)) => {
                let path = path.to_owned();
                return Err(InventoryError::Newer { path, found, known: FORMAT });
            }
            Err(source) => {
                return Err(InventoryError::Upgrade { path: path.to_owned(), source });
            }
        }
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS_MAX)
            .connect_with(options.read_only(true).create_if_missing(false))
            .await
            .map_err(open)?;
        let inventory = Self { path: path.to_owned(), writer, readers };
        inventory.seal_old_audit().await?;
        if let Err(error) = inventory.keep_reserve().await {
            // A disk that is full already is no reason not to start.
            tracing::warn!(%error, "no room could be taken ahead for what people do");
        }
        Ok(inventory)
    }

    /// Sees to it that people can sign in and act although the disk is full. To be called now and then: room that was
    /// used is taken anew.
    pub async fn keep_reserve(&self) -> Result<(), InventoryError> {
        let kept = collector_sqlite::keep_room(&self.writer, &self.path).await;
        kept.map_err(sql("take room ahead"))
    }

    /// Waits for running statements and closes the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// Deletes what is past its time; returns how many rows went.
    pub async fn prune(
        &self,
        retention: &Retention,
        now_ms: Millis,
    ) -> Result<u64, InventoryError> {
        let metadata_ms = now_ms.saturating_sub(retention.metadata_ms);
        let mut rows = metadata::prune(self, metadata_ms).await?;
        rows += self.prune_audit(now_ms.saturating_sub(retention.audit_ms)).await?;
        for (statement, keep_ms) in [
            ("DELETE FROM backup_runs WHERE finished_ms < $1", retention.backup_runs_ms),
            ("DELETE FROM probe_results WHERE time_ms < $1", retention.probe_results_ms),
            ("DELETE FROM gaps WHERE recorded_ms < $1", retention.gaps_ms),
            ("DELETE FROM schemas WHERE last_used_ms < $1", retention.schemas_ms),
            ("DELETE FROM tokens WHERE expires_ms < $1", retention.audit_ms),
            (
                "DELETE FROM api_token_labels WHERE id IN
                     (SELECT id FROM api_tokens WHERE COALESCE(revoked_ms, expires_ms) < $1)",
                retention.audit_ms,
            ),
            (
                "DELETE FROM api_tokens WHERE COALESCE(revoked_ms, expires_ms) < $1",
                retention.audit_ms,
            ),
            ("DELETE FROM sessions WHERE expires_ms < $1", 0),
            (
                "DELETE FROM drill_log WHERE drill IN
                     (SELECT drill FROM drills WHERE finished_ms < $1)",
                retention.drills_ms,
            ),
            ("DELETE FROM drills WHERE finished_ms < $1", retention.drills_ms),
        ] {
            let before_ms = now_ms.saturating_sub(keep_ms);
            let done = sqlx::query(statement).bind(before_ms).execute(&self.writer).await;
            rows += done.map_err(sql("delete what is past its time"))?.rows_affected();
        }
        Ok(rows)
    }
}

#[cfg(test)]
mod tests;
