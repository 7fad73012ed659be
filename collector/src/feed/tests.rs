//! A view that is slower than what comes in.

use std::time::Duration;

use agent_model::{Epoch, HostId, ReportKey, Stream};
use collector_journal::JournalConfig;

use super::*;

fn record(sequence: u64) -> Record {
    let host = HostId::new("dc1-srv01").unwrap();
    let key = ReportKey { epoch: Epoch(1), stream: Stream::Evidence, sequence };
    let report = Report::empty(host.clone(), key, 5);
    Record {
        host,
        received_ms: 5,
        clock_offset_ms: 0,
        agent_version: "test".to_owned(),
        derived: false,
        report: agent_wire::encode_report(&report, &Schemas::default()).unwrap(),
    }
}

fn journal(directory: &std::path::Path) -> Journal {
    segmented(directory, 1 << 20)
}

fn segmented(directory: &std::path::Path, segment_bytes_max: u64) -> Journal {
    let config = JournalConfig::new(directory, || Duration::ZERO);
    Journal::open(JournalConfig { free_reserve_bytes: 0, segment_bytes_max, ..config }).unwrap()
}

#[tokio::test]
async fn a_view_that_lets_its_channel_fill_up_reads_the_rest_from_the_journal() {
    let directory = tempfile::tempdir().unwrap();
    let journal = journal(directory.path());
    let (mut feed, schemas) = (Feed::default(), Schemas::default());
    let mut slow = feed.follow(journal.clone(), schemas.clone(), Position(0));
    let mut quick = feed.follow(journal.clone(), schemas.clone(), Position(0));
    let last = VIEW_RECORDS_MAX as u64 + 300;
    let records: Vec<_> = (1..=last).map(|at| record(at).encode()).collect();
    journal.append(records.clone()).await.unwrap();
    let mut seen = Vec::new();
    for (position, bytes) in (1..).map(Position).zip(records) {
        feed.publish(&Arc::new(decode(position, bytes, &schemas).unwrap()));
        // The other view keeps up, and has nothing to do with it.
        let batch = quick.next_batch().await.unwrap().unwrap();
        seen.extend(batch.iter().map(|decoded| decoded.position.0));
    }
    assert_eq!(seen, (1..=last).collect::<Vec<_>>());
    assert_eq!(slow.receiver.len(), VIEW_RECORDS_MAX, "what came after found no room");
    let mut seen = Vec::new();
    while seen.last() != Some(&last) {
        let batch = slow.next_batch().await.unwrap().unwrap();
        assert!(!batch.is_empty(), "it stopped at {:?}", seen.last());
        seen.extend(batch.iter().map(|decoded| decoded.position.0));
    }
    assert_eq!(seen, (1..=last).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn what_a_start_finds_in_the_journal_is_read_without_waiting_for_news() {
    let directory = tempfile::tempdir().unwrap();
    let journal = journal(directory.path());
    let last = BATCH_RECORDS_MAX as u64 * 3 + 7;
    journal.append((1..=last).map(|at| record(at).encode()).collect()).await.unwrap();
    let mut feed = Feed::default();
    let mut follower = feed.follow(journal, Schemas::default(), Position(0));
    let started = tokio::time::Instant::now();
    let mut seen = 0;
    while seen < last {
        seen += follower.next_batch().await.unwrap().unwrap().len() as u64;
    }
    assert_eq!(started.elapsed(), Duration::ZERO);
    // Level with the journal it waits again, and ends with the feed.
    assert!(follower.next_batch().await.unwrap().unwrap().is_empty());
    assert!(started.elapsed() >= LOOK_INTERVAL);
    drop(feed);
    assert!(follower.next_batch().await.unwrap().is_none());
}

#[tokio::test]
async fn records_that_come_before_their_turn_wait_for_it_and_the_journal_is_not_read() {
    let directory = tempfile::tempdir().unwrap();
    let journal = journal(directory.path());
    let (mut feed, schemas) = (Feed::default(), Schemas::default());
    let mut view = feed.follow(journal.clone(), schemas.clone(), Position(0));
    let records: Vec<_> = (1..=4).map(|at| record(at).encode()).collect();
    journal.append(records.clone()).await.unwrap();
    let decoded: Vec<_> = (1..)
        .map(Position)
        .zip(records)
        .map(|(position, bytes)| Arc::new(decode(position, bytes, &schemas).unwrap()))
        .collect();
    for at in [1, 3, 2, 0] {
        feed.publish(&decoded[at]);
    }
    let batch = view.next_batch().await.unwrap().unwrap();
    // These very ones: what is read from the journal is decoded anew.
    assert!(
        batch.len() == 4 && batch.iter().zip(&decoded).all(|(got, sent)| Arc::ptr_eq(got, sent))
    );
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_cannot_be_read_for_a_while_ends_no_view_and_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let journal = journal(directory.path());
    journal.append((1..=3).map(|at| record(at).encode()).collect()).await.unwrap();
    let mut feed = Feed::default();
    let mut follower = feed.follow(journal, Schemas::default(), Position(0));
    let mut files = std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().path());
    let segment =
        files.find(|path| path.extension().is_some_and(|kind| kind == "journal")).unwrap();
    let away = segment.with_extension("away");
    std::fs::rename(&segment, &away).unwrap();
    for _ in 0..3 {
        assert!(follower.next_batch().await.unwrap().unwrap().is_empty());
    }
    std::fs::rename(&away, &segment).unwrap();
    let batch = follower.next_batch().await.unwrap().unwrap();
    assert_eq!(batch.iter().map(|decoded| decoded.position.0).collect::<Vec<_>>(), [1, 2, 3]);
    // The end of the feed ends a view that waits for its disk.
    std::fs::rename(&segment, &away).unwrap();
    drop(feed);
    assert!(follower.next_batch().await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn what_was_read_before_the_disk_went_away_is_given_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let journal = segmented(directory.path(), 1);
    for at in 1..=3 {
        journal.append(vec![record(at).encode()]).await.unwrap();
    }
    let third = directory.path().join(format!("{:020}.journal", 3));
    let away = third.with_extension("away");
    std::fs::rename(&third, &away).unwrap();
    let mut follower = Feed::default().follow(journal, Schemas::default(), Position(0));
    let mut given = Vec::new();
    for _ in 0..3 {
        let batch = follower.read_journal().await.unwrap();
        given.push(batch.iter().map(|decoded| decoded.position.0).collect::<Vec<_>>());
        if given.len() == 2 {
            std::fs::rename(&away, &third).unwrap();
        }
    }
    assert_eq!(given, [vec![1, 2], vec![], vec![3]]);
}
