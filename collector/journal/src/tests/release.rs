//! Releasing whole segments.

use super::*;

#[tokio::test]
async fn release_deletes_whole_segments_and_keeps_the_newest() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open(directory.path());
    fill(&journal, 1, 20).await;
    let before = journal.segments();
    let second = &before[1];
    journal.release(second.first.previous()).unwrap();
    assert_eq!(journal.first(), second.first);
    // One record short of the segment's end: it stays.
    journal.release(second.last.previous()).unwrap();
    assert_eq!(journal.first(), second.first);
    assert!(!before[0].path.exists() && second.path.exists());

    let bytes = journal.bytes();
    journal.release(Position(u64::MAX)).unwrap();
    assert_eq!(journal.segments().len(), 1);
    assert!(journal.bytes() < bytes);
    assert!(journal.oldest().unwrap().is_some());
    fill(&journal, 21, 21).await;
    drop(journal);
    let journal = open(directory.path());
    assert_eq!(read_all(&journal, 21).0, [(21, payload(21))]);
}

#[tokio::test]
async fn a_reader_that_comes_too_late_is_told_what_was_released() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open(directory.path());
    fill(&journal, 1, 20).await;
    let mut early = journal.read(Position(1));
    assert!(early.next().unwrap().is_some());
    journal.release(Position(20)).unwrap();
    let first = journal.first().0;
    let (records, gaps) = read_all(&journal, 1);
    assert_eq!(gaps, [(1, first - 1, GapCause::Released)]);
    assert_eq!(records.first().unwrap().0, first);
    // The early one held record 1 already, and misses what went away.
    let gap = early.next().unwrap_err();
    assert!(matches!(gap, JournalError::Gap { first: Position(2), .. }), "{gap}");
}

#[tokio::test]
async fn a_segment_that_somebody_else_deleted_keeps_no_later_one_from_going() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open(directory.path());
    fill(&journal, 1, 20).await;
    std::fs::remove_file(&journal.segments()[0].path).unwrap();
    journal.release(Position(20)).unwrap();
    assert_eq!(journal.segments().len(), 1);
}
