//! A disk that cannot give back what it took, in places or altogether.

use super::*;
use crate::disk::bad_sectors;

const SECTOR: u64 = 4096;

/// 2,000 records in one segment of more than ten sectors, and its file.
async fn filled(directory: &Path) -> (Journal, std::path::PathBuf) {
    let journal = reopened(directory);
    journal.append((1..=2_000).map(payload).collect()).await.unwrap();
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut segments = files.filter(|path| crate::segment::first_of(path).is_some());
    let path = segments.next().unwrap();
    assert!(std::fs::metadata(&path).unwrap().len() > 10 * SECTOR);
    (journal, path)
}

fn reopened(directory: &Path) -> Journal {
    Journal::open(JournalConfig { segment_bytes_max: 1 << 20, ..config(directory) }).unwrap()
}

#[tokio::test]
async fn bad_sectors_cost_the_records_in_them_and_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, path) = filled(directory.path()).await;
    let end = std::fs::metadata(&path).unwrap().len();
    let last = (end - 1) / SECTOR * SECTOR;
    let two = [(2 * SECTOR, 4 * SECTOR), (7 * SECTOR, 8 * SECTOR)];
    for bad in [&[(0, SECTOR)][..], &two, &[(last, end)]] {
        bad_sectors::set(&path, bad);
        let (records, gaps) = read_all(&journal, 1);
        // Without its header a segment cannot be read at all.
        let header = bad[0].0 == 0;
        assert_eq!(records.is_empty(), header, "{bad:?}");
        assert_eq!(gaps.len(), bad.len(), "{bad:?}: {gaps:?}");
        let lost: u64 = gaps.iter().map(|(first, last, _)| last - first + 1).sum();
        assert_eq!(records.len() as u64 + lost, 2_000, "{bad:?}");
        // A record takes about 60 bytes, and two of them may reach into a bad sector from outside.
        assert!(header || lost < 100 * bad.len() as u64 * 2, "{bad:?}: {lost}");
        assert!(records.iter().all(|(at, bytes)| *bytes == payload(*at)));
    }
    bad_sectors::set(&path, &[]);
    assert_whole(&journal, 2_000);
}

#[tokio::test]
async fn a_disk_that_is_away_loses_nothing_and_is_asked_again() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, path) = filled(directory.path()).await;
    bad_sectors::set_away(&path, true);
    let mut reader = journal.read(Position(1));
    for _ in 0..3 {
        let error = reader.next().unwrap_err();
        assert!(error.retryable() && matches!(error, JournalError::Io { .. }), "{error}");
        assert_eq!(reader.position(), Position(1));
    }
    bad_sectors::set_away(&path, false);
    assert_eq!(reader.next().unwrap().map(|(position, _)| position), Some(Position(1)));
    assert_whole(&journal, 2_000);
}

/// What a disk lost at the tail was acknowledged, for all anybody knows: it is a gap, not a torn tail.
#[tokio::test]
async fn a_start_cuts_nothing_that_the_disk_cannot_give_back() {
    for (from_end, length) in [(1, 1), (3, 2), (4, 4)] {
        let directory = tempfile::tempdir().unwrap();
        let (journal, path) = filled(directory.path()).await;
        drop(journal);
        let end = std::fs::metadata(&path).unwrap().len();
        let sectors = end.div_ceil(SECTOR);
        let from = (sectors - from_end) * SECTOR;
        bad_sectors::set(&path, &[(from, from + length * SECTOR)]);
        let journal = reopened(directory.path());
        let recovery = journal.recovery().clone();
        assert_eq!((recovery.torn_bytes, recovery.damaged.len()), (0, 1), "{recovery:?}");
        let (records, gaps) = read_all(&journal, 1);
        assert_eq!(gaps.len(), 1, "{gaps:?}");
        let lost: u64 =
            (1..=2_000).filter(|at| !records.iter().any(|(of, _)| of == at)).count() as u64;
        assert!(lost > 0 && lost < 100 * length * 2, "{lost}");
        assert!(records.iter().all(|(at, bytes)| *bytes == payload(*at)));
        // No position is used twice, and what comes now is kept in a file of its own.
        let next = journal.append(vec![payload(9)]).await.unwrap();
        assert!(next > Position(2_000), "{next}");
        assert_eq!(segments(directory.path()), 2);
        assert_eq!(std::fs::metadata(&path).unwrap().len(), end);
        bad_sectors::set(&path, &[]);
        let (whole, _) = read_all(&journal, 1);
        assert_eq!(whole.len(), 2_001, "the records are still in the file");
    }
}

#[tokio::test]
async fn files_whose_ends_are_bad_or_that_are_one_sector_keep_nobody_waiting() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, path) = filled(directory.path()).await;
    let end = std::fs::metadata(&path).unwrap().len();
    bad_sectors::set(&path, &[(0, SECTOR), ((end - 1) / SECTOR * SECTOR, u64::MAX)]);
    let (records, gaps) = read_all(&journal, 1);
    assert_eq!((records.len(), gaps.len()), (0, 1));

    let directory = tempfile::tempdir().unwrap();
    let journal = open(directory.path());
    fill(&journal, 1, 3).await;
    let path = crate::segment::path_of(directory.path(), Position(1));
    bad_sectors::set(&path, &[(0, u64::MAX)]);
    assert_eq!(read_all(&journal, 1).1.len(), 1);
    drop(journal);
    let journal = reopened(directory.path());
    let next = journal.append(vec![payload(9)]).await.unwrap();
    assert!(next > Position(3));
    let (records, gaps) = read_all(&journal, 1);
    assert_eq!((records.len(), gaps.len()), (1, 1));
    assert!(!directory.path().join("is-the-disk-there").exists());
}

#[tokio::test]
async fn a_disk_that_was_away_for_a_moment_has_lost_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, path) = filled(directory.path()).await;
    bad_sectors::fail_once(&path);
    assert_whole(&journal, 2_000);
}

fn segments(directory: &Path) -> usize {
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| crate::segment::first_of(path).is_some()).count()
}
