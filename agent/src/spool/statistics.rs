//! What is told about the spool in the agent's own metrics.

use agent_model::Stream;

use super::log::Log;
use super::{Spool, logs_of};

/// What the spool has done and holds; counters count since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpoolStatistics {
    pub bytes: u64,
    pub bytes_max: u64,
    pub appended_reports: u64,
    /// Reports that some collector will never get, by reason.
    pub dropped_overflow: u64,
    pub dropped_damaged: u64,
    pub dropped_refused: u64,
    /// Metric readings and pieces of evidence that could not be written at all.
    pub failed_appends: u64,
    /// Failed writes of cursors, schemas and syncs; they are tried again.
    pub failed_upkeep: u64,
    /// Gap records that wait for room.
    pub pending_gaps: u64,
    /// Reports that wait, per collector: evidence, metrics.
    pub waiting: Vec<(u64, u64)>,
}

impl Spool {
    pub fn statistics(&self) -> SpoolStatistics {
        SpoolStatistics {
            bytes: self.bytes(),
            bytes_max: self.bytes_max,
            pending_gaps: self.pending_gaps.len() as u64,
            waiting: (0..self.cursors.len()).map(|collector| self.waiting(collector)).collect(),
            ..self.statistics.clone()
        }
    }

    /// What it takes of the disk.
    pub(super) fn bytes(&self) -> u64 {
        let logs: u64 = self.logs.iter().map(Log::bytes).sum();
        logs + self.spare.bytes() + self.schemas.bytes() + self.bookmarks.bytes()
    }

    /// Reports that wait for a collector: evidence, metrics.
    fn waiting(&self, collector: usize) -> (u64, u64) {
        let cursor = &self.cursors[collector];
        let count = |stream: Stream| {
            let segments = logs_of(stream).iter().flat_map(|&log| self.logs[log].segments());
            segments.map(|segment| segment.missing(cursor.held(stream))).sum()
        };
        (count(Stream::Evidence), count(Stream::Metrics))
    }
}
