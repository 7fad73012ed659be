//! The clock of this tool: how long a step took.

use std::time::{Duration, Instant};

pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        #[allow(clippy::disallowed_methods, reason = "the clock of this tool")]
        let now = Instant::now();
        Self(now)
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}
