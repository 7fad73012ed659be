//! The epoch of this start: later than every epoch before it and than everything made in them, whatever the
//! clock says.

use std::fs;
use std::path::{Path, PathBuf};

use agent_model::Millis;

use super::{SpoolError, disk};
use crate::files;

pub(super) struct EpochFile {
    path: PathBuf,
    pub(super) epoch: u64,
    last_created_ms: Millis,
    saved_ms: Millis,
}

impl EpochFile {
    /// Begins a new epoch and writes it down before anything can use it. `last_position_epoch` and
    /// `last_created_ms` are what the spool itself has seen.
    pub(super) fn begin(
        directory: &Path,
        last_position_epoch: u64,
        last_created_ms: Millis,
        now_ms: Millis,
    ) -> Result<Self, SpoolError> {
        let path = directory.join("epoch");
        let text = fs::read_to_string(&path).unwrap_or_default();
        let mut numbers = text.split_whitespace().filter_map(|word| word.parse::<u64>().ok());
        let last_epoch = numbers.next().unwrap_or(0).max(last_position_epoch);
        let written_created = numbers.next().unwrap_or(0);
        let last_created = u64::try_from(last_created_ms).unwrap_or(0).max(written_created);
        let now = u64::try_from(now_ms).unwrap_or(0);
        let epoch = (last_epoch + 1).max(last_created + 1).max(now);
        let mut file = Self { path, epoch, last_created_ms: 0, saved_ms: Millis::MIN };
        file.created(i64::try_from(last_created).unwrap_or(i64::MAX));
        file.save()?;
        Ok(file)
    }

    /// Something was made at this time.
    pub(super) fn created(&mut self, created_ms: Millis) {
        self.last_created_ms = self.last_created_ms.max(created_ms);
    }

    /// Writes the newest time down, if it has moved.
    pub(super) fn save(&mut self) -> Result<(), SpoolError> {
        if self.saved_ms == self.last_created_ms {
            return Ok(());
        }
        let text = format!("{} {}\n", self.epoch, self.last_created_ms.max(0));
        files::replace(&self.path, text.as_bytes(), 0o600).map_err(disk("writing", &self.path))?;
        self.saved_ms = self.last_created_ms;
        Ok(())
    }
}
