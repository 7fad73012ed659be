//! `backup-policy.yml` as it is written.

use agent_yaml::{At, Duration};
use deserr::Deserr;

use super::{CopiesRule, Medium};

#[derive(Debug, Deserr)]
#[deserr(deny_unknown_fields)]
pub(super) struct RawPolicy {
    #[deserr(default)]
    pub(super) defaults: RawDefaults,
    #[deserr(default)]
    pub(super) places: Vec<RawPlace>,
    #[deserr(default)]
    pub(super) jobs: Vec<RawJob>,
    #[deserr(default)]
    pub(super) not_needed: Vec<RawNotNeeded>,
}

/// A host or a service that holds nothing to lose, and why.
#[derive(Debug, Deserr)]
#[deserr(deny_unknown_fields)]
pub(super) struct RawNotNeeded {
    #[deserr(default)]
    pub(super) host: Option<At<String>>,
    #[deserr(default)]
    pub(super) service: Option<At<String>>,
    pub(super) reason: At<String>,
}

/// What holds for each job that says nothing else.
#[derive(Debug, Default, Deserr)]
#[deserr(deny_unknown_fields)]
pub(super) struct RawDefaults {
    #[deserr(default)]
    pub(super) rule: Option<CopiesRule>,
    #[deserr(default)]
    pub(super) verify: Option<RawVerify>,
    #[deserr(default)]
    pub(super) copy_lag: Option<At<Duration>>,
}

#[derive(Debug, Deserr)]
#[deserr(deny_unknown_fields)]
pub(super) struct RawPlace {
    pub(super) id: At<String>,
    pub(super) locations: Vec<At<String>>,
    #[deserr(default)]
    pub(super) site: Option<At<String>>,
    #[deserr(default = Medium::Disk)]
    pub(super) medium: Medium,
    #[deserr(default)]
    pub(super) offline: bool,
    #[deserr(default)]
    pub(super) immutable: bool,
    #[deserr(default = true)]
    pub(super) copied: bool,
    #[deserr(default)]
    pub(super) max_age: Option<At<Duration>>,
}

#[derive(Debug, Deserr)]
#[deserr(deny_unknown_fields)]
pub(super) struct RawJob {
    pub(super) host: At<String>,
    pub(super) backup: At<String>,
    pub(super) interval: At<Duration>,
    #[deserr(default)]
    pub(super) rpo: Option<At<Duration>>,
    #[deserr(default)]
    pub(super) keep: Option<At<u32>>,
    #[deserr(default)]
    pub(super) services: Vec<At<String>>,
    #[deserr(default)]
    pub(super) seen_by: Vec<At<String>>,
    #[deserr(default)]
    pub(super) rule: Option<CopiesRule>,
    #[deserr(default)]
    pub(super) verify: Option<RawVerify>,
    #[deserr(default)]
    pub(super) copy_lag: Option<At<Duration>>,
}

#[derive(Debug, Deserr)]
#[deserr(deny_unknown_fields)]
pub(super) struct RawVerify {
    #[deserr(default)]
    pub(super) checked: Option<At<Duration>>,
    #[deserr(default)]
    pub(super) data_read: Option<At<Duration>>,
    #[deserr(default)]
    pub(super) restored: Option<At<Duration>>,
}
