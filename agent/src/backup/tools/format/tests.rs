//! Real copies of real servers, sound and damaged.

use std::process::Command;

use agent_model::CopyEntry;
use tempfile::TempDir;

use super::super::test_servers::{MariaDb, Postgres, flip_bit};
use super::*;

const CHECKED: VerificationDepth = VerificationDepth::Checked;
const DATA_READ: VerificationDepth = VerificationDepth::DataRead;

async fn verify(format: Format, path: &Path, depth: VerificationDepth) -> Result<(), String> {
    format.verify(path, depth, Duration::from_secs(60)).await
}

fn described(format: Format, path: &Path) -> CopyEntry {
    let mut found = Found { made_ms: Millis::MAX, entry: CopyEntry::default() };
    format.describe(path, &mut found);
    found.entry
}

#[tokio::test]
async fn a_truncated_dump_is_listed_and_found_when_it_is_read() {
    let server = Postgres::start("");
    server.sql("5432", "create table t as select g, md5(g::text) from generate_series(1, 20000) g");
    let to = ["-h", "{dir}", "-p", "5432", "-U", "postgres", "-Fc", "-f", "{dir}/d.dump"];
    server.run("pg_dump", &to);
    let dump = server.path("d.dump");
    for depth in [CHECKED, DATA_READ] {
        assert_eq!(verify(Format::PgDump, &dump, depth).await, Ok(()));
    }
    let bytes = fs::read(&dump).unwrap();
    fs::write(&dump, &bytes[..bytes.len() / 2]).unwrap();
    assert_eq!(verify(Format::PgDump, &dump, CHECKED).await, Ok(()));
    let found = verify(Format::PgDump, &dump, DATA_READ).await.unwrap_err();
    assert!(found.starts_with("pg_restore ended with exit status: 1"), "{found}");
}

#[tokio::test]
async fn a_base_backup_tells_its_beginning_and_is_held_against_its_manifest() {
    let server = Postgres::start("log_timezone = 'Asia/Ho_Chi_Minh'\n");
    let seconds = |at: &str| server.sql("5432", at).parse::<i64>().unwrap();
    let before_s = seconds("select floor(extract(epoch from now()))");
    let to = ["-h", "{dir}", "-p", "5432", "-U", "postgres", "-D", "{dir}/base", "-c", "fast"];
    server.run("pg_basebackup", &to);
    let (base, other) = (server.path("base"), server.path("other"));
    let entry = described(Format::PgBaseBackup, &base);
    let consistent_s = entry.consistent_ms.unwrap() / 1_000;
    let after_s = seconds("select ceil(extract(epoch from now()))");
    assert!((before_s..=after_s).contains(&consistent_s), "{before_s} {consistent_s} {after_s}");
    assert_eq!(entry.content_id.len(), "manifest:".len() + 64);
    server.run("/bin/cp", &["-r", "{dir}/base", "{dir}/other"]);
    assert_eq!(described(Format::PgBaseBackup, &other).content_id, entry.content_id);
    for depth in [CHECKED, DATA_READ] {
        assert_eq!(verify(Format::PgBaseBackup, &base, depth).await, Ok(()));
    }
    flip_bit(&base.join("base/5/1259"), 100);
    assert_eq!(verify(Format::PgBaseBackup, &base, CHECKED).await, Ok(()));
    let flipped = verify(Format::PgBaseBackup, &base, DATA_READ).await.unwrap_err();
    assert!(flipped.contains("checksum mismatch"), "{flipped}");
    fs::remove_file(other.join("global/1262")).unwrap();
    let missing = verify(Format::PgBaseBackup, &other, CHECKED).await.unwrap_err();
    assert!(missing.contains("1262"), "{missing}");
}

#[tokio::test]
async fn a_backup_of_mariadb_counts_when_it_is_prepared() {
    let server = MariaDb::start(&["--skip-networking"]);
    let target = server.path("backup");
    let backup = |step: &str| {
        let mut command = server.command("mariadb-backup");
        command.arg(step).arg(format!("--target-dir={}", target.display()));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let missing = verify(Format::MariadbBackup, &target, CHECKED).await.unwrap_err();
    assert!(missing.contains("holds no xtrabackup_checkpoints"), "{missing}");
    backup("--backup");
    let raw = verify(Format::MariadbBackup, &target, CHECKED).await.unwrap_err();
    assert!(raw.contains("not prepared"), "{raw}");
    backup("--prepare");
    assert_eq!(verify(Format::MariadbBackup, &target, CHECKED).await, Ok(()));
    let entry = described(Format::MariadbBackup, &target);
    assert!(entry.content_id.starts_with("mariadb-backup:"), "{entry:?}");
    assert!(entry.consistent_ms.is_some());
}

#[tokio::test]
async fn a_truncated_archive_is_found() {
    let dir = TempDir::new().unwrap();
    let (data, archive) = (dir.path().join("data"), dir.path().join("a.tar.gz"));
    fs::write(&data, vec![7; 100_000]).unwrap();
    let made = Command::new("tar").arg("-czf").args([&archive, &data]).output().unwrap();
    assert!(made.status.success());
    assert_eq!(verify(Format::Tar, &archive, DATA_READ).await, Ok(()));
    let bytes = fs::read(&archive).unwrap();
    fs::write(&archive, &bytes[..bytes.len() / 2]).unwrap();
    let found = verify(Format::Tar, &archive, DATA_READ).await.unwrap_err();
    assert!(found.contains("tar ended with exit status: 2"), "{found}");
}

#[test]
fn a_zone_that_names_no_one_moment_tells_nothing() {
    let at = |text: &str| zoned_ms(text.to_owned());
    assert_eq!(at("1970-01-01 07:00:01 +07"), Some(1_000));
    assert_eq!(at("1970-01-01 00:00:01 UTC"), Some(1_000));
    assert_eq!(at("1970-01-01 00:00:01 CST"), None);
    assert_eq!(at("rubbish"), None);
    assert_eq!(at("1970-01-01 00:00:01 +99"), None);
}
