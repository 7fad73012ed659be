//! The newest file (or directory) of a pattern: when it was made, how large it is, how many there are.
//! Promises: a place that is not there or may not be read is an error, never "no copies"; links are not followed.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use agent_model::Millis;

use super::copies::Seen;

/// Files that one look touches: a directory of base backups has tens of thousands.
const FILES_MAX: u64 = 200_000;
/// Directories in directories that are entered.
const DEPTH_MAX: usize = 16;

/// Looks once. The error says what cannot be looked at.
pub(super) fn look(pattern: &str) -> Result<Seen, String> {
    let base = fixed_part(pattern);
    fs::read_dir(&base).map_err(|error| {
        format!(
            "{} cannot be read: {error}; is it mounted, and may the agent read it?",
            base.display()
        )
    })?;
    let paths = glob::glob(pattern).map_err(|error| error.to_string())?;
    let mut seen = Seen::default();
    let mut newest: Option<Copy> = None;
    let mut budget = FILES_MAX;
    for path in paths {
        let path = path.map_err(|error| error.to_string())?;
        let Some(copy) = Copy::measure(&path, &mut budget)? else { continue };
        seen.copies += 1;
        if newest.as_ref().is_none_or(|newest| newest.modified_ms < copy.modified_ms) {
            newest = Some(copy);
        }
    }
    if let Some(newest) = newest {
        seen.newest_ms = Some(newest.modified_ms);
        seen.bytes = Some(newest.bytes);
        seen.content_id = Some(newest.path.display().to_string());
    }
    Ok(seen)
}

struct Copy {
    path: PathBuf,
    modified_ms: Millis,
    bytes: u64,
}

impl Copy {
    /// `None` for what is neither a file nor a directory, or went away meanwhile.
    fn measure(path: &Path, budget: &mut u64) -> Result<Option<Self>, String> {
        let Ok(metadata) = fs::symlink_metadata(path) else { return Ok(None) };
        let mut copy =
            Self { path: path.to_owned(), modified_ms: modified_ms(&metadata), bytes: 0 };
        if metadata.is_file() {
            copy.bytes = metadata.len();
        } else if metadata.is_dir() {
            copy.add(path, DEPTH_MAX, budget)?;
        } else {
            return Ok(None);
        }
        Ok(Some(copy))
    }

    fn add(&mut self, directory: &Path, depth: usize, budget: &mut u64) -> Result<(), String> {
        let wrong = |error| format!("{} cannot be read: {error}", directory.display());
        for entry in fs::read_dir(directory).map_err(wrong)? {
            *budget = budget.checked_sub(1).ok_or_else(|| {
                format!("more than {FILES_MAX} files; name the copies more closely")
            })?;
            let path = entry.map_err(wrong)?.path();
            let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
            if metadata.is_dir() && depth > 0 {
                self.add(&path, depth - 1, budget)?;
            } else if metadata.is_file() {
                self.bytes = self.bytes.saturating_add(metadata.len());
                self.modified_ms = self.modified_ms.max(modified_ms(&metadata));
            }
        }
        Ok(())
    }
}

fn modified_ms(metadata: &Metadata) -> Millis {
    metadata.mtime().saturating_mul(1000).saturating_add(metadata.mtime_nsec() / 1_000_000)
}

/// The directory before the first component with a wildcard.
fn fixed_part(pattern: &str) -> PathBuf {
    let components = Path::new(pattern).components();
    let fixed: PathBuf = components
        .take_while(|part| !part.as_os_str().to_string_lossy().contains(['*', '?', '[']))
        .collect();
    if fixed == Path::new(pattern) {
        return fixed.parent().unwrap_or(&fixed).to_owned();
    }
    fixed
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::{Duration, SystemTime};

    use tempfile::TempDir;

    use super::*;

    fn write(path: &Path, bytes: usize, seconds: u64) {
        fs::write(path, vec![b'x'; bytes]).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        File::open(path).unwrap().set_modified(time).unwrap();
    }

    #[test]
    fn the_newest_of_files_and_directories_is_found() {
        let dir = TempDir::new().unwrap();
        let pattern = format!("{}/*.dump", dir.path().display());
        assert_eq!(look(&pattern), Ok(Seen::default()));
        write(&dir.path().join("a.dump"), 5, 100);
        write(&dir.path().join("b.dump"), 3, 200);
        write(&dir.path().join("c.txt"), 9, 300);
        let seen = look(&pattern).unwrap();
        assert_eq!((seen.newest_ms, seen.bytes, seen.copies), (Some(200_000), Some(3), 2));
        assert!(seen.content_id.unwrap().ends_with("b.dump"));
        let base = dir.path().join("base.dump");
        fs::create_dir(&base).unwrap();
        write(&base.join("one"), 10, 50);
        write(&base.join("two"), 20, 60);
        let seen = look(&pattern).unwrap();
        assert_eq!((seen.bytes, seen.copies), (Some(30), 3));
    }

    #[test]
    fn a_place_that_is_not_there_is_an_error_and_not_an_absence_of_copies() {
        let dir = TempDir::new().unwrap();
        let pattern = format!("{}/nas/*.dump", dir.path().display());
        assert!(look(&pattern).unwrap_err().contains("is it mounted"));
        assert_eq!(fixed_part("/srv/b*/x"), Path::new("/srv"));
        assert_eq!(fixed_part("/srv/backup/newest.dump"), Path::new("/srv/backup"));
    }
}
