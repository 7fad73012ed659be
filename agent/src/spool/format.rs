//! The format of the spool's directory. Version 1 had no file that says so, and no bookmarks in its records; version 2
//! reads all of it. A directory of a later version is refused: cutting what looks damaged would lose it.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::{SpoolError, disk};
use crate::files;

const VERSION: u32 = 2;

/// Refuses a directory of a later version, and marks one of an earlier version as ours.
pub(super) fn check(directory: &Path) -> Result<(), SpoolError> {
    let path = directory.join("format");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => return Err(disk("reading", &path)(error)),
    };
    match text.trim().parse::<u32>() {
        Ok(VERSION) => Ok(()),
        Ok(found) if found > VERSION => Err(SpoolError::Newer { path, found, known: VERSION }),
        // Version 1, or a file that a power loss left empty: a later version would have written it again.
        _ => {
            let line = format!("{VERSION}\n");
            files::replace(&path, line.as_bytes(), 0o600).map_err(disk("writing", &path))
        }
    }
}
