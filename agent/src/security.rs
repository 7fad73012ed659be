//! Security events of the host: log-ins, accounts, files that should not change, ports that listen.

use agent_model::Problem;
use agent_yaml::Document;
use deserr::Deserr;

use crate::source::{SourceContext, SourceGroup};

pub mod auth_log;
pub mod fields;
mod finding;
mod persist;
mod syslog;
pub mod tail;

/// The `security` section of `agent.yml`.
#[derive(Clone, Debug, Default, Deserr)]
#[deserr(deny_unknown_fields)]
pub struct Config {}

impl Config {
    /// Adds what is wrong across the keys of this section.
    pub fn check(&self, _document: &Document, _problems: &mut Vec<Problem>) {}
}

/// Every security source that is switched on.
pub fn sources(_config: &Config, _context: &SourceContext) -> SourceGroup {
    SourceGroup::default()
}
