//! Crashes at every byte, and flipped bytes: what is read is what was written, and what is missing is told.

use std::fs;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::*;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

fn copy(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.path().join(entry.file_name())).unwrap();
    }
    to
}

fn segments(directory: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> =
        entries.filter(|path| crate::segment::first_of(path).is_some()).collect();
    paths.sort();
    paths
}

/// Appends groups of these sizes, and closes.
fn write(groups: &[u64]) -> (tempfile::TempDir, u64) {
    let directory = tempfile::tempdir().unwrap();
    let last = runtime().block_on(async {
        let journal = open(directory.path());
        let mut last = 0;
        for size in groups {
            let records = (last + 1..=last + size).map(payload).collect();
            last += size;
            assert_eq!(journal.append(records).await.unwrap(), Position(last));
        }
        last
    });
    (directory, last)
}

/// What is read is a true part of what was written, gaps name exactly the rest, and the journal goes on.
fn assert_true(directory: &Path, written: u64) -> Result<(Vec<u64>, u64), TestCaseError> {
    let journal = open(directory);
    let durable = journal.durable().0;
    let (records, gaps) = read_all(&journal, 1);
    let mut seen: Vec<u64> = Vec::new();
    for (position, bytes) in records {
        prop_assert_eq!(bytes, payload(position));
        seen.push(position);
    }
    let mut covered = seen.clone();
    covered.extend(gaps.iter().flat_map(|(first, last, _)| *first..=*last));
    covered.sort_unstable();
    prop_assert_eq!(covered, (1..=durable).collect::<Vec<_>>());
    prop_assert!(seen.iter().all(|position| *position <= written));

    let next = durable + 1;
    runtime().block_on(fill(&journal, next, next + 1));
    drop(journal);
    let again = read_all(&open(directory), 1);
    let mut expected = seen.clone();
    expected.extend([next, next + 1]);
    prop_assert_eq!(again.0.iter().map(|record| record.0).collect::<Vec<_>>(), expected);
    prop_assert_eq!(again.1, gaps);
    Ok((seen, durable))
}

#[test]
fn a_tail_cut_at_any_byte_loses_only_the_records_it_cuts() {
    let (directory, written) = write(&[3, 4, 1, 2]);
    let last = segments(directory.path()).pop().unwrap();
    let first = crate::segment::first_of(&last).unwrap().0;
    let length = fs::metadata(&last).unwrap().len();
    assert!(length > 100, "the last segment holds too little to test");
    for cut in 0..=length {
        let crashed = copy(directory.path());
        let path = crashed.path().join(last.file_name().unwrap());
        fs::OpenOptions::new().write(true).open(path).unwrap().set_len(cut).unwrap();
        let mut kept = first - 1;
        let mut end = crate::segment::HEADER_BYTES;
        while kept < written {
            end += crate::record::disk_bytes(payload(kept + 1).len()) as u64;
            if end > cut {
                break;
            }
            kept += 1;
        }
        let (seen, _) = assert_true(crashed.path(), written).unwrap();
        assert_eq!(seen, (1..=kept).collect::<Vec<_>>(), "cut at {cut}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn flipped_bytes_never_yield_a_false_record_and_never_hide_a_gap(
        groups in proptest::collection::vec(1u64..4, 1..10),
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 1u8..), 1..4),
    ) {
        let (directory, written) = write(&groups);
        let paths = segments(directory.path());
        for (segment, byte, mask) in flips {
            let path = &paths[segment.index(paths.len())];
            let mut bytes = fs::read(path).unwrap();
            let at = byte.index(bytes.len());
            bytes[at] ^= mask;
            fs::write(path, bytes).unwrap();
        }
        assert_true(directory.path(), written)?;
    }

    #[test]
    fn zeros_or_noise_behind_the_tail_are_cut(
        groups in proptest::collection::vec(1u64..4, 0..6),
        noise in prop_oneof![
            (1usize..300).prop_map(|length| vec![0; length]),
            proptest::collection::vec(any::<u8>(), 1..300),
        ],
    ) {
        let (directory, written) = write(&[&[1], groups.as_slice()].concat());
        let last = segments(directory.path()).pop().unwrap();
        let mut bytes = fs::read(&last).unwrap();
        bytes.extend(&noise);
        fs::write(&last, bytes).unwrap();
        let journal = open(directory.path());
        prop_assert_eq!(journal.recovery().torn_bytes, noise.len() as u64);
        drop(journal);
        let (seen, _) = assert_true(directory.path(), written)?;
        prop_assert_eq!(seen, (1..=written).collect::<Vec<_>>());
    }
}

#[test]
fn damage_that_a_later_record_proves_is_told_and_stepped_over() {
    let (directory, written) = write(&[1, 1, 1]);
    let [path] = segments(directory.path()).try_into().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    // The payload of record 2.
    bytes[32 + 24 + payload(1).len() + 24] ^= 1;
    fs::write(&path, bytes).unwrap();
    let journal = open(directory.path());
    assert_eq!(journal.recovery().torn_bytes, 0);
    let damaged = &journal.recovery().damaged;
    assert_eq!((damaged[0].first, damaged[0].last), (Position(2), Position(2)));
    let (records, gaps) = read_all(&journal, 1);
    assert_eq!(records, [(1, payload(1)), (3, payload(3))]);
    assert_eq!(gaps, [(2, 2, GapCause::Damaged { path })]);
    assert_eq!((written, journal.stats().gaps_read), (3, 1));
}

#[test]
fn a_lost_segment_in_the_middle_is_a_gap() {
    let (directory, written) = write(&[5, 5, 5, 5]);
    let paths = segments(directory.path());
    assert!(paths.len() >= 3);
    fs::remove_file(&paths[1]).unwrap();
    let (seen, durable) = assert_true(directory.path(), written).unwrap();
    assert_eq!(durable, written);
    assert!(seen.contains(&1) && seen.contains(&written) && !seen.contains(&6));
}

#[test]
fn a_position_that_a_view_has_seen_is_never_handed_out_again() {
    let (directory, written) = write(&[2, 2]);
    for path in segments(directory.path()) {
        fs::remove_file(path).unwrap();
    }
    let config = JournalConfig { seen: Position(written), ..config(directory.path()) };
    let journal = Journal::open(config).unwrap();
    assert_eq!(journal.recovery().raised_to, Some(Position(written)));
    runtime().block_on(fill(&journal, written + 1, written + 2));
    let (records, gaps) = read_all(&journal, 1);
    assert_eq!(records.len(), 2);
    assert_eq!(gaps, [(1, written, GapCause::Released)]);
}
