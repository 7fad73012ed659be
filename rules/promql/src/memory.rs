//! Series kept in memory, for scripts and tests of rules.

use std::collections::BTreeMap;

use agent_model::{Labels, Matcher, Millis, Sample, Series};

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
    fn select(
        &self,
        matchers: &[Matcher],
        from_ms: Millis,
        to_ms: Millis,
    ) -> Result<Vec<Series>, SourceError> {
        if from_ms > to_ms {
            return Ok(Vec::new());
        }
        let picked = self
            .series
            .iter()
            .filter(|(labels, _)| matchers.iter().all(|matcher| matcher.matches_labels(labels)));
        let series = picked.map(|(labels, samples)| {
            let samples = samples.range(from_ms..=to_ms);
            let samples =
                samples.map(|(time, value)| Sample { timestamp_ms: *time, value: *value });
            Series { labels: labels.clone(), samples: samples.collect() }
        });
        Ok(series.filter(|series| !series.samples.is_empty()).collect())
    }
}
