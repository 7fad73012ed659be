//! Reports: what an agent sends, numbered so that a repeat is known and a hole is seen.

use crate::{
    BackupCopy, BackupRun, Column, Event, Fact, Gap, HostId, Millis, ProbeResult, Schema,
    ScrapeTargets, TargetMetadata,
};

/// One start of an agent: the time of the start in milliseconds, made to grow with every start of that agent
/// and to lie at or after everything it created before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch(pub u64);

/// Each stream of an epoch is numbered from 1 without holes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stream {
    /// Events, backups, probe results, facts, gaps: sent in strict order.
    Evidence = 1,
    /// Schemas and columns: newest first after an outage.
    Metrics = 2,
}

/// Names a report of a host for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReportKey {
    pub epoch: Epoch,
    pub stream: Stream,
    pub sequence: u64,
}

#[derive(Clone, Debug)]
pub struct Report {
    /// The host it claims to speak for; the collector compares it with the certificate.
    pub host: HostId,
    pub key: ReportKey,
    pub created_ms: Millis,
    pub schemas: Vec<Schema>,
    pub columns: Vec<Column>,
    pub events: Vec<Event>,
    pub backup_runs: Vec<BackupRun>,
    pub backup_copies: Vec<BackupCopy>,
    pub probe_results: Vec<ProbeResult>,
    pub facts: Vec<Fact>,
    pub gaps: Vec<Gap>,
    /// What metrics are, target by target.
    pub metadata: Vec<TargetMetadata>,
    /// In the order in which it was said.
    pub targets: Vec<ScrapeTargets>,
}

impl Stream {
    pub const ALL: [Self; 2] = [Self::Evidence, Self::Metrics];

    pub fn name(self) -> &'static str {
        match self {
            Self::Evidence => "evidence",
            Self::Metrics => "metrics",
        }
    }
}

impl Report {
    /// A report that says nothing yet.
    pub fn empty(host: HostId, key: ReportKey, created_ms: Millis) -> Self {
        Self {
            host,
            key,
            created_ms,
            schemas: Vec::new(),
            columns: Vec::new(),
            events: Vec::new(),
            backup_runs: Vec::new(),
            backup_copies: Vec::new(),
            probe_results: Vec::new(),
            facts: Vec::new(),
            gaps: Vec::new(),
            metadata: Vec::new(),
            targets: Vec::new(),
        }
    }

    pub fn sample_count(&self) -> usize {
        self.columns.iter().map(|column| column.values.len()).sum()
    }
}
