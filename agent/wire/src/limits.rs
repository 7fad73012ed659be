//! How large anything on the wire may be. Each bound is checked before the memory is taken.

/// A compressed request body: a day's backlog goes in many requests, not in one.
pub const BODY_BYTES_MAX: usize = 4 << 20;

/// The same body unpacked: zstd shrinks columns about tenfold, and a bomb far more.
pub const ENVELOPE_BYTES_MAX: usize = 32 << 20;

/// Reports in one envelope: one acknowledgement answers them all.
pub const REPORTS_MAX: usize = 1_000;

/// One report: a schema of a thousand series with long labels fits tenfold.
pub const REPORT_BYTES_MAX: usize = 8 << 20;

/// Series in one schema; the limit per host is the collector's setting.
pub const SERIES_MAX: usize = 100_000;

/// Labels of one series; node_exporter's widest metrics have under ten.
pub const LABELS_MAX: usize = 64;

/// Bytes in one label name or value.
pub const LABEL_BYTES_MAX: usize = 4_096;

/// Events, runs, copies, results, facts or gaps in one report, each kind.
pub const RECORDS_MAX: usize = 10_000;

/// Bytes of any text field of a record: a log line of auditd fits.
pub const TEXT_BYTES_MAX: usize = 64 << 10;

/// Fields of one event.
pub const EVENT_FIELDS_MAX: usize = 256;
