//! Checking and repairing: the damage is named, the rest is saved, and a sound store is left as it is.

use std::fs;

use super::*;
use crate::fsck::{PartState, check};

fn contents(directory: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut contents: Vec<_> =
        entries.map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    contents.sort();
    contents
}

#[test]
fn a_sound_store_is_told_and_left_as_it_is() {
    let directory = cut_parts(8);
    let before = contents(directory.path());
    for repair in [false, true] {
        let checked = check(directory.path(), repair).unwrap();
        assert!(checked.is_sound() && checked.catalogue, "{checked:?}");
        assert_eq!(checked.parts.iter().map(|part| part.samples).sum::<u64>(), 16);
        assert_eq!(contents(directory.path()), before);
    }
}

#[test]
fn an_open_store_is_not_checked() {
    let directory = cut_parts(8);
    let _open = open(directory.path());
    let refused = check(directory.path(), false).unwrap_err();
    assert!(matches!(refused, crate::MetricStoreError::Locked { .. }), "{refused}");
}

#[test]
fn the_damaged_series_of_a_part_is_named_and_its_neighbour_saved() {
    let directory = cut_parts(8);
    let path = files(directory.path(), "part")[4].clone();
    let mut bytes = fs::read(&path).unwrap();
    // Behind the header and the block of times: the block of `up`, registered first.
    bytes[16 + 4 + 9 + 6] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let before = contents(directory.path());
    let checked = check(directory.path(), false).unwrap();
    let PartState::Damaged { series, repaired: false } = &checked.parts[4].state else {
        panic!("{checked:?}")
    };
    assert_eq!(series.len(), 1);
    assert_eq!(series[0].0, labels("up", "a"));
    assert_eq!(contents(directory.path()), before, "a check without repair changed the store");

    let checked = check(directory.path(), true).unwrap();
    assert!(!checked.is_sound());
    assert_eq!(fs::read(path.with_extension("damaged")).unwrap(), bytes);
    let again = check(directory.path(), true).unwrap();
    assert!(again.is_sound(), "{again:?}");
    assert_eq!(again.aside, [path.with_extension("damaged")]);
    let store = open(directory.path());
    assert!(dump(&store).contains("300000=5.5 ") && !dump(&store).contains("300000=5 "));
    // A merge would hide that it has a hole; it waits until somebody misses nothing of the damaged file.
    assert_eq!(store.maintain(0).unwrap().merges, 0);
    drop(store);
    fs::remove_file(path.with_extension("damaged")).unwrap();
    assert_eq!(open(directory.path()).maintain(0).unwrap().merges, 1);
}

#[test]
fn any_flipped_byte_is_found_or_harmless_and_a_repair_saves_what_can_be_read() {
    let directory = cut_parts(8);
    let expected = dump(&open(directory.path()));
    let path = files(directory.path(), "part")[4].clone();
    let whole = fs::read(&path).unwrap();
    let (mut series_lost, mut parts_lost) = (0, 0);
    for at in (0..whole.len()).filter(|at| !(8..12).contains(at)) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        fs::write(&path, &bytes).unwrap();
        let checked = check(directory.path(), true).unwrap();
        match &checked.parts[4].state {
            PartState::Sound => assert_eq!(dump(&open(directory.path())), expected, "byte {at}"),
            PartState::Damaged { series, .. } => {
                series_lost += series.len();
                let store = open(directory.path());
                let found = dump(&store);
                assert_eq!((store.stats().damaged_parts, store.stats().damaged_blocks), (0, 0));
                assert_eq!(
                    found.matches('=').count() + series.len(),
                    expected.matches('=').count()
                );
            }
            PartState::Unreadable { from_position, to_position, .. } => {
                parts_lost += 1;
                assert_eq!((*from_position, *to_position), (4, 5));
            }
        }
        for aside in files(directory.path(), "damaged") {
            fs::remove_file(aside).unwrap();
        }
    }
    assert!(series_lost > 0 && parts_lost > 0);
}

#[test]
fn without_a_catalogue_the_parts_name_what_is_damaged() {
    let directory = cut_parts(8);
    fs::write(directory.path().join("series.catalogue"), b"rubbish").unwrap();
    let path = files(directory.path(), "part")[4].clone();
    let mut bytes = fs::read(&path).unwrap();
    bytes[16 + 4 + 9 + 6] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let checked = check(directory.path(), true).unwrap();
    assert!(!checked.catalogue);
    let PartState::Damaged { series, repaired: true } = &checked.parts[4].state else {
        panic!("{checked:?}")
    };
    assert_eq!(series[0].0, labels("up", "a"));
    assert!(check(directory.path(), false).unwrap().is_sound());
}
