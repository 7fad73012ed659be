//! Room taken ahead, so that alerts are told although others have filled the disk to the last block.
//!
//! How: pages that were written once and lie free in the file, and a write-ahead log as long. To overwrite them asks
//! nothing of ext4 or XFS; a file system that copies on write gives no such promise. SQLite's own language.

use std::path::{Path, PathBuf};

use sqlx::SqlitePool;

/// Some thousand alerts with their notifications; a checkpoint comes after as much.
const RESERVE_BYTES: i64 = 4 << 20;

/// Takes the room when less than half of it is left. The database itself is as it was.
pub(crate) async fn keep(pool: &SqlitePool, database: &Path) -> Result<(), sqlx::Error> {
    let pages: i64 = sqlx::query_scalar("PRAGMA freelist_count").fetch_one(pool).await?;
    let page_bytes: i64 = sqlx::query_scalar("PRAGMA page_size").fetch_one(pool).await?;
    let least = RESERVE_BYTES / 2;
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
        let query = if statement.contains("$1") { query.bind(RESERVE_BYTES) } else { query };
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
