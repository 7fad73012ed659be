//! How large a request may be, beside what a push may hold (`collector_remote_write::limits`).

/// A body as it came; an SDK sends some hundred kilobytes, an OpenTelemetry Collector's batch of 8,192 points a few megabytes.
pub const BODY_BYTES_MAX: usize = 8 << 20;

/// The same body unpacked; gzip shrinks attributes tenfold, and a bomb far more.
pub const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// Messages within a request: resources, metrics, points, attributes and their values. An empty one takes two bytes on the
/// way and a hundred and more in memory; 20,000 points with eight attributes each are 340,000.
pub const PARTS_MAX: usize = 400_000;

/// Lists and maps within an attribute's value.
pub const VALUE_DEPTH_MAX: usize = 16;

/// Bounds of one histogram, quantiles of one summary: each becomes a series.
pub const BOUNDS_MAX: usize = 1_000;

/// Samples of `target_info` that one resource brings: every 150 s for the seven days that late data may be old.
pub(crate) const TARGET_INFO_SAMPLES_MAX: i64 = 7 * 86_400 / 150;
