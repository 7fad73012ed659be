//! Appending, reading, and who may open.

use std::sync::atomic::Ordering::Relaxed;

use super::*;

#[tokio::test]
async fn what_was_appended_is_read_back_in_order_after_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open(directory.path());
    assert_eq!((journal.first(), journal.durable()), (Position(1), Position(0)));
    fill(&journal, 1, 20).await;
    assert!(journal.segments().len() > 3);
    assert_whole(&journal, 20);
    drop(journal);
    let journal = open(directory.path());
    assert_eq!(journal.recovery(), &crate::Recovery::default());
    assert_whole(&journal, 20);
    fill(&journal, 21, 22).await;
    assert_eq!(read_all(&journal, 22).0, [(22, payload(22))]);
}

#[tokio::test]
async fn a_reader_waits_at_the_end_and_sees_what_comes_later() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open(directory.path());
    let mut reader = journal.read(Position(0));
    assert_eq!(reader.next().unwrap(), None);
    for position in 1..=30 {
        fill(&journal, position, position).await;
        assert_eq!(reader.next().unwrap(), Some((Position(position), payload(position))));
        assert_eq!(reader.next().unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_appends_keep_their_records_together_and_share_syncs() {
    const TASKS: u64 = 32;
    const ROUNDS: u64 = 8;
    let directory = tempfile::tempdir().unwrap();
    let journal =
        Journal::open(JournalConfig { segment_bytes_max: 4096, ..config(directory.path()) })
            .unwrap();
    let one_task = |journal: Journal, task: u64| async move {
        let mut acknowledged = Vec::new();
        for round in 0..ROUNDS {
            let records = [0, 1, 2].map(|part| Bytes::from(format!("{task}/{round}/{part}")));
            let last = journal.append(records.to_vec()).await.unwrap();
            acknowledged.extend((0..3).zip(records).map(|(at, record)| (last.0 - 2 + at, record)));
        }
        acknowledged
    };
    let tasks: Vec<_> =
        (0..TASKS).map(|task| tokio::spawn(one_task(journal.clone(), task))).collect();
    let mut acknowledged = Vec::new();
    for task in tasks {
        acknowledged.extend(task.await.unwrap());
    }
    acknowledged.sort();
    let stats = journal.stats();
    assert_eq!(stats.appended_records, TASKS * ROUNDS * 3);
    assert!(stats.syncs < TASKS * ROUNDS, "no append shared a sync: {}", stats.syncs);
    drop(journal);
    let journal = open(directory.path());
    assert_eq!(read_all(&journal, 1), (acknowledged, vec![]));
}

#[tokio::test]
async fn a_second_opener_is_refused_until_the_first_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open(directory.path());
    let second = Journal::open(config(directory.path()));
    assert!(matches!(second, Err(JournalError::Locked { .. })));
    drop(journal);
    open(directory.path());
}

#[tokio::test]
async fn a_record_at_the_limit_is_taken_and_one_byte_more_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    // The whole queue is smaller than the record: it waits until it is alone instead of for ever.
    let config =
        JournalConfig { record_bytes_max: 1000, queue_bytes_max: 100, ..config(directory.path()) };
    let journal = Journal::open(config).unwrap();
    journal.append(vec![Bytes::from(vec![0; 1000])]).await.unwrap();
    let refused = journal.append(vec![Bytes::new(), Bytes::from(vec![0; 1001])]).await;
    assert!(matches!(refused, Err(JournalError::RecordTooLarge { bytes: 1001, max: 1000 })));
    assert_eq!(journal.durable(), Position(1));
    assert_eq!(journal.append(vec![Bytes::new()]).await.unwrap(), Position(2));
    assert_eq!(read_all(&journal, 2).0, [(2, Bytes::new())]);
}

#[tokio::test]
async fn after_a_failed_sync_nothing_is_acknowledged_and_a_new_segment_takes_over() {
    let directory = tempfile::tempdir().unwrap();
    let journal =
        Journal::open(JournalConfig { segment_bytes_max: 1 << 20, ..config(directory.path()) })
            .unwrap();
    // Once with nothing durable in the segment (its name is needed again), once behind good records.
    for durable in [0, 5] {
        fill(&journal, journal.durable().0 + 1, durable).await;
        journal.0.shared.syncs_to_fail.store(1, Relaxed);
        let refused = journal.append(vec![Bytes::from_static(b"lost")]).await.unwrap_err();
        assert!(refused.retryable(), "{refused}");
        assert_eq!(journal.durable(), Position(durable));
    }
    fill(&journal, 6, 9).await;
    assert_eq!(journal.stats().sync_failures, 2);
    assert_whole(&journal, 9);
    drop(journal);
    let journal = open(directory.path());
    assert_whole(&journal, 9);
}

#[tokio::test]
async fn a_newer_format_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open(directory.path());
    fill(&journal, 1, 1).await;
    let path = journal.segments()[0].path.clone();
    drop(journal);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[8] = 2;
    let crc = crc32fast::hash(&bytes[..28]).to_le_bytes();
    bytes[28..32].copy_from_slice(&crc);
    std::fs::write(&path, bytes).unwrap();
    let error = Journal::open(config(directory.path())).unwrap_err();
    assert!(matches!(error, JournalError::FormatVersion { got: 2, supported: 1, .. }), "{error}");
}

#[tokio::test]
async fn reading_from_any_position_begins_there_before_and_after_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let config = JournalConfig { segment_bytes_max: 3 << 20, ..config(directory.path()) };
    let journal = Journal::open(config.clone()).unwrap();
    let record = |position: u64| Bytes::from(vec![position.to_le_bytes()[0]; 20_000]);
    for first in (1..=400).step_by(4) {
        journal.append((first..first + 4).map(record).collect()).await.unwrap();
    }
    let marks = |journal: &Journal| -> usize {
        journal.0.shared.state().segments.iter().map(|segment| segment.marks.len()).sum()
    };
    assert!(marks(&journal) > 20);
    let check = |journal: &Journal| {
        for from in 1..=400 {
            let read = journal.read(Position(from)).next().unwrap();
            assert_eq!(read, Some((Position(from), record(from))));
        }
    };
    check(&journal);
    drop(journal);
    let journal = Journal::open(config).unwrap();
    assert_eq!(marks(&journal), 0);
    let (records, gaps) = read_all(&journal, 1);
    assert_eq!((records.len(), gaps), (400, vec![]));
    assert!(marks(&journal) > 20);
    check(&journal);
}
