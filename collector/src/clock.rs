//! The collector's one reading of the clock; everything else takes `now` as an argument.

use agent_model::Millis;

/// Milliseconds since the Unix epoch, UTC.
#[allow(clippy::disallowed_methods, reason = "the one place where the collector reads the clock")]
pub fn now_ms() -> Millis {
    jiff::Timestamp::now().as_millisecond()
}

/// A monotonic reading, for durations and deadlines.
#[allow(clippy::disallowed_methods, reason = "the one place where the collector reads the clock")]
pub fn instant() -> std::time::Instant {
    std::time::Instant::now()
}
