//! What the store answers: samples and roll-ups of series, and the names and values of their labels.
//! What the limits refuse is counted. Runs beside appends, cuts and upkeep.

use std::ops::ControlFlow;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, RwLockReadGuard};

use agent_model::{Labels, Matcher, RolledSeries, Series};
use roaring::RoaringBitmap;

use super::{MetricStore, read};
use crate::index::Index;
use crate::select::{Limits, TimeRange};
use crate::{MetricStoreError, select};

impl MetricStore {
    /// Samples from `from_ms` to `to_ms`, both included, of every series that all matchers pick; stale markers are
    /// samples here. Series without a sample in the range are left out; the order of series is not promised. Of days
    /// that only roll-ups tell there are none.
    pub fn select(
        &self,
        matchers: &[Matcher],
        from_ms: i64,
        to_ms: i64,
    ) -> Result<Vec<Series>, MetricStoreError> {
        let found = self.select_rolled(matchers, from_ms, to_ms)?.into_iter();
        let series = found.map(|one| Series { labels: one.labels, samples: one.samples });
        Ok(series.filter(|series| !series.samples.is_empty()).collect())
    }

    /// As [`MetricStore::select`], with the roll-ups of days of which the samples are no longer all there; such a day
    /// is told by them alone. A roll-up that only reaches into the range is among them.
    pub fn select_rolled(
        &self,
        matchers: &[Matcher],
        from_ms: i64,
        to_ms: i64,
    ) -> Result<Vec<RolledSeries>, MetricStoreError> {
        let mut found = Vec::new();
        self.for_each(matchers, from_ms, to_ms, &mut |series| {
            found.push(series);
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    /// As [`MetricStore::select_rolled`], series by series, until `take` breaks off: what is in memory at a time is a
    /// batch of them, and their newest samples.
    pub fn for_each(
        &self,
        matchers: &[Matcher],
        from_ms: i64,
        to_ms: i64,
        take: &mut dyn FnMut(RolledSeries) -> ControlFlow<()>,
    ) -> Result<(), MetricStoreError> {
        let range = from_ms..=to_ms;
        self.counted(|limits| {
            select::for_each(&self.index, &self.head, matchers, &range, limits, take)
        })
    }

    /// Counts what the limits refused.
    fn counted<T>(
        &self,
        select: impl FnOnce(&Limits) -> Result<T, MetricStoreError>,
    ) -> Result<T, MetricStoreError> {
        let limits = Limits {
            series_max: self.config.select_series_max,
            samples_max: self.config.select_samples_max,
        };
        let selected = select(&limits);
        if let Err(
            MetricStoreError::TooManySeries { .. } | MetricStoreError::TooManySamples { .. },
        ) = selected
        {
            self.counters.refused_selects.fetch_add(1, Relaxed);
        }
        selected
    }

    /// Label sets of matching series with samples in the range, to the precision of a part.
    pub fn series(
        &self,
        matchers: &[Matcher],
        from_ms: i64,
        to_ms: i64,
    ) -> Result<Vec<Labels>, MetricStoreError> {
        let (index, slots) = self.matching(matchers, &(from_ms..=to_ms));
        let max = self.config.select_series_max;
        if slots.len() > max {
            return Err(MetricStoreError::TooManySeries { matched: slots.len(), max });
        }
        let mut series: Vec<_> = slots.iter().map(|slot| index.labels(slot)).collect();
        drop(index);
        series.sort_unstable();
        Ok(series)
    }

    /// Label names of those series, in order.
    pub fn label_names(&self, matchers: &[Matcher], from_ms: i64, to_ms: i64) -> Vec<Arc<str>> {
        let (index, slots) = self.matching(matchers, &(from_ms..=to_ms));
        index.label_names(&slots)
    }

    /// Values of a label of those series, in order.
    pub fn label_values(
        &self,
        name: &str,
        matchers: &[Matcher],
        from_ms: i64,
        to_ms: i64,
    ) -> Vec<Arc<str>> {
        let (index, slots) = self.matching(matchers, &(from_ms..=to_ms));
        index.label_values(name, &slots)
    }

    fn matching(
        &self,
        matchers: &[Matcher],
        range: &TimeRange,
    ) -> (RwLockReadGuard<'_, Index>, RoaringBitmap) {
        let index = read(&self.index);
        let matching = index.matching(matchers);
        let slots = select::with_samples(&matching, &read(&self.head), range);
        (index, slots)
    }
}
