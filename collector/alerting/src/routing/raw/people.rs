//! Keys of ours that Alertmanager does not have: escalations.

use agent_yaml::{At, Duration, Findings};
use deserr::Deserr;

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(in crate::routing) struct Escalation {
    pub(in crate::routing) name: At<String>,
    pub(in crate::routing) levels: Vec<At<Level>>,
}

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(in crate::routing) struct Level {
    pub(in crate::routing) after: At<Duration>,
    pub(in crate::routing) receivers: Vec<At<String>>,
}
