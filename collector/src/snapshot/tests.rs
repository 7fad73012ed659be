//! Snapshots of states made of files; with a running collector they are tried in the stories.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use super::*;

/// A state as a collector leaves it, as far as its files' names go.
fn state() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state");
    let id = "0123456789abcdef0123456789abcdef";
    let dashed = "01234567-89ab-cdef-0123-456789abcdef";
    for (name, text) in [
        ("journal/00000000000000000001.journal", "first"),
        ("journal/00000000000000000009.journal", "newest"),
        ("journal/lock", ""),
        ("metrics/a.part", "part"),
        ("metrics/0000000001.deletion", "deletion"),
        ("metrics/b.tmp", "half"),
        ("metrics/lock", ""),
        (&format!("metrics/{}", collector_metric_store::CATALOGUE_FILE), "names"),
        ("events/position", "7"),
        ("events/format", "2"),
        ("events/2026-11-21/meta.json", &format!("{{\"segments\":[\"{dashed}\"]}}")),
        ("events/2026-11-21/.managed.json", "[]"),
        (&format!("events/2026-11-21/{id}.idx"), "committed"),
        ("events/2026-11-21/ffffffffffffffffffffffffffffffff.idx", "being written"),
        ("events/2026-11-21/.tantivy-writer.lock", ""),
        ("ca/ca.key", "secret"),
        ("outward/a.position", "5"),
        ("outward/a.new", "6"),
        ("setup.code", "secret"),
        ("web.address", "127.0.0.1:1"),
    ] {
        let path = state.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }
    fs::set_permissions(state.join("ca/ca.key"), fs::Permissions::from_mode(0o600)).unwrap();
    directory
}

#[tokio::test]
async fn a_snapshot_holds_the_state_and_nothing_that_must_not_leave_it() {
    let directory = state();
    let (state, target) = (directory.path().join("state"), directory.path().join("snapshot"));
    let manifest = take(&state, &target, 42).await.unwrap();
    let names: Vec<&str> = manifest.files.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "ca/ca.key",
            "events/2026-11-21/.managed.json",
            "events/2026-11-21/0123456789abcdef0123456789abcdef.idx",
            "events/2026-11-21/meta.json",
            "events/format",
            "events/position",
            "journal/00000000000000000001.journal",
            "journal/00000000000000000009.journal",
            "metrics/0000000001.deletion",
            "metrics/a.part",
            "outward/a.position",
        ]
    );
    assert_eq!((manifest.taken_ms, verify(&target).unwrap()), (42, vec![]));
    let number = |path: &str| fs::metadata(directory.path().join(path)).unwrap().ino();
    // What never changes is the same file, what is still written is not.
    assert_eq!(number("state/metrics/a.part"), number("snapshot/metrics/a.part"));
    let newest = "journal/00000000000000000009.journal";
    assert_ne!(number(&format!("state/{newest}")), number(&format!("snapshot/{newest}")));
    let mode = |path: &str| fs::metadata(target.join(path)).unwrap().mode() & 0o777;
    assert_eq!((mode(""), mode("ca/ca.key"), mode(MANIFEST)), (0o700, 0o600, 0o600));
    assert!(!state.join(STAGING).exists());
    let left = fs::read_dir(directory.path()).unwrap().count();
    assert_eq!(left, 2, "something is left behind");
}

#[tokio::test]
async fn a_snapshot_is_never_put_over_something_or_into_the_state_or_beside_another() {
    let directory = state();
    let (state, target) = (directory.path().join("state"), directory.path().join("snapshot"));
    fs::create_dir(&target).unwrap();
    take(&state, &target, 1).await.unwrap();
    let again = take(&state, &target, 2).await;
    assert!(matches!(again, Err(SnapshotError::NotEmpty { .. })));
    let inside = take(&state, &state.join("snapshot"), 2).await;
    assert!(matches!(inside, Err(SnapshotError::Inside { .. })));
    let other = directory.path().join("other");
    let working = Workplace::make(state.join(STAGING)).unwrap();
    assert!(matches!(take(&state, &other, 2).await, Err(SnapshotError::Busy { .. })));
    drop(working);
    // One that was killed leaves its work; nobody holds it any more.
    fs::create_dir_all(state.join(STAGING).join("journal")).unwrap();
    take(&state, &other, 3).await.unwrap();
    assert!(!state.join(STAGING).exists());
}

#[tokio::test]
async fn damage_of_any_kind_is_found() {
    let directory = state();
    let (state, target) = (directory.path().join("state"), directory.path().join("snapshot"));
    take(&state, &target, 1).await.unwrap();
    let write = |name: &str, text: &str| {
        fs::remove_file(target.join(name)).unwrap();
        fs::write(target.join(name), text).unwrap();
    };
    write("metrics/a.part", "pArt");
    write("events/position", "77");
    fs::remove_file(target.join("ca/ca.key")).unwrap();
    fs::write(target.join("more"), "").unwrap();
    assert_eq!(
        verify(&target).unwrap(),
        [
            "ca/ca.key is missing",
            "events/position has 2 bytes, it had 1",
            "metrics/a.part is not what was written: its SHA-256 is another",
            "more is not in the manifest",
        ]
    );
    write(MANIFEST, "{\"format\": 2, \"taken_ms\": 1, \"version\": \"x\", \"files\": {}}");
    assert!(matches!(verify(&target), Err(SnapshotError::Format { found: 2, .. })));
}
