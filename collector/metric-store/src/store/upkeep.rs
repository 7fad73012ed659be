//! Upkeep of the store: parts past their time go, neighbours merge, series without samples are forgotten.
//! Runs beside appends, cuts and selects; one round at a time.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, PoisonError};

use super::{MetricStore, read, write};
use crate::part::Part;
use crate::{MetricStoreError, merge, part, retention};

/// What one call of [`MetricStore::maintain`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Maintained {
    pub expired_parts: u64,
    pub merges: u64,
    pub forgotten_series: u64,
}

impl MetricStore {
    /// Retention, merging, forgetting series without samples. Blocks on the disk; selects and appends go on beside it.
    pub fn maintain(&self, now_ms: i64) -> Result<Maintained, MetricStoreError> {
        let _only_one = self.upkeep.lock().unwrap_or_else(PoisonError::into_inner);
        let mut done = Maintained::default();
        let parts = self.parts();
        let expired = retention::expired(&parts, now_ms, self.config.retention_ms);
        self.replace(&expired, None)?;
        done.expired_parts = expired.len() as u64;
        self.counters.expired_parts.fetch_add(done.expired_parts, Relaxed);
        while let Some(run) = merge::plan(&self.parts()) {
            let merged = merge::merge(&self.config.directory, run, &self.index)?;
            self.replace(run, Some(Arc::new(merged)))?;
            done.merges += 1;
            self.counters.merges.fetch_add(1, Relaxed);
        }
        done.forgotten_series = self.forget_series();
        self.counters.forgotten_series.fetch_add(done.forgotten_series, Relaxed);
        let mut catalogue = self.catalogue.lock().unwrap_or_else(PoisonError::into_inner);
        catalogue.tidy(&self.index)?;
        Ok(done)
    }

    fn parts(&self) -> Arc<Vec<Arc<Part>>> {
        Arc::clone(&read(&self.head).parts)
    }

    /// Readers see the new part instead of the old ones; then the old files go. A crash before that leaves files that
    /// the next start removes (merged) or the next upkeep deletes again (expired).
    fn replace(&self, old: &[Arc<Part>], new: Option<Arc<Part>>) -> Result<(), MetricStoreError> {
        {
            let mut head = write(&self.head);
            let parts = Arc::make_mut(&mut head.parts);
            parts.retain(|part| !old.iter().any(|gone| Arc::ptr_eq(gone, part)));
            parts.extend(new);
            parts.sort_by_key(|part| part.meta.first_sequence);
        }
        for part in old {
            std::fs::remove_file(&part.path)
                .map_err(MetricStoreError::io("delete the metric part", &part.path))?;
        }
        // Gone for good before a slot of theirs becomes another series.
        if old.is_empty() { Ok(()) } else { part::sync_directory(&self.config.directory) }
    }

    fn forget_series(&self) -> u64 {
        let mut index = write(&self.index);
        // Both at once: a sample that comes in between would belong to nobody.
        let mut head = write(&self.head);
        let mut live = head.slots();
        for part in head.parts.iter() {
            live |= &part.series;
        }
        let forgotten = index.sweep(&live);
        forgotten.iter().for_each(|slot| head.retire(slot));
        forgotten.len()
    }
}
