//! What the watched files were when they were last looked at, and how they differ now.
//! Promises: content decides, not times; a file that cannot be read is compared by size and time; no change is told
//! twice: the file of the baseline is too large to be written with every change, so the changes lie in the spool beside
//! their events ([`Step`]) until the file has them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The format of the baseline file.
const VERSION: u32 = 2;

/// One file as it was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) mode: u32,
    pub(super) user: u32,
    pub(super) group: u32,
    pub(super) size: u64,
    inode: u64,
    modified_ns: i64,
    /// Nobody sets this one at will: a write that puts the time of the content back still shows.
    changed_ns: i64,
    /// SHA-256 of the content, or of a link's target; `None` when too large or not readable.
    pub(super) hash: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Created(Record),
    Modified { old: Record, new: Record },
    Deleted(Record),
    PermissionChanged { old: Record, new: Record },
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Baseline {
    /// The patterns that it was made for.
    pub(super) patterns: Vec<String>,
    pub(super) files: BTreeMap<PathBuf, Record>,
    /// The number of the last step that it holds.
    pub(super) step: u64,
}

/// Changes that were told together: the bookmark that goes with their events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Step {
    pub(super) number: u64,
    /// It begins a new baseline, because the file of the old one was damaged.
    #[serde(default)]
    pub(super) anew: bool,
    /// What each file is now; `None` when it is gone.
    pub(super) files: Vec<(String, Option<Record>)>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    /// Since version 2.
    #[serde(default)]
    step: u64,
    patterns: Vec<String>,
    files: Vec<(String, Record)>,
}

impl Baseline {
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let stored: Stored = serde_json::from_slice(bytes).ok()?;
        let files = stored.files.into_iter();
        let files = files.map(|(path, record)| Some((from_text(&path)?, record)));
        let files = files.collect::<Option<_>>()?;
        let known = (1..=VERSION).contains(&stored.version);
        known.then_some(Self { patterns: stored.patterns, files, step: stored.step })
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let files = self.files.iter();
        let files = files.map(|(path, record)| (to_text(path), record.clone())).collect();
        let (patterns, step) = (self.patterns.clone(), self.step);
        let stored = Stored { version: VERSION, step, patterns, files };
        serde_json::to_vec(&stored).unwrap_or_default()
    }

    /// Takes over what a step has told, if it is later than the baseline; says whether it was.
    pub(super) fn go(&mut self, step: &Step) -> bool {
        if step.number <= self.step {
            return false;
        }
        for (path, record) in &step.files {
            match (from_text(path), record) {
                (Some(path), Some(record)) => drop(self.files.insert(path, record.clone())),
                (Some(path), None) => drop(self.files.remove(&path)),
                (None, _) => {}
            }
        }
        self.step = step.number;
        true
    }

    /// The same before these changes, which are not told yet.
    pub(super) fn before(&self, changes: &[(PathBuf, Change)]) -> Self {
        let mut before = self.clone();
        for (path, change) in changes.iter().rev() {
            match change.before() {
                Some(old) => drop(before.files.insert(path.clone(), old.clone())),
                None => drop(before.files.remove(path)),
            }
        }
        before
    }

    /// Looks at one file and takes over what it is now. `thorough` reads the content even when nothing else changed.
    /// The second value is how many bytes were read.
    pub(super) fn check(
        &mut self,
        path: &Path,
        thorough: bool,
        file_bytes_max: u64,
    ) -> (Option<Change>, u64) {
        let metadata = match fs::symlink_metadata(path) {
            Ok(metadata) if metadata.is_file() || metadata.is_symlink() => metadata,
            Ok(_) => return (self.files.remove(path).map(Change::Deleted), 0),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return (self.files.remove(path).map(Change::Deleted), 0);
            }
            // Not being allowed to look says nothing about the file.
            Err(_) => return (None, 0),
        };
        let old = self.files.get(path);
        if !thorough && old.is_some_and(|old| old.same_stamp(&metadata)) {
            return (None, 0);
        }
        let (hash, read) = hash(path, &metadata, file_bytes_max);
        let new = Record::new(&metadata, hash);
        let change = match old {
            None => Some(Change::Created(new.clone())),
            Some(old) => old.compare(&new),
        };
        self.files.insert(path.to_owned(), new);
        (change, read)
    }

    /// The files at and below a path.
    pub(super) fn below(&self, path: &Path) -> Vec<PathBuf> {
        let from = self.files.range(path.to_owned()..);
        from.take_while(|(file, _)| file.starts_with(path)).map(|(file, _)| file.clone()).collect()
    }
}

/// A path as text, or as hexadecimal bytes behind a NUL when it is no text.
fn to_text(path: &Path) -> String {
    match path.to_str() {
        Some(text) => text.to_owned(),
        None => format!("\0{}", hex::encode(path.as_os_str().as_bytes())),
    }
}

fn from_text(text: &str) -> Option<PathBuf> {
    match text.strip_prefix('\0') {
        None => Some(PathBuf::from(text)),
        Some(bytes) => Some(OsString::from_vec(hex::decode(bytes).ok()?).into()),
    }
}

impl Change {
    /// What the file was before.
    fn before(&self) -> Option<&Record> {
        match self {
            Self::Created(_) => None,
            Self::Modified { old, .. } | Self::PermissionChanged { old, .. } => Some(old),
            Self::Deleted(old) => Some(old),
        }
    }

    /// What the file is now.
    fn after(&self) -> Option<&Record> {
        match self {
            Self::Deleted(_) => None,
            Self::Modified { new, .. } | Self::PermissionChanged { new, .. } => Some(new),
            Self::Created(new) => Some(new),
        }
    }
}

impl Step {
    pub(super) fn new(number: u64, changes: &[(PathBuf, Change)]) -> Self {
        let file = |(path, change): &(PathBuf, Change)| (to_text(path), change.after().cloned());
        Self { number, anew: false, files: changes.iter().map(file).collect() }
    }

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

impl Record {
    fn new(metadata: &Metadata, hash: Option<String>) -> Self {
        let nanos =
            |seconds: i64, nanos: i64| seconds.saturating_mul(1_000_000_000).saturating_add(nanos);
        Self {
            mode: metadata.mode() & 0o7777,
            user: metadata.uid(),
            group: metadata.gid(),
            size: metadata.len(),
            inode: metadata.ino(),
            modified_ns: nanos(metadata.mtime(), metadata.mtime_nsec()),
            changed_ns: nanos(metadata.ctime(), metadata.ctime_nsec()),
            hash,
        }
    }

    fn same_stamp(&self, metadata: &Metadata) -> bool {
        *self == Self { hash: self.hash.clone(), ..Self::new(metadata, None) }
    }

    fn compare(&self, new: &Self) -> Option<Change> {
        let content = match (&self.hash, &new.hash) {
            (Some(old), Some(new)) => old != new,
            // Without content on both sides, size and time must do.
            _ => (self.size, self.modified_ns) != (new.size, new.modified_ns),
        };
        let rights = |record: &Self| (record.mode, record.user, record.group);
        if content {
            Some(Change::Modified { old: self.clone(), new: new.clone() })
        } else if rights(self) != rights(new) {
            Some(Change::PermissionChanged { old: self.clone(), new: new.clone() })
        } else {
            None
        }
    }
}

/// `None` when it cannot be read, is too large, or grows beyond the bound while it is read.
fn hash(path: &Path, metadata: &Metadata, bytes_max: u64) -> (Option<String>, u64) {
    if metadata.is_symlink() {
        let target = fs::read_link(path).ok();
        return (
            target.map(|target| hex::encode(Sha256::digest(target.as_os_str().as_bytes()))),
            0,
        );
    }
    if metadata.len() > bytes_max {
        return (None, 0);
    }
    // A pipe or a link that took the file's place meanwhile must neither hang nor mislead us.
    let options = OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW;
    let opened = fs::OpenOptions::new().read(true).custom_flags(options.bits()).open(path);
    match opened.and_then(|file| hash_file(&file, bytes_max)) {
        Ok((hash, read)) => (hash, read),
        Err(_) => (None, 0),
    }
}

fn hash_file(file: &File, bytes_max: u64) -> io::Result<(Option<String>, u64)> {
    let mut hash = Sha256::new();
    let mut bytes = vec![0; 64 << 10];
    let (mut limited, mut total) = (file.take(bytes_max + 1), 0);
    loop {
        let length = limited.read(&mut bytes)?;
        if length == 0 {
            break;
        }
        hash.update(&bytes[..length]);
        total += u64::try_from(length).unwrap_or(0);
    }
    let whole = total <= bytes_max;
    Ok((whole.then(|| hex::encode(hash.finalize())), total))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use tempfile::TempDir;

    use super::*;

    const BYTES_MAX: u64 = 1000;

    fn check(baseline: &mut Baseline, path: &Path) -> Option<Change> {
        baseline.check(path, false, BYTES_MAX).0
    }

    #[test]
    fn every_kind_of_change_is_told_once() {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("passwd");
        let mut baseline = Baseline::default();
        assert_eq!(check(&mut baseline, &file), None);
        fs::write(&file, "root").unwrap();
        assert!(matches!(check(&mut baseline, &file), Some(Change::Created(_))));
        assert_eq!(check(&mut baseline, &file), None);
        fs::write(&file, "eve!").unwrap();
        let Some(Change::Modified { old, new }) = check(&mut baseline, &file) else { panic!() };
        assert_ne!(old.hash, new.hash);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o4755)).unwrap();
        let Some(Change::PermissionChanged { new, .. }) = check(&mut baseline, &file) else {
            panic!()
        };
        assert_eq!(new.mode, 0o4755);
        // Written again with the same content: times differ, the file does not.
        fs::write(&file, "eve!").unwrap();
        assert_eq!(baseline.check(&file, true, BYTES_MAX), (None, 4));
        fs::remove_file(&file).unwrap();
        assert!(matches!(check(&mut baseline, &file), Some(Change::Deleted(_))));
        assert_eq!(check(&mut baseline, &file), None);
    }

    #[test]
    fn a_link_is_known_by_its_target() {
        let dir = TempDir::new().unwrap();
        let link = dir.path().join("link");
        let mut baseline = Baseline::default();
        symlink("/etc/passwd", &link).unwrap();
        check(&mut baseline, &link);
        fs::remove_file(&link).unwrap();
        symlink("/etc/shadow", &link).unwrap();
        assert!(matches!(check(&mut baseline, &link), Some(Change::Modified { .. })));
    }

    #[test]
    fn a_file_beyond_the_bound_is_compared_by_size_and_time() {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("large");
        let mut baseline = Baseline::default();
        fs::write(&file, vec![b'x'; 1000]).unwrap();
        let (Some(Change::Created(record)), 1000) = baseline.check(&file, false, BYTES_MAX) else {
            panic!()
        };
        assert!(record.hash.is_some());
        fs::write(&file, vec![b'x'; 1001]).unwrap();
        let Some(Change::Modified { new, .. }) = check(&mut baseline, &file) else { panic!() };
        assert_eq!(new.hash, None);
        fs::write(&file, vec![b'x'; 1002]).unwrap();
        assert!(matches!(check(&mut baseline, &file), Some(Change::Modified { .. })));
    }

    #[test]
    fn a_baseline_survives_its_file() {
        let dir = TempDir::new().unwrap();
        let strange = dir.path().join(OsString::from_vec(vec![b'a', 0xff]));
        fs::write(&strange, "x").unwrap();
        let mut baseline = Baseline { patterns: vec!["/etc".into()], ..Baseline::default() };
        check(&mut baseline, &strange);
        assert_eq!(Baseline::parse(&baseline.to_bytes()), Some(baseline.clone()));
        assert_eq!(baseline.below(dir.path()), [strange]);
        assert_eq!(Baseline::parse(b"{}"), None);
    }

    #[test]
    fn a_step_brings_an_older_baseline_up_to_date_and_a_newer_one_leaves_it_alone() {
        let dir = TempDir::new().unwrap();
        let [kept, gone, new] = ["kept", "gone", "new"].map(|name| dir.path().join(name));
        fs::write(&kept, "1").unwrap();
        fs::write(&gone, "1").unwrap();
        let mut baseline = Baseline::default();
        for path in [&kept, &gone] {
            check(&mut baseline, path);
        }
        let older = baseline.clone();
        fs::write(&kept, "2").unwrap();
        fs::write(&new, "1").unwrap();
        fs::remove_file(&gone).unwrap();
        let look = |path: &PathBuf| (path.clone(), check(&mut baseline, path).unwrap());
        let changes: Vec<_> = [&new, &kept, &gone].into_iter().map(look).collect();
        assert_eq!(baseline.before(&changes), older);
        assert_eq!(baseline.before(&changes[1..]).files.len(), 3);
        baseline.step = 1;
        let step = Step::parse(&Step::new(1, &changes).to_bytes()).unwrap();
        let mut resumed = older;
        assert!(resumed.go(&step));
        assert_eq!(resumed, baseline);
        fs::remove_file(&new).unwrap();
        check(&mut resumed, &new);
        assert!(!resumed.go(&step), "it has the step already");
        assert!(!resumed.files.contains_key(&new));
    }
}
