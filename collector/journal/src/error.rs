//! What can go wrong with a journal, and whether trying again can help.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::Position;

/// Clones, because one failed group commit answers many waiting appends.
#[derive(Clone, Debug, thiserror::Error)]
pub enum JournalError {
    #[error("cannot {operation} {}", .path.display())]
    Io {
        operation: &'static str,
        path: PathBuf,
        #[source]
        source: Arc<io::Error>,
    },
    #[error("the journal {} is open in another process; stop that one first", .path.display())]
    Locked { path: PathBuf },
    /// Nothing was kept; the same append succeeds once there is space.
    #[error(
        "no space for the journal: {free} bytes are free and {reserve} are reserved; free or add space, ingest goes on by itself"
    )]
    NoSpace { free: u64, reserve: u64 },
    /// Nothing was kept; the same append succeeds once old segments are released.
    #[error(
        "the journal is full: it holds {held} bytes and may hold {max} (journal.bytes_max); a store that is behind \
         needs them, see haidang_collector_view_lag_records"
    )]
    Full { held: u64, max: u64 },
    #[error("a record of {bytes} bytes is over the limit of {max}")]
    RecordTooLarge { bytes: usize, max: usize },
    #[error(
        "{} has journal format {got}, this program reads {supported}; run the version that wrote it",
        .path.display()
    )]
    FormatVersion { path: PathBuf, got: u32, supported: u32 },
    /// Records that cannot be read. Told once by a reader, which then goes on behind them.
    #[error("journal records {first} to {last} are missing: {cause}")]
    Gap { first: Position, last: Position, cause: GapCause },
    #[error("the journal is closed")]
    Closed,
}

/// Why records are missing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GapCause {
    /// Released by the owner, so the reader came too late.
    #[error("they were released before this reader came to them")]
    Released,
    #[error("{} is damaged", .path.display())]
    Damaged { path: PathBuf },
}

impl JournalError {
    /// Whether the same call may succeed later without anybody changing it.
    pub fn retryable(&self) -> bool {
        matches!(self, Self::NoSpace { .. } | Self::Full { .. } | Self::Io { .. })
    }

    /// The name under which an append that was refused for want of room is counted.
    pub fn room_reason(&self) -> Option<&'static str> {
        match self {
            Self::NoSpace { .. } => Some("no_space"),
            Self::Full { .. } => Some("journal_full"),
            _ => None,
        }
    }

    pub(crate) fn io(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { operation, path, source: Arc::new(source) }
    }
}
