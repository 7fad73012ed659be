//! Deleting series by hand. What is hidden is so for good when the call returns; upkeep and cleaning take it out of the files.
//!
//! A deletion means what is there when it is made: samples that arrive later are seen, also when they are of its times. A
//! replay of the journal brings none back, because everything before it is cut to disk first, between two records.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, PoisonError};

use agent_model::Matcher;
use roaring::RoaringBitmap;

use super::{MetricStore, Where, read, upkeep::first_error, write};
use crate::deletions::{Deletion, Deletions};
use crate::select::{TimeRange, with_samples};
use crate::{MetricStoreError, merge, rollup};

/// What one deletion did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// Series of which something may be hidden now, to the precision of a part.
    pub series: u64,
}

impl MetricStore {
    /// Deletes what there is from `from_ms` to `to_ms`, both included, of every series that all matchers of one of the
    /// selectors pick. On disk when this returns. Of five minutes that only a roll-up tells, nothing is left when the
    /// range touches them.
    pub fn delete(
        &self,
        selectors: &[Vec<Matcher>],
        from_ms: i64,
        to_ms: i64,
    ) -> Result<Deleted, MetricStoreError> {
        let _only_one = self.deleting.lock().unwrap_or_else(PoisonError::into_inner);
        let range = from_ms..=to_ms;
        let max = self.config.deletions_max;
        if read(&self.head).deletions.all.len() >= max {
            return Err(MetricStoreError::TooManyDeletions { max });
        }
        if self.on_disk_or_cut(selectors, &range)?.is_empty() {
            return Ok(Deleted::default());
        }
        // Once more: what came since the cut stays, and what was cut is in parts.
        let (slots, last_sequence, position, number) = {
            let index = read(&self.index);
            let head = read(&self.head);
            let slots = with_samples(&matching(&index, selectors), &head, &range);
            let newest = head.parts.last().map_or(0, |part| part.meta.last_sequence);
            (slots, newest, head.position_in_parts(), head.deletions.newest + 1)
        };
        let series = slots.len();
        self.put(Deletion { number, last_sequence, position, range, slots })?;
        self.counters.deleted_series.fetch_add(series, Relaxed);
        Ok(Deleted { series })
    }

    /// On disk, then in force.
    fn put(&self, deletion: Deletion) -> Result<(), MetricStoreError> {
        deletion.write(&self.config.directory)?;
        let mut head = write(&self.head);
        let deletions = Arc::make_mut(&mut head.deletions);
        deletions.newest = deletion.number;
        deletions.all.push(Arc::new(deletion));
        Ok(())
    }

    /// Makes deletions again whose records the journal has brought again up to here, because the part that held them was
    /// damaged. What fails is tried again with the next record.
    pub(super) fn delete_again(&self, position: u64) {
        let mut awaited = self.awaited.lock().unwrap_or_else(PoisonError::into_inner);
        awaited.retain(|one| {
            if one.position > position {
                return true;
            }
            let again = self.put_again(one);
            if let Err(error) = &again {
                let error: &dyn std::error::Error = error;
                tracing::error!(
                    error,
                    "what was deleted has come back from the journal and is not hidden yet"
                );
            }
            again.is_err()
        });
    }

    fn put_again(&self, one: &Deletion) -> Result<(), MetricStoreError> {
        let _only_one = self.deleting.lock().unwrap_or_else(PoisonError::into_inner);
        self.cut()?;
        let (last_sequence, number) = {
            let head = read(&self.head);
            let newest = head.parts.last().map_or(0, |part| part.meta.last_sequence);
            (newest, head.deletions.newest + 1)
        };
        self.put(Deletion { number, last_sequence, ..one.clone() })
    }

    /// The series that are meant; those of them that have samples in memory have them on disk afterwards.
    fn on_disk_or_cut(
        &self,
        selectors: &[Vec<Matcher>],
        range: &TimeRange,
    ) -> Result<RoaringBitmap, MetricStoreError> {
        let (slots, in_memory) = {
            let index = read(&self.index);
            let head = read(&self.head);
            let slots = with_samples(&matching(&index, selectors), &head, range);
            let in_memory = slots.iter().any(|slot| head.holds(slot));
            (slots, in_memory)
        };
        if in_memory {
            self.cut_at(Where::BetweenRecords)?;
        }
        Ok(slots)
    }

    /// Writes every file anew that holds something deleted, and forgets the deletions. Returns how many files. A file that
    /// cannot be read whole stays as it is, with the deletions that hide something of it.
    pub fn clean_deletions(&self) -> Result<u64, MetricStoreError> {
        let _only_one = self.upkeep.lock().unwrap_or_else(PoisonError::into_inner);
        let deletions = Arc::clone(&read(&self.head).deletions);
        let before = self.counters.cleaned_files.load(Relaxed);
        let parts = self.parts();
        let touched = parts.iter().filter(|part| !deletions.of_part(part).is_empty());
        let mut steps: Vec<Result<(), MetricStoreError>> = Vec::new();
        for part in touched {
            let new = merge::clean(&self.config.directory, part, &deletions, &self.index);
            steps.push(new.and_then(|new| {
                self.counters.cleaned_files.fetch_add(1, Relaxed);
                self.replace(std::slice::from_ref(part), Some(Arc::new(new)))
            }));
        }
        steps.push(self.clean_rollups(&deletions));
        steps.push(self.forget_deletions());
        first_error(steps)?;
        Ok(self.counters.cleaned_files.load(Relaxed) - before)
    }

    fn clean_rollups(&self, deletions: &Deletions) -> Result<(), MetricStoreError> {
        let rollups = self.rollups();
        let mut steps: Vec<Result<(), MetricStoreError>> = Vec::new();
        for one in rollups.all.iter().filter(|one| !deletions.of_rollups(one).is_empty()) {
            let directory = &self.config.directory;
            // Where the samples are there, five minutes that are deleted in part keep the rest.
            let new = if one.has_all_samples(&self.parts()) {
                let name = rollup::RollupName { revision: one.name.revision + 1, ..one.name };
                let lossy = rollup::Lossy::Refused;
                rollup::roll_up(directory, name, &self.parts(), deletions, &self.index, lossy)
            } else {
                rollup::clean(directory, one, deletions, &self.index)
            };
            steps.push(new.and_then(|new| {
                self.counters.cleaned_files.fetch_add(1, Relaxed);
                self.replace_rollups(std::slice::from_ref(one), Some(Arc::new(new)))
            }));
        }
        first_error(steps)
    }

    /// Lets go of the deletions that hide nothing in any file any more.
    pub(super) fn forget_deletions(&self) -> Result<(), MetricStoreError> {
        let awaited: Vec<u64> = {
            let awaited = self.awaited.lock().unwrap_or_else(PoisonError::into_inner);
            awaited.iter().map(|one| one.number).collect()
        };
        let needed = |one: &Deletion| {
            let head = read(&self.head);
            awaited.contains(&one.number)
                || head.parts.iter().any(|part| one.touches(part))
                || head.rollups.all.iter().any(|rollups| one.touches_rollups(rollups))
        };
        let all = Arc::clone(&read(&self.head).deletions);
        let gone: Vec<Arc<Deletion>> = all.all.iter().filter(|one| !needed(one)).cloned().collect();
        if gone.is_empty() {
            return Ok(());
        }
        // A file with deleted samples that comes back after a crash must find its deletion.
        self.delete_left_over()?;
        Deletions::remove(&self.config.directory, &gone)?;
        let mut head = write(&self.head);
        let deletions = Arc::make_mut(&mut head.deletions);
        deletions.all.retain(|one| !gone.iter().any(|gone| gone.number == one.number));
        Ok(())
    }
}

fn matching(index: &crate::index::Index, selectors: &[Vec<Matcher>]) -> RoaringBitmap {
    selectors.iter().fold(RoaringBitmap::new(), |slots, matchers| slots | index.matching(matchers))
}
