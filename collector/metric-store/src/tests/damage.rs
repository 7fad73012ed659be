//! Crashes at every step of writing, and damaged files: named, set aside, and never in the way of the others.

use std::fs;

use super::*;

#[test]
fn a_part_cut_short_at_any_byte_is_set_aside_and_named() {
    let directory = cut_parts(3);
    let path = files(directory.path(), "part")[1].clone();
    let whole = fs::read(&path).unwrap();
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let store = open(directory.path());
        let [damaged] = store.recovery().damaged.as_slice() else {
            panic!("{length} bytes: {:?}", store.recovery())
        };
        assert_eq!((damaged.from_position, damaged.to_position), (1, 2));
        assert_eq!(damaged.path, path.with_extension("damaged"));
        assert_eq!(
            text(store.select(&up(), 0, i64::MAX).unwrap()),
            "up{host=\"a\",job=\"node\"} 60000=1 180000=3\n"
        );
        assert_eq!((store.position(), store.stats().damaged_parts), (3, 1));
    }
}

#[test]
fn a_flipped_byte_never_yields_a_false_sample() {
    let directory = cut_parts(3);
    let expected = dump(&open(directory.path()));
    let path = files(directory.path(), "part")[1].clone();
    let whole = fs::read(&path).unwrap();
    let mut damaged_parts = 0;
    let mut damaged_blocks = 0;
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        fs::write(&path, &bytes).unwrap();
        // A version from the future stops the start instead: nothing is set aside that a newer program can read.
        let Ok(store) = MetricStore::open(MetricStoreConfig::new(directory.path())) else {
            assert!((8..12).contains(&at), "byte {at}");
            continue;
        };
        let found = dump(&store);
        let stats = store.stats();
        damaged_parts += stats.damaged_parts;
        damaged_blocks += stats.damaged_blocks;
        let noticed = stats.damaged_parts + stats.damaged_blocks > 0;
        assert!(noticed || found == expected, "byte {at} changed the samples unnoticed: {found}");
        for line in found.lines() {
            for sample in line.split(' ').skip(1) {
                assert!(expected.contains(sample), "byte {at} made up {sample}");
            }
        }
    }
    assert!(damaged_parts > 0 && damaged_blocks > 0);
}

#[test]
fn the_newest_part_damaged_sends_the_position_back_so_that_the_journal_mends_it() {
    let directory = cut_parts(3);
    let expected = dump(&open(directory.path()));
    let path = files(directory.path(), "part")[2].clone();
    fs::write(&path, b"").unwrap();
    let store = open(directory.path());
    assert_eq!(store.position(), 2);
    cut_column(&store, 3, 3 * MINUTE_MS);
    assert_eq!((dump(&store), store.position()), (expected, 3));
}

#[test]
fn unfinished_files_and_merged_inputs_left_by_a_crash_go() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    for position in 1..=8 {
        cut_column(&store, position, i64::try_from(position).unwrap() * MINUTE_MS);
    }
    let inputs = files(directory.path(), "part");
    let kept: Vec<_> = inputs.iter().map(|path| (path, fs::read(path).unwrap())).collect();
    let expected = dump(&store);
    assert_eq!(store.maintain(0).unwrap().merges, 1);
    drop(store);
    for (path, bytes) in kept {
        fs::write(path, bytes).unwrap();
    }
    fs::write(directory.path().join("half.tmp"), b"half").unwrap();
    let store = open(directory.path());
    assert_eq!(store.recovery().removed, 9);
    assert_eq!((store.stats().parts, dump(&store)), (1, expected));
    assert_eq!(files(directory.path(), "tmp"), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_damaged_merge_leaves_its_inputs_in_use() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    for position in 1..=8 {
        cut_column(&store, position, i64::try_from(position).unwrap() * MINUTE_MS);
    }
    let kept = files(directory.path(), "part").into_iter();
    let kept: Vec<_> = kept.map(|path| (fs::read(&path).unwrap(), path)).collect();
    let expected = dump(&store);
    store.maintain(0).unwrap();
    drop(store);
    fs::write(&files(directory.path(), "part")[0], b"").unwrap();
    for (bytes, path) in kept {
        fs::write(path, bytes).unwrap();
    }
    let store = open(directory.path());
    assert_eq!(store.recovery().damaged.len(), 1);
    assert_eq!(dump(&store), expected);
}

#[test]
fn a_part_with_a_damaged_block_is_served_and_not_merged() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    for position in 1..=8 {
        cut_column(&store, position, i64::try_from(position).unwrap() * MINUTE_MS);
    }
    let path = &files(directory.path(), "part")[4];
    let mut bytes = fs::read(path).unwrap();
    // Behind the header and the block of times: the block of `up`, registered first.
    bytes[16 + 4 + 9 + 6] ^= 1;
    fs::write(path, bytes).unwrap();
    let error = store.maintain(0).unwrap_err();
    assert!(matches!(error, crate::MetricStoreError::Damaged { .. }), "{error}");
    assert_eq!(store.maintain(0).unwrap().merges, 0);
    let found = dump(&store);
    assert!(found.contains("load{") && found.contains("300000=5.5 "), "{found}");
    assert!(found.contains("up{") && !found.contains("300000=5 "), "{found}");
    assert!(store.stats().damaged_blocks > 0);
}

#[test]
fn a_cut_that_fails_keeps_the_samples_and_the_next_one_succeeds() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let series = refs(&store, &[labels("up", "a")]);
    store.append(&series, 1, &[1.0]).unwrap();
    store.advance(1);
    // A directory where the temporary file should be.
    let name = crate::part::PartName {
        first_sequence: 1,
        last_sequence: 1,
        from_position: 0,
        position: 1,
        cleaned: 0,
    };
    let obstacle = name.path(directory.path()).with_extension("tmp");
    fs::create_dir(&obstacle).unwrap();
    let error = store.cut().unwrap_err();
    assert!(error.retryable(), "{error}");
    store.append(&series, 2, &[2.0]).unwrap();
    store.advance(2);
    assert_eq!(
        (dump(&store).as_str(), store.position()),
        ("up{host=\"a\",job=\"node\"} 1=1 2=2\n", 0)
    );
    fs::remove_dir(&obstacle).unwrap();
    store.cut().unwrap();
    drop(store);
    let store = open(directory.path());
    assert_eq!(
        (dump(&store).as_str(), store.position()),
        ("up{host=\"a\",job=\"node\"} 1=1 2=2\n", 2)
    );
}

#[test]
fn a_part_of_the_version_before_is_read_and_one_of_the_next_stops_the_start() {
    let directory = cut_parts(3);
    let expected = dump(&open(directory.path()));
    let path = files(directory.path(), "part")[1].clone();
    let mut bytes = fs::read(&path).unwrap();
    for (version, read) in [(2, true), (3, true), (4, false)] {
        bytes[8] = version;
        fs::write(&path, &bytes).unwrap();
        let opened = MetricStore::open(MetricStoreConfig::new(directory.path()));
        assert_eq!(opened.ok().map(|store| dump(&store)), read.then(|| expected.clone()));
    }
}
