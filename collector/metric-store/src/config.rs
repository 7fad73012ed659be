//! The store's settings, each with what it guards.

use std::path::PathBuf;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

#[derive(Clone, Debug)]
pub struct MetricStoreConfig {
    pub directory: PathBuf,
    /// Parts whose newest sample is older than this are deleted, once what they hold is rolled up.
    pub retention_ms: i64,
    /// Roll-ups older than this are deleted; none are made when it is no longer than the samples'.
    pub rollup_retention_ms: i64,
    /// Days are rolled up when they are so old (or when their samples go): later nothing is expected to come for them. What comes all the same
    /// costs a day rolled up anew.
    pub rollup_after_ms: i64,
    /// Samples in memory (8 bytes each in columns, 16 by themselves): beyond it appends are refused until a cut.
    pub head_samples_max: u64,
    /// Samples in memory from which on a cut is due: a start appends them again, a million in less than a second.
    pub head_samples_cut: u64,
    /// New series of one host beyond this are refused: one mad exporter must not fill the index for all.
    pub host_series_max: u64,
    /// New series beyond this are refused: about 1 kB of memory each.
    pub series_max: u64,
    /// Deletions that wait to be applied: every read looks through them.
    pub deletions_max: usize,
    /// Series that one select may return.
    pub select_series_max: u64,
    /// Samples that one select may return (16 bytes each).
    pub select_samples_max: u64,
}

impl MetricStoreConfig {
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            retention_ms: 30 * DAY_MS,
            rollup_retention_ms: 396 * DAY_MS,
            rollup_after_ms: 8 * DAY_MS,
            head_samples_max: 32_000_000,
            head_samples_cut: 8_000_000,
            host_series_max: 50_000,
            series_max: 2_000_000,
            deletions_max: 1_000,
            select_series_max: 200_000,
            select_samples_max: 20_000_000,
        }
    }
}
