//! How large a request may be. Each bound is checked before the memory is taken.

/// A compressed body: a hundred times what Prometheus sends at once by default.
pub const BODY_BYTES_MAX: usize = 8 << 20;

/// The same body unpacked: snappy shrinks label names about tenfold, and a bomb far more.
pub const MESSAGE_BYTES_MAX: usize = 32 << 20;

/// Samples in one request: Prometheus sends 2,000, others up to 10,000.
pub const SAMPLES_MAX: usize = 100_000;

/// Series in one request; Prometheus names a series anew for each sample.
pub const SERIES_MAX: usize = 100_000;

/// Texts in one request of version 2: a few for each series.
pub const SYMBOLS_MAX: usize = 400_000;

/// Metrics that one request describes: Prometheus sends 2,000 at once, and 20 MiB at most are those of longest texts.
pub const DESCRIBED_MAX: usize = 20_000;

/// Bytes of all label sets of a request, written out: references are cheap, what they stand for is not.
pub const LABEL_SETS_BYTES_MAX: usize = 32 << 20;

/// Labels of one series.
pub const LABELS_MAX: usize = 64;

/// Bytes of a label's name.
pub const LABEL_NAME_BYTES_MAX: usize = 512;

/// Bytes of a label's value.
pub const LABEL_VALUE_BYTES_MAX: usize = 4_096;

/// A packed push, unpacked: the label sets and sixteen bytes for each sample, with room for lengths.
pub(crate) const UNPACKED_BYTES_MAX: usize =
    LABEL_SETS_BYTES_MAX + 16 * (SERIES_MAX + SAMPLES_MAX) + (1 << 16);
