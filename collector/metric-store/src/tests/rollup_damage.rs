//! Damaged files of roll-ups and of the parts that they were made from.

use std::fs;

use super::rollups::{DAY_MS, START_MS, config, filled};
use super::*;

/// Eight days, of which the first are told by roll-ups alone.
fn eight_days() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    filled(&MetricStore::open(config(directory.path())).unwrap(), 8);
    directory
}

#[test]
fn a_file_cut_short_is_set_aside_and_named_and_the_others_answer() {
    let directory = eight_days();
    let path = files(directory.path(), "rollup")[0].clone();
    let whole = fs::read(&path).unwrap();
    for length in (0..whole.len()).step_by(41) {
        fs::write(&path, &whole[..length]).unwrap();
        let store = MetricStore::open(config(directory.path())).unwrap();
        let [damaged] = store.recovery().damaged_rollups.as_slice() else {
            panic!("{length} bytes: {:?}", store.recovery())
        };
        assert_eq!((damaged.from_ms, damaged.to_ms), (START_MS + 1, START_MS + DAY_MS));
        assert_eq!(store.stats().damaged_rollup_parts, 1);
        drop(store);
        fs::remove_file(path.with_extension("damaged")).unwrap();
    }
}
