//! How the last evaluation of each metric rule went, for `/api/v1/rules`: written by the evaluation loop, read by HTTP.
//! Promises: bounded by the rules in force. Leaves to others: what was found (alerting has it).

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use agent_model::Millis;

/// A shared table by rule id; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct RuleHealth(Arc<Mutex<HashMap<String, RuleRun>>>);

/// One evaluation of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleRun {
    pub at_ms: Millis,
    pub took: Duration,
    /// Why it failed, if it did.
    pub error: Option<String>,
}

impl RuleHealth {
    pub fn note(&self, rule_id: String, run: RuleRun) {
        self.table().insert(rule_id, run);
    }

    /// `None` for a rule that was not evaluated yet.
    pub fn of(&self, rule_id: &str) -> Option<RuleRun> {
        self.table().get(rule_id).cloned()
    }

    /// When any rule was evaluated last without an error.
    pub fn newest_sound_ms(&self) -> Option<Millis> {
        let table = self.table();
        table.values().filter(|run| run.error.is_none()).map(|run| run.at_ms).max()
    }

    /// Forgets every other rule.
    pub fn retain(&self, rule_ids: &BTreeSet<String>) {
        self.table().retain(|id, _| rule_ids.contains(id));
    }

    fn table(&self) -> MutexGuard<'_, HashMap<String, RuleRun>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
