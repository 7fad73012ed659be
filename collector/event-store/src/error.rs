//! What can go wrong with the event store: which operation, on which path or day.

use std::path::PathBuf;

use crate::{Day, QueryError};

#[derive(Debug, thiserror::Error)]
pub enum EventStoreError {
    #[error("the event store cannot {operation} {path}", path = .path.display())]
    Files { operation: &'static str, path: PathBuf, source: std::io::Error },
    #[error(
        "the event store {path} has format {found:?}, this program knows {known}; run the newer program that wrote it, or restore the snapshot made before the upgrade",
        path = .path.display()
    )]
    Format { path: PathBuf, found: String, known: u32 },
    /// Everything since `position()` is forgotten and must be appended again.
    #[error(
        "the events of {day} cannot be written; everything since the last commit is to be appended again"
    )]
    Write { day: Day, source: tantivy::TantivyError },
    #[error("the index of {day} cannot be {operation}")]
    Index { day: Day, operation: &'static str, source: tantivy::TantivyError },
    #[error("an event of {day} is not in the form this program writes")]
    Damaged { day: Day },
    #[error(transparent)]
    Query(#[from] QueryError),
}
