//! A disk that cannot be read or written: what waits stays within its bound, and what can be sent is sent.

use super::*;

/// More than fits into the queue, over many segments.
const RECORDS: i64 = 300;

async fn fill(bench: &Bench) {
    for at in 1..=RECORDS {
        bench.push(&[1], at).await;
    }
}

#[tokio::test]
async fn a_segment_that_cannot_be_read_is_given_up_when_the_queue_is_full_and_never_stops_the_rest()
{
    let receiver = Receiver::new().await;
    let mut bench = Bench::new(&receiver.url());
    // Known from its start.
    drop(bench.start());
    bench.push(&[1], 0).await;
    while bench.journal.segments().len() < 3 {
        bench.push(&[1], 0).await;
    }
    let before = bench.journal.segments();
    std::fs::remove_file(&before[1].path).unwrap();
    let (outward, running) = bench.start();
    let standing = || outward.targets().any(|one| matches!(one.health(), Health::Standing { .. }));
    eventually("it to stand still", standing).await;
    // What lies before is sent, once.
    assert_eq!(outward.stored(), Some(before[0].last));
    assert_eq!(bench.figure("sent_samples_total", None), before[0].last.0 as f64);
    assert_eq!(bench.figure("good", None), 0.0);
    eventually("its age to grow", || bench.figure("lag_seconds", None) >= 1.0).await;
    fill(&bench).await;
    assert_eq!(bench.figure("lost_records_total", None), 0.0, "the bound is far away");
    // The same with a queue that is full.
    drop(running);
    bench.target.queue_bytes_max = 8 << 10;
    let (outward, _running) = bench.start();
    let last = bench.journal.durable();
    eventually("the rest", || outward.stored() == Some(last)).await;
    assert!(outward.targets().all(|target| target.health() == Health::Good));
    let lost = bench.figure("lost_records_total", None);
    assert!(lost >= (before[1].last.0 - before[1].first.0 + 1) as f64, "{lost}");
    // Each is either there or counted.
    let taken: usize = receiver.taken().len();
    let dropped = bench.figure("dropped_samples_total", Some("queue_full"));
    assert_eq!(lost + dropped + taken as f64, last.0 as f64);
    bench.journal.release(last).unwrap();
    assert_eq!(bench.journal.segments().len(), 1);
}

#[tokio::test]
async fn a_position_that_cannot_be_stored_holds_up_neither_sending_nor_the_journal() {
    let receiver = Receiver::new().await;
    let mut bench = Bench::new(&receiver.url());
    let (outward, running) = bench.start();
    // Where the new file is written before it takes its name.
    let new = bench.directory.path().join(DIRECTORY).join("there.new");
    std::fs::create_dir(&new).unwrap();
    for at in 1..=3 {
        bench.push(&[1], at).await;
        eventually("the sample", || outward.stored() == Some(Position(at as u64))).await;
    }
    assert_eq!(times(&receiver)[&name(1)], [1, 2, 3]);
    assert!(outward.targets().all(|target| target.health() == Health::Good));
    // The last one is sent before its position is tried.
    let failures = || bench.figure("position_write_failures_total", None) >= 3.0;
    eventually("the failures to be counted", failures).await;
    // It catches up without another sample.
    std::fs::remove_dir(&new).unwrap();
    let file = PositionFile::new(&bench.directory.path().join(DIRECTORY), "there");
    eventually("the file", || file.read().unwrap() == Some(Position(3))).await;
    drop(running);
}

#[tokio::test]
async fn what_was_read_before_an_error_is_sent_with_its_stale_markers() {
    let receiver = Receiver::new().await;
    let mut bench = Bench::new(&receiver.url());
    drop(bench.start());
    content::report(&bench, 1, &["a", "b"]).await;
    content::report(&bench, 2, &["a"]).await;
    while bench.journal.segments().len() < 2 {
        content::report(&bench, 2, &["a"]).await;
    }
    let last = bench.journal.segments()[1].clone();
    std::fs::remove_file(&last.path).unwrap();
    let (outward, _running) = bench.start();
    eventually("the first segment", || outward.stored() == Some(Position(last.first.0 - 1))).await;
    let stale = receiver.taken().iter().filter(|(_, one)| agent_model::is_stale(one.value)).count();
    assert_eq!(stale, 1);
}

#[tokio::test]
async fn a_position_that_cannot_be_read_has_everything_sent_again() {
    let receiver = Receiver::new().await;
    let mut bench = Bench::new(&receiver.url());
    let (outward, running) = bench.start();
    bench.push(&[1], 1).await;
    let file = PositionFile::new(&bench.directory.path().join(DIRECTORY), "there");
    eventually("the sample", || outward.stored() == Some(Position(1))).await;
    // A write that has begun goes on after its task has ended, and would take the rubbish's place.
    eventually("the position", || file.read().ok() == Some(Some(Position(1)))).await;
    drop(running);
    std::fs::write(file.path(), "rubbish").unwrap();
    let (outward, _running) = bench.start();
    assert_eq!(outward.stored(), Some(Position(0)));
    eventually("it again", || receiver.taken().len() == 2).await;
    eventually("the file", || file.read().ok() == Some(Some(Position(1)))).await;
}

#[tokio::test]
async fn a_new_target_whose_position_cannot_be_stored_gets_what_arrives_from_now_on() {
    let receiver = Receiver::new().await;
    let mut bench = Bench::new(&receiver.url());
    bench.push(&[1], 1).await;
    let new = bench.directory.path().join(DIRECTORY).join("there.new");
    std::fs::create_dir_all(&new).unwrap();
    let (outward, _running) = bench.start();
    let file = PositionFile::new(&bench.directory.path().join(DIRECTORY), "there");
    assert_eq!(outward.stored(), Some(Position(1)));
    std::fs::remove_dir(&new).unwrap();
    eventually("the file, without another sample", || file.read().unwrap() == Some(Position(1)))
        .await;
    bench.push(&[1], 2).await;
    eventually("the sample", || times(&receiver).get(&name(1)) == Some(&vec![2])).await;
}
