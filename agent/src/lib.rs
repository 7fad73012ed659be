//! The agent: one small program per host that measures, keeps and sends.
//!
//! Sources put readings and evidence into the spool (plain files, bounded); one sender per collector empties it.
//! Promises: a source fails alone; evidence that a source was told is spooled survives a crash; what a collector will
//! never get is named in a gap record. `main.rs` only reads flags; `haidang up` links this library.

pub mod backup;
pub mod clock;
pub mod config;
pub mod drop_box;
pub mod metrics;
pub mod probe;
mod run;
pub mod security;
pub mod source;
pub mod text_format;

pub use config::Config;
pub use run::{RunError, run};
