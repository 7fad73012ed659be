//! The store's own figures, for `/metrics`.

/// Counted since the store was opened, unless it says otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MetricStoreStats {
    /// Known now.
    pub series: u64,
    /// New series refused by the limits, and the samples dropped because of it.
    pub refused_series: u64,
    pub dropped_samples: u64,
    pub appended_samples: u64,
    /// In memory now.
    pub head_samples: u64,
    /// On disk now.
    pub parts: u64,
    pub part_samples: u64,
    pub part_bytes: u64,
    /// Files of five-minute roll-ups on disk now, and what they hold.
    pub rollup_parts: u64,
    pub rollups: u64,
    pub rollup_bytes: u64,
    /// Days rolled up, and of these those that late data rolled up anew.
    pub rolled_up_days: u64,
    pub rewritten_days: u64,
    pub rollup_merges: u64,
    pub expired_rollup_parts: u64,
    /// Roll-ups that could not be written; tried again.
    pub rollup_failures: u64,
    /// Parts deleted with samples that came when their day could not be rolled up any more.
    pub too_late_parts: u64,
    /// Files of roll-ups set aside at the start, and unreadable blocks of others met since.
    pub damaged_rollup_parts: u64,
    pub damaged_rollup_blocks: u64,
    /// The journal position that is on disk.
    pub position: u64,
    pub cuts: u64,
    pub merges: u64,
    pub expired_parts: u64,
    pub forgotten_series: u64,
    /// Parts set aside at the start, and unreadable blocks met since.
    pub damaged_parts: u64,
    pub damaged_blocks: u64,
    /// Queries refused by the limits.
    pub refused_selects: u64,
    /// Deletions that files on disk still need, and those that were damaged at the start.
    pub deletions: u64,
    pub damaged_deletions: u64,
    /// Series of which something was deleted (each time), and files written anew without what was.
    pub deleted_series: u64,
    pub cleaned_files: u64,
}
