//! What a tail remembers: which files it was reading, how far, and what stood there. It goes with every batch of lines,
//! so it is kept short.

use std::io;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::siblings::Candidate;

/// The format of the cursor. The first one lay in a file and had longer fingerprints.
pub(super) const VERSION: u32 = 2;
/// Hexadecimal digits of a fingerprint: 128 bits tell the files of one directory apart.
const FINGERPRINT_DIGITS: usize = 32;
/// Bytes before the offset that tell a file from another at the same place; log lines carry times, so a line or two do.
pub(super) const FINGERPRINT_BYTES_MAX: usize = 1024;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cursor {
    pub(super) version: u32,
    pub(super) modified_ns: i64,
    pub(super) files: Vec<Mark>,
    pub(super) finished: Vec<Mark>,
}

/// How far one file was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    pub(super) device: u64,
    pub(super) inode: u64,
    pub(super) offset: u64,
    /// The beginning of the SHA-256 of the bytes before the offset, hexadecimal.
    pub(super) fingerprint: String,
    /// The offset lies within a line that was too long; its rest is dropped.
    pub(super) skipping: bool,
}

impl Cursor {
    /// `None` for anything that is not a cursor of this version or the one before.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut cursor: Self = serde_json::from_slice(bytes).ok()?;
        if !(1..=VERSION).contains(&cursor.version) {
            return None;
        }
        cursor.version = VERSION;
        for mark in cursor.files.iter_mut().chain(&mut cursor.finished) {
            let digits = mark.fingerprint.floor_char_boundary(FINGERPRINT_DIGITS);
            mark.fingerprint.truncate(digits);
        }
        Some(cursor)
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

impl Mark {
    /// Whether this is the file by its place on disk; the place may have been given away since.
    pub(super) fn is(&self, candidate: &Candidate) -> bool {
        (self.device, self.inode) == candidate.id
    }

    /// Whether the bytes before the offset are the ones that were read.
    pub(super) fn fits(&self, candidate: &Candidate) -> io::Result<bool> {
        if candidate.size < self.offset || self.offset == 0 {
            return Ok(false);
        }
        let tail = candidate.bytes_before(self.offset, FINGERPRINT_BYTES_MAX)?;
        Ok(fingerprint(&tail) == self.fingerprint)
    }

    /// The candidate that holds what was read: the same file, else a copy of it.
    pub(super) fn find(&self, candidates: &[Candidate]) -> io::Result<Option<usize>> {
        let same = candidates.iter().position(|candidate| self.is(candidate));
        if let Some(at) = same
            && (self.offset == 0 || self.fits(&candidates[at])?)
        {
            return Ok(Some(at));
        }
        for (at, candidate) in candidates.iter().enumerate() {
            if self.fits(candidate)? {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }
}

pub(super) fn fingerprint(bytes: &[u8]) -> String {
    let mut digits = hex::encode(Sha256::digest(bytes));
    digits.truncate(FINGERPRINT_DIGITS);
    digits
}
