//! How delivery behaves, as `delivery` and `heartbeat` in `alerting.yml` say: keys of ours that Alertmanager does not have.

use std::collections::BTreeSet;
use std::sync::Arc;

use agent_model::Millis;

use super::{HttpOptions, SecretText};

/// What holds where the file says nothing: a day of attempts outlives a night and a morning's repair.
const GIVE_UP_AFTER_MS: Millis = DAY_MS;

const DAY_MS: Millis = 86_400_000;

/// Asia/Ho_Chi_Minh has no summer time.
pub(crate) const VIETNAM_AHEAD_MS: Millis = 7 * 3_600_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Delivery {
    /// What was tried in vain for so long becomes a dead letter.
    pub(crate) give_up_after_ms: Millis,
    pub(crate) acknowledge_link_lifetime_ms: Millis,
    pub(crate) rate_limits: Vec<RateLimit>,
    pub(crate) daily_test: Option<DailyTest>,
}

/// The sign of life to a watcher outside.
#[derive(Clone, Debug)]
pub(crate) struct HeartbeatSettings {
    pub(crate) url: SecretText,
    pub(crate) interval_ms: Millis,
    pub(crate) http: HttpOptions,
}

/// A test by every channel, once a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DailyTest {
    /// Since midnight in Vietnam.
    pub(crate) at_ms: Millis,
    /// `None` for every receiver.
    pub(crate) receivers: Option<BTreeSet<String>>,
}

/// At most so many messages in so much time, together over every channel that it concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RateLimit {
    /// `None` for every receiver.
    pub(crate) receiver: Option<Arc<str>>,
    /// A kind (`email`) or one integration (`email/1`); `None` for every one.
    pub(crate) integration: Option<Arc<str>>,
    pub(crate) messages: usize,
    pub(crate) per_ms: Millis,
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            give_up_after_ms: GIVE_UP_AFTER_MS,
            acknowledge_link_lifetime_ms: DAY_MS,
            rate_limits: Vec::new(),
            daily_test: None,
        }
    }
}

impl DailyTest {
    pub(crate) fn concerns(&self, receiver: &str) -> bool {
        self.receivers.as_ref().is_none_or(|receivers| receivers.contains(receiver))
    }

    /// The last time at or before this at which it was to be made.
    pub(crate) fn last_before_ms(&self, now_ms: Millis) -> Millis {
        let offset_ms = self.at_ms - VIETNAM_AHEAD_MS;
        (now_ms - offset_ms).div_euclid(DAY_MS) * DAY_MS + offset_ms
    }

    pub(crate) fn next_after_ms(&self, now_ms: Millis) -> Millis {
        self.last_before_ms(now_ms) + DAY_MS
    }
}

impl RateLimit {
    pub(crate) fn concerns(&self, receiver: &str, integration: &str) -> bool {
        self.receiver.as_deref().is_none_or(|wanted| wanted == receiver)
            && self.integration.as_deref().is_none_or(|wanted| names(wanted, integration))
    }
}

/// Whether a kind or a name of an integration means this one.
pub(crate) fn names(wanted: &str, integration: &str) -> bool {
    let kind = integration.split('/').next().unwrap_or(integration);
    wanted == integration || wanted == kind
}
