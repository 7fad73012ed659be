//! `delivery`, as written: a key of ours.

use agent_yaml::{At, Duration, Findings, Text};
use deserr::Deserr;

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(in crate::routing) struct Delivery {
    #[deserr(default)]
    pub(in crate::routing) give_up_after: Option<At<Duration>>,
    #[deserr(default)]
    pub(in crate::routing) acknowledge_link_lifetime: Option<At<Duration>>,
    #[deserr(default)]
    pub(in crate::routing) rate_limits: Vec<At<RateLimit>>,
    #[deserr(default)]
    pub(in crate::routing) daily_test: Option<DailyTest>,
}

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(in crate::routing) struct DailyTest {
    pub(in crate::routing) at: At<Text>,
    #[deserr(default)]
    pub(in crate::routing) receivers: Option<Vec<At<String>>>,
}

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(in crate::routing) struct RateLimit {
    #[deserr(default)]
    pub(in crate::routing) receiver: Option<At<String>>,
    #[deserr(default)]
    pub(in crate::routing) integration: Option<At<String>>,
    pub(in crate::routing) messages: u32,
    pub(in crate::routing) per: Duration,
}
