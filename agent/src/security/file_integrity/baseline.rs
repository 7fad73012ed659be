//! What the watched files were when they were last looked at, and how they differ now.
//! Promises: content decides, not times; a file that cannot be read is compared by size and time; no change is told twice.

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
const VERSION: u32 = 1;

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
}

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    patterns: Vec<String>,
    /// Paths as text, or as hexadecimal bytes behind a NUL when they are no text.
    files: Vec<(String, Record)>,
}

impl Baseline {
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let stored: Stored = serde_json::from_slice(bytes).ok()?;
        let files = stored.files.into_iter().map(|(path, record)| {
            let path = match path.strip_prefix('\0') {
                None => PathBuf::from(path),
                Some(bytes) => OsString::from_vec(hex::decode(bytes).ok()?).into(),
            };
            Some((path, record))
        });
        let files = files.collect::<Option<_>>()?;
        (stored.version == VERSION).then_some(Self { patterns: stored.patterns, files })
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let text = |path: &Path| match path.to_str() {
            Some(text) => text.to_owned(),
            None => format!("\0{}", hex::encode(path.as_os_str().as_bytes())),
        };
        let files = self.files.iter().map(|(path, record)| (text(path), record.clone())).collect();
        let stored = Stored { version: VERSION, patterns: self.patterns.clone(), files };
        serde_json::to_vec(&stored).unwrap_or_default()
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
}
