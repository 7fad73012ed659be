//! Snapshots: a copy of the collector's whole state, taken while it runs or not, that a collector starts from.
//!
//! Promises: everything acknowledged before the snapshot began is in it, and its parts fit together; it appears whole or not
//! at all; a manifest tells the size and SHA-256 of every file. The authority's key is in it (mode 0600), because agents
//! trust no other; no token of a running collector is.
//! Leaves to others: what the stores' files mean. How a running state is caught is in `freeze`, the copy in `manifest`, and
//! what a start from it tells in `restored`.

mod freeze;
mod manifest;
pub mod restored;

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use agent_model::Millis;

pub use manifest::{MANIFEST, Manifest, verify};

/// Where the state's files are linked first, so that all are of one moment however long copying takes.
const STAGING: &str = "snapshot.staging";

#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    #[error("{path} cannot be {action}")]
    File {
        path: PathBuf,
        action: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("{path} is not an empty directory: a snapshot is never put over something")]
    NotEmpty { path: PathBuf },
    #[error("{path} lies within the state itself: choose a place that survives it")]
    Inside { path: PathBuf },
    #[error("another snapshot works in {path}: wait for it")]
    Busy { path: PathBuf },
    #[error("{path} cannot be copied")]
    Database {
        path: PathBuf,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("{path} changes faster than it can be caught: try again when there is less to do")]
    Restless { path: PathBuf },
    #[error("{path} is no manifest of a snapshot")]
    Manifest {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    #[error("{path} has format {found}; this program reads format {}", manifest::FORMAT)]
    Format { path: PathBuf, found: u32 },
    #[error("the restored state cannot be noted")]
    Inventory(#[from] collector_inventory::InventoryError),
}

fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> SnapshotError {
    let path = path.into();
    move |source| SnapshotError::File { path, action, source }
}

/// Copies the state into a directory that is absent or empty.
pub async fn take(
    state_dir: &Path,
    target: &Path,
    now_ms: Millis,
) -> Result<Manifest, SnapshotError> {
    let state_dir = fs::canonicalize(state_dir).map_err(file("found", state_dir))?;
    let target = std::path::absolute(target).map_err(file("found", target))?;
    let (Some(parent), Some(name)) = (target.parent(), target.file_name()) else {
        return Err(SnapshotError::NotEmpty { path: target });
    };
    let parent = fs::canonicalize(parent).map_err(file("found", parent))?;
    let target = parent.join(name);
    if target.starts_with(&state_dir) {
        return Err(SnapshotError::Inside { path: target });
    }
    refuse_what_is_there(&target)?;
    let partial = Workplace::make(parent.join(format!(".{}.partial", name.to_string_lossy())))?;
    let staging = Workplace::make(state_dir.join(STAGING))?;
    freeze::freeze(&state_dir, &staging.path, &partial.path).await?;
    manifest::fill(&staging.path, &partial.path)?;
    let manifest = manifest::write(&partial.path, now_ms)?;
    fs::rename(&partial.path, &target).map_err(file("put in its place", &target))?;
    sync_directory(&parent)?;
    Ok(manifest)
}

fn refuse_what_is_there(target: &Path) -> Result<(), SnapshotError> {
    let there = match fs::read_dir(target) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(_) => true,
        Ok(mut entries) => entries.next().is_some(),
    };
    if there { Err(SnapshotError::NotEmpty { path: target.to_owned() }) } else { Ok(()) }
}

/// A directory that one snapshot works in; it goes with its end, and what an earlier one left that was killed goes first.
struct Workplace {
    path: PathBuf,
    _lock: File,
}

impl Workplace {
    fn make(path: PathBuf) -> Result<Self, SnapshotError> {
        if let Ok(left) = File::open(&path) {
            match left.try_lock() {
                Ok(()) => fs::remove_dir_all(&path).map_err(file("removed", &path))?,
                Err(TryLockError::WouldBlock) => return Err(SnapshotError::Busy { path }),
                Err(TryLockError::Error(source)) => return Err(file("locked", path)(source)),
            }
        }
        DirBuilder::new().mode(0o700).create(&path).map_err(file("made", &path))?;
        let lock = File::open(&path).map_err(file("opened", &path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(_) => Err(SnapshotError::Busy { path }),
        }
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        // The one that was put in its place is gone from here.
        if let Err(error) = fs::remove_dir_all(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %self.path.display(), %error, "a snapshot's work is left behind");
        }
    }
}

fn make_directory(path: &Path) -> Result<(), SnapshotError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(file("made", path))
}

fn sync_directory(path: &Path) -> Result<(), SnapshotError> {
    File::open(path).and_then(|directory| directory.sync_all()).map_err(file("synced", path))
}

#[cfg(test)]
mod tests;
