//! A full disk: refused at the reserve and at true ENOSPC, nothing lost, and it goes on by itself.

use std::fs;
use std::process::Command;

use super::*;

/// A small file system of its own, taken away at the end.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// `None` where this user may not mount; under `CI=true` that is a failure.
    fn mount() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"])
            .arg(directory.path())
            .output();
        let mounted = mount.as_ref().is_ok_and(|output| output.status.success());
        if !mounted {
            assert!(
                std::env::var("CI").as_deref() != Ok("true"),
                "the test of a full disk needs to mount a tmpfs, run it as root: {mount:?}"
            );
            eprintln!("NOT TESTED: a full disk, because a tmpfs cannot be mounted: {mount:?}");
        }
        mounted.then_some(Self(directory))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()));
    }
}

#[tokio::test]
async fn a_truly_full_disk_refuses_keeps_all_and_recovers_by_itself() {
    let Some(disk) = SmallDisk::mount() else { return };
    let filler = disk.0.path().join("filler");
    fs::write(&filler, vec![1; 100 << 10]).unwrap();
    let directory = disk.0.path().join("journal");
    // The rotation of segments meets the full disk as well.
    for segment_bytes_max in [8 << 10, 1 << 20] {
        let config = JournalConfig { segment_bytes_max, ..config(&directory) };
        let journal = Journal::open(config).unwrap();
        let mut acknowledged = journal.durable().0;
        let record = |position: u64| Bytes::from(vec![position.to_le_bytes()[0]; 3000]);
        let refused = loop {
            let records = (1..=3).map(|at| record(acknowledged + at)).collect();
            match journal.append(records).await {
                Ok(last) => acknowledged = last.0,
                Err(error) => break error,
            }
        };
        assert!(matches!(refused, JournalError::NoSpace { .. }), "{refused}");
        assert!(refused.retryable());
        assert_eq!(journal.durable(), Position(acknowledged));
        let (records, gaps) = read_all(&journal, 1);
        assert_eq!((records.len() as u64, gaps), (acknowledged, vec![]));
        assert!(journal.stats().no_space_refusals > 0);

        fs::remove_file(&filler).unwrap();
        let last = journal.append(vec![record(acknowledged + 1)]).await.unwrap();
        assert_eq!(last, Position(acknowledged + 1));
        drop(journal);
        let journal = open(&directory);
        assert_eq!(journal.recovery(), &crate::Recovery::default());
        let (records, gaps) = read_all(&journal, 1);
        assert!(records.iter().all(|(position, bytes)| *bytes == record(*position)));
        assert_eq!((records.len() as u64, gaps), (last.0, vec![]));
        journal.release(last).unwrap();
        drop(journal);
        fs::remove_dir_all(&directory).unwrap();
        fs::write(&filler, vec![1; 100 << 10]).unwrap();
    }
}

#[tokio::test]
async fn a_short_write_is_taken_back() {
    let Some(disk) = SmallDisk::mount() else { return };
    let directory = disk.0.path().join("journal");
    let config = JournalConfig { segment_bytes_max: 1 << 20, ..config(&directory) };
    let journal = Journal::open(config).unwrap();
    fill(&journal, 1, 3).await;
    // Past the check of free space straight to the write, as when another program takes the space in between.
    journal.0.shared.free_bytes_told.store(1 << 40, std::sync::atomic::Ordering::Relaxed);
    let refused = journal.append(vec![Bytes::from(vec![7; 300 << 10])]).await.unwrap_err();
    assert!(matches!(refused, JournalError::NoSpace { .. }), "{refused}");
    let end = journal.segments()[0].bytes;
    assert_eq!(fs::metadata(&journal.segments()[0].path).unwrap().len(), end);
    fill(&journal, 4, 5).await;
    drop(journal);
    assert_whole(&open(&directory), 5);
}

#[tokio::test]
async fn a_backlog_has_its_bound_and_goes_on_when_something_was_released() {
    let directory = tempfile::tempdir().unwrap();
    // Segments of 256 bytes.
    let journal = Journal::open(JournalConfig { bytes_max: 1_024, ..config(directory.path()) });
    let journal = journal.unwrap();
    let mut last = 0;
    let refused = loop {
        match journal.append(vec![payload(last + 1)]).await {
            Ok(position) => last = position.0,
            Err(error) => break error,
        }
    };
    let JournalError::Full { held, max: 1_024 } = refused else { panic!("{refused}") };
    assert!(refused.retryable() && held <= 1_024, "{refused}");
    assert_eq!(refused.room_reason(), Some("journal_full"));
    let stats = journal.stats();
    assert!(stats.full && stats.disk_bytes == held && stats.full_refusals == 1, "{stats:?}");
    // What is there is read as ever, and what was refused left nothing.
    let (records, gaps) = read_all(&journal, 1);
    assert_eq!((records.len() as u64, gaps), (last, vec![]));
    journal.release(Position(last)).unwrap();
    assert_eq!(journal.append(vec![payload(last + 1)]).await.unwrap(), Position(last + 1));
    assert!(!journal.stats().full);
    // The newest segment alone is never too much, whatever the bound.
    drop(journal);
    let tight = JournalConfig { bytes_max: 1, ..config(directory.path()) };
    let journal = Journal::open(tight).unwrap();
    assert_eq!(journal.append(vec![payload(last + 2)]).await.unwrap(), Position(last + 2));
}

#[tokio::test]
async fn the_reserve_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let config = JournalConfig { free_reserve_bytes: u64::MAX, ..config(directory.path()) };
    let journal = Journal::open(config).unwrap();
    let refused = journal.append(vec![payload(1)]).await.unwrap_err();
    let JournalError::NoSpace { free, reserve } = refused else { panic!("{refused}") };
    assert!(free > 0 && reserve == u64::MAX);
    assert_eq!(journal.stats().no_space_refusals, 1);
    drop(journal);
    let journal = open(directory.path());
    fill(&journal, 1, 1).await;
}
