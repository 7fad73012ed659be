//! Opening and upgrading the database.

use tempfile::tempdir;

use super::*;

#[tokio::test]
async fn a_file_of_a_newer_format_is_refused_with_both_numbers() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("inventory.sqlite");
    let inventory = Inventory::open(&path).await.unwrap();
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (99, 'from the future', TRUE, x'00', 0)",
    )
    .execute(&inventory.writer)
    .await
    .unwrap();
    inventory.close().await;
    let refused = Inventory::open(&path).await.unwrap_err();
    assert!(matches!(refused, InventoryError::Newer { found: 99, known: FORMAT, .. }));
    assert!(refused.to_string().contains("format 99"), "{refused}");
}

#[tokio::test]
async fn the_format_is_the_newest_migration_and_its_file_is_opened_again() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("inventory.sqlite");
    Inventory::open(&path).await.unwrap().close().await;
    assert_eq!(MIGRATIONS.iter().map(|migration| migration.version).max(), Some(FORMAT));
    let inventory = Inventory::open(&path).await.unwrap();
    assert_eq!(inventory.position().await.unwrap(), 0);
}

#[tokio::test]
async fn a_file_of_the_first_format_keeps_its_identities() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("inventory.sqlite");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let old = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
    let first =
        Migrator { migrations: MIGRATIONS.migrations[..1].to_vec().into(), ..Migrator::DEFAULT };
    first.run(&old).await.unwrap();
    sqlx::query("INSERT INTO identities VALUES ('01', 'print', 'a', 0, 10, NULL, NULL)")
        .execute(&old)
        .await
        .unwrap();
    old.close().await;
    let inventory = Inventory::open(&path).await.unwrap();
    let known = inventory.identity("print").await.unwrap().unwrap();
    assert_eq!((known.identity.host.as_str(), known.identity.public_key.as_str()), ("a", ""));
}

#[tokio::test]
async fn writes_reach_the_disk_before_they_return() {
    let directory = tempdir().unwrap();
    let inventory = Inventory::open(&directory.path().join("inventory.sqlite")).await.unwrap();
    let pragma = async |name: &'static str| -> String {
        let value: (String,) = sqlx::query_as(name).fetch_one(&inventory.writer).await.unwrap();
        value.0
    };
    assert_eq!(pragma("PRAGMA journal_mode").await, "wal");
    let full: i64 =
        sqlx::query_scalar("PRAGMA synchronous").fetch_one(&inventory.writer).await.unwrap();
    assert_eq!(full, 2);
}

#[tokio::test]
async fn a_path_that_cannot_be_opened_is_named() {
    let refused = Inventory::open(Path::new("/nonexistent/inventory.sqlite")).await.unwrap_err();
    assert!(refused.to_string().contains("/nonexistent/inventory.sqlite"), "{refused}");
}

#[tokio::test]
async fn room_is_taken_ahead_once_and_again_when_it_was_used() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("inventory.sqlite");
    let inventory = Inventory::open(&path).await.unwrap();
    let free = async || -> i64 {
        sqlx::query_scalar("PRAGMA freelist_count").fetch_one(&inventory.writer).await.unwrap()
    };
    let log = directory.path().join("inventory.sqlite-wal");
    let taken = free().await;
    assert!(taken >= 1_000, "{taken} pages");
    assert!(log.metadata().unwrap().len() >= 4 << 20);
    inventory.keep_reserve().await.unwrap();
    assert_eq!(free().await, taken);
    let bytes = path.metadata().unwrap().len();
    sqlx::query("CREATE TABLE filler AS SELECT zeroblob(3000000) AS bytes")
        .execute(&inventory.writer)
        .await
        .unwrap();
    assert!(free().await < 500);
    assert_eq!(path.metadata().unwrap().len(), bytes, "the room was used");
    inventory.keep_reserve().await.unwrap();
    assert!(free().await >= 1_000);
}
