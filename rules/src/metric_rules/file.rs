//! The shape of a rule file as people write it (prometheus.io, "Recording rules" and "Alerting rules").

use agent_yaml::{At, Duration, Entries, Findings, Text};
use deserr::Deserr;

use crate::lenient::Lenient;

#[derive(Debug, Deserr)]
#[deserr(deny_unknown_fields, error = Findings)]
pub(super) struct RawFile {
    #[deserr(default)]
    pub(super) groups: Option<Vec<Lenient<At<RawGroup>>>>,
}

#[derive(Debug, Deserr)]
#[deserr(deny_unknown_fields, error = Findings)]
pub(super) struct RawGroup {
    pub(super) name: At<Text>,
    #[deserr(default)]
    pub(super) interval: Option<Duration>,
    #[deserr(default)]
    pub(super) query_offset: Option<Duration>,
    #[deserr(default)]
    pub(super) limit: Option<i64>,
    #[deserr(default)]
    pub(super) labels: Option<RawLabels>,
    #[deserr(default)]
    pub(super) rules: Option<Vec<Lenient<At<RawRule>>>>,
}

#[derive(Debug, Deserr)]
#[deserr(deny_unknown_fields, error = Findings)]
pub(super) struct RawRule {
    #[deserr(default)]
    pub(super) alert: Option<At<Text>>,
    #[deserr(default)]
    pub(super) record: Option<At<Text>>,
    pub(super) expr: At<Text>,
    #[deserr(default, rename = "for")]
    pub(super) hold: Option<At<Duration>>,
    #[deserr(default)]
    pub(super) keep_firing_for: Option<At<Duration>>,
    #[deserr(default)]
    pub(super) labels: Option<RawLabels>,
    #[deserr(default)]
    pub(super) annotations: Option<RawLabels>,
}

pub(super) type RawLabels = Entries<At<Text>>;
