//! Upkeep of the store: parts past their time are rolled up and go, neighbours merge, series without samples are forgotten.
//! Runs beside appends, cuts and selects; one round at a time.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, PoisonError};

use roaring::RoaringBitmap;

use super::{MetricStore, read, write};
use crate::deletions::Deletions;
use crate::part::Part;
use crate::rollup::{Lossy, Needs, RollupName, RollupPart, Rollups};
use crate::{MetricStoreError, merge, part, rollup};

/// What one call of [`MetricStore::maintain`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Maintained {
    pub expired_parts: u64,
    pub merges: u64,
    pub forgotten_series: u64,
    pub rolled_up_days: u64,
    pub rollup_merges: u64,
    pub expired_rollup_parts: u64,
}

/// Days rolled up in one round, so that merging and retention get their turn when a store of months is rolled up.
const ROLLED_UP_DAYS_MAX: usize = 8;

impl MetricStore {
    /// Retention, merging, rolling up, forgetting series without samples. Blocks on the disk; selects and appends go
    /// on beside it. A step that fails does not stop the others; the first error is returned, the rest is logged.
    pub fn maintain(&self, now_ms: i64) -> Result<Maintained, MetricStoreError> {
        let _only_one = self.upkeep.lock().unwrap_or_else(PoisonError::into_inner);
        let mut done = Maintained::default();
        let needs = self.needs(now_ms);
        // First what frees room, and again what the new roll-ups free.
        let steps = [
            self.delete_left_over(),
            self.expire(&needs, now_ms, &mut done),
            self.merge_parts(&mut done),
            self.roll_up(&needs, &mut done),
            self.expire(&needs, now_ms, &mut done),
            self.merge_rollups(&needs, &mut done),
            self.forget_deletions(),
            self.forget_series(&mut done),
        ];
        first_error(steps)?;
        Ok(done)
    }

    fn needs(&self, now_ms: i64) -> Needs {
        let config = &self.config;
        let (samples_ms, settled_ms) = (config.retention_ms, config.rollup_after_ms);
        Needs::new(now_ms, samples_ms, settled_ms, config.rollup_retention_ms)
    }

    fn expire(
        &self,
        needs: &Needs,
        now_ms: i64,
        done: &mut Maintained,
    ) -> Result<(), MetricStoreError> {
        let (expired, too_late) = rollup::unneeded(needs, &self.parts(), &self.rollups());
        if too_late > 0 {
            tracing::warn!(
                parts = too_late,
                "samples came when their day could not be rolled up any more; they go with their parts"
            );
            self.counters.too_late_parts.fetch_add(too_late, Relaxed);
        }
        self.replace(&expired, None)?;
        done.expired_parts += expired.len() as u64;
        self.counters.expired_parts.fetch_add(expired.len() as u64, Relaxed);
        let kept_ms = self.config.rollup_retention_ms;
        let rollups = self.rollups();
        let expired = rollups.all.iter().filter(|one| needs.expired(one, now_ms, kept_ms));
        let expired: Vec<_> = expired.cloned().collect();
        self.replace_rollups(&expired, None)?;
        done.expired_rollup_parts += expired.len() as u64;
        self.counters.expired_rollup_parts.fetch_add(expired.len() as u64, Relaxed);
        Ok(())
    }

    fn merge_parts(&self, done: &mut Maintained) -> Result<(), MetricStoreError> {
        while let Some(run) = merge::plan(&self.parts()) {
            let merged = merge::merge(&self.config.directory, run, &self.deletions(), &self.index)?;
            self.replace(run, Some(Arc::new(merged)))?;
            done.merges += 1;
            self.counters.merges.fetch_add(1, Relaxed);
        }
        Ok(())
    }

    fn roll_up(&self, needs: &Needs, done: &mut Maintained) -> Result<(), MetricStoreError> {
        let (parts, deletions) = (self.parts(), self.deletions());
        let due = rollup::due(needs, &parts, &self.rollups(), &deletions, ROLLED_UP_DAYS_MAX);
        // Each by itself: one that cannot be rolled up does not hold up the next.
        let days = due.into_iter().map(|day| self.roll_up_day(day, &parts, &deletions, done));
        let days: Vec<_> = days.collect();
        let failed = days.iter().filter(|day| day.is_err()).count();
        self.counters.rollup_failures.fetch_add(failed as u64, Relaxed);
        first_error(days)
    }

    fn roll_up_day(
        &self,
        day: i64,
        parts: &[Arc<Part>],
        deletions: &Deletions,
        done: &mut Maintained,
    ) -> Result<(), MetricStoreError> {
        let old: Vec<_> = self.rollups().of_day(day).cloned().into_iter().collect();
        let revision = old.first().map_or(0, |old| old.name.revision + 1);
        let name = RollupName { from_day: day, to_day: day + 1, revision };
        // Late data is worth less than what a part has lost since its day was rolled up.
        let lossy = if old.is_empty() { Lossy::Taken } else { Lossy::Refused };
        let new =
            rollup::roll_up(&self.config.directory, name, parts, deletions, &self.index, lossy)?;
        self.replace_rollups(&old, Some(Arc::new(new)))?;
        done.rolled_up_days += 1;
        self.counters.rolled_up_days.fetch_add(1, Relaxed);
        self.counters.rewritten_days.fetch_add(old.len() as u64, Relaxed);
        Ok(())
    }

    fn merge_rollups(&self, needs: &Needs, done: &mut Maintained) -> Result<(), MetricStoreError> {
        loop {
            let rollups = self.rollups();
            let Some(run) = rollup::merge_run(needs, &self.parts(), &rollups) else {
                return Ok(());
            };
            let merged =
                rollup::merge(&self.config.directory, run, &self.deletions(), &self.index)?;
            self.replace_rollups(run, Some(Arc::new(merged)))?;
            done.rollup_merges += 1;
            self.counters.rollup_merges.fetch_add(1, Relaxed);
        }
    }

    fn deletions(&self) -> Arc<Deletions> {
        Arc::clone(&read(&self.head).deletions)
    }

    pub(super) fn parts(&self) -> Arc<Vec<Arc<Part>>> {
        Arc::clone(&read(&self.head).parts)
    }

    pub(super) fn rollups(&self) -> Arc<Rollups> {
        Arc::clone(&read(&self.head).rollups)
    }

    /// Readers see the new part instead of the old ones, and roll-ups where samples go; then the old files go. A crash
    /// before that leaves files that the next start removes (merged) or the next upkeep deletes again (expired).
    pub(super) fn replace(
        &self,
        old: &[Arc<Part>],
        new: Option<Arc<Part>>,
    ) -> Result<(), MetricStoreError> {
        {
            let mut head = write(&self.head);
            let parts = Arc::make_mut(&mut head.parts);
            parts.retain(|part| !old.iter().any(|gone| Arc::ptr_eq(gone, part)));
            parts.extend(new);
            parts.sort_by_key(|part| part.meta.first_sequence);
            let rollups = Rollups::new(head.rollups.all.clone(), &head.parts);
            head.rollups = Arc::new(rollups);
        }
        self.delete_files(old.iter().map(|part| &**part))
    }

    /// As for parts. A file of the same days under an older revision goes at the next start at the latest.
    pub(super) fn replace_rollups(
        &self,
        old: &[Arc<RollupPart>],
        new: Option<Arc<RollupPart>>,
    ) -> Result<(), MetricStoreError> {
        {
            let mut head = write(&self.head);
            let mut all = head.rollups.all.clone();
            all.retain(|one| !old.iter().any(|gone| Arc::ptr_eq(gone, one)));
            all.extend(new);
            let rollups = Rollups::new(all, &head.parts);
            head.rollups = Arc::new(rollups);
        }
        self.delete_files(old.iter().map(|rollups| &rollups.part))
    }

    fn delete_files<'a>(
        &self,
        old: impl Iterator<Item = &'a Part>,
    ) -> Result<(), MetricStoreError> {
        let old = old.map(|part| part.path.clone());
        self.undeleted.lock().unwrap_or_else(PoisonError::into_inner).extend(old);
        self.delete_left_over()
    }

    /// Deletes what nobody reads any more; what cannot be deleted is tried again.
    pub(super) fn delete_left_over(&self) -> Result<(), MetricStoreError> {
        let mut undeleted = self.undeleted.lock().unwrap_or_else(PoisonError::into_inner);
        if undeleted.is_empty() {
            return Ok(());
        }
        let deleted = undeleted.iter().map(|path| match std::fs::remove_file(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            gone => gone.map_err(MetricStoreError::io("delete the metric part", path)),
        });
        first_error(deleted.collect::<Vec<_>>())?;
        part::sync_directory(&self.config.directory)?;
        undeleted.clear();
        Ok(())
    }

    fn forget_series(&self, done: &mut Maintained) -> Result<(), MetricStoreError> {
        // A part must be gone for good before a slot of it becomes another series.
        self.delete_left_over()?;
        // Nor may a slot change its meaning that a deletion still waits for.
        if !self.awaited.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
            return Ok(());
        }
        done.forgotten_series = self.sweep();
        self.counters.forgotten_series.fetch_add(done.forgotten_series, Relaxed);
        let mut catalogue = self.catalogue.lock().unwrap_or_else(PoisonError::into_inner);
        catalogue.tidy(&self.index)
    }

    fn sweep(&self) -> u64 {
        let mut index = write(&self.index);
        // Both at once: a sample that comes in between would belong to nobody.
        let mut head = write(&self.head);
        let mut with_samples = head.slots();
        for part in head.parts.iter() {
            with_samples |= &part.series;
        }
        let rollups = head.rollups.all.iter();
        let with_rollups =
            rollups.fold(RoaringBitmap::new(), |slots, one| slots | &one.part.series);
        let forgotten = index.sweep(&with_samples, &with_rollups);
        forgotten.iter().for_each(|slot| head.retire(slot));
        forgotten.len()
    }
}

/// The first error of several steps; the others are logged.
pub(super) fn first_error(
    steps: impl IntoIterator<Item = Result<(), MetricStoreError>>,
) -> Result<(), MetricStoreError> {
    let mut errors = steps.into_iter().filter_map(Result::err);
    let Some(first) = errors.next() else { return Ok(()) };
    for error in errors {
        let error: &dyn std::error::Error = &error;
        tracing::error!(error, "upkeep of the metric store failed in another step as well");
    }
    Err(first)
}
