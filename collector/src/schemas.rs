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
    /// What each target of a host reports in now, and so what counts against its limit.
    current: HashMap<HostId, HashMap<Target, Vec<SchemaId>>>,
}

/// Job and instance; a target may report in several schemas at once.
type Target = (String, String);

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
    /// Whether a host may report in `used` schemas beside what its other targets report in now. `attached` are those
    /// that came with the report.
    pub fn check_series(
        &self,
        host: &HostId,
        attached: &[(SchemaId, Arc<Schema>)],
        used: &[SchemaId],
        max: usize,
    ) -> Result<(), TooManySeries> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let attached: HashMap<_, _> = attached.iter().map(|(id, schema)| (*id, schema)).collect();
        let used = used.iter().filter_map(|id| attached.get(id).copied().or(known.by_id.get(id)));
        let used: Vec<&Schema> = used.map(AsRef::as_ref).collect();
        let reporting = |(job, instance): &Target| {
            used.iter().any(|schema| schema.job == *job && schema.instance == *instance)
        };
        let current = known.current.get(host).into_iter().flatten();
        let others = current.filter(|(target, _)| !reporting(target)).flat_map(|(_, ids)| ids);
        let others = others.filter_map(|id| known.by_id.get(id)).map(|schema| schema.series.len());
        let got = others.chain(used.iter().map(|schema| schema.series.len())).sum();
        if got > max { Err(TooManySeries { got, max }) } else { Ok(()) }
    }

    /// Notes the schemas that came with a stored report, and those that its columns are of.
    pub fn add(&self, host: &HostId, attached: &[(SchemaId, Arc<Schema>)], used: &[SchemaId]) {
        if attached.is_empty() {
            return;
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let known = &mut *known;
        for (id, schema) in attached {
            known.by_id.entry(*id).or_insert_with(|| Arc::clone(schema));
        }
        let mut targets: HashMap<Target, Vec<SchemaId>> = HashMap::new();
        for id in used {
            let Some(schema) = known.by_id.get(id) else { continue };
            let target = (schema.job.clone(), schema.instance.clone());
            let ids = targets.entry(target).or_default();
            if !ids.contains(id) {
                ids.push(*id);
            }
        }
        known.current.entry(host.clone()).or_default().extend(targets);
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

    fn schema(job: &str, instance: &str, series: usize) -> (SchemaId, Arc<Schema>) {
        let series: Vec<_> =
            (0..series).map(|at| Labels::metric("m", [("at", at.to_string())])).collect();
        let (job, instance) = (job.into(), instance.into());
        let schema = Schema { job, instance, base: vec![0.0; series.len()], series };
        (schema.id(), Arc::new(schema))
    }

    /// What a host would report in after a report with these schemas and a column of each.
    fn check(schemas: &Schemas, host: &HostId, report: &[(SchemaId, Arc<Schema>)]) -> usize {
        let used: Vec<_> = report.iter().map(|(id, _)| *id).collect();
        let refused = schemas.check_series(host, report, &used, 0);
        refused.map_or_else(|refused| refused.got, |()| 0)
    }

    fn add(schemas: &Schemas, host: &HostId, report: &[(SchemaId, Arc<Schema>)]) {
        let used: Vec<_> = report.iter().map(|(id, _)| *id).collect();
        schemas.add(host, report, &used);
    }

    #[test]
    fn a_host_is_held_to_its_limit_by_what_it_reports_now() {
        let schemas = Schemas::default();
        let (one, other) = (HostId::new("one").unwrap(), HostId::new("other").unwrap());
        add(&schemas, &one, &[schema("node", "", 10)]);
        let probe = [schema("probe", "", 5)];
        assert_eq!(schemas.check_series(&one, &probe, &[probe[0].0], 15), Ok(()));
        let refused = schemas.check_series(&one, &probe, &[probe[0].0], 14);
        assert_eq!(refused, Err(TooManySeries { got: 15, max: 14 }));
        // A job's newer schema takes the place of its older one; another host has its own limit.
        assert_eq!(check(&schemas, &one, &[schema("node", "", 15)]), 15);
        assert_eq!(check(&schemas, &other, &[schema("probe", "", 15)]), 15);
    }

    #[test]
    fn every_target_counts_with_all_the_schemas_of_its_newest_report() {
        let schemas = Schemas::default();
        let host = HostId::new("one").unwrap();
        add(&schemas, &host, &[schema("node", "", 10)]);
        add(&schemas, &host, &[schema("pg", "a:1", 20), schema("pg", "a:1", 3)]);
        assert_eq!(check(&schemas, &host, &[schema("pg", "b:1", 5)]), 38);
        assert_eq!(check(&schemas, &host, &[schema("pg", "a:1", 21)]), 31);
        // A column of a schema that came earlier counts like one of a schema that comes now.
        let used = [schema("pg", "a:1", 20).0, schema("pg", "a:1", 4).0];
        let refused = schemas.check_series(&host, &[schema("pg", "a:1", 4)], &used, 0);
        assert_eq!(refused, Err(TooManySeries { got: 34, max: 0 }));
    }
}
