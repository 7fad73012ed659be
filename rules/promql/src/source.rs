//! The one way series come in.

use agent_model::{Matcher, Millis, RolledSeries, Series};

/// Reads series for the evaluator; stores and test scripts implement it.
pub trait SeriesSource {
    /// Every series that all matchers pick, with its samples in `[from_ms, to_ms]` (both ends included), in order
    /// of time. Stale markers are samples like any other here. A series without samples in the span may be left
    /// out. The order of series is the order of unsorted results, so it should not change from call to call.
    fn select(
        &self,
        matchers: &[Matcher],
        from_ms: Millis,
        to_ms: Millis,
    ) -> Result<Vec<Series>, SourceError>;

    /// As [`SeriesSource::select`], with roll-ups of five minutes where samples are gone; one that only reaches into
    /// the span is among them. A source that keeps every sample has none.
    fn select_rolled(
        &self,
        matchers: &[Matcher],
        from_ms: Millis,
        to_ms: Millis,
    ) -> Result<Vec<RolledSeries>, SourceError> {
        let whole = |series: Series| {
            let Series { labels, samples } = series;
            RolledSeries { labels, rollups: Vec::new(), samples }
        };
        Ok(self.select(matchers, from_ms, to_ms)?.into_iter().map(whole).collect())
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
