//! The one way series come in.

use std::ops::ControlFlow;

use agent_model::{Matcher, Millis, RolledSeries, Series};

/// Reads series for the evaluator; stores and test scripts implement it.
pub trait SeriesSource {
    /// Every series that all matchers pick, with its samples in `[from_ms, to_ms]` (both ends included), in order
    /// of time. Stale markers are samples like any other here. A series without samples in the span may be left
    /// out; their order does not matter.
    fn select(
        &self,
        matchers: &[Matcher],
        from_ms: Millis,
        to_ms: Millis,
    ) -> Result<Vec<Series>, SourceError>;

    /// As [`SeriesSource::select`], series by series, until `take` breaks off; a large source holds few at a time. Where
    /// samples are gone there are roll-ups of five minutes; one that only reaches into the span is among them.
    fn for_each(
        &self,
        matchers: &[Matcher],
        from_ms: Millis,
        to_ms: Millis,
        take: &mut dyn FnMut(RolledSeries) -> ControlFlow<()>,
    ) -> Result<(), SourceError> {
        for Series { labels, samples } in self.select(matchers, from_ms, to_ms)? {
            if take(RolledSeries { labels, rollups: Vec::new(), samples }).is_break() {
                break;
            }
        }
        Ok(())
    }
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
