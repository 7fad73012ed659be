//! The alerts of a week against the budget that `alerting.yml` gives them: too many, and people stop looking.

use std::ops::ControlFlow;

use agent_model::Millis;

use crate::lives::{Life, Tally};
use crate::routing::{BudgetPart, WHOLE, week_of};
use crate::{Alerting, AlertingError, matchers_text};

/// One week, from Monday midnight in Vietnam.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetWeek {
    pub from_ms: Millis,
    pub to_ms: Millis,
    /// An alert that is gone within so long, unhandled, is counted as fleeting.
    pub fleeting_ms: Millis,
    /// All alerts first, then the parts that `alert_budget` names.
    pub parts: Vec<BudgetStatus>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetStatus {
    /// `all` for all alerts, else as `alerting.yml` names the part.
    pub name: String,
    /// As written in a route; empty for all alerts.
    pub matchers: String,
    /// `None` where `alerting.yml` has no `alert_budget`.
    pub per_week: Option<u32>,
    pub tally: Tally,
}

impl Alerting {
    /// The week that `weeks_ago` weeks ago was the running one, by the budget in force now.
    pub async fn budget(
        &self,
        weeks_ago: u32,
        now_ms: Millis,
    ) -> Result<BudgetWeek, AlertingError> {
        let budget =
            self.look(now_ms, |state| std::sync::Arc::clone(&state.routing.budget)).await?;
        let mut week = week_of(now_ms);
        for _ in 0..weeks_ago {
            week = week_of(week.0 - 1);
        }
        let (from_ms, to_ms) = week;
        let mut all = Tally::default();
        let mut tallies = vec![Tally::default(); budget.parts.len()];
        let add = |life: Life| {
            all.add(&life, budget.fleeting_ms);
            for (part, tally) in budget.parts.iter().zip(&mut tallies) {
                if part.matchers.iter().all(|one| one.matches_labels(&life.labels)) {
                    tally.add(&life, budget.fleeting_ms);
                }
            }
            ControlFlow::Continue(())
        };
        self.inner.store.each_life(week, None, add).await?;
        let matchers = |part: &BudgetPart| match part.matchers.as_slice() {
            [] => String::new(),
            some => matchers_text(some),
        };
        let parts = budget.parts.iter().zip(tallies).map(|(part, tally)| BudgetStatus {
            name: part.name.clone(),
            matchers: matchers(part),
            per_week: Some(part.per_week),
            tally,
        });
        let mut parts: Vec<BudgetStatus> = parts.collect();
        if parts.is_empty() {
            let (name, matchers) = (WHOLE.to_owned(), String::new());
            parts.push(BudgetStatus { name, matchers, per_week: None, tally: all });
        }
        Ok(BudgetWeek { from_ms, to_ms, fleeting_ms: budget.fleeting_ms, parts })
    }
}
