//! Which collector a cursor belongs to. A collector keeps its name whatever its address; before it was met there, the
//! address has to do as one, and what was noted under it is taken over once it is known who is there.

use std::path::Path;

use super::cursor::Cursor;
use super::{Spool, SpoolError};

/// By what the spool knows a collector; safe in a file name.
#[derive(Clone, Debug)]
pub struct CollectorName {
    /// Stays the same for it.
    pub name: String,
    /// Names it may have had before.
    pub former: Vec<String>,
}

/// The cursor of a collector, with what was noted under its former names.
pub(super) fn open_cursor(
    directory: &Path,
    collector: &CollectorName,
) -> Result<Cursor, SpoolError> {
    let mut cursor = Cursor::open(directory, &collector.name);
    for former in &collector.former {
        if Cursor::exists(directory, former) {
            cursor.absorb(Cursor::open(directory, former))?;
        }
    }
    Ok(cursor)
}

impl Spool {
    /// A collector turned out to be the one of this name: what is known of it under that name counts too. What was
    /// noted of the address alone is taken over; what was noted of another collector is not.
    pub fn name_collector(
        &mut self,
        collector: usize,
        name: &str,
        another: bool,
    ) -> Result<(), SpoolError> {
        let named = Cursor::open(&self.cursor_dir, name);
        if self.cursors[collector].is_called_as(&named) {
            return Ok(());
        }
        let before = std::mem::replace(&mut self.cursors[collector], named);
        if another { Ok(()) } else { self.cursors[collector].absorb(before) }
    }
}
