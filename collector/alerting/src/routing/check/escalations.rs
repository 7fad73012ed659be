//! Checks of escalations: names are unique, steps come one after the other, receivers are there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::escalation::{Escalation, Level};
use super::super::raw;
use super::Check;

/// Steps of one escalation: who is not reached by these is not reached by more.
const LEVELS_MAX: usize = 10;

/// What a route writes to have none where the one above it has.
pub(super) const NONE: &str = "none";

pub(super) fn ready(
    check: &mut Check<'_>,
    file: &raw::File,
    receivers: &BTreeSet<&str>,
) -> BTreeMap<String, Arc<Escalation>> {
    let mut ready = BTreeMap::new();
    for raw in &file.escalations {
        let name = &raw.name.value;
        if name == NONE {
            check.problem(&raw.name.place, "`none` is what routes without an escalation write");
        }
        if raw.levels.is_empty() || raw.levels.len() > LEVELS_MAX {
            let message = format!("an escalation has 1 to {LEVELS_MAX} levels");
            check.problem(&raw.name.place, message);
        }
        let escalation =
            Escalation { name: Arc::from(name.as_str()), levels: levels(check, raw, receivers) };
        if ready.insert(name.clone(), Arc::new(escalation)).is_some() {
            check.problem(&raw.name.place, format!("escalation {name:?} is there twice"));
        }
    }
    ready
}

fn levels(check: &mut Check<'_>, raw: &raw::Escalation, receivers: &BTreeSet<&str>) -> Vec<Level> {
    let mut levels: Vec<Level> = Vec::new();
    for (number, level) in (1..).zip(&raw.levels) {
        let after = &level.value.after;
        let after_ms = after.value.as_millis();
        if after_ms <= levels.last().map_or(0, |before| before.after_ms) {
            let message = "`after` must be longer than that of the level before, and than zero";
            check.problem(&after.place, message);
        }
        if level.value.receivers.is_empty() {
            check.problem(&level.place, "a level needs `receivers`");
        }
        for receiver in &level.value.receivers {
            if !receivers.contains(receiver.value.as_str()) {
                let message = format!("there is no receiver {:?}", receiver.value);
                check.problem(&receiver.place, message);
            }
        }
        let named: BTreeSet<&str> =
            level.value.receivers.iter().map(|receiver| receiver.value.as_str()).collect();
        let receivers = named.into_iter().map(Arc::from).collect();
        levels.push(Level { number, after_ms, receivers });
    }
    levels
}
