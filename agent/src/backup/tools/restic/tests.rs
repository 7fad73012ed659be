//! Real repositories, sound and damaged.

use std::fs;
use std::path::Path;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::super::Seen;
use super::*;

const MINUTE: Duration = Duration::from_secs(60);
const CHECKED: VerificationDepth = VerificationDepth::Checked;
const DATA_READ: VerificationDepth = VerificationDepth::DataRead;

/// A directory with a password and a repository in it.
fn at(dir: &TempDir, name: &str) -> Repository {
    let password_file = dir.path().join("password");
    fs::write(&password_file, "secret").unwrap();
    Repository {
        program: Program::new("restic", MINUTE),
        repository: dir.path().join(name).display().to_string(),
        password_file,
        host: None,
        tag: None,
        path: None,
        measured: HashMap::new(),
    }
}

fn run(repository: &Repository, arguments: &[&str]) {
    let mut command = std::process::Command::new("restic");
    command.args(["--no-cache", "-r", &repository.repository, "-p"]);
    let output = command.arg(&repository.password_file).args(arguments).output();
    let output = output.expect("restic is missing: apt-get install restic");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn back_up(repository: &Repository, host: &str, time: &str, data: &Path) {
    let data = data.display().to_string();
    run(repository, &["backup", "--host", host, "--time", time, &data]);
}

async fn look(repository: &mut Repository) -> Result<Seen, String> {
    repository.look().await.map(Seen::of)
}

/// Every pack of the repository.
fn packs(repository: &Repository) -> Vec<PathBuf> {
    let pattern = format!("{}/data/*/*", repository.repository);
    let mut packs: Vec<_> = glob::glob(&pattern).unwrap().map(Result::unwrap).collect();
    packs.sort_by_key(|pack| Reverse(fs::metadata(pack).unwrap().len()));
    packs
}

#[tokio::test]
async fn a_real_repository_is_read_in_every_state() {
    let dir = TempDir::new().unwrap();
    let mut repository = at(&dir, "repository");
    let missing = look(&mut repository).await.unwrap_err();
    assert!(missing.contains("Is there a repository"), "{missing}");
    run(&repository, &["init"]);
    assert_eq!(look(&mut repository).await, Ok(Seen::default()));
    let data = dir.path().join("data");
    fs::write(&data, "some data").unwrap();
    back_up(&repository, "a", "2026-11-20 01:00:00", &data);
    fs::write(&data, "other data").unwrap();
    back_up(&repository, "b", "2026-11-21 01:00:00", &data);
    let seen = look(&mut repository).await.unwrap();
    assert_eq!((seen.copies, seen.newest().bytes), (2, Some(10)));
    assert_eq!(seen.newest().consistent_ms, seen.newest_ms);
    // The other one is measured at the next look.
    let sizes: Vec<_> =
        look(&mut repository).await.unwrap().recent.iter().map(|entry| entry.bytes).collect();
    assert_eq!(sizes, [Some(10), Some(9)]);
    repository.host = Some("a".to_owned());
    let of_a = look(&mut repository).await.unwrap();
    assert_eq!((of_a.copies, of_a.newest_ms), (1, seen.oldest_ms));
    repository.host = Some("c".to_owned());
    assert_eq!(look(&mut repository).await, Ok(Seen::default()));
    fs::write(dir.path().join("password"), "wrong").unwrap();
    let wrong = look(&mut repository).await.unwrap_err();
    assert!(wrong.contains("wrong password"), "{wrong}");
}

#[tokio::test]
async fn a_copy_at_another_site_has_the_same_identity_and_other_data_of_the_same_time_has_not() {
    let dir = TempDir::new().unwrap();
    let (mut primary, mut second) = (at(&dir, "primary"), at(&dir, "second"));
    run(&primary, &["init"]);
    run(&second, &["init"]);
    let data = dir.path().join("data");
    fs::write(&data, "some data").unwrap();
    back_up(&primary, "a", "2026-11-20 01:00:00", &data);
    let password = primary.password_file.display().to_string();
    run(&second, &["copy", "--from-repo", &primary.repository, "--from-password-file", &password]);
    let (here, there) = (look(&mut primary).await.unwrap(), look(&mut second).await.unwrap());
    assert_eq!(here.recent, there.recent);
    fs::write(&data, "good data").unwrap();
    back_up(&second, "a", "2026-11-22 01:00:00", &data);
    fs::write(&data, "other data").unwrap();
    back_up(&primary, "a", "2026-11-22 01:00:00", &data);
    let (here, there) = (look(&mut primary).await.unwrap(), look(&mut second).await.unwrap());
    assert_eq!(here.newest_ms, there.newest_ms);
    assert_ne!(here.newest().content_id, there.newest().content_id);
    assert_eq!(here.recent[1], there.recent[1]);
}

/// A file whose pack is larger than that of the trees.
fn incompressible(dir: &TempDir) -> PathBuf {
    let data = dir.path().join("data");
    let sums = (0..3_000_u32).flat_map(|number| Sha256::digest(number.to_le_bytes()));
    fs::write(&data, sums.collect::<Vec<u8>>()).unwrap();
    data
}

/// In the largest pack, which holds the data; the trees are in another.
fn flip_a_bit(repository: &Repository) {
    let pack = packs(repository).remove(0);
    let mut bytes = fs::read(&pack).unwrap();
    bytes[20] ^= 1;
    let mut permissions = fs::metadata(&pack).unwrap().permissions();
    #[expect(clippy::permissions_set_readonly_false, reason = "a file of this test")]
    permissions.set_readonly(false);
    fs::set_permissions(&pack, permissions).unwrap();
    fs::write(&pack, bytes).unwrap();
}

#[tokio::test]
async fn a_flipped_bit_passes_the_check_and_is_found_when_all_data_is_read() {
    let dir = TempDir::new().unwrap();
    let mut repository = at(&dir, "repository");
    run(&repository, &["init"]);
    let data = incompressible(&dir);
    back_up(&repository, "a", "2026-11-20 01:00:00", &data);
    assert_eq!(repository.verify(CHECKED, MINUTE).await, Ok(()));
    assert_eq!(repository.verify(DATA_READ, MINUTE).await, Ok(()));
    flip_a_bit(&repository);
    assert_eq!(look(&mut repository).await.unwrap().copies, 1);
    assert_eq!(repository.verify(CHECKED, MINUTE).await, Ok(()));
    let found = repository.verify(DATA_READ, MINUTE).await.unwrap_err();
    assert!(found.contains("restic ended with"), "{found}");
}

#[tokio::test]
async fn a_deleted_pack_is_still_listed_and_the_check_finds_it() {
    let dir = TempDir::new().unwrap();
    let mut repository = at(&dir, "repository");
    run(&repository, &["init"]);
    let data = incompressible(&dir);
    back_up(&repository, "a", "2026-11-20 01:00:00", &data);
    fs::remove_file(packs(&repository).remove(0)).unwrap();
    assert_eq!(look(&mut repository).await.unwrap().copies, 1);
    let found = repository.verify(CHECKED, MINUTE).await.unwrap_err();
    assert!(found.contains("does not exist") || found.contains("not found"), "{found}");
}

#[test]
fn a_location_never_shows_a_password() {
    for (repository, shown) in [
        ("rest:https://u:p@h:8000/x", "rest:https://u:***@h:8000/x"),
        ("rest:https://u:p@q@h/x", "rest:https://u:***@h/x"),
        ("rest:https://h/x@y", "rest:https://h/x@y"),
        ("sftp:u@h:/x", "sftp:u@h:/x"),
        ("/srv/restic", "/srv/restic"),
    ] {
        assert_eq!(without_password(repository), shown);
    }
}

#[test]
fn recorded_lists_of_two_sites_agree_by_content() {
    let read = |name: &str| {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures/backup");
        let text = fs::read(fixtures.join(name)).ok()?;
        let snapshots: Vec<Snapshot> = serde_json::from_slice(&text).unwrap();
        let found = snapshots.into_iter().map(|snapshot| snapshot.found(&HashMap::new()));
        Some(Seen::of(found.collect()))
    };
    let Some(primary) = read("restic-snapshots-primary.json") else {
        println!("left out: the recorded outputs are not beside the workspace");
        return;
    };
    let second = read("restic-snapshots-dr.json").unwrap();
    let stale = read("restic-snapshots-dr-stale.json").unwrap();
    assert_eq!((primary.copies, primary.newest_ms), (3, Some(1_795_291_799_446)));
    // The newest is another snapshot of the same data.
    assert_eq!(primary.newest().content_id, second.newest().content_id);
    assert_eq!(primary.recent[1..], second.recent);
    assert_eq!(stale.newest(), second.recent[1]);
}

#[tokio::test]
async fn the_newest_snapshot_that_counts_is_restored_and_a_damaged_one_is_not() {
    let dir = TempDir::new().unwrap();
    let mut repository = at(&dir, "repository");
    run(&repository, &["init"]);
    let data = incompressible(&dir);
    let old = fs::read(&data).unwrap();
    back_up(&repository, "a", "2026-11-20 01:00:00", &data);
    fs::write(&data, "of another host").unwrap();
    back_up(&repository, "b", "2026-11-21 01:00:00", &data);
    repository.host = Some("a".to_owned());
    let into = dir.path().join("into");
    repository.restore(&into, MINUTE).await.unwrap();
    let restored = into.join(data.strip_prefix("/").unwrap());
    assert!(fs::read(&restored).unwrap() == old);
    fs::remove_dir_all(&into).unwrap();
    flip_a_bit(&repository);
    let damaged = repository.restore(&into, MINUTE).await.unwrap_err();
    assert!(damaged.contains("restic ended with"), "{damaged}");
}
