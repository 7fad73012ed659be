//! The shape of a test file as people write it.

use agent_yaml::{At, Duration, Entries, Findings, Text};
use deserr::Deserr;

#[derive(Debug, Deserr)]
#[deserr(deny_unknown_fields, error = Findings)]
pub(super) struct RawTests {
    #[deserr(default)]
    pub(super) rule_files: Vec<At<Text>>,
    #[deserr(default)]
    pub(super) evaluation_interval: Option<At<Duration>>,
    #[deserr(default)]
    pub(super) group_eval_order: Vec<At<Text>>,
    #[deserr(default)]
    pub(super) fuzzy_compare: bool,
    #[deserr(default)]
    pub(super) tests: Vec<At<RawTest>>,
}

#[derive(Debug, Deserr)]
#[deserr(deny_unknown_fields, error = Findings)]
pub(super) struct RawTest {
    #[deserr(default)]
    pub(super) name: Option<Text>,
    #[deserr(default)]
    pub(super) interval: Option<At<Duration>>,
    #[deserr(default)]
    pub(super) input_series: Vec<At<RawSeries>>,
    #[deserr(default)]
    pub(super) alert_rule_test: Vec<At<RawAlert>>,
    #[deserr(default)]
    pub(super) promql_expr_test: Vec<At<RawExpression>>,
    #[deserr(default)]
    pub(super) external_labels: Entries<At<Text>>,
    #[deserr(default)]
    pub(super) external_url: Option<At<Text>>,
}

#[derive(Debug, Deserr)]
#[deserr(deny_unknown_fields, error = Findings)]
pub(super) struct RawSeries {
    pub(super) series: At<Text>,
    pub(super) values: At<Text>,
}

#[derive(Debug, Deserr)]
#[deserr(deny_unknown_fields, error = Findings)]
pub(super) struct RawAlert {
    pub(super) eval_time: Duration,
    pub(super) alertname: Text,
    #[deserr(default)]
    pub(super) exp_alerts: Option<Vec<RawExpectedAlert>>,
}

#[derive(Debug, Deserr)]
#[deserr(deny_unknown_fields, error = Findings)]
pub(super) struct RawExpectedAlert {
    #[deserr(default)]
    pub(super) exp_labels: Option<Entries<Text>>,
    #[deserr(default)]
    pub(super) exp_annotations: Option<Entries<Text>>,
}

#[derive(Debug, Deserr)]
#[deserr(deny_unknown_fields, error = Findings)]
pub(super) struct RawExpression {
    pub(super) expr: At<Text>,
    pub(super) eval_time: Duration,
    #[deserr(default)]
    pub(super) exp_samples: Option<Vec<At<RawSample>>>,
}

#[derive(Debug, Deserr)]
#[deserr(deny_unknown_fields, error = Findings)]
pub(super) struct RawSample {
    pub(super) labels: At<Text>,
    pub(super) value: At<Text>,
}
