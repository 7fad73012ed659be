//! Reads small kernel files again and again without allocating again.
//! Promises: a file that is not there is `None` (an older kernel, a container), never an error; a file past
//! the size limit is an error, never cut silently. What the text means is each source's business.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::source::SourceError;

/// `/proc/stat` of a machine with a thousand processors is about 200 kB; nothing a source reads is larger.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// A file of `/proc` or `/sys` and the buffer that its text is read into.
pub(crate) struct ProcFile {
    path: PathBuf,
    bytes: Vec<u8>,
    /// Holds the text only when the kernel shows bytes that are not UTF-8 (a mount point may be anything).
    repaired: String,
}

/// What a file said at one moment.
#[derive(Clone, Copy)]
pub(crate) struct ProcText<'a> {
    pub(crate) path: &'a Path,
    pub(crate) text: &'a str,
}

impl ProcFile {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, bytes: Vec::new(), repaired: String::new() }
    }

    /// The file as it is now, `None` if this kernel has no such file.
    pub(crate) fn read(&mut self) -> Result<Option<ProcText<'_>>, SourceError> {
        match read_into(&self.path, &mut self.bytes) {
            Ok(()) => {}
            Err(error) if is_absence(&error) => return Ok(None),
            Err(source) => return Err(SourceError::Read { path: self.path.clone(), source }),
        }
        let text = match std::str::from_utf8(&self.bytes) {
            Ok(text) => text,
            Err(_) => {
                self.repaired = String::from_utf8_lossy(&self.bytes).into_owned();
                &self.repaired
            }
        };
        Ok(Some(ProcText { path: &self.path, text }))
    }
}

impl<'a> ProcText<'a> {
    pub(crate) fn lines(self) -> impl Iterator<Item = &'a str> {
        self.text.lines()
    }

    /// A number that must stand here; `what` names it in the error.
    pub(crate) fn number(self, word: Option<&str>, what: &str) -> Result<f64, SourceError> {
        word.and_then(|word| word.parse().ok()).ok_or_else(|| self.malformed(what))
    }

    pub(crate) fn malformed(self, what: &str) -> SourceError {
        let reason = format!("no {what} where it should stand");
        SourceError::Content { path: self.path.to_owned(), reason }
    }
}

/// One attribute of sysfs, trimmed, in a buffer that is used again. `None` when it is absent or when its driver
/// has no answer at the moment (EAGAIN, EIO, ENODATA, EINVAL: sensors and links that are down do this daily).
pub(crate) fn read_attribute<'a>(path: &Path, buffer: &'a mut Vec<u8>) -> Option<&'a str> {
    read_into(path, buffer).ok()?;
    std::str::from_utf8(buffer).ok().map(str::trim)
}

/// The names in a directory, sorted; empty when it is not there.
pub(crate) fn names_in(directory: &Path) -> Result<Vec<String>, SourceError> {
    let failed = |source| SourceError::Read { path: directory.to_owned(), source };
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if is_absence(&error) => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry.map_err(failed)?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

fn read_into(path: &Path, bytes: &mut Vec<u8>) -> io::Result<()> {
    bytes.clear();
    let read = File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(bytes)?;
    if read as u64 > FILE_BYTES_MAX {
        let why = format!("larger than {FILE_BYTES_MAX} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
    }
    Ok(())
}

/// Pressure files exist but answer EOPNOTSUPP when the kernel was started with `psi=0`.
fn is_absence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::Unsupported
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_file_is_nothing_and_an_unreadable_one_an_error() {
        let directory = tempfile::tempdir().unwrap();
        assert!(ProcFile::new(directory.path().join("none")).read().unwrap().is_none());
        let error = ProcFile::new(directory.path().to_owned()).read().err().unwrap();
        assert!(matches!(error, SourceError::Read { .. }), "{error}");
    }

    #[test]
    fn a_file_at_the_limit_is_read_and_one_byte_more_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("big");
        let limit = usize::try_from(FILE_BYTES_MAX).unwrap();
        std::fs::write(&path, vec![b'a'; limit]).unwrap();
        let mut file = ProcFile::new(path.clone());
        assert_eq!(file.read().unwrap().unwrap().text.len(), limit);
        std::fs::write(&path, vec![b'a'; limit + 1]).unwrap();
        assert!(file.read().is_err());
    }

    #[test]
    fn bytes_that_are_no_text_are_shown_as_replacement_characters() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mounts");
        std::fs::write(&path, b"a \xff b").unwrap();
        assert_eq!(ProcFile::new(path).read().unwrap().unwrap().text, "a \u{fffd} b");
    }
}
