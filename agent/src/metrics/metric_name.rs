//! Names of metrics that are put together from what the kernel calls a thing, in memory that is used again.

use std::fmt::{self, Write};

/// Room for one name.
#[derive(Debug, Default)]
pub(crate) struct MetricName(String);

impl MetricName {
    /// The name that these parts make.
    pub(crate) fn of(&mut self, parts: fmt::Arguments<'_>) -> &str {
        self.0.clear();
        // Text can always be added to a String; only a faulty Display could fail, and texts have none.
        match self.0.write_fmt(parts) {
            Ok(()) => &self.0,
            Err(fmt::Error) => "",
        }
    }
}
