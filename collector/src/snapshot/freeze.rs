//! Catching a state that changes: files that are written once are linked, the rest is copied.
//!
//! Each store is built to be taken up from what a power cut leaves, together with the journal behind it. So each is caught as of one
//! moment, and the journal last: it reaches from the slowest view's position to behind everything that the views hold.
//! Segments that the collector releases meanwhile were linked before. Only what belongs to the state is taken: no tokens, addresses, locks.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{SnapshotError, file, make_directory};
use crate::outward;

/// SQLite files, each copied by SQLite itself.
const DATABASES: [&str; 2] = ["inventory.db", "alerting.db"];

/// Files are merged and deleted while they are listed; each attempt takes milliseconds, a merge some seconds.
const ATTEMPTS_MAX: usize = 1_000;

/// A segment id of tantivy at the beginning of its files' names.
const SEGMENT_ID_BYTES: usize = 32;

/// Links the files of the state into `staging`, and copies databases straight into `target`.
pub(super) async fn freeze(
    state: &Path,
    staging: &Path,
    target: &Path,
) -> Result<(), SnapshotError> {
    let mut journal = Journal::default();
    journal.follow(&state.join("journal"), &staging.join("journal"))?;
    for name in DATABASES {
        let (from, to) = (state.join(name), target.join(name));
        if from.exists() {
            collector_sqlite::copy(&from, &to).await.map_err(|source| SnapshotError::Database {
                path: from.clone(),
                source: Box::new(source),
            })?;
        }
        journal.follow(&state.join("journal"), &staging.join("journal"))?;
    }
    events(&state.join("events"), &staging.join("events"))?;
    journal.follow(&state.join("journal"), &staging.join("journal"))?;
    metrics(&state.join("metrics"), &staging.join("metrics"))?;
    small_files(&state.join("ca"), &staging.join("ca"))?;
    // How far other systems have got; what is behind it lies in the journal.
    small_files(&state.join(outward::DIRECTORY), &staging.join(outward::DIRECTORY))?;
    journal.end(&state.join("journal"), &staging.join("journal"))
}

/// The journal's segments as they come and go.
#[derive(Default)]
struct Journal {
    newest: Option<String>,
}

impl Journal {
    /// Links every segment that was not there before. A segment may come and go between two calls only if the one
    /// that was the newest has gone as well.
    fn follow(&mut self, from: &Path, to: &Path) -> Result<(), SnapshotError> {
        make_directory(to)?;
        let mut names = names(from)?;
        names.retain(|name| name.ends_with(".journal"));
        if self.newest.as_ref().is_some_and(|newest| !names.contains(newest)) {
            return Err(SnapshotError::Restless { path: from.to_owned() });
        }
        self.link_all(&names, from, to)?;
        self.newest = names.pop_last();
        Ok(())
    }

    /// Links the segments of a list. One that has gone since it was listed may only be older than all that were caught:
    /// behind an older one it would be a hole, and nobody starts from a journal with a hole.
    fn link_all(
        &self,
        wanted: &BTreeSet<String>,
        from: &Path,
        to: &Path,
    ) -> Result<(), SnapshotError> {
        for name in wanted {
            let (from, to) = (from.join(name), to.join(name));
            // Where links are not possible, what was the newest has been copied while it was written.
            if self.newest.as_ref() == Some(name) && !is_same_file(&from, &to)? {
                fs::remove_file(&to).map_err(file("removed", &to))?;
            }
            link(&from, &to)?;
        }
        let caught = names(to)?;
        let has_hole = caught.first().is_some_and(|oldest| {
            wanted.iter().any(|name| name > oldest && !caught.contains(name))
        });
        let restless = || SnapshotError::Restless { path: from.to_owned() };
        if has_hole { Err(restless()) } else { Ok(()) }
    }

    /// The newest segment is still being written: what of it is there now is copied.
    fn end(mut self, from: &Path, to: &Path) -> Result<(), SnapshotError> {
        self.follow(from, to)?;
        let Some(newest) = self.newest else { return Ok(()) };
        let (from, to) = (from.join(&newest), to.join(&newest));
        fs::remove_file(&to).map_err(file("removed", &to))?;
        fs::copy(&from, &to).map_err(file("copied", &from))?;
        Ok(())
    }
}

fn is_same_file(one: &Path, other: &Path) -> Result<bool, SnapshotError> {
    let number = |path: &Path| -> Result<(u64, u64), SnapshotError> {
        let found = fs::metadata(path).map_err(file("looked at", path))?;
        Ok((found.dev(), found.ino()))
    };
    Ok(number(one)? == number(other)?)
}

/// Parts and roll-ups are written once, under a temporary name; the catalogue is made anew from them.
fn metrics(from: &Path, to: &Path) -> Result<(), SnapshotError> {
    let temporary = format!(".{}", collector_metric_store::TEMPORARY_EXTENSION);
    let of_state = |name: &str| {
        name != "lock"
            && name != collector_metric_store::CATALOGUE_FILE
            && !name.ends_with(&temporary)
    };
    same_moment(from, to, of_state)
}

/// Links the files of a directory in which each is written once: all that were there at one moment.
fn same_moment(
    from: &Path,
    to: &Path,
    of_state: impl Fn(&str) -> bool,
) -> Result<(), SnapshotError> {
    make_directory(to)?;
    let list = || -> Result<BTreeSet<String>, SnapshotError> {
        let mut names = names(from)?;
        names.retain(|name| of_state(name));
        Ok(names)
    };
    let mut wanted = list()?;
    for _ in 0..ATTEMPTS_MAX {
        let mut all = true;
        for name in &wanted {
            all &= link(&from.join(name), &to.join(name))?;
        }
        let again = list()?;
        if all && again == wanted {
            for gone in names(to)?.difference(&wanted) {
                fs::remove_file(to.join(gone)).map_err(file("removed", to.join(gone)))?;
            }
            return Ok(());
        }
        wanted = again;
    }
    Err(SnapshotError::Restless { path: from.to_owned() })
}

/// Days of events. The position is read first: what a day holds beyond it is known again by its ids.
fn events(from: &Path, to: &Path) -> Result<(), SnapshotError> {
    make_directory(to)?;
    for name in ["position", "format"] {
        copy_small(&from.join(name), &to.join(name))?;
    }
    for name in names(from)? {
        let (from, to) = (from.join(&name), to.join(&name));
        if from.is_dir() {
            day(&from, &to)?;
        }
    }
    Ok(())
}

/// The index of a day as of its last commit: the segments that its meta file names never change.
fn day(from: &Path, to: &Path) -> Result<(), SnapshotError> {
    let meta = || match fs::read_to_string(from.join("meta.json")) {
        // It was deleted as too old, or has just been begun: then the journal has it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some).map_err(file("read", from.join("meta.json"))),
    };
    for _ in 0..ATTEMPTS_MAX {
        let Some(before) = meta()? else { return Ok(()) };
        let ids = before.replace('-', "");
        let committed = |name: &str| {
            name.get(..SEGMENT_ID_BYTES).is_some_and(|id| {
                id.bytes().all(|byte| byte.is_ascii_hexdigit()) && ids.contains(id)
            })
        };
        let linked = same_moment(from, to, committed);
        if meta()?.as_ref() != Some(&before) {
            continue;
        }
        linked?;
        fs::write(to.join("meta.json"), &before).map_err(file("written", to.join("meta.json")))?;
        return copy_small(&from.join(".managed.json"), &to.join(".managed.json"));
    }
    Err(SnapshotError::Restless { path: from.to_owned() })
}

/// Files of some bytes, replaced whole when they change: certificate and key of the authority, positions.
fn small_files(from: &Path, to: &Path) -> Result<(), SnapshotError> {
    make_directory(to)?;
    for name in names(from)?.into_iter().filter(|name| !name.ends_with(".new")) {
        copy_small(&from.join(&name), &to.join(&name))?;
    }
    Ok(())
}

fn copy_small(from: &Path, to: &Path) -> Result<(), SnapshotError> {
    match fs::copy(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        copied => copied.map(drop).map_err(file("copied", from)),
    }
}

/// The files and directories in a directory; none when it is not there.
fn names(directory: &Path) -> Result<BTreeSet<String>, SnapshotError> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        entries => entries.map_err(file("listed", directory))?,
    };
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    names.collect::<io::Result<_>>().map_err(file("listed", directory))
}

/// `false` when there is no such file any more. Where links are not possible the file is copied.
pub(super) fn link(from: &Path, to: &Path) -> Result<bool, SnapshotError> {
    match fs::hard_link(from, to) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(_) => match fs::copy(from, to) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(file("copied", from)(error)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(directory: &Path, name: &str, text: &str) {
        fs::create_dir_all(directory).unwrap();
        fs::write(directory.join(name), text).unwrap();
    }

    #[test]
    fn a_segment_that_is_released_meanwhile_is_caught_and_a_hole_would_be_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let (from, to) = (directory.path().join("from"), directory.path().join("to"));
        put(&from, "1.journal", "one");
        put(&from, "2.journal", "two");
        let mut journal = Journal::default();
        journal.follow(&from, &to).unwrap();
        fs::remove_file(from.join("1.journal")).unwrap();
        put(&from, "3.journal", "three");
        journal.end(&from, &to).unwrap();
        let all = ["1.journal", "2.journal", "3.journal"].map(str::to_owned);
        assert_eq!(names(&to).unwrap(), BTreeSet::from(all));
        put(&from, "3.journal", "three and more");
        assert_eq!(fs::read_to_string(to.join("3.journal")).unwrap(), "three");

        let mut journal = Journal::default();
        journal.follow(&from, &to).unwrap();
        fs::remove_file(from.join("3.journal")).unwrap();
        put(&from, "9.journal", "nine");
        let hole = journal.end(&from, &to);
        assert!(matches!(hole, Err(SnapshotError::Restless { .. })));
    }

    #[test]
    fn a_segment_that_goes_between_list_and_link_is_an_error_when_an_older_one_was_caught() {
        let directory = tempfile::tempdir().unwrap();
        let (from, to) = (directory.path().join("from"), directory.path().join("to"));
        put(&from, "3.journal", "three");
        let listed = BTreeSet::from(["1", "2", "3"].map(|number| format!("{number}.journal")));
        let mut journal = Journal::default();
        make_directory(&to).unwrap();
        journal.link_all(&listed, &from, &to).unwrap();
        // The first was linked before it went, the second was not.
        put(&to, "1.journal", "one");
        let hole = journal.link_all(&listed, &from, &to);
        assert!(matches!(hole, Err(SnapshotError::Restless { .. })));
        // One that went after it was caught is in the copy.
        put(&to, "2.journal", "two");
        journal.link_all(&listed, &from, &to).unwrap();
        journal.follow(&from, &to).unwrap();
    }

    #[test]
    fn a_segment_that_was_copied_while_it_was_written_is_copied_again() {
        let directory = tempfile::tempdir().unwrap();
        let (from, to) = (directory.path().join("from"), directory.path().join("to"));
        put(&from, "1.journal", "o");
        let mut journal = Journal::default();
        journal.follow(&from, &to).unwrap();
        // As if no link had been possible.
        fs::remove_file(to.join("1.journal")).unwrap();
        put(&to, "1.journal", "o");
        put(&from, "1.journal", "one");
        put(&from, "2.journal", "two");
        journal.end(&from, &to).unwrap();
        assert_eq!(fs::read_to_string(to.join("1.journal")).unwrap(), "one");
    }

    #[test]
    fn of_files_that_are_merged_meanwhile_those_of_one_moment_are_caught() {
        let directory = tempfile::tempdir().unwrap();
        let (from, to) = (directory.path().join("from"), directory.path().join("to"));
        put(&from, "a", "");
        put(&from, "b", "");
        put(&to, "of an earlier attempt", "");
        let looks = std::cell::Cell::new(0);
        // Between the first list and the links a merge takes place.
        let merge = |name: &str| {
            looks.set(looks.get() + 1);
            if looks.get() == 2 {
                fs::remove_file(from.join("a")).unwrap();
                fs::remove_file(from.join("b")).unwrap();
                fs::write(from.join("a-b"), "").unwrap();
            }
            !name.is_empty()
        };
        same_moment(&from, &to, merge).unwrap();
        assert_eq!(names(&to).unwrap(), BTreeSet::from(["a-b".to_owned()]));
    }

    #[test]
    fn a_day_without_a_commit_is_left_to_the_journal() {
        let directory = tempfile::tempdir().unwrap();
        let (from, to) = (directory.path().join("from"), directory.path().join("to"));
        put(&from, "0123456789abcdef0123456789abcdef.idx", "being written");
        day(&from, &to).unwrap();
        assert!(!to.exists());
    }
}
