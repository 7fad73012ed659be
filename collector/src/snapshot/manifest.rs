//! The snapshot's own directory: filled from the caught files, described file by file, and checked later.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use agent_model::Millis;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::freeze::link;
use super::{SnapshotError, file, make_directory, sync_directory};

pub const MANIFEST: &str = "manifest.json";

/// Of the manifest and of what lies where; the stores' files have formats of their own.
pub(super) const FORMAT: u32 = 1;

const READ_BYTES: usize = 1 << 20;

/// What a snapshot holds.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Manifest {
    pub format: u32,
    /// What came after this may be missing.
    pub taken_ms: Millis,
    /// The program that took it.
    pub version: String,
    /// By path within the snapshot.
    pub files: BTreeMap<String, Described>,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Described {
    pub bytes: u64,
    pub sha256: String,
}

impl Manifest {
    pub fn bytes(&self) -> u64 {
        self.files.values().map(|described| described.bytes).sum()
    }

    pub(super) fn read(path: &Path) -> Result<Self, SnapshotError> {
        let text = fs::read(path).map_err(file("read", path))?;
        let manifest: Self = serde_json::from_slice(&text)
            .map_err(|source| SnapshotError::Manifest { path: path.to_owned(), source })?;
        if manifest.format == FORMAT {
            Ok(manifest)
        } else {
            Err(SnapshotError::Format { path: path.to_owned(), found: manifest.format })
        }
    }
}

/// Gives the target every caught file: the same one where both lie on one file system.
pub(super) fn fill(staging: &Path, target: &Path) -> Result<(), SnapshotError> {
    for (name, path) in files(staging)? {
        let to = target.join(name);
        if let Some(parent) = to.parent() {
            make_directory(parent)?;
        }
        link(&path, &to)?;
    }
    Ok(())
}

/// Describes every file, and sees to it that all of it is on disk.
pub(super) fn write(target: &Path, taken_ms: Millis) -> Result<Manifest, SnapshotError> {
    let mut described = BTreeMap::new();
    for (name, path) in files(target)? {
        // A database that SQLite made has the mode of others' files.
        if path.extension().is_some_and(|extension| extension == "db") {
            let private = fs::Permissions::from_mode(0o600);
            fs::set_permissions(&path, private).map_err(file("made private", &path))?;
        }
        described.insert(name, describe(&path)?);
        File::open(&path).and_then(|file| file.sync_all()).map_err(file("synced", &path))?;
    }
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let manifest = Manifest { format: FORMAT, taken_ms, version, files: described };
    let path = target.join(MANIFEST);
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    let text = serde_json::to_vec_pretty(&manifest)
        .map_err(|source| SnapshotError::Manifest { path: path.clone(), source })?;
    let written = made.and_then(|mut file| {
        file.write_all(&text)?;
        file.sync_all()
    });
    written.map_err(file("written", &path))?;
    sync_below(target)?;
    Ok(manifest)
}

/// Everything that is wrong with a snapshot, a line each; none when it is whole.
pub fn verify(snapshot: &Path) -> Result<Vec<String>, SnapshotError> {
    let manifest = Manifest::read(&snapshot.join(MANIFEST))?;
    let mut found = files(snapshot)?;
    found.remove(MANIFEST);
    let mut problems = Vec::new();
    for (name, expected) in &manifest.files {
        let Some(path) = found.remove(name) else {
            problems.push(format!("{name} is missing"));
            continue;
        };
        let described = describe(&path)?;
        if described.bytes != expected.bytes {
            let (is, was) = (described.bytes, expected.bytes);
            problems.push(format!("{name} has {is} bytes, it had {was}"));
        } else if described != *expected {
            problems.push(format!("{name} is not what was written: its SHA-256 is another"));
        }
    }
    problems.extend(found.keys().map(|name| format!("{name} is not in the manifest")));
    Ok(problems)
}

fn describe(path: &Path) -> Result<Described, SnapshotError> {
    let mut opened = File::open(path).map_err(file("opened", path))?;
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let read = opened.read(&mut buffer).map_err(file("read", path))?;
        if read == 0 {
            return Ok(Described { bytes, sha256: hex::encode(hash.finalize()) });
        }
        hash.update(&buffer[..read]);
        bytes += read as u64;
    }
}

/// Every file below a directory by its path within it.
fn files(directory: &Path) -> Result<BTreeMap<String, PathBuf>, SnapshotError> {
    let mut all = BTreeMap::new();
    let mut open = vec![(String::new(), directory.to_owned())];
    while let Some((prefix, directory)) = open.pop() {
        for entry in fs::read_dir(&directory).map_err(file("listed", &directory))? {
            let entry = entry.map_err(file("listed", &directory))?;
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            let kind = entry.file_type().map_err(file("listed", entry.path()))?;
            if kind.is_dir() {
                open.push((format!("{name}/"), entry.path()));
            } else {
                all.insert(name, entry.path());
            }
        }
    }
    Ok(all)
}

fn sync_below(directory: &Path) -> Result<(), SnapshotError> {
    for entry in fs::read_dir(directory).map_err(file("listed", directory))? {
        let entry = entry.map_err(file("listed", directory))?;
        if entry.file_type().map_err(file("listed", entry.path()))?.is_dir() {
            sync_below(&entry.path())?;
        }
    }
    sync_directory(directory)
}
