//! Retention: whole parts go when their newest sample is too old.
//! The newest part stays whatever its age: it carries the journal position.

use std::sync::Arc;

use crate::part::Part;

/// The parts to delete, of all parts in order of sequence.
pub(crate) fn expired(parts: &[Arc<Part>], now_ms: i64, retention_ms: i64) -> Vec<Arc<Part>> {
    let oldest_kept = now_ms.saturating_sub(retention_ms);
    let Some((_, older)) = parts.split_last() else { return Vec::new() };
    older.iter().filter(|part| part.meta.max_ms < oldest_kept).cloned().collect()
}
