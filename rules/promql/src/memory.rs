//! Series kept in memory, for scripts and tests of rules.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use agent_model::{Labels, Matcher, Millis, RolledSeries, Sample};

use crate::source::{SeriesSource, SourceError};

/// A small, complete set of series. The later of two values for one instant counts.
#[derive(Clone, Debug, Default)]
pub struct MemorySource {
    series: BTreeMap<Labels, BTreeMap<Millis, f64>>,
}

impl MemorySource {
    pub fn insert(&mut self, labels: &Labels, sample: Sample) {
        let samples = match self.series.get_mut(labels) {
            Some(samples) => samples,
            None => self.series.entry(labels.clone()).or_default(),
        };
        samples.insert(sample.timestamp_ms, sample.value);
    }

    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }
}

impl SeriesSource for MemorySource {
    fn for_each(
        &self,
        matchers: &[Matcher],
        from_ms: Millis,
        to_ms: Millis,
        take: &mut dyn FnMut(RolledSeries) -> ControlFlow<()>,
    ) -> Result<(), SourceError> {
        if from_ms > to_ms {
            return Ok(());
        }
        for (labels, samples) in &self.series {
            if !matchers.iter().all(|matcher| matcher.matches_labels(labels)) {
                continue;
            }
            let samples = samples.range(from_ms..=to_ms);
            let samples: Vec<_> = samples
                .map(|(time, value)| Sample { timestamp_ms: *time, value: *value })
                .collect();
            let series = RolledSeries { labels: labels.clone(), rollups: Vec::new(), samples };
            if !series.samples.is_empty() && take(series).is_break() {
                break;
            }
        }
        Ok(())
    }
}
