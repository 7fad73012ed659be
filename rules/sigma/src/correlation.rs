//! A correlation, compiled: what it counts, how it groups, how long it looks back and how long it then holds still.
//! The counting itself is in `window`, what is remembered in `state`.

use std::collections::HashMap;

use agent_model::Millis;
use rsigma_parser::{ConditionExpr, ConditionOperator};
use sha2::{Digest, Sha256};

use crate::view::EventView;

#[derive(Debug)]
pub(crate) struct Correlation {
    /// Made from the rule's id and version: a rule that changes starts counting afresh.
    pub(crate) fingerprint: [u8; 16],
    pub(crate) kind: Kind,
    pub(crate) timespan_ms: Millis,
    /// After a detection of a group, further ones of that group are held back for so long.
    pub(crate) hold_ms: Millis,
    pub(crate) group_by: Vec<GroupField>,
    /// What is kept of a group; older events give way.
    pub(crate) events_kept: usize,
}

#[derive(Debug)]
pub(crate) enum Kind {
    EventCount(Threshold),
    /// Distinct values of the fields, taken together.
    ValueCount(Threshold, Vec<String>),
    /// Each event satisfies one of the slots; the expression says which slots must have been seen.
    Temporal(Wanted),
    /// Every slot once, in this order.
    TemporalOrdered(u16),
}

#[derive(Debug)]
pub(crate) struct Threshold(pub(crate) Vec<(ConditionOperator, u64)>);

/// Which of the slots must have been seen.
#[derive(Debug)]
pub(crate) enum Wanted {
    Slot(u16),
    All(Vec<Wanted>),
    AtLeast(usize, Vec<Wanted>),
}

/// A field of `group-by`, which aliases may name differently for each rule.
#[derive(Debug)]
pub(crate) struct GroupField {
    pub(crate) name: String,
    /// The event's field for each slot.
    pub(crate) fields: Vec<String>,
}

impl Threshold {
    pub(crate) fn met(&self, count: u64) -> bool {
        self.0.iter().all(|(operator, value)| match operator {
            ConditionOperator::Lt => count < *value,
            ConditionOperator::Lte => count <= *value,
            ConditionOperator::Gt => count > *value,
            ConditionOperator::Gte => count >= *value,
            ConditionOperator::Eq => count == *value,
            ConditionOperator::Neq => count != *value,
        })
    }

    /// The smallest count that can meet it, if there is one above zero: a condition that silence meets would
    /// need a clock, and a rule is only asked when an event comes.
    pub(crate) fn least(&self) -> Option<u64> {
        let lower = self.0.iter().filter_map(|(operator, value)| match operator {
            ConditionOperator::Gt => Some(value.saturating_add(1)),
            ConditionOperator::Gte | ConditionOperator::Eq => Some(*value),
            _ => None,
        });
        lower.max().filter(|least| *least > 0)
    }
}

impl Wanted {
    pub(crate) fn met(&self, seen: &[bool]) -> bool {
        match self {
            Self::Slot(slot) => seen.get(usize::from(*slot)).copied().unwrap_or(false),
            Self::All(parts) => parts.iter().all(|part| part.met(seen)),
            Self::AtLeast(least, parts) => {
                parts.iter().filter(|part| part.met(seen)).count() >= *least
            }
        }
    }

    /// An expression over the names of the referenced rules, `slots` being name → slot.
    pub(crate) fn compile(
        expression: &ConditionExpr,
        slots: &HashMap<&str, u16>,
    ) -> Result<Self, String> {
        let compile_all = |parts: &[ConditionExpr]| {
            parts.iter().map(|part| Self::compile(part, slots)).collect::<Result<Vec<_>, _>>()
        };
        match expression {
            ConditionExpr::Identifier(name) => match slots.get(name.as_str()) {
                Some(slot) => Ok(Self::Slot(*slot)),
                None => Err(format!("the condition names {name:?}, which is not under \"rules\"")),
            },
            ConditionExpr::And(parts) => Ok(Self::All(compile_all(parts)?)),
            ConditionExpr::Or(parts) => Ok(Self::AtLeast(1, compile_all(parts)?)),
            ConditionExpr::Not(_) => Err("\"not\" in a correlation needs a clock: that something \
                did not happen is never an event. Ask for what did happen"
                .into()),
            ConditionExpr::Selector { .. } => {
                Err("\"1 of …\" and \"all of …\" are not known in a correlation's condition; \
                     write the rules' names with \"and\" and \"or\""
                    .into())
            }
        }
    }
}

impl GroupField {
    /// The field in the event that completed the correlation. That event came through the last slot where
    /// aliases differ in a sequence, which is also where people look for the name.
    pub(crate) fn completing_field(&self) -> &str {
        self.fields.last().unwrap_or(&self.name)
    }
}

impl Correlation {
    /// Names the group that an event belongs to. A field that an event lacks is a value of its own, as in SQL's
    /// GROUP BY: such events are grouped with each other and never lost.
    pub(crate) fn group(&self, slot: u16, view: &EventView<'_>) -> [u8; 16] {
        let mut hash = Sha256::new();
        hash.update(self.fingerprint);
        for field in &self.group_by {
            let name = field.fields.get(usize::from(slot)).unwrap_or(&field.name);
            add_value(&mut hash, view.field(name));
        }
        let digest: [u8; 32] = hash.finalize().into();
        std::array::from_fn(|at| digest[at])
    }

    /// What `value_count` counts, as a number that stands for it. `None`: the event lacks the field, and an
    /// absent value is not one more value.
    pub(crate) fn value(&self, view: &EventView<'_>) -> Option<u64> {
        let Kind::ValueCount(_, fields) = &self.kind else { return Some(0) };
        let mut hash = Sha256::new();
        for field in fields {
            add_value(&mut hash, Some(view.field(field)?));
        }
        let digest: [u8; 32] = hash.finalize().into();
        Some(u64::from_be_bytes(std::array::from_fn(|at| digest[at])))
    }

    /// Whether it matters through which slot an event came.
    pub(crate) fn slots_matter(&self) -> bool {
        matches!(self.kind, Kind::Temporal(_) | Kind::TemporalOrdered(_))
    }
}

fn add_value(hash: &mut Sha256, value: Option<&str>) {
    match value {
        Some(value) => {
            hash.update([1]);
            hash.update((value.len() as u64).to_be_bytes());
            hash.update(value.as_bytes());
        }
        None => hash.update([0]),
    }
}
