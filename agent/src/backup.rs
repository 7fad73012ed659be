//! Backups as evidence: what copies lie where, and what a wrapped backup command really did.

use crate::clock::Clock;
use crate::source::{SourceContext, SourceGroup};

mod config;
mod copies;
mod newest_file;
mod output;
mod restic;
mod restic_output;
pub mod run;

pub use config::Config;
pub use run::{Arguments, Ran, run_command};

/// Every backup source that is switched on.
pub fn sources(config: &Config, context: &SourceContext) -> SourceGroup {
    let mut group = SourceGroup::default();
    let mut all = Vec::new();
    for watched in config.watched(&context.root.root) {
        let last = watched.last();
        all.push(last.clone());
        group.tasks.push(Box::pin(watched.watch(context.clone(), last, Clock)));
    }
    if !all.is_empty() {
        group.metrics.push(Box::new(copies::Metrics { all, clock: Clock }));
    }
    group
}
