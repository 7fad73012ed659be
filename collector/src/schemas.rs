//! The schemas that agents report in, by id, for every part that decodes columns.
//!
//! Promises: a schema that was accepted is found for as long as the process lives and after a restart (the inventory
//! stores it in the transaction that stores the report that brought it); one host's schemas stay within its limit.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use agent_model::{HostId, Schema, SchemaId};
use agent_wire::SchemaSource;

/// Cheap to clone; all clones see the same schemas.
#[derive(Clone, Debug, Default)]
pub struct Schemas(Arc<RwLock<Known>>);

#[derive(Debug, Default)]
struct Known {
    by_id: HashMap<SchemaId, Arc<Schema>>,
    /// The newest schema of each job of a host: what it reports in now, and so what counts against its limit.
    current: HashMap<HostId, HashMap<String, SchemaId>>,
}

/// A host would have more series at once than it may.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the host would report {got} series at once; it may report {max} (agents.series_per_host_max)"
)]
pub struct TooManySeries {
    pub got: usize,
    pub max: usize,
}

impl Schemas {
    /// Whether a host may report in these schemas beside those it reports in now.
    pub fn check_series(
        &self,
        host: &HostId,
        schemas: &[(SchemaId, Arc<Schema>)],
        max: usize,
    ) -> Result<(), TooManySeries> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut sizes: HashMap<&str, usize> = HashMap::new();
        for (job, id) in known.current.get(host).into_iter().flatten() {
            let size = known.by_id.get(id).map_or(0, |schema| schema.series.len());
            sizes.insert(job, size);
        }
        for (_, schema) in schemas {
            sizes.insert(&schema.job, schema.series.len());
        }
        let got = sizes.values().sum();
        if got > max { Err(TooManySeries { got, max }) } else { Ok(()) }
    }

    /// Notes the schemas that came with a stored report.
    pub fn add(&self, host: &HostId, schemas: &[(SchemaId, Arc<Schema>)]) {
        if schemas.is_empty() {
            return;
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for (id, schema) in schemas {
            let shared = Arc::clone(known.by_id.entry(*id).or_insert_with(|| Arc::clone(schema)));
            let jobs = known.current.entry(host.clone()).or_default();
            jobs.insert(shared.job.clone(), *id);
        }
    }

    pub fn len(&self) -> usize {
        self.0.read().unwrap_or_else(PoisonError::into_inner).by_id.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl SchemaSource for Schemas {
    fn schema(&self, id: &SchemaId) -> Option<Arc<Schema>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).by_id.get(id).cloned()
    }
}

#[cfg(test)]
mod tests {
    use agent_model::Labels;

    use super::*;

    fn schema(job: &str, series: usize) -> (SchemaId, Arc<Schema>) {
        let series: Vec<_> =
            (0..series).map(|at| Labels::metric("m", [("at", at.to_string())])).collect();
        let schema = Schema { job: job.into(), base: vec![0.0; series.len()], series };
        (schema.id(), Arc::new(schema))
    }

    #[test]
    fn a_host_is_held_to_its_limit_by_what_it_reports_now() {
        let schemas = Schemas::default();
        let (one, other) = (HostId::new("one").unwrap(), HostId::new("other").unwrap());
        schemas.add(&one, &[schema("node", 10)]);
        assert_eq!(schemas.check_series(&one, &[schema("probe", 5)], 15), Ok(()));
        let refused = schemas.check_series(&one, &[schema("probe", 6)], 15);
        assert_eq!(refused, Err(TooManySeries { got: 16, max: 15 }));
        // A job's newer schema takes the place of its older one; another host has its own limit.
        assert_eq!(schemas.check_series(&one, &[schema("node", 15)], 15), Ok(()));
        assert_eq!(schemas.check_series(&other, &[schema("probe", 15)], 15), Ok(()));
    }
}
