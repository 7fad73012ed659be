//! The clock of the agent: the one place that reads the time. Everything else takes it as an argument
//! or takes a [`Clock`], so that a test can say what time it is.

use std::time::{Duration, Instant, SystemTime};

use agent_model::Millis;

/// Reads the host's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock;

impl Clock {
    /// The wall clock, in milliseconds UTC. It may step in both directions.
    pub fn now_ms(self) -> Millis {
        #[allow(clippy::disallowed_methods, reason = "the clock of this daemon")]
        let now = SystemTime::now();
        let since_1970 = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX)
    }

    /// A clock that never steps back: for durations, time-outs and schedules.
    pub fn instant(self) -> Instant {
        #[allow(clippy::disallowed_methods, reason = "the clock of this daemon")]
        Instant::now()
    }
}
