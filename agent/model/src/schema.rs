//! Schemas and columns: the compact form in which metrics travel.
//! A schema names many series once; a column then carries one timestamp and one value per series of it.
//! A schema's id is the hash of its content, so two agents may share one and nobody can forge one.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::{Labels, Millis};

/// SHA-256 over the schema's content.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SchemaId(pub [u8; 32]);

/// The series that one source group reports together.
///
/// `base` holds one value per series, from the moment the schema was made: columns travel as differences
/// from it, which is what makes an unchanged value cost next to nothing on a rented line.
#[derive(Clone, Debug)]
pub struct Schema {
    /// Becomes the `job` label: `node` for the host's own metrics, else the source's name.
    pub job: String,
    /// What tells several targets of one job on a host apart; it becomes the `instance` label. Empty for the host's own
    /// sources: then `instance` is the host.
    pub instance: String,
    /// Labels without `host`, `job` and `instance`, which the collector sets.
    pub series: Vec<Labels>,
    /// As many as `series`.
    pub base: Vec<f64>,
}

/// One reading of every series of a schema.
#[derive(Clone, Debug)]
pub struct Column {
    pub schema: SchemaId,
    pub timestamp_ms: Millis,
    /// As many as the schema has series, in its order.
    pub values: Vec<f64>,
}

impl Schema {
    pub fn id(&self) -> SchemaId {
        let mut hash = Sha256::new();
        let mut text = |text: &str| {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text.as_bytes());
        };
        text(&self.job);
        // A schema without an instance keeps the id that it had before there were any.
        if !self.instance.is_empty() {
            text("instance");
            text(&self.instance);
        }
        for labels in &self.series {
            text("series");
            for label in labels.iter() {
                text(&label.name);
                text(&label.value);
            }
        }
        for value in &self.base {
            hash.update(value.to_bits().to_be_bytes());
        }
        SchemaId(hash.finalize().into())
    }
}

impl fmt::Display for SchemaId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(8).try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for SchemaId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SchemaId({self})")
    }
}
