//! How far each collector has come, one small text file per collector.
//!
//! A lost or damaged cursor only repeats reports, which the collector knows by their keys; so it is written at
//! intervals and not with every acknowledgement. It is always durable before data is dropped because of it.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use agent_model::Stream;
use sha2::{Digest, Sha256};

use super::held::Held;
use super::record::EVERYBODY;
use super::{SpoolError, disk};
use crate::files;

/// Begins the line of a former name.
const FORMER: &str = "former";

/// One collector and what it needs no more.
pub(super) struct Cursor {
    path: PathBuf,
    /// Names the collector in records that are meant for it alone.
    pub(super) audience: u64,
    /// Names it had before, under which older records speak of it.
    former: Vec<u64>,
    pub(super) evidence: Held,
    pub(super) metrics: Held,
    dirty: bool,
}

impl Cursor {
    /// `name` is safe in a file name and stays the same for this collector.
    pub(super) fn open(directory: &Path, name: &str) -> Self {
        let path = directory.join(name);
        let mut cursor = Self {
            path,
            audience: audience(name),
            former: Vec::new(),
            evidence: Held::default(),
            metrics: Held::default(),
            dirty: false,
        };
        let text = fs::read_to_string(&cursor.path).unwrap_or_default();
        if cursor.read(&text).is_none() && !text.is_empty() {
            tracing::warn!(
                path = %cursor.path.display(),
                "the cursor is damaged: reports are sent again, the collector knows them"
            );
            cursor.evidence = Held::default();
            cursor.metrics = Held::default();
            cursor.former.clear();
        }
        cursor
    }

    /// Whether a record is meant for this collector.
    pub(super) fn is_meant(&self, audience: u64) -> bool {
        audience == EVERYBODY || self.is_named(audience)
    }

    /// Whether a record is meant for this collector and no other.
    pub(super) fn is_named(&self, audience: u64) -> bool {
        audience == self.audience || self.former.contains(&audience)
    }

    pub(super) fn is_called_as(&self, other: &Self) -> bool {
        self.path == other.path
    }

    /// Takes over what is known of the same collector under another name, then removes that name's file.
    pub(super) fn absorb(&mut self, other: Self) -> Result<(), SpoolError> {
        self.evidence.extend(&other.evidence);
        self.metrics.extend(&other.metrics);
        for audience in other.former.into_iter().chain([other.audience]) {
            if !self.is_named(audience) {
                self.former.push(audience);
            }
        }
        self.dirty = true;
        self.save()?;
        match fs::remove_file(&other.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed.map_err(disk("removing", &other.path)),
        }
    }

    /// Whether a kill now would forget something: its reports are sent again, or named although they arrived.
    #[cfg(test)]
    pub(super) fn is_ahead_of_its_file(&self) -> bool {
        self.dirty
    }

    /// Whether anything was ever written under a name.
    pub(super) fn exists(directory: &Path, name: &str) -> bool {
        directory.join(name).exists()
    }

    pub(super) fn held(&self, stream: Stream) -> &Held {
        match stream {
            Stream::Evidence => &self.evidence,
            Stream::Metrics => &self.metrics,
        }
    }

    pub(super) fn hold(&mut self, stream: Stream, epoch: u64, first: u64, last: u64) {
        self.dirty = true;
        match stream {
            Stream::Evidence => self.evidence.insert(epoch, first, last),
            Stream::Metrics => self.metrics.insert(epoch, first, last),
        }
    }

    /// Forgets the epochs of which nothing can be asked any more.
    pub(super) fn keep_epochs(&mut self, keep: impl Fn(u64) -> bool) {
        self.evidence.keep_epochs(&keep);
        self.metrics.keep_epochs(&keep);
        self.dirty = true;
    }

    /// Writes it down if it has moved.
    pub(super) fn save(&mut self) -> Result<(), SpoolError> {
        if !self.dirty {
            return Ok(());
        }
        let mut text = String::new();
        self.evidence.write(Stream::Evidence.name(), &mut text);
        self.metrics.write(Stream::Metrics.name(), &mut text);
        for audience in &self.former {
            text.push_str(&format!("{FORMER} {audience}\n"));
        }
        let checksum = crc32fast::hash(text.as_bytes());
        text.push_str(&format!("crc32 {checksum}\n"));
        files::replace(&self.path, text.as_bytes(), 0o600).map_err(disk("writing", &self.path))?;
        self.dirty = false;
        Ok(())
    }

    fn read(&mut self, text: &str) -> Option<()> {
        let (lines, checksum) = text.rsplit_once("crc32 ")?;
        if checksum.trim_end().parse() != Ok(crc32fast::hash(lines.as_bytes())) {
            return None;
        }
        for line in lines.lines() {
            let mut words = line.split(' ');
            let name = words.next()?;
            if name == FORMER {
                self.former.push(words.next()?.parse().ok()?);
                continue;
            }
            let stream = Stream::ALL.into_iter().find(|stream| stream.name() == name)?;
            let mut number = || words.next()?.parse().ok();
            let (epoch, first, last) = (number()?, number()?, number()?);
            self.hold(stream, epoch, first, last);
        }
        self.dirty = false;
        Some(())
    }
}

/// Never 0, which stands for everybody.
fn audience(name: &str) -> u64 {
    let digest: [u8; 32] = Sha256::digest(name.as_bytes()).into();
    u64::from_be_bytes(std::array::from_fn(|at| digest[at])) | 1
}
