//! What can go wrong with the metric store, and whether trying again can help.

use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum MetricStoreError {
    #[error("cannot {operation} {}", .path.display())]
    Io {
        operation: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the metric store {} is open in another process; stop that one first", .path.display())]
    Locked { path: PathBuf },
    #[error("the metric part {} is damaged: {reason}; it is set aside, the other parts are served", .path.display())]
    Damaged { path: PathBuf, reason: &'static str },
    #[error(
        "{} has metric format {got}, this program reads {supported}; run the version that wrote it",
        .path.display()
    )]
    FormatVersion { path: PathBuf, got: u32, supported: u32 },
    #[error("a column has {values} values for {series} series; it needs one per series")]
    ColumnLength { series: usize, values: usize },
    /// Ask [`crate::MetricStore::series_refs`] again, then append the column again: repeats do no harm.
    #[error("a series has been forgotten since it was registered: register it again")]
    SeriesForgotten,
    #[error("{samples} samples wait in memory, over the limit of {max}: cut the head first")]
    HeadFull { samples: u64, max: u64 },
    #[error("the query picks {matched} series, over the limit of {max}: narrow its matchers")]
    TooManySeries { matched: u64, max: u64 },
    #[error("the query reads more than {max} samples: narrow its matchers or its time range")]
    TooManySamples { max: u64 },
    #[error("{max} deletions wait already: let the tombstones be cleaned first")]
    TooManyDeletions { max: usize },
    #[error("cannot encode samples: {reason}")]
    Encode { reason: String },
}

impl MetricStoreError {
    /// Whether the same call may succeed later: the disk was full or failed, or the head waits for a cut.
    pub fn retryable(&self) -> bool {
        matches!(self, Self::Io { .. } | Self::HeadFull { .. })
    }

    pub(crate) fn io(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { operation, path, source }
    }
}
