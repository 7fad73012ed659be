//! The metric store as its owner holds it. One task appends and advances; anybody selects; cuts and upkeep run beside.
//!
//! Locks, in this order: upkeep or cut, catalogue (held across I/O, nobody else waits for them), index, head (both
//! short).

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use agent_model::{Labels, Sample};

use crate::cardinality::{Cardinality, Limiter};
use crate::catalogue::Catalogue;
use crate::deletions::Deletion;
use crate::head::{Frozen, Head, settle};
use crate::index::Index;
use crate::part::{Meta, Part, PartName, PartWriter};
use crate::rollup::Rollups;
use crate::{
    MetricStoreConfig, MetricStoreError, MetricStoreStats, Recovery, SeriesRef, part, recover,
};

mod deleting;
mod reading;
mod upkeep;

pub use deleting::Deleted;
pub use upkeep::Maintained;

/// Looks for a moment between two records before a deletion cuts: a record takes less than a millisecond. What is no
/// record (stale markers of silent hosts) must not hold it up for long.
const SETTLE_ATTEMPTS: u32 = 50;
const SETTLE_PAUSE: Duration = Duration::from_millis(1);

/// Where a cut may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Where {
    Anywhere,
    BetweenRecords,
}

#[derive(Debug)]
pub struct MetricStore {
    config: MetricStoreConfig,
    index: RwLock<Index>,
    head: RwLock<Head>,
    catalogue: Mutex<Catalogue>,
    /// The number of the next cut; locked while one is written.
    next_sequence: Mutex<u64>,
    upkeep: Mutex<()>,
    /// One deletion at a time.
    deleting: Mutex<()>,
    /// Deletions of what the journal brings again.
    awaited: Mutex<Vec<Arc<Deletion>>>,
    /// Files that nobody reads any more and that are still to be deleted.
    undeleted: Mutex<Vec<PathBuf>>,
    recovery: Recovery,
    counters: Counters,
    /// Unlocked when closed.
    _lock: File,
}

#[derive(Debug, Default)]
struct Counters {
    cuts: AtomicU64,
    merges: AtomicU64,
    expired_parts: AtomicU64,
    deleted_series: AtomicU64,
    cleaned_files: AtomicU64,
    forgotten_series: AtomicU64,
    rolled_up_days: AtomicU64,
    rewritten_days: AtomicU64,
    rollup_merges: AtomicU64,
    expired_rollup_parts: AtomicU64,
    rollup_failures: AtomicU64,
    too_late_parts: AtomicU64,
    refused_selects: AtomicU64,
}

impl MetricStore {
    /// Opens or creates the store; see [`MetricStore::recovery`] for what was found.
    pub fn open(config: MetricStoreConfig) -> Result<Self, MetricStoreError> {
        let directory = &config.directory;
        std::fs::create_dir_all(directory)
            .map_err(MetricStoreError::io("create the metric store", directory))?;
        // The entry of the directory itself must survive a crash as well.
        if let Some(parent) = directory.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            part::sync_directory(parent)?;
        }
        let lock = lock(directory)?;
        let empty = || Index::new(Limiter::new(config.host_series_max, config.series_max));
        let (recovered, index, catalogue) = recover::recover(directory, empty)?;
        let mut head = Head::default();
        head.parts = Arc::new(recovered.parts);
        head.rollups = Arc::new(Rollups::new(recovered.rollups, &head.parts));
        head.deletions = Arc::new(recovered.deletions);
        head.position = head.position_in_parts();
        let awaited = awaited(&head, recovered.catalogue_kept);
        for series in index.references() {
            head.admit(series);
        }
        Ok(Self {
            index: RwLock::new(index),
            head: RwLock::new(head),
            catalogue: Mutex::new(catalogue),
            next_sequence: Mutex::new(recovered.next_sequence),
            upkeep: Mutex::new(()),
            deleting: Mutex::new(()),
            awaited: Mutex::new(awaited),
            undeleted: Mutex::new(Vec::new()),
            recovery: recovered.recovery,
            counters: Counters::default(),
            _lock: lock,
            config,
        })
    }

    /// What opening found.
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// The journal position up to which everything is in parts on disk. After a crash, append again what lies behind.
    pub fn position(&self) -> u64 {
        read(&self.head).position_in_parts()
    }

    /// Registers series, as many refs as label sets. A new series over a limit gets [`SeriesRef::is_refused`]: its
    /// samples are dropped and counted; ask again later, there may be room then.
    pub fn series_refs(&self, series: &[Labels]) -> Result<Arc<[SeriesRef]>, MetricStoreError> {
        let mut pairs = Vec::new();
        let known: Option<Arc<[SeriesRef]>> = {
            let index = read(&self.index);
            series.iter().map(|labels| index.get(labels, &mut pairs)).collect()
        };
        if let Some(known) = known {
            return Ok(known);
        }
        let mut index = write(&self.index);
        let refs: Arc<[SeriesRef]> =
            series.iter().map(|labels| index.register(labels, &mut pairs)).collect();
        let mut head = write(&self.head);
        for series in refs.iter().filter(|series| !series.is_refused()) {
            head.admit(*series);
        }
        Ok(refs)
    }

    /// One value for each series, all of one time; cheapest when one registration is kept and used again. Times may come in any order; a time that a series has already gets
    /// the new value. On [`MetricStoreError::SeriesForgotten`] register again and append the whole column again.
    pub fn append(
        &self,
        series: &Arc<[SeriesRef]>,
        timestamp_ms: i64,
        values: &[f64],
    ) -> Result<(), MetricStoreError> {
        if series.len() != values.len() {
            let (series, values) = (series.len(), values.len());
            return Err(MetricStoreError::ColumnLength { series, values });
        }
        self.head_with_room(values.len())?.append(series, timestamp_ms, values)
    }

    /// Samples of any series, each with a time of its own; otherwise as [`MetricStore::append`].
    pub fn append_samples(&self, samples: &[(SeriesRef, Sample)]) -> Result<(), MetricStoreError> {
        let mut head = self.head_with_room(samples.len())?;
        samples.iter().try_for_each(|(series, sample)| head.push(*series, *sample))
    }

    fn head_with_room(
        &self,
        samples: usize,
    ) -> Result<RwLockWriteGuard<'_, Head>, MetricStoreError> {
        let head = write(&self.head);
        let max = self.config.head_samples_max;
        if head.samples.saturating_add(samples as u64) > max {
            return Err(MetricStoreError::HeadFull { samples: head.samples, max });
        }
        Ok(head)
    }

    /// All appends of the journal's records up to this position are in.
    pub fn advance(&self, position: u64) {
        write(&self.head).advance(position);
        self.delete_again(position);
    }

    /// Whether so much waits in memory that a restart would be slow.
    pub fn cut_due(&self) -> bool {
        read(&self.head).samples >= self.config.head_samples_cut
    }

    /// Puts everything appended so far, with its position, on disk as one part. On an error the samples stay in memory
    /// and readable, and the next cut tries again.
    pub fn cut(&self) -> Result<(), MetricStoreError> {
        self.cut_at(Where::Anywhere)
    }

    fn cut_at(&self, place: Where) -> Result<(), MetricStoreError> {
        let mut next_sequence = self.next_sequence.lock().unwrap_or_else(PoisonError::into_inner);
        let pending = read(&self.head).frozen.clone();
        if let Some(pending) = pending {
            self.write_part(&pending, &mut next_sequence)?;
        }
        let frozen = {
            let mut head = self.head_at(place);
            if head.samples == 0 && head.position == head.position_in_parts() {
                return Ok(());
            }
            head.freeze()
        };
        self.write_part(&frozen, &mut next_sequence)
    }

    /// The head, between two records if that is asked for and a moment of it comes soon.
    fn head_at(&self, place: Where) -> RwLockWriteGuard<'_, Head> {
        let mut head = write(&self.head);
        for _ in 0..SETTLE_ATTEMPTS {
            if place == Where::Anywhere || !head.within_record {
                break;
            }
            drop(head);
            std::thread::sleep(SETTLE_PAUSE);
            head = write(&self.head);
        }
        head
    }

    fn write_part(&self, frozen: &Frozen, next_sequence: &mut u64) -> Result<(), MetricStoreError> {
        let name = PartName {
            first_sequence: *next_sequence,
            last_sequence: *next_sequence,
            from_position: self.position(),
            position: frozen.position,
            cleaned: 0,
        };
        self.name_series()?;
        let mut writer = PartWriter::create(&self.config.directory, Meta::empty(name, 0))?;
        let mut samples = Vec::new();
        for slot in read(&self.index).in_order(&frozen.memory.slots()) {
            samples.clear();
            frozen.memory.read(slot, &(i64::MIN..=i64::MAX), &mut samples);
            settle(&mut samples);
            writer.add(slot, &samples)?;
        }
        let part = Arc::new(writer.finish(&self.index)?);
        *next_sequence += 1;
        let mut head = write(&self.head);
        Arc::make_mut(&mut head.parts).push(part);
        head.frozen = None;
        self.counters.cuts.fetch_add(1, Relaxed);
        Ok(())
    }

    /// Puts into the catalogue what it does not name yet.
    fn name_series(&self) -> Result<(), MetricStoreError> {
        let mut catalogue = self.catalogue.lock().unwrap_or_else(PoisonError::into_inner);
        let unnamed = write(&self.index).take_unnamed();
        let added = catalogue.add(&self.index, &unnamed);
        if added.is_err() {
            write(&self.index).still_unnamed(&unnamed);
        }
        added
    }

    /// Who has how many series, at most `limit` hosts and metrics, the greatest first.
    pub fn cardinality(&self, limit: usize) -> Cardinality {
        read(&self.index).cardinality(limit)
    }

    /// Registrations that have samples in memory.
    #[cfg(test)]
    pub(crate) fn tables(&self) -> usize {
        read(&self.head).tables()
    }

    /// The days that roll-ups alone tell.
    #[cfg(test)]
    pub(crate) fn rolled_days(&self) -> Vec<crate::select::TimeRange> {
        read(&self.head).rollups.answering.iter().map(|rollups| rollups.name.range()).collect()
    }

    pub fn stats(&self) -> MetricStoreStats {
        let (series, refused_series) = {
            let index = read(&self.index);
            (index.len(), index.limiter.refused)
        };
        let head = read(&self.head);
        let sum = |field: fn(&Part) -> u64| head.parts.iter().map(|part| field(part)).sum();
        let rollups = head.rollups.all.as_slice();
        let sum_rollups =
            |field: fn(&Part) -> u64| rollups.iter().map(|rollups| field(&rollups.part)).sum();
        let counters = &self.counters;
        MetricStoreStats {
            series,
            refused_series,
            dropped_samples: head.dropped_samples,
            appended_samples: head.appended_samples,
            head_samples: head.samples,
            parts: head.parts.len() as u64,
            part_samples: sum(|part| part.meta.samples),
            part_bytes: sum(|part| part.bytes),
            rollup_parts: rollups.len() as u64,
            rollups: sum_rollups(|part| part.meta.samples),
            rollup_bytes: sum_rollups(|part| part.bytes),
            rolled_up_days: counters.rolled_up_days.load(Relaxed),
            rewritten_days: counters.rewritten_days.load(Relaxed),
            rollup_merges: counters.rollup_merges.load(Relaxed),
            expired_rollup_parts: counters.expired_rollup_parts.load(Relaxed),
            rollup_failures: counters.rollup_failures.load(Relaxed),
            too_late_parts: counters.too_late_parts.load(Relaxed),
            damaged_rollup_parts: self.recovery.damaged_rollups.len() as u64,
            damaged_rollup_blocks: sum_rollups(Part::damaged_blocks),
            position: head.position_in_parts(),
            cuts: counters.cuts.load(Relaxed),
            merges: counters.merges.load(Relaxed),
            expired_parts: counters.expired_parts.load(Relaxed),
            forgotten_series: counters.forgotten_series.load(Relaxed),
            damaged_parts: self.recovery.damaged.len() as u64,
            damaged_blocks: sum(Part::damaged_blocks),
            refused_selects: counters.refused_selects.load(Relaxed),
            deletions: head.deletions.all.len() as u64,
            damaged_deletions: self.recovery.damaged_deletions.len() as u64,
            deleted_series: counters.deleted_series.load(Relaxed),
            cleaned_files: counters.cleaned_files.load(Relaxed),
        }
    }
}

/// Deletions of records that the journal will bring again. Their slots mean the same series only if a catalogue says so.
fn awaited(head: &Head, catalogue_kept: bool) -> Vec<Arc<Deletion>> {
    let position = head.position_in_parts();
    let awaited = head.deletions.all.iter().filter(|one| one.position > position);
    let awaited: Vec<_> = awaited.cloned().collect();
    if awaited.is_empty() || catalogue_kept {
        return awaited;
    }
    let deletions = awaited.len();
    tracing::error!(
        deletions,
        "the newest part and the catalogue of series are gone: what was deleted and comes from the \
        journal again is seen again; delete it anew"
    );
    Vec::new()
}

/// Nothing panics while it holds one of these locks with its data half changed.
pub(crate) fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

/// One process at a time.
pub(crate) fn lock(directory: &Path) -> Result<File, MetricStoreError> {
    let path = directory.join("lock");
    let file = File::options().write(true).create(true).truncate(false).open(&path);
    let file = file.map_err(MetricStoreError::io("create the lock file", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(MetricStoreError::Locked { path: directory.into() }),
        Err(TryLockError::Error(error)) => Err(MetricStoreError::io("lock", &path)(error)),
    }
}
