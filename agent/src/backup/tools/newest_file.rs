//! The files (or directories) of a pattern as copies: when each was made, how large it is, how many there are.
//! Promises: a place that is not there or may not be read is an error, never "no copies"; links are not followed.
//! A file's data is from no later than its birth and its last change, whichever came first. A directory tells no such
//! moment: it may be a tree that rsync or rsnapshot brought up to date without changing a file.

use std::fs::{self, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use agent_model::{CopyEntry, Millis, VerificationDepth};
use agent_yaml::{At, Duration as Length};
use deserr::Deserr;

use super::super::config::{Common, Entry, Host, Verify, Wrong};
use super::format::Format;
use super::{Found, Tool};

/// Files that one look touches: a directory of base backups has tens of thousands.
const FILES_MAX: u64 = 200_000;
/// Directories in directories that are entered.
const DEPTH_MAX: usize = 16;

/// A look at files on a network file system may hang for ever; then the job says so.
const TIMEOUT: Duration = Duration::from_secs(120);
/// A file of checksums as `sha256sum` writes it.
const CHECKSUM_BYTES_MAX: u64 = 4 << 10;

/// The newest file of a pattern counts as the newest copy of a job.
#[derive(Clone, Debug, Deserr)]
#[deserr(deny_unknown_fields)]
pub struct Config {
    pub job: At<String>,
    /// An absolute pattern: `/srv/backup/db/*.dump`.
    pub files: At<String>,
    /// What they are; then they can be verified.
    #[deserr(default)]
    pub format: Option<Format>,
    #[deserr(default = Length::from_secs(300))]
    pub interval: Length,
    #[deserr(default)]
    pub verify: Option<Verify>,
}

impl Entry for Config {
    fn common(&self) -> Common<'_> {
        Common {
            job: &self.job,
            place: self.files.value.clone(),
            interval: self.interval,
            depths: self.format.map_or(&[], Format::depths),
            verify: self.verify.as_ref(),
        }
    }

    fn check(&self, wrong: &mut Wrong<'_>) {
        let pattern = &self.files.value;
        if !pattern.starts_with('/') {
            wrong(&self.files, format!("{pattern:?} must be an absolute pattern"));
        }
        if let Err(error) = glob::Pattern::new(pattern) {
            wrong(&self.files, format!("{pattern:?} is not a pattern: {error}"));
        }
    }

    fn tool(&self, host: &Host<'_>) -> Tool {
        Tool::NewestFile(Files::new(&self.files.value, host.root, self.format))
    }
}

/// The files of one pattern.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    pattern: String,
    /// The root of the host's files.
    within: PathBuf,
    format: Option<Format>,
}

impl Files {
    pub(crate) fn new(pattern: &str, within: &Path, format: Option<Format>) -> Self {
        Self { pattern: pattern.to_owned(), within: within.to_owned(), format }
    }

    pub(super) fn location(&self) -> String {
        self.pattern.clone()
    }

    pub(super) async fn look(&self) -> Result<Vec<Found>, String> {
        Ok(self.paths().await?.into_iter().map(|(_, found)| found).collect())
    }

    /// Verifies the newest.
    pub(super) async fn verify(
        &self,
        depth: VerificationDepth,
        time_limit: Duration,
    ) -> Result<(), String> {
        let newest = self.paths().await?.into_iter().max_by_key(|(_, found)| found.made_ms);
        let (path, _) = newest.ok_or("there is no copy to verify")?;
        match self.format {
            Some(format) => format.verify(&path, depth, time_limit).await,
            None => Err("files without a format cannot be verified".to_owned()),
        }
    }

    pub(super) async fn restore(&self, into: &Path, time_limit: Duration) -> Result<(), String> {
        let newest = self.paths().await?.into_iter().max_by_key(|(_, found)| found.made_ms);
        let (path, _) = newest.ok_or("there is no copy to restore")?;
        match self.format {
            Some(format) => format.restore(&path, into, time_limit).await,
            None => Err("files without a format cannot be restored".to_owned()),
        }
    }

    async fn paths(&self) -> Result<Vec<(PathBuf, Found)>, String> {
        let pattern = self.within.join(self.pattern.trim_start_matches('/')).display().to_string();
        let format = self.format;
        let looking = tokio::task::spawn_blocking(move || look(&pattern, format));
        match tokio::time::timeout(TIMEOUT, looking).await {
            Ok(Ok(found)) => found,
            Ok(Err(stopped)) => Err(stopped.to_string()),
            Err(_) => Err(format!("the directory did not answer within {} s", TIMEOUT.as_secs())),
        }
    }
}

/// Looks once. The error says what cannot be looked at.
fn look(pattern: &str, format: Option<Format>) -> Result<Vec<(PathBuf, Found)>, String> {
    let base = fixed_part(pattern);
    fs::read_dir(&base).map_err(|error| {
        format!(
            "{} cannot be read: {error}; is it mounted, and may the agent read it?",
            base.display()
        )
    })?;
    let paths = glob::glob(pattern).map_err(|error| error.to_string())?;
    let mut found = Vec::new();
    let mut budget = FILES_MAX;
    for path in paths {
        let path = path.map_err(|error| error.to_string())?;
        spend(&mut budget)?;
        let Some(mut copy) = measure(&path, &mut budget)? else { continue };
        if let Some(format) = format {
            format.describe(&path, &mut copy);
        }
        found.push((path, copy));
    }
    Ok(found)
}

/// `None` for what is neither a file nor a directory, or went away meanwhile.
fn measure(path: &Path, budget: &mut u64) -> Result<Option<Found>, String> {
    let Ok(metadata) = fs::symlink_metadata(path) else { return Ok(None) };
    let mut size = Size { modified_ms: modified_ms(&metadata), bytes: 0 };
    let mut consistent_ms = None;
    if metadata.is_file() {
        size.bytes = metadata.len();
        let born_ms = metadata.created().ok().and_then(since_1970_ms);
        consistent_ms = born_ms.into_iter().chain([size.modified_ms]).min();
    } else if metadata.is_dir() {
        size.add(path, DEPTH_MAX, budget)?;
    } else {
        return Ok(None);
    }
    let name = path.file_name().unwrap_or_default().display();
    let content_id =
        checksum_beside(path, &metadata).unwrap_or_else(|| format!("size:{}:{name}", size.bytes));
    let entry = CopyEntry { content_id, consistent_ms, bytes: Some(size.bytes) };
    Ok(Some(Found { made_ms: size.modified_ms, entry }))
}

/// What `sha256sum` wrote into `FILE.sha256` when the file was made; one that is older than the file tells of another.
fn checksum_beside(path: &Path, metadata: &Metadata) -> Option<String> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".sha256");
    let file = fs::File::open(beside).ok()?;
    if modified_ms(&file.metadata().ok()?) < modified_ms(metadata) {
        return None;
    }
    let mut text = String::new();
    file.take(CHECKSUM_BYTES_MAX).read_to_string(&mut text).ok()?;
    let sum = text.split_whitespace().next()?.to_ascii_lowercase();
    let is_sum = sum.len() == 64 && sum.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_sum.then(|| format!("sha256:{sum}"))
}

fn spend(budget: &mut u64) -> Result<(), String> {
    *budget = budget
        .checked_sub(1)
        .ok_or_else(|| format!("more than {FILES_MAX} files; name the copies more closely"))?;
    Ok(())
}

struct Size {
    modified_ms: Millis,
    bytes: u64,
}

impl Size {
    fn add(&mut self, directory: &Path, depth: usize, budget: &mut u64) -> Result<(), String> {
        let wrong = |error| format!("{} cannot be read: {error}", directory.display());
        for entry in fs::read_dir(directory).map_err(wrong)? {
            spend(budget)?;
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

fn since_1970_ms(time: SystemTime) -> Option<Millis> {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Millis::try_from(since.as_millis()).ok()
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

    use tempfile::TempDir;

    use super::super::Seen;
    use super::*;

    fn write(path: &Path, bytes: usize, seconds: u64) {
        fs::write(path, vec![b'x'; bytes]).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        File::open(path).unwrap().set_modified(time).unwrap();
    }

    #[test]
    fn files_and_directories_are_measured() {
        let dir = TempDir::new().unwrap();
        let pattern = format!("{}/*.dump", dir.path().display());
        let seen = || {
            let paths = look(&pattern, None).unwrap();
            Seen::of(paths.into_iter().map(|(_, found)| found).collect())
        };
        assert_eq!(seen(), Seen::default());
        write(&dir.path().join("a.dump"), 5, 100);
        write(&dir.path().join("b.dump"), 3, 200);
        write(&dir.path().join("c.txt"), 9, 300);
        let of_files = seen();
        assert_eq!((of_files.newest_ms, of_files.oldest_ms), (Some(200_000), Some(100_000)));
        let newest = of_files.newest();
        assert_eq!((newest.bytes, newest.content_id.as_str()), (Some(3), "size:3:b.dump"));
        // Written later than its own time says: a copy that kept the time of the original.
        assert_eq!((newest.consistent_ms, of_files.copies), (Some(200_000), 2));
        let base = dir.path().join("base.dump");
        fs::create_dir(&base).unwrap();
        write(&base.join("one"), 10, 50);
        write(&base.join("two"), 20, 60);
        let newest = seen().newest();
        assert_eq!((newest.bytes, newest.consistent_ms), (Some(30), None));
    }

    #[test]
    fn a_file_that_was_written_slowly_holds_the_data_of_its_beginning() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("a.dump");
        write(&path, 5, 4_000_000_000);
        let (_, found) = look(&path.display().to_string(), None).unwrap().remove(0);
        assert_eq!(found.made_ms, 4_000_000_000_000);
        assert!(found.entry.consistent_ms.unwrap() < 4_000_000_000_000);
    }

    #[test]
    fn a_checksum_beside_the_file_is_its_identity_unless_it_is_older_or_rubbish() {
        let dir = TempDir::new().unwrap();
        let (path, beside) = (dir.path().join("a.dump"), dir.path().join("a.dump.sha256"));
        write(&path, 5, 100);
        let identity = |text: &str, seconds| {
            fs::write(&beside, text).unwrap();
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            File::open(&beside).unwrap().set_modified(time).unwrap();
            look(&path.display().to_string(), None).unwrap().remove(0).1.entry.content_id
        };
        let sum = "ab".repeat(32);
        assert_eq!(identity(&format!("{sum}  a.dump\n"), 100), format!("sha256:{sum}"));
        assert_eq!(identity(&format!("{sum}  a.dump\n"), 99), "size:5:a.dump");
        assert_eq!(identity("rubbish", 100), "size:5:a.dump");
    }

    #[test]
    fn a_place_that_is_not_there_is_an_error_and_not_an_absence_of_copies() {
        let dir = TempDir::new().unwrap();
        let pattern = format!("{}/nas/*.dump", dir.path().display());
        assert!(look(&pattern, None).unwrap_err().contains("is it mounted"));
        assert_eq!(fixed_part("/srv/b*/x"), Path::new("/srv"));
        assert_eq!(fixed_part("/srv/backup/newest.dump"), Path::new("/srv/backup"));
    }
}
