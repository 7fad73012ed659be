//! Which files were taken and may still be there: the bookmark that goes with their results.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Files that were taken and could not be removed. The first one stops the look, so there are a few at most.
const FILES_MAX: usize = 100;

/// One file by its place, the time it was written and what it holds: the next file of the same name is another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileId {
    inode: u64,
    modified_seconds: i64,
    modified_nanos: i64,
    /// SHA-256, hexadecimal.
    content: String,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Taken(Vec<FileId>);

impl FileId {
    pub(super) fn new(metadata: &Metadata, content: &[u8]) -> Self {
        Self {
            inode: metadata.ino(),
            modified_seconds: metadata.mtime(),
            modified_nanos: metadata.mtime_nsec(),
            content: hex::encode(Sha256::digest(content)),
        }
    }
}

impl Taken {
    /// A bookmark that cannot be understood counts as empty: a result may then come twice.
    pub(super) fn parse(bytes: &[u8]) -> Self {
        serde_json::from_slice(bytes).unwrap_or_default()
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    pub(super) fn contains(&self, file: &FileId) -> bool {
        self.0.contains(file)
    }

    pub(super) fn add(&mut self, file: FileId) {
        if self.0.len() == FILES_MAX {
            self.0.remove(0);
        }
        self.0.push(file);
    }

    pub(super) fn removed(&mut self, file: &FileId) {
        self.0.retain(|other| other != file);
    }
}
