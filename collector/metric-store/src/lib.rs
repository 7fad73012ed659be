//! The metric store: samples by series, in memory and in immutable part files.
//!
//! Promises: [`MetricStore::cut`] puts all samples up to one journal position on disk, whole or not at all; the same
//! (series, timestamp) keeps the value that was appended last, whatever the order of times; a damaged part never hides
//! the others. Leaves to others: the journal (what lies behind [`MetricStore::position`] is appended again after a
//! crash), PromQL, staleness, and which labels a series has.
//!
//! Map: `head` (`memory`) open samples · `index` labels (`symbols`) to series · `catalogue` their `names` on disk · `part` files on disk, made of `chunk`s · `select` reading ·
//! `merge` upkeep · `rollup` what stays when samples go · `deletions` by hand · `recover` opening · `fsck` checking · `cardinality` limits · `store` ties them together.

mod cardinality;
mod catalogue;
mod chunk;
mod config;
mod deletions;
mod error;
pub mod fsck;
mod head;
mod index;
mod loose;
mod memory;
mod merge;
mod names;
mod part;
mod recover;
mod rollup;
mod select;
mod stats;
mod store;
mod symbols;

#[cfg(test)]
mod tests;

pub use cardinality::{Cardinality, HostCardinality};
pub use catalogue::FILE_NAME as CATALOGUE_FILE;
pub use config::MetricStoreConfig;
pub use error::MetricStoreError;
pub use index::SeriesRef;
pub use part::TEMPORARY_EXTENSION;
pub use recover::{DamagedDeletion, DamagedPart, DamagedRollups, Recovery};
pub use stats::MetricStoreStats;
pub use store::{Deleted, Maintained, MetricStore};
