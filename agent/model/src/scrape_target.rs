//! What an agent says of the exporters that it scrapes, beside their samples: where they are, and what is wrong with them.

use crate::{MetricMetadata, Millis};

/// What an exporter, or the agent itself, says of the metrics of one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetMetadata {
    pub job: String,
    /// Empty for the host's own sources.
    pub instance: String,
    /// What was said before and is not said here no longer holds.
    pub complete: bool,
    pub metrics: Vec<MetricMetadata>,
}

/// Exporters that an agent scrapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScrapeTargets {
    /// There are no others.
    pub complete: bool,
    pub targets: Vec<ScrapeTarget>,
}

/// An exporter; whether it answers, and when and how fast, its own samples say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScrapeTarget {
    pub job: String,
    pub instance: String,
    /// Without secrets.
    pub url: String,
    pub interval_ms: Millis,
    pub timeout_ms: Millis,
    /// Why the last scrape that failed did, in words; empty before the first. Whether it is so now, `up` says.
    pub last_error: String,
}
