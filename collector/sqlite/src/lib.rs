//! How the collector's stores keep a SQLite file.
//! Promises: a write is on disk when it returns; while the disk is full there is room that was taken ahead.
//! A copy is of one moment, whatever is written meanwhile.
//! Leaves to the stores: tables, formats, how many connections, and what an error means.

mod room;

use std::path::Path;
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

pub use room::keep_room;

/// How long a statement waits for another process that holds the file, such as a backup.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// The file at `path`, made when it is absent.
pub fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
}

/// Connections that stay: with the last one the write-ahead log would go, and the room that it has taken.
pub fn lasting(connections_max: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new().max_connections(connections_max).idle_timeout(None).max_lifetime(None)
}

/// Writes a copy of the file as it is at one moment, also while others write to it. The copy is not synced.
pub async fn copy(from: &Path, to: &Path) -> Result<(), sqlx::Error> {
    let mut connection = options(from).create_if_missing(false).connect().await?;
    let copied =
        sqlx::query("VACUUM INTO $1").bind(to.to_string_lossy()).execute(&mut connection).await;
    sqlx::Connection::close(connection).await?;
    copied.map(drop)
}

#[cfg(test)]
mod tests {
    use sqlx::Row;

    use super::*;

    #[tokio::test]
    async fn a_copy_holds_what_was_committed_and_is_not_made_of_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        let pool = lasting(1).connect_with(options(&path)).await.unwrap();
        sqlx::query("CREATE TABLE t (a INTEGER)").execute(&pool).await.unwrap();
        sqlx::query("INSERT INTO t VALUES (7)").execute(&pool).await.unwrap();
        let mut open = pool.begin().await.unwrap();
        sqlx::query("INSERT INTO t VALUES (8)").execute(&mut *open).await.unwrap();
        let to = directory.path().join("it's a copy.db");
        copy(&path, &to).await.unwrap();
        drop(open);
        let copied = lasting(1).connect_with(options(&to)).await.unwrap();
        let rows = sqlx::query("SELECT a FROM t").fetch_all(&copied).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.get::<i64, _>(0)).collect::<Vec<_>>(), [7]);
        assert!(
            copy(&directory.path().join("none.db"), &directory.path().join("b")).await.is_err()
        );
    }
}
