//! Opening what is on disk: unfinished files go, merged inputs that a crash left go, damaged parts are set aside.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::index::Index;
use crate::part::{Part, PartName};
use crate::{MetricStoreError, part};

/// What opening found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Renamed to `….damaged`; everything else is served.
    pub damaged: Vec<DamagedPart>,
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

#[derive(Debug, Default)]
pub(crate) struct Recovered {
    /// In order of sequence.
    pub(crate) parts: Vec<Arc<Part>>,
    pub(crate) next_sequence: u64,
    pub(crate) recovery: Recovery,
}

pub(crate) fn recover(directory: &Path, index: &mut Index) -> Result<Recovered, MetricStoreError> {
    let mut recovered = Recovered { next_sequence: 1, ..Recovered::default() };
    // By first sequence; the widest of those first, so that a merged part is looked at before its inputs.
    let mut names = BTreeMap::new();
    let failed = |error| MetricStoreError::io("list the metric store", directory)(error);
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == part::TEMPORARY_EXTENSION) {
            remove(&path, &mut recovered.recovery)?;
        } else if let Some(name) = PartName::parse(&path) {
            let order = (name.first_sequence, std::cmp::Reverse(name.last_sequence));
            names.insert(order, (name, path));
        }
    }
    for (name, path) in names.into_values() {
        recovered.next_sequence = recovered.next_sequence.max(name.last_sequence + 1);
        let newest = recovered.parts.last();
        if newest.is_some_and(|newest| newest.meta.name().covers(name)) {
            remove(&path, &mut recovered.recovery)?;
            continue;
        }
        match Part::open(&path, |labels| index.restore(labels).slot) {
            Ok(part) => recovered.parts.push(Arc::new(part)),
            Err(MetricStoreError::Damaged { reason, .. }) => {
                recovered.recovery.damaged.push(set_aside(&path, name, reason)?);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(recovered)
}

fn remove(path: &Path, recovery: &mut Recovery) -> Result<(), MetricStoreError> {
    std::fs::remove_file(path)
        .map_err(MetricStoreError::io("remove the superseded metric part", path))?;
    recovery.removed += 1;
    Ok(())
}

fn set_aside(
    path: &Path,
    name: PartName,
    reason: &'static str,
) -> Result<DamagedPart, MetricStoreError> {
    let aside = path.with_extension("damaged");
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
