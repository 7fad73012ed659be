//! The collector: takes reports, keeps them, checks them against rules, raises alerts, shows pages.
//!
//! A report's way: `serve` (connection, certificate) → `ingest` (check, journal, acknowledge) → `views` (the stores and the
//! detections) → `evaluate` (metric rules on schedule) → alerting. `app` builds every part and is the only file that
//! knows them all.

pub mod agents_api;
pub mod alertmanager;
pub mod api_tokens;
pub mod app;
pub mod authority;
mod backup_truths;
mod budget_figures;
mod channel_figures;
pub mod clock;
pub mod config;
pub mod derive;
pub mod derived;
mod done;
pub mod drills;
pub mod evaluate;
pub mod feed;
pub mod files;
pub mod fsck;
pub mod health;
pub mod heartbeat;
pub mod housekeeping;
pub mod http;
pub mod ingest;
pub mod only_way;
pub mod outward;
pub mod province;
pub mod push;
pub mod query;
pub mod record;
pub mod recorded;
mod registering;
pub mod reload;
mod reworded;
mod rule_figures;
pub mod rule_health;
pub mod rulebook;
pub mod schemas;
pub mod scope;
pub mod self_metrics;
pub mod serve;
pub mod silencing;
pub mod snapshot;
pub mod stores;
pub mod tls;
pub mod token;
pub mod views;

/// An error and its causes in one line: for the log, and for the other side of a connection.
pub fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
