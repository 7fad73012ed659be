//! The log and its rotated siblings: `log`, `log.1`, `log-20261121`; compressed ones are not readable and left out.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

/// Newest siblings that are looked at; logrotate keeps 4 to 52.
const SIBLINGS_MAX: usize = 64;
/// Looks until two in a row agree: a rotation renames one file after the other.
const LOOKS_MAX: usize = 5;

/// Age by name: later ones compare greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// `log-20261121`: a larger date is newer.
    Dated(u128),
    /// `log.2`: a larger number is older.
    Numbered(std::cmp::Reverse<u32>),
    /// The log itself.
    Log,
}

/// One file, held open so that a rename does not lose it.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) rank: Rank,
    /// Device and inode.
    pub(super) id: (u64, u64),
    pub(super) size: u64,
    pub(super) modified_ns: i64,
    pub(super) file: File,
}

impl Candidate {
    /// Up to `bytes_max` bytes that end at `offset`.
    pub(super) fn bytes_before(&self, offset: u64, bytes_max: usize) -> io::Result<Vec<u8>> {
        bytes_before(&self.file, offset, bytes_max)
    }
}

pub(super) fn bytes_before(file: &File, offset: u64, bytes_max: usize) -> io::Result<Vec<u8>> {
    let length = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes_max);
    let mut bytes = vec![0; length];
    let start = offset - u64::try_from(length).unwrap_or(0);
    match file.read_exact_at(&mut bytes, start) {
        Ok(()) => Ok(bytes),
        // Cut shorter in this moment: what is not there does not match.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Device and inode of what the path names now, and when it changed; `None` when it names no file.
pub(super) fn identify(path: &Path) -> io::Result<Option<((u64, u64), i64)>> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => Ok(Some((id(&metadata), modified_ns(&metadata)))),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The log and its siblings, oldest first, all seen at one moment.
pub(super) fn snapshot(log: &Path) -> io::Result<Vec<Candidate>> {
    let mut candidates = look(log)?;
    for _ in 1..LOOKS_MAX {
        let again = look(log)?;
        let names = |found: &[Candidate]| -> Vec<_> {
            found.iter().map(|candidate| (candidate.rank, candidate.id)).collect()
        };
        let settled = names(&candidates) == names(&again);
        candidates = again;
        if settled {
            break;
        }
    }
    Ok(candidates)
}

fn look(log: &Path) -> io::Result<Vec<Candidate>> {
    let (Some(directory), Some(name)) = (log.parent(), log.file_name().and_then(|n| n.to_str()))
    else {
        return Ok(Vec::new());
    };
    let mut names: Vec<(Rank, PathBuf)> = Vec::new();
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        if let Some(rank) = entry.file_name().to_str().and_then(|other| rank(name, other)) {
            names.push((rank, entry.path()));
        }
    }
    names.sort();
    let too_many = names.len().saturating_sub(SIBLINGS_MAX);
    let mut candidates: Vec<Candidate> = Vec::new();
    for (rank, path) in names.into_iter().skip(too_many) {
        match open(&path, rank) {
            // A second name of the same file (a link) would be read twice.
            Ok(Some(found)) if !candidates.iter().any(|one| one.id == found.id) => {
                candidates.push(found);
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            // An old log that somebody locked away does not stop us from reading the new one.
            Err(error) if rank != Rank::Log && error.kind() == io::ErrorKind::PermissionDenied => {}
            Err(error) => return Err(error),
        }
    }
    Ok(candidates)
}

fn open(path: &Path, rank: Rank) -> io::Result<Option<Candidate>> {
    // A pipe of this name must not hang the agent.
    let options = OFlag::O_NONBLOCK.bits();
    let file = OpenOptions::new().read(true).custom_flags(options).open(path)?;
    let metadata = file.metadata()?;
    Ok(metadata.is_file().then(|| Candidate {
        rank,
        id: id(&metadata),
        size: metadata.len(),
        modified_ns: modified_ns(&metadata),
        file,
    }))
}

fn rank(log: &str, name: &str) -> Option<Rank> {
    let suffix = name.strip_prefix(log)?;
    if suffix.is_empty() {
        return Some(Rank::Log);
    }
    let rest = suffix.strip_prefix(['.', '-'])?;
    let plain = |byte: u8| byte.is_ascii_digit() || b"-_.".contains(&byte);
    if !rest.bytes().all(plain) {
        return None;
    }
    let digits: String = rest.chars().filter(char::is_ascii_digit).collect();
    match digits.len() {
        0 => None,
        // `20261121` or `2026-11-21-1795273200` against `1` to `99999`.
        1..=5 => digits.parse().ok().map(|number| Rank::Numbered(std::cmp::Reverse(number))),
        _ => digits.parse().ok().map(Rank::Dated),
    }
}

fn id(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

fn modified_ns(metadata: &Metadata) -> i64 {
    metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotated_names_are_ordered_by_age() {
        let mut names =
            ["a.log", "a.log.1", "a.log.10", "a.log.2", "a.log-20261121", "a.log-20261120"];
        names.sort_by_key(|name| rank("a.log", name).unwrap());
        let expected =
            ["a.log-20261120", "a.log-20261121", "a.log.10", "a.log.2", "a.log.1", "a.log"];
        assert_eq!(names, expected);
        for other in ["a.log.gz", "a.log.1.gz", "a.logger", "b.log", "a.log.bak", "a.log."] {
            assert_eq!(rank("a.log", other), None, "{other}");
        }
    }
}
