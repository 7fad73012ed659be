//! The one way series come in.

use std::ops::ControlFlow;

use agent_model::{Matcher, Millis, RolledSeries};

/// Reads series for the evaluator; stores and test scripts implement it.
pub trait SeriesSource {
    /// Gives `take` every series that all matchers pick, one by one and in no order, until it breaks off: with its
    /// samples in `[from_ms, to_ms]` (both ends included), in order of time. Stale markers are samples like any other
    /// here. Where samples are gone there are roll-ups of five minutes; one that only reaches into the span is among
    /// them. A series without either may be left out.
    fn for_each(
        &self,
        matchers: &[Matcher],
        from_ms: Millis,
        to_ms: Millis,
        take: &mut dyn FnMut(RolledSeries) -> ControlFlow<()>,
    ) -> Result<(), SourceError>;
}

/// Why a source could not answer; its own error is kept as the source.
#[derive(Debug, thiserror::Error)]
#[error("the series cannot be read")]
pub struct SourceError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

impl SourceError {
    pub fn new(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(error.into())
    }
}
