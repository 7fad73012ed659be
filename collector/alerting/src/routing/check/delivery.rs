//! Checks of `delivery`: whom it names is there, and nothing it says would stop delivery.

use std::sync::Arc;

use agent_model::Millis;
use agent_yaml::{At, Place};

use super::super::delivery::{DailyTest, Delivery, RateLimit, names};
use super::super::{Receiver, raw};
use super::Check;

/// Messages of one limit: each is a time in memory.
const MESSAGES_MAX: u32 = 10_000;

/// A mail may wait in a queue for so long.
const LINK_LIFETIME_MIN_MS: Millis = 600_000;

/// Messages are known for longer (`NOTIFICATIONS_KEPT_MS`), and nobody acts on an older one.
const LINK_LIFETIME_MAX_MS: Millis = 30 * 86_400_000;

pub(super) fn ready(
    check: &mut Check<'_>,
    raw: Option<&raw::Delivery>,
    receivers: &[Receiver],
) -> Delivery {
    let mut ready = Delivery::default();
    let Some(raw) = raw else { return ready };
    if let Some(given) = &raw.give_up_after {
        ready.give_up_after_ms = given.value.as_millis();
        if ready.give_up_after_ms < 60_000 {
            let text =
                "`give_up_after` is at least 1m: a receiver that restarts is away for a moment";
            check.problem(&given.place, text);
        }
    }
    if let Some(given) = &raw.acknowledge_link_lifetime {
        ready.acknowledge_link_lifetime_ms = given.value.as_millis();
        if !(LINK_LIFETIME_MIN_MS..=LINK_LIFETIME_MAX_MS)
            .contains(&ready.acknowledge_link_lifetime_ms)
        {
            let text = "`acknowledge_link_lifetime` is 10m to 30d";
            check.problem(&given.place, text);
        }
    }
    for limit in &raw.rate_limits {
        ready.rate_limits.push(rate_limit(check, limit, receivers));
    }
    ready.daily_test = raw.daily_test.as_ref().map(|test| daily_test(check, test, receivers));
    ready
}

fn daily_test(check: &mut Check<'_>, raw: &raw::DailyTest, receivers: &[Receiver]) -> DailyTest {
    let time: Result<jiff::civil::Time, _> = raw.at.value.0.parse();
    let midnight = jiff::civil::Time::midnight();
    let at_ms = time.as_ref().map_or(0, |time| time.duration_since(midnight).as_millis());
    if time.is_err() {
        let text = format!("{:?} is no time of day; write for example \"08:00\"", raw.at.value.0);
        check.problem(&raw.at.place, text);
    }
    for name in raw.receivers.iter().flatten() {
        known(check, receivers, &name.value, &name.place);
    }
    let names = raw.receivers.as_ref();
    DailyTest {
        at_ms: i64::try_from(at_ms).unwrap_or(0),
        receivers: names.map(|names| names.iter().map(|name| name.value.clone()).collect()),
    }
}

fn rate_limit(
    check: &mut Check<'_>,
    At { value: raw, place }: &At<raw::RateLimit>,
    receivers: &[Receiver],
) -> RateLimit {
    if raw.messages == 0 || raw.messages > MESSAGES_MAX {
        let text = format!("`messages` of a rate limit is from 1 to {MESSAGES_MAX}");
        check.problem(place, text);
    }
    if raw.per.as_millis() == 0 {
        check.problem(place, "`per` of a rate limit cannot be zero; write for example 1m");
    }
    let wanted = raw.receiver.as_ref().map(|at| (at.value.as_str(), &at.place));
    if let Some((name, at)) = wanted {
        known(check, receivers, name, at);
    }
    if let Some(integration) = &raw.integration {
        let of = receivers.iter().filter(|one| wanted.is_none_or(|(name, _)| *one.name == *name));
        let mut integrations = of.flat_map(|receiver| &receiver.integrations);
        if !integrations.any(|one| names(&integration.value, &one.name)) {
            let text = format!(
                "no receiver that this limit concerns has an integration {:?}; write a kind such as \
                 \"email\", or one of them such as \"email/0\"",
                integration.value
            );
            check.problem(&integration.place, text);
        }
    }
    RateLimit {
        receiver: raw.receiver.as_ref().map(|at| Arc::from(at.value.as_str())),
        integration: raw.integration.as_ref().map(|at| Arc::from(at.value.as_str())),
        messages: usize::try_from(raw.messages).unwrap_or(usize::MAX),
        per_ms: raw.per.as_millis(),
    }
}

pub(super) fn known(check: &mut Check<'_>, receivers: &[Receiver], name: &str, place: &Place) {
    if !receivers.iter().any(|receiver| *receiver.name == *name) {
        check.problem(place, format!("there is no receiver {name:?}"));
    }
}
