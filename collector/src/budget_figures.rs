//! The alerts of the running week against their budget, as metrics: an ordinary rule warns when people get too many.

use collector_alerting::BudgetWeek;
use prometheus::IntGaugeVec;

use crate::registering::Make;

#[derive(Clone, Debug)]
pub(crate) struct BudgetFigures {
    per_week: IntGaugeVec,
    fired: IntGaugeVec,
    told: IntGaugeVec,
    fleeting: IntGaugeVec,
}

impl BudgetFigures {
    pub(crate) fn new(make: &Make<'_>) -> Result<Self, prometheus::Error> {
        let gauges = |name, help| make.gauges(name, help, &["part"]);
        Ok(Self {
            per_week: gauges(
                "alert_budget_per_week",
                "Alerts that alerting.yml allows in a week; all of them, and by part.",
            )?,
            fired: gauges(
                "alert_budget_fired",
                "Alerts that fired since Monday, midnight in Vietnam; all of them, and by part.",
            )?,
            told: gauges("alert_budget_told", "Those of them that called somebody.")?,
            fleeting: gauges(
                "alert_budget_fleeting",
                "Those of them that went by themselves within minutes.",
            )?,
        })
    }

    pub(crate) fn note(&self, week: &BudgetWeek) {
        // Parts that are gone have no figures any more.
        for gauges in [&self.per_week, &self.fired, &self.told, &self.fleeting] {
            gauges.reset();
        }
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        for part in &week.parts {
            let labels = [part.name.as_str()];
            if let Some(per_week) = part.per_week {
                self.per_week.with_label_values(&labels).set(i64::from(per_week));
            }
            self.fired.with_label_values(&labels).set(number(part.tally.fired));
            self.told.with_label_values(&labels).set(number(part.tally.told));
            self.fleeting.with_label_values(&labels).set(number(part.tally.fleeting));
        }
    }
}
