//! The shared vocabulary of Hải Đăng: what agents say and collectors keep.
//!
//! Promises: plain values, no I/O, no clock, no serialisation. Bytes are `agent-wire`'s business, JSON is
//! the business of the HTTP edge, SQL that of the stores.

mod backup;
mod event;
pub mod expression;
mod fact;
mod gap;
mod host;
mod labels;
mod matcher;
mod metric_metadata;
mod name;
mod probe;
mod problem;
mod report;
mod rollup;
mod sample;
mod schema;
mod scrape_target;

pub use backup::{
    BackupCopy, BackupOutcome, BackupRun, COPY_ENTRIES_MAX, CopyEntry, VerificationDepth,
};
pub use event::{Event, EventClass, EventId, HostEvent, Severity};
pub use fact::Fact;
pub use gap::{Gap, GapReason};
pub use host::{HostId, HostIdError};
pub use labels::{Label, Labels};
pub use matcher::{MatchOp, Matcher, MatcherError};
pub use metric_metadata::{
    HELP_BYTES_MAX, METRIC_NAME_BYTES_MAX, MetricKind, MetricMetadata, UNIT_BYTES_MAX,
};
pub use name::{is_plain_label_name, is_plain_metric_name, written_metric_name};
pub use probe::{ProbeKind, ProbeResult};
pub use problem::{Problem, Problems};
pub use report::{Epoch, Report, ReportKey, Stream};
pub use rollup::{ROLLUP_SAMPLES, ROLLUP_WINDOW_MS, RolledSeries, Rollup};
pub use sample::{STALE_NAN_BITS, Sample, Series, is_stale, stale_marker};
pub use schema::{Column, Schema, SchemaId};
pub use scrape_target::{ScrapeTarget, ScrapeTargets, TargetMetadata};

/// Milliseconds since the Unix epoch, UTC: the one time unit of the model.
pub type Millis = i64;
