//! The alerting database: one SQLite file, written in whole transactions that are on disk when they return.
//! It knows the tables and nothing of what they mean; `state` is the same thing in memory.

mod commit;
mod encode;
mod load;
mod read;
mod reserve;

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use crate::AlertingError;

pub use read::{AttemptRecord, HistoryEntry};

/// How long a statement waits for another process that holds the file, such as a backup.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// One writer and a few readers; each connection takes about a megabyte.
const CONNECTIONS_MAX: u32 = 4;

#[derive(Clone)]
pub(crate) struct Store {
    pool: SqlitePool,
    path: PathBuf,
}

impl Store {
    pub(crate) async fn open(path: &Path) -> Result<Self, AlertingError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        let pool = SqlitePoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            // With the last connection the log would go, and the room that it has taken.
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options)
            .await
            .map_err(|source| AlertingError::Open { path: path.to_owned(), source })?;
        sqlx::migrate!("./migrations")
            .run(&pool)
            .await
            .map_err(|source| AlertingError::Format { path: path.to_owned(), source })?;
        let store = Self { pool, path: path.to_owned() };
        if let Err(error) = store.keep_reserve().await {
            // A disk that is full already is no reason not to start.
            tracing::warn!(%error, "no room could be taken ahead for alerts");
        }
        Ok(store)
    }

    /// Sees to it that alerts can be written although the disk is full.
    pub(crate) async fn keep_reserve(&self) -> Result<(), AlertingError> {
        reserve::keep(&self.pool, &self.path).await.map_err(failed("taking room ahead"))
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

/// Names the operation in an error of the database.
fn failed(operation: &'static str) -> impl FnOnce(sqlx::Error) -> AlertingError {
    move |source| AlertingError::Database { operation, source }
}
