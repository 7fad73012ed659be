//! A full disk: a cut fails as a whole, the samples stay, and the next cut after there is space succeeds.

use std::process::Command;

use super::*;
use crate::MetricStoreError;

/// Runs `test` on a file system of 128 kB; under `CI=true` it must be possible.
fn on_small_disk(test: impl FnOnce(&Path)) {
    let directory = tempfile::tempdir().unwrap();
    let mount = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=128k", "tmpfs"])
        .arg(directory.path())
        .output();
    if !mount.as_ref().is_ok_and(|output| output.status.success()) {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "the test of a full disk needs to mount a tmpfs, run it as root: {mount:?}"
        );
        eprintln!("NOT TESTED: a full disk, because a tmpfs cannot be mounted: {mount:?}");
        return;
    }
    let tested = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| test(directory.path())));
    let unmounted = Command::new("umount").arg("--lazy").arg(directory.path()).status();
    assert!(unmounted.is_ok_and(|status| status.success()));
    tested.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

#[test]
fn a_cut_on_a_full_disk_loses_nothing() {
    on_small_disk(|disk| {
        let filler = disk.join("filler");
        std::fs::write(&filler, vec![1; 100 << 10]).unwrap();
        let directory = disk.join("metrics");
        let store = open(&directory);
        let series = refs(&store, &[labels("noise", "a")]);
        let mut bits = 1u64;
        for time in 0..5000 {
            bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            store.append(&series, time, &[f64::from_bits(bits >> 2)]).unwrap();
        }
        store.advance(1);
        let expected = dump(&store);
        for _ in 0..2 {
            let refused = store.cut().unwrap_err();
            assert!(refused.retryable(), "{refused}");
            let MetricStoreError::Io { source, .. } = refused else { panic!("{refused}") };
            assert_eq!(source.kind(), std::io::ErrorKind::StorageFull);
            assert_eq!(files(&directory, "tmp"), Vec::<std::path::PathBuf>::new());
            assert_eq!((dump(&store), store.position()), (expected.clone(), 0));
        }
        std::fs::remove_file(&filler).unwrap();
        store.cut().unwrap();
        drop(store);
        let store = open(&directory);
        assert_eq!((dump(&store), store.position()), (expected, 1));
    });
}
