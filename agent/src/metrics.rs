//! The host's own metrics, named and labelled as node_exporter does: one source per file.

use agent_model::Problem;
use agent_yaml::Document;
use deserr::Deserr;

use crate::source::{HostRoot, MetricSource};

/// The `metrics` section of `agent.yml`.
#[derive(Clone, Debug, Default, Deserr)]
#[deserr(deny_unknown_fields)]
pub struct Config {}

impl Config {
    /// Adds what is wrong across the keys of this section.
    pub fn check(&self, _document: &Document, _problems: &mut Vec<Problem>) {}
}

/// Every metric source that is switched on.
pub fn sources(_config: &Config, _root: &HostRoot) -> Vec<Box<dyn MetricSource>> {
    Vec::new()
}
