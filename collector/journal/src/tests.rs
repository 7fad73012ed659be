//! The journal's promises, each against real files.

mod append;
mod bad_sectors;
mod crash;
mod full_disk;
mod release;

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;

use crate::{GapCause, Journal, JournalConfig, JournalError, Position};

/// Small segments, so that few records make several; no reserve, so that the disk of the test does not matter.
fn config(directory: &Path) -> JournalConfig {
    JournalConfig {
        segment_bytes_max: 256,
        free_reserve_bytes: 0,
        ..JournalConfig::new(directory, || Duration::ZERO)
    }
}

fn open(directory: &Path) -> Journal {
    Journal::open(config(directory)).unwrap()
}

fn payload(position: u64) -> Bytes {
    let length = usize::try_from(position * 7 % 50).unwrap();
    Bytes::from(format!("{position}-{}", "x".repeat(length)))
}

/// Appends records `from` to `to`, one by one.
async fn fill(journal: &Journal, from: u64, to: u64) {
    for position in from..=to {
        let appended = journal.append(vec![payload(position)]).await.unwrap();
        assert_eq!(appended, Position(position));
    }
}

type Records = Vec<(u64, Bytes)>;
type Gaps = Vec<(u64, u64, GapCause)>;

/// Everything that can be read, and the gaps between.
fn read_all(journal: &Journal, from: u64) -> (Records, Gaps) {
    let (mut records, mut gaps) = (Vec::new(), Vec::new());
    let mut reader = journal.read(Position(from));
    loop {
        match reader.next() {
            Ok(Some((position, payload))) => records.push((position.0, payload)),
            Ok(None) => return (records, gaps),
            Err(JournalError::Gap { first, last, cause }) => gaps.push((first.0, last.0, cause)),
            Err(error) => panic!("{error}"),
        }
    }
}

/// Every record from 1 to `last`, as it was appended, without a gap.
fn assert_whole(journal: &Journal, last: u64) {
    let (records, gaps) = read_all(journal, 1);
    assert_eq!(gaps, []);
    assert_eq!(records, (1..=last).map(|at| (at, payload(at))).collect::<Vec<_>>());
}
