//! Opening what is on disk: unfinished files go, merged inputs that a crash left go, damaged parts are set aside, and
//! series get their slots back, from the catalogue or else from the parts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use roaring::RoaringBitmap;

use crate::catalogue::Catalogue;
use crate::deletions::{Deletion, Deletions};
use crate::index::Index;
use crate::part::{Part, PartName};
use crate::rollup::{RollupName, RollupPart};
use crate::store::read;
use crate::{MetricStoreError, part};

/// What opening found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Renamed to `….damaged`; everything else is served.
    pub damaged: Vec<DamagedPart>,
    pub damaged_rollups: Vec<DamagedRollups>,
    pub damaged_deletions: Vec<DamagedDeletion>,
    /// Unfinished or superseded files that were deleted, as a crash leaves them.
    pub removed: u64,
}

/// A part that cannot be opened. While the journal still has its records they can be appended again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedPart {
    pub path: PathBuf,
    pub reason: String,
    /// It held the journal's records behind this position …
    pub from_position: u64,
    /// … up to and including this one.
    pub to_position: u64,
}

/// A file of roll-ups that cannot be opened. As long as the samples of its days are there it is made again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedRollups {
    pub path: PathBuf,
    pub reason: String,
    /// It held what was measured from here …
    pub from_ms: i64,
    /// … up to and including here.
    pub to_ms: i64,
}

/// A deletion that cannot be read: what it hid is seen again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedDeletion {
    pub path: PathBuf,
    pub reason: String,
}

#[derive(Debug, Default)]
pub(crate) struct Recovered {
    /// In order of sequence.
    pub(crate) parts: Vec<Arc<Part>>,
    /// In order of time.
    pub(crate) rollups: Vec<Arc<RollupPart>>,
    pub(crate) deletions: Deletions,
    pub(crate) next_sequence: u64,
    /// Whether slots mean what they meant before.
    pub(crate) catalogue_kept: bool,
    pub(crate) recovery: Recovery,
}

/// The parts, and an index and catalogue that name their series. `empty` makes an index without series.
pub(crate) fn recover(
    directory: &Path,
    empty: impl Fn() -> Index,
) -> Result<(Recovered, Index, Catalogue), MetricStoreError> {
    let mut recovered = parts(directory)?;
    let mut index = empty();
    if let Some(catalogue) = Catalogue::load(directory, &mut index)? {
        let named = |part: &Part| part.series.is_subset(index.all());
        if recovered.parts.iter().all(|part| named(part))
            && recovered.rollups.iter().all(|rollups| named(&rollups.part))
        {
            index.restored();
            index.rest(&with_samples(&recovered.parts));
            recovered.catalogue_kept = true;
            return Ok((recovered, index, catalogue));
        }
        tracing::warn!(
            "the catalogue of series does not name all that the parts hold; it is made anew from them"
        );
    }
    let mut index = empty();
    let mut named = Vec::new();
    for part in std::mem::take(&mut recovered.parts) {
        match part.restore_names(&mut index) {
            Ok(()) => named.push(part),
            Err(MetricStoreError::Damaged { reason, .. }) => {
                let aside = set_aside(&part.path, part.meta.name(), reason)?;
                recovered.recovery.damaged.push(aside);
            }
            Err(error) => return Err(error),
        }
    }
    recovered.parts = named;
    let mut named = Vec::new();
    for rollups in std::mem::take(&mut recovered.rollups) {
        match rollups.part.restore_names(&mut index) {
            Ok(()) => named.push(rollups),
            Err(MetricStoreError::Damaged { reason, .. }) => {
                let aside = set_rollups_aside(&rollups.part.path, rollups.name, reason)?;
                recovered.recovery.damaged_rollups.push(aside);
            }
            Err(error) => return Err(error),
        }
    }
    recovered.rollups = named;
    index.restored();
    index.rest(&with_samples(&recovered.parts));
    let index = RwLock::new(index);
    let mut catalogue = Catalogue::empty(directory);
    let known = read(&index).all().clone();
    if !known.is_empty() {
        catalogue.rewrite(&index, &known)?;
    }
    let index = index.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok((recovered, index, catalogue))
}

fn with_samples(parts: &[Arc<Part>]) -> RoaringBitmap {
    parts.iter().fold(RoaringBitmap::new(), |slots, part| slots | &part.series)
}

fn parts(directory: &Path) -> Result<Recovered, MetricStoreError> {
    let mut recovered = Recovered { next_sequence: 1, ..Recovered::default() };
    // By first sequence; the widest of those first, so that a merged part is looked at before its inputs, and a cleaned one
    // before what it was.
    let (mut names, mut rollups, mut deletions) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    let failed = |error| MetricStoreError::io("list the metric store", directory)(error);
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == part::TEMPORARY_EXTENSION) {
            remove(&path, &mut recovered.recovery)?;
        } else if path.extension().is_some_and(|extension| extension == part::DAMAGED_EXTENSION) {
            // A cut's number means one cut for ever, also that of one set aside.
            let aside = PartName::parse(&path.with_extension(part::EXTENSION));
            let next = aside.map_or(1, |name| name.last_sequence.saturating_add(1));
            recovered.next_sequence = recovered.next_sequence.max(next);
        } else if Deletion::is_one(&path) {
            deletions.push(path);
        } else if let Some(name) = PartName::parse(&path) {
            let cleanest = std::cmp::Reverse((name.last_sequence, name.cleaned));
            let order = (name.first_sequence, cleanest);
            names.insert(order, (name, path));
        } else if let Some(name) = RollupName::parse(&path) {
            let newest = std::cmp::Reverse((name.to_day, name.revision));
            rollups.insert((name.from_day, newest), (name, path));
        }
    }
    for (name, path) in rollups.into_values() {
        let before = recovered.rollups.last();
        if before.is_some_and(|before| before.name.covers(name)) {
            remove(&path, &mut recovered.recovery)?;
            continue;
        }
        match RollupPart::open(&path, name) {
            Ok(rollups) => recovered.rollups.push(Arc::new(rollups)),
            Err(MetricStoreError::Damaged { reason, .. }) => {
                recovered.recovery.damaged_rollups.push(set_rollups_aside(&path, name, reason)?);
            }
            Err(error) => return Err(error),
        }
    }
    // A cut's number means one cut for ever, also when the newest parts are gone.
    let known = recovered.rollups.iter().filter_map(|rollups| rollups.inputs.as_ref()?.last());
    let known = known.map(|cuts| cuts.last + 1).max().unwrap_or(1);
    recovered.next_sequence = recovered.next_sequence.max(known);
    for (name, path) in names.into_values() {
        recovered.next_sequence = recovered.next_sequence.max(name.last_sequence + 1);
        let newest = recovered.parts.last();
        if newest.is_some_and(|newest| newest.meta.name().covers(name)) {
            remove(&path, &mut recovered.recovery)?;
            continue;
        }
        match Part::open(&path) {
            Ok(part) => recovered.parts.push(Arc::new(part)),
            Err(MetricStoreError::Damaged { reason, .. }) => {
                recovered.recovery.damaged.push(set_aside(&path, name, reason)?);
            }
            Err(error) => return Err(error),
        }
    }
    take_deletions(&mut recovered, deletions)?;
    Ok(recovered)
}

fn take_deletions(
    recovered: &mut Recovered,
    mut paths: Vec<PathBuf>,
) -> Result<(), MetricStoreError> {
    paths.sort_unstable();
    let cleaned = recovered.parts.iter().map(|part| part.meta.cleaned);
    let cleaned = cleaned.chain(recovered.rollups.iter().map(|rollups| rollups.cleaned));
    recovered.deletions.newest = cleaned.max().unwrap_or(0);
    for path in paths {
        match Deletion::open(&path) {
            Ok(one) => {
                let deletions = &mut recovered.deletions;
                deletions.newest = deletions.newest.max(one.number);
                // A cut's number means one cut for ever.
                recovered.next_sequence = recovered.next_sequence.max(one.last_sequence + 1);
                deletions.all.push(Arc::new(one));
            }
            Err(MetricStoreError::Damaged { reason, .. }) => {
                let aside = path.with_extension(part::DAMAGED_EXTENSION);
                std::fs::rename(&path, &aside)
                    .map_err(MetricStoreError::io("set aside the damaged deletion", &path))?;
                tracing::error!(deletion = %aside.display(), reason,
                    "a deletion of series is damaged and set aside; what it hid is seen again: delete it anew");
                let reason = reason.to_owned();
                recovered.recovery.damaged_deletions.push(DamagedDeletion { path: aside, reason });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn remove(path: &Path, recovery: &mut Recovery) -> Result<(), MetricStoreError> {
    std::fs::remove_file(path)
        .map_err(MetricStoreError::io("remove the superseded metric part", path))?;
    recovery.removed += 1;
    Ok(())
}

fn set_rollups_aside(
    path: &Path,
    name: RollupName,
    reason: &'static str,
) -> Result<DamagedRollups, MetricStoreError> {
    let aside = path.with_extension(part::DAMAGED_EXTENSION);
    std::fs::rename(path, &aside)
        .map_err(MetricStoreError::io("set aside the damaged roll-ups", path))?;
    let (from_ms, to_ms) = name.range().into_inner();
    tracing::error!(rollups = %aside.display(), reason, from_ms, to_ms,
        "a file of roll-ups is damaged and set aside; days of which the samples are still there are rolled up again");
    Ok(DamagedRollups { path: aside, reason: reason.to_owned(), from_ms, to_ms })
}

fn set_aside(
    path: &Path,
    name: PartName,
    reason: &'static str,
) -> Result<DamagedPart, MetricStoreError> {
    let aside = path.with_extension(part::DAMAGED_EXTENSION);
    std::fs::rename(path, &aside)
        .map_err(MetricStoreError::io("set aside the damaged metric part", path))?;
    tracing::error!(part = %aside.display(), reason, from = name.from_position, to = name.position,
        "a metric part is damaged and set aside; the journal's records named here may still have its samples");
    Ok(DamagedPart {
        path: aside,
        reason: reason.to_owned(),
        from_position: name.from_position,
        to_position: name.position,
    })
}
