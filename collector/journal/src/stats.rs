//! The journal's own figures, for `/metrics`.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// Counted since the journal was opened, unless it says otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct JournalStats {
    pub appended_records: u64,
    /// Payload bytes, without headers.
    pub appended_bytes: u64,
    pub syncs: u64,
    pub sync_failures: u64,
    pub last_sync_seconds: f64,
    /// Appends refused for want of space.
    pub no_space_refusals: u64,
    /// Appends refused at the bound of all segments.
    pub full_refusals: u64,
    /// Whether the last append was.
    pub full: bool,
    /// Cut from the tail when the journal was opened.
    pub torn_bytes: u64,
    /// Gaps that readers met.
    pub gaps_read: u64,
    /// On disk now.
    pub segments: u64,
    pub disk_bytes: u64,
}

/// Written by the writer's thread and readers, read by anybody.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) appended_records: AtomicU64,
    pub(crate) appended_bytes: AtomicU64,
    pub(crate) syncs: AtomicU64,
    pub(crate) sync_failures: AtomicU64,
    /// The bits of an `f64`.
    pub(crate) last_sync_seconds: AtomicU64,
    pub(crate) no_space_refusals: AtomicU64,
    pub(crate) full_refusals: AtomicU64,
    pub(crate) full: AtomicBool,
    pub(crate) torn_bytes: AtomicU64,
    pub(crate) gaps_read: AtomicU64,
}

impl Counters {
    pub(crate) fn read(&self, segments: u64, disk_bytes: u64) -> JournalStats {
        JournalStats {
            appended_records: self.appended_records.load(Relaxed),
            appended_bytes: self.appended_bytes.load(Relaxed),
            syncs: self.syncs.load(Relaxed),
            sync_failures: self.sync_failures.load(Relaxed),
            last_sync_seconds: f64::from_bits(self.last_sync_seconds.load(Relaxed)),
            no_space_refusals: self.no_space_refusals.load(Relaxed),
            full_refusals: self.full_refusals.load(Relaxed),
            full: self.full.load(Relaxed),
            torn_bytes: self.torn_bytes.load(Relaxed),
            gaps_read: self.gaps_read.load(Relaxed),
            segments,
            disk_bytes,
        }
    }
}
