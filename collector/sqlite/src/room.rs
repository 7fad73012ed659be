//! Room taken ahead, so that a store can write although others have filled the disk to the last block.
//!
//! How: pages that were written once and lie free in the file, and a write-ahead log as long. To overwrite them asks
//! nothing of ext4 or XFS; a file system that copies on write gives no such promise. SQLite's own language.

use std::path::{Path, PathBuf};

use sqlx::SqlitePool;

/// Some thousand alerts with their notifications, or sessions and lines of the audit log; a checkpoint comes after as
/// much.
const ROOM_BYTES: i64 = 4 << 20;

/// Takes the room when less than half of it is left. The database itself is as it was. To be called now and then: room
/// that was used is taken anew.
pub async fn keep_room(pool: &SqlitePool, database: &Path) -> Result<(), sqlx::Error> {
    let pages: i64 = sqlx::query_scalar("PRAGMA freelist_count").fetch_one(pool).await?;
    let page_bytes: i64 = sqlx::query_scalar("PRAGMA page_size").fetch_one(pool).await?;
    let least = ROOM_BYTES / 2;
    if pages * page_bytes >= least && log_bytes(database) >= least.unsigned_abs() {
        return Ok(());
    }
    let mut connection = pool.acquire().await?;
    // Each a transaction of its own: pages that are taken and freed in one are never written.
    for statement in [
        "DROP TABLE IF EXISTS room_taken_ahead",
        "CREATE TABLE room_taken_ahead (bytes BLOB NOT NULL)",
        "INSERT INTO room_taken_ahead VALUES (zeroblob($1))",
        "DROP TABLE room_taken_ahead",
        "PRAGMA wal_checkpoint(PASSIVE)",
    ] {
        let query = sqlx::query(statement);
        let query = if statement.contains("$1") { query.bind(ROOM_BYTES) } else { query };
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// The log keeps its length from one checkpoint to the next; it goes when the last connection is closed.
fn log_bytes(database: &Path) -> u64 {
    let mut name = database.as_os_str().to_owned();
    name.push("-wal");
    std::fs::metadata(PathBuf::from(name)).map_or(0, |metadata| metadata.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn free_bytes(pool: &SqlitePool) -> i64 {
        let pages: i64 = sqlx::query_scalar("PRAGMA freelist_count").fetch_one(pool).await.unwrap();
        let page: i64 = sqlx::query_scalar("PRAGMA page_size").fetch_one(pool).await.unwrap();
        pages * page
    }

    #[tokio::test]
    async fn room_is_taken_once_and_anew_when_it_was_used() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store.db");
        let pool = crate::lasting(1).connect_with(crate::options(&path)).await.unwrap();
        keep_room(&pool, &path).await.unwrap();
        assert!(free_bytes(&pool).await >= ROOM_BYTES);
        assert!(log_bytes(&path) >= ROOM_BYTES.unsigned_abs());
        let bytes = std::fs::metadata(&path).unwrap().len();
        keep_room(&pool, &path).await.unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), bytes);
        // What people write goes into it, and the file does not grow.
        sqlx::query("CREATE TABLE used AS SELECT zeroblob($1) AS bytes")
            .bind(ROOM_BYTES * 3 / 4)
            .execute(&pool)
            .await
            .unwrap();
        sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(&pool).await.unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), bytes);
        assert!(free_bytes(&pool).await < ROOM_BYTES / 2);
        keep_room(&pool, &path).await.unwrap();
        assert!(free_bytes(&pool).await >= ROOM_BYTES);
    }
}
