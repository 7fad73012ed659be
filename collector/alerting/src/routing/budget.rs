//! How many alerts a week people can bear, as `alert_budget` in `alerting.yml` says: a key of ours.

use agent_model::{Matcher, Millis};

use super::delivery::VIETNAM_AHEAD_MS;

/// What holds where the file says nothing: whoever gets up for it finds it gone.
const FLEETING_MS: Millis = 300_000;

const DAY_MS: Millis = 86_400_000;
const WEEK_MS: Millis = 7 * DAY_MS;

/// 1970-01-01 was a Thursday.
const FIRST_MONDAY_MS: Millis = 4 * DAY_MS;

/// What the whole is called among its parts.
pub(crate) const WHOLE: &str = "all";

#[derive(Clone, Debug)]
pub(crate) struct AlertBudget {
    /// An alert that is gone within so long, with nobody having done anything, was fleeting.
    pub(crate) fleeting_ms: Millis,
    /// The whole first, called [`WHOLE`]; empty where the file gives no budget.
    pub(crate) parts: Vec<BudgetPart>,
}

#[derive(Clone, Debug)]
pub(crate) struct BudgetPart {
    pub(crate) name: String,
    pub(crate) matchers: Vec<Matcher>,
    pub(crate) per_week: u32,
}

impl Default for AlertBudget {
    fn default() -> Self {
        Self { fleeting_ms: FLEETING_MS, parts: Vec::new() }
    }
}

/// When the week of a time began, and when it ends: Monday midnight in Vietnam.
pub(crate) fn week_of(at_ms: Millis) -> (Millis, Millis) {
    let monday_ms = FIRST_MONDAY_MS - VIETNAM_AHEAD_MS;
    let from_ms = at_ms - (at_ms - monday_ms).rem_euclid(WEEK_MS);
    (from_ms, from_ms + WEEK_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_begins_on_monday_in_vietnam() {
        let at = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_millisecond();
        let week = (at("2026-11-22T17:00:00Z"), at("2026-11-29T17:00:00Z"));
        assert_eq!(week_of(at("2026-11-22T17:00:00Z")), week);
        assert_eq!(week_of(at("2026-11-29T16:59:59.999Z")), week);
        assert_eq!(week_of(at("2026-11-22T16:59:59.999Z")).1, week.0);
        assert_eq!(week_of(-1), (at("1969-12-28T17:00:00Z"), at("1970-01-04T17:00:00Z")));
    }
}
