//! Backups as evidence: what copies lie where, and what a wrapped backup command really did.

use agent_model::Problem;
use agent_yaml::Document;
use deserr::Deserr;

use crate::source::{SourceContext, SourceGroup};

mod output;
mod restic_output;
pub mod run;

pub use run::{Arguments, Ran, run_command};

/// The `backup` section of `agent.yml`.
#[derive(Clone, Debug, Default, Deserr)]
#[deserr(deny_unknown_fields)]
pub struct Config {}

impl Config {
    /// Adds what is wrong across the keys of this section.
    pub fn check(&self, _document: &Document, _problems: &mut Vec<Problem>) {}
}

/// Every backup source that is switched on.
pub fn sources(_config: &Config, _context: &SourceContext) -> SourceGroup {
    SourceGroup::default()
}
