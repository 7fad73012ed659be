//! The agent: one small program per host that measures, keeps and sends.
//!
//! Sources put readings and evidence into the spool (plain files, bounded); one sender per collector empties it.
//! Promises: a source fails alone; evidence that a source was told is spooled survives a crash; what a collector will
//! never get is named in a gap record. `main.rs` only reads flags; `haidang up` links this library.

pub mod backup;
mod chain_check;
pub mod clock;
pub mod config;
pub mod drop_box;
pub mod enrol;
pub mod exporters;
mod files;
mod identity;
mod inotify;
pub mod metrics;
pub mod outage_notice;
pub mod probe;
mod run;
pub mod security;
pub mod send;
pub mod source;
pub mod spool;
#[cfg(test)]
mod test_collector;
pub mod text_format;
mod watch;
mod web;

pub use config::Config;
pub use run::{RunError, host_name, once, run};

/// An error and everything behind it, for a log line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
