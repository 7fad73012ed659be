//! How the evaluation of rules goes, by group, as metrics.
//! Leaves to others: how each rule's last evaluation went (`rule_health`).

use prometheus::IntCounterVec;

use crate::registering::Make;

/// How the evaluation of rules goes, by group.
#[derive(Clone, Debug)]
pub(crate) struct RuleFigures {
    pub(crate) evaluations: IntCounterVec,
    pub(crate) evaluation_failures: IntCounterVec,
    /// Evaluations of a group that were due.
    pub(crate) iterations: IntCounterVec,
    /// Those of them that did not take place in their interval.
    pub(crate) iterations_missed: IntCounterVec,
}

impl RuleFigures {
    pub(crate) fn new(make: &Make<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            evaluations: make.counters(
                "rule_evaluations_total",
                "Evaluations of rules.",
                &["group"],
            )?,
            evaluation_failures: make.counters(
                "rule_evaluation_failures_total",
                "Evaluations of rules that failed.",
                &["group"],
            )?,
            iterations: make.counters(
                "rule_group_iterations_total",
                "Evaluations of groups of rules that were due, missed ones included.",
                &["group"],
            )?,
            iterations_missed: make.counters(
                "rule_group_iterations_missed_total",
                "Evaluations of groups of rules that did not take place in their interval.",
                &["group"],
            )?,
        })
    }
}
