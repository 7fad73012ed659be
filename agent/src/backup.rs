//! Backups as evidence: what copies lie where, and what a wrapped backup command really did.

use crate::clock::Clock;
use crate::source::{SourceContext, SourceGroup};

mod command;
mod config;
mod copies;
mod output;
mod restic_output;
mod restore;
pub mod run;
mod tools;
mod verification;

pub use config::Config;
use config::Host;
pub use run::{Arguments, Ran, run_command};

/// Every backup source that is switched on.
pub fn sources(config: &Config, context: &SourceContext) -> SourceGroup {
    let mut group = SourceGroup::default();
    let mut all = Vec::new();
    let watched = config.watched(&Host { root: &context.root.root, state_dir: &context.state_dir });
    let verified: Vec<_> = watched.iter().filter(|one| !one.verify.is_empty()).cloned().collect();
    if !verified.is_empty() {
        let restores = restore::Metrics::default();
        group.metrics.push(Box::new(restores.clone()));
        let verifying = verification::verify(verified, context.clone(), restores, Clock);
        group.tasks.push(Box::pin(verifying));
    }
    for watched in watched {
        let last = watched.last();
        all.push(last.clone());
        group.tasks.push(Box::pin(watched.watch(context.clone(), last, Clock)));
    }
    if !all.is_empty() {
        group.metrics.push(Box::new(copies::Metrics { all, clock: Clock }));
    }
    group
}
