//! The alerting database: one SQLite file, written in whole transactions that are on disk when they return.
//! It knows the tables and nothing of what they mean; `state` is the same thing in memory.

mod channels;
mod commit;
mod encode;
mod history;
mod links;
mod load;
mod prune;
mod read;

use std::path::{Path, PathBuf};

use sqlx::SqlitePool;

use crate::AlertingError;

pub(crate) use links::LinkedMessage;
pub use read::{AttemptRecord, HistoryEntry};

/// One writer and a few readers; each connection takes about a megabyte.
const CONNECTIONS_MAX: u32 = 4;

#[derive(Clone)]
pub(crate) struct Store {
    pool: SqlitePool,
    path: PathBuf,
}

impl Store {
    pub(crate) async fn open(path: &Path) -> Result<Self, AlertingError> {
        let pool = collector_sqlite::lasting(CONNECTIONS_MAX)
            .connect_with(collector_sqlite::options(path))
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
        let kept = collector_sqlite::keep_room(&self.pool, &self.path).await;
        kept.map_err(failed("taking room ahead"))
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

/// Names the operation in an error of the database.
fn failed(operation: &'static str) -> impl FnOnce(sqlx::Error) -> AlertingError {
    move |source| AlertingError::Database { operation, source }
}
