//! The collector: takes reports, keeps them, checks them against rules, raises alerts, shows pages.
//!
//! A report's way: `serve` (connection, certificate) → `ingest` (check, journal, acknowledge) → `views` (the stores and the
//! detections) → `evaluate` (metric rules on schedule) → alerting. `app` builds every part and is the only file that
//! knows them all.

pub mod authority;
pub mod clock;
pub mod config;
pub mod record;
pub mod serve;
pub mod token;
