//! `alert_budget`, as written: a key of ours.

use agent_yaml::{At, Duration, Findings};
use deserr::Deserr;

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(in crate::routing) struct AlertBudget {
    pub(in crate::routing) per_week: At<u32>,
    #[deserr(default)]
    pub(in crate::routing) fleeting_within: Option<At<Duration>>,
    #[deserr(default)]
    pub(in crate::routing) parts: Vec<At<BudgetPart>>,
}

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(in crate::routing) struct BudgetPart {
    pub(in crate::routing) name: At<String>,
    pub(in crate::routing) matchers: Vec<At<String>>,
    pub(in crate::routing) per_week: At<u32>,
}
