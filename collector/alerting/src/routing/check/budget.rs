//! Checks of `alert_budget`: each part has a name of its own and says what it is of.

use std::collections::BTreeSet;

use agent_yaml::At;

use super::super::budget::{AlertBudget, BudgetPart, WHOLE};
use super::super::raw;
use super::Check;

/// Parts of a budget: each is asked of every alert of the week, and is a series of each of its metrics.
const PARTS_MAX: usize = 50;

/// What lasted longer was no blink.
const FLEETING_MAX_MS: i64 = 3_600_000;

pub(super) fn ready(check: &mut Check<'_>, raw: Option<&At<raw::AlertBudget>>) -> AlertBudget {
    let mut ready = AlertBudget::default();
    let Some(At { value: raw, place }) = raw else { return ready };
    if let Some(given) = &raw.fleeting_within {
        ready.fleeting_ms = given.value.as_millis();
        if !(1..=FLEETING_MAX_MS).contains(&ready.fleeting_ms) {
            check.problem(&given.place, "`fleeting_within` is from 1ms to 1h");
        }
    }
    let whole = BudgetPart {
        name: WHOLE.to_owned(),
        matchers: Vec::new(),
        per_week: per_week(check, &raw.per_week),
    };
    ready.parts.push(whole);
    if raw.parts.len() > PARTS_MAX {
        check.problem(place, format!("`parts` of `alert_budget` are at most {PARTS_MAX}"));
    }
    let mut names = BTreeSet::from([WHOLE]);
    for At { value: part, place } in &raw.parts {
        if part.name.value.trim().is_empty() || !names.insert(part.name.value.as_str()) {
            let text =
                "each part of `alert_budget` needs a `name` that no other has, and not `all`";
            check.problem(&part.name.place, text);
        }
        if part.matchers.is_empty() {
            check.problem(
                place,
                "a part of `alert_budget` needs `matchers`: the whole is `per_week`",
            );
        }
        let matchers = check.matchers(&part.matchers, &Default::default(), &Default::default());
        let per_week = per_week(check, &part.per_week);
        ready.parts.push(BudgetPart { name: part.name.value.clone(), matchers, per_week });
    }
    ready
}

fn per_week(check: &mut Check<'_>, given: &At<u32>) -> u32 {
    if given.value == 0 {
        check.problem(
            &given.place,
            "`per_week` is at least 1: what is never to be told needs no rule",
        );
    }
    given.value
}
