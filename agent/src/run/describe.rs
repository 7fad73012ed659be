//! What the agent's own series are, told once and when there are new ones.
//! Promises: looks at names only when a schema is new. Leaves to others: the descriptions (`metrics/descriptions`).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use agent_model::{MetricMetadata, Schema, SchemaId};

use crate::metrics::descriptions;
use crate::source::{Teller, Told};
use crate::spool::MetricsReading;

/// Remembers what was told, by job.
pub(super) struct Describer {
    teller: Teller,
    jobs: BTreeMap<String, OneJob>,
}

#[derive(Default)]
struct OneJob {
    told: Told,
    /// The schema whose names were told.
    schema: Option<SchemaId>,
}

impl Describer {
    pub(super) fn new(teller: Teller) -> Self {
        Self { teller, jobs: BTreeMap::new() }
    }

    pub(super) fn tell(&mut self, reading: &MetricsReading, now: Instant) {
        for (id, schema, _) in &reading.columns {
            if !self.jobs.contains_key(&schema.job) {
                self.jobs.insert(schema.job.clone(), OneJob::default());
            }
            let Some(job) = self.jobs.get_mut(&schema.job) else { continue };
            if job.schema == Some(*id) && !job.told.is_due(now) {
                continue;
            }
            let target = (schema.job.as_str(), schema.instance.as_str());
            let is_told = job.told.tell(&self.teller, target, described(schema), now);
            job.schema = is_told.then_some(*id);
        }
    }
}

fn described(schema: &Schema) -> Vec<MetricMetadata> {
    let names: BTreeSet<&str> = schema.series.iter().map(|series| series.metric_name()).collect();
    let described = names.into_iter().filter_map(|name| {
        let (kind, help) = descriptions::of(name)?;
        MetricMetadata::bounded(name, kind, &help, "")
    });
    described.map(|(metadata, _)| metadata).collect()
}
