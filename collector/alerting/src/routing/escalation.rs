//! Escalations: whom a route tells besides, when nobody takes an alert.

use std::sync::Arc;

use agent_model::Millis;

/// Steps under one name, the first soonest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Escalation {
    pub(crate) name: Arc<str>,
    pub(crate) levels: Vec<Level>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Level {
    /// From 1.
    pub(crate) number: u32,
    /// How long an alert has to go on being told and not taken.
    pub(crate) after_ms: Millis,
    pub(crate) receivers: Vec<Arc<str>>,
}
