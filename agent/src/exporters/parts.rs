//! In which schemas the series of an exporter travel, so that series which come and go cost what they are, not what
//! the exporter has.
//!
//! A schema can only be replaced as a whole. So the series lie in several parts, each a schema of its own, the largest
//! first: new series make a new small part, which takes in the parts before it that are not much larger. A series that
//! goes leaves its slot behind, holding the stale marker, until most of its part is empty. Promises: at most
//! log2(series) + 1 parts; a series is sent in at most log2(series) new schemas while it lasts, and once more for each
//! neighbour that goes; the slots of an unchanged body stay as they are.

use std::collections::HashMap;
use std::sync::Arc;

use agent_model::{Labels, Schema, SchemaId, is_stale, stale_marker};

/// A schema and one value for each of its series.
pub(super) type Column = (SchemaId, Arc<Schema>, Vec<f64>);

pub(super) struct Parts {
    job: String,
    instance: String,
    parts: Vec<(SchemaId, Arc<Schema>)>,
    /// By slot, through all parts: whether its newest sample was the stale marker.
    absent: Vec<bool>,
}

/// What became of the values of a body.
#[derive(Debug, Default)]
pub(super) struct Placed {
    pub(super) columns: Vec<Column>,
    /// Where each slot is now, when they have moved.
    pub(super) moved: Option<Vec<Option<u32>>>,
    /// Series that were not in the body before.
    pub(super) added: usize,
    /// Series in schemas that are new.
    pub(super) described: usize,
}

/// The slots of a part to be, and its schema when it stays as it is.
struct Group {
    slots: Vec<usize>,
    schema: Option<(SchemaId, Arc<Schema>)>,
}

impl Parts {
    pub(super) fn new(job: String, instance: String) -> Self {
        Self { job, instance, parts: Vec::new(), absent: Vec::new() }
    }

    /// How many values a body has to give.
    pub(super) fn slots(&self) -> usize {
        self.absent.len()
    }

    /// The slot of every series.
    pub(super) fn by_labels(&self) -> HashMap<Labels, u32> {
        self.series().cloned().zip(0..).collect()
    }

    /// Takes the values of a body: one per slot, then those of series that have none yet. The stale marker stands for
    /// a series that is not in the body.
    pub(super) fn place(&mut self, values: &[f64], fresh: Vec<Labels>) -> Placed {
        let before = self.slots();
        let returned = |(at, value): (usize, &f64)| !is_stale(*value) && self.absent[at];
        let returned = values[..before].iter().enumerate().filter(|one| returned(*one)).count();
        let mut placed = Placed { added: returned + fresh.len(), ..Placed::default() };
        let groups = self.groups(values, fresh.len());
        if groups.iter().all(|group| group.schema.is_some()) && groups.len() == self.parts.len() {
            placed.columns = self.columns(values);
            return placed;
        }
        let series: Vec<Labels> = self.series().cloned().chain(fresh).collect();
        let (mut moved, mut kept) = (vec![None; values.len()], Vec::with_capacity(values.len()));
        let mut absent = Vec::with_capacity(values.len());
        self.parts.clear();
        for group in groups {
            for &slot in &group.slots {
                moved[slot] = u32::try_from(kept.len()).ok();
                kept.push(values[slot]);
                absent.push(self.absent.get(slot).copied().unwrap_or(false));
            }
            let schema = group.schema.unwrap_or_else(|| {
                placed.described += group.slots.len();
                let base = group.slots.iter().map(|&slot| values[slot]).collect();
                let series = group.slots.iter().map(|&slot| series[slot].clone()).collect();
                let (job, instance) = (self.job.clone(), self.instance.clone());
                let schema = Schema { job, instance, series, base };
                (schema.id(), Arc::new(schema))
            });
            self.parts.push(schema);
        }
        self.absent = absent;
        placed.columns = self.columns(&kept);
        placed.moved = Some(moved);
        placed
    }

    /// Stale markers for everything that has none.
    pub(super) fn end(&mut self) -> Vec<Column> {
        self.columns(&vec![stale_marker(); self.slots()])
    }

    fn series(&self) -> impl Iterator<Item = &Labels> {
        self.parts.iter().flat_map(|(_, schema)| &schema.series)
    }

    /// How the parts are to be: those that stay, those that lost most of their series, and the new one.
    fn groups(&self, values: &[f64], fresh: usize) -> Vec<Group> {
        let mut groups = Vec::with_capacity(self.parts.len() + 1);
        let gone = |slot: usize| self.absent[slot] && is_stale(values[slot]);
        let mut first = 0;
        for (id, schema) in &self.parts {
            let slots: Vec<usize> = (first..first + schema.series.len()).collect();
            first += slots.len();
            let living = slots.iter().filter(|&&slot| !gone(slot)).count();
            if living * 2 > slots.len() {
                groups.push(Group { slots, schema: Some((*id, Arc::clone(schema))) });
            } else if living > 0 {
                let slots = slots.into_iter().filter(|&slot| !gone(slot)).collect();
                groups.push(Group { slots, schema: None });
            }
        }
        if fresh > 0 {
            let mut slots: Vec<usize> = (first..first + fresh).collect();
            while let Some(last) = groups.pop_if(|last| last.slots.len() <= 2 * slots.len()) {
                slots.splice(0..0, last.slots.into_iter().filter(|&slot| !gone(slot)));
            }
            groups.push(Group { slots, schema: None });
        }
        groups
    }

    /// One column per part; none for a part whose series have all ended before.
    fn columns(&mut self, values: &[f64]) -> Vec<Column> {
        let mut columns = Vec::with_capacity(self.parts.len() + 1);
        let mut first = 0;
        for (id, schema) in &self.parts {
            let slots = first..first + schema.series.len();
            first = slots.end;
            let values = &values[slots.clone()];
            let absent = &mut self.absent[slots];
            let told = absent.iter().zip(values).all(|(absent, value)| *absent && is_stale(*value));
            if !told {
                columns.push((*id, Arc::clone(schema), values.to_vec()));
            }
            absent.iter_mut().zip(values).for_each(|(absent, value)| *absent = is_stale(*value));
        }
        columns
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.parts.len()
    }
}

#[cfg(test)]
mod tests;
