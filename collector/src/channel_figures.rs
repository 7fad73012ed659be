//! What is known of each channel to people, as metrics: rules watch them, and alerts about a dead channel go by the others.

use agent_model::Millis;
use collector_alerting::ChannelStatus;
use prometheus::IntGaugeVec;

use crate::registering::Make;

#[derive(Clone, Debug)]
pub(crate) struct ChannelFigures {
    failing_seconds: IntGaugeVec,
    last_success_seconds: IntGaugeVec,
    waiting: IntGaugeVec,
    limited: IntGaugeVec,
    dead_letters: IntGaugeVec,
}

impl ChannelFigures {
    pub(crate) fn new(make: &Make<'_>) -> Result<Self, prometheus::Error> {
        let gauges = |name, help| make.gauges(name, help, &["receiver", "integration"]);
        Ok(Self {
            failing_seconds: gauges(
                "channel_failing_seconds",
                "How long every attempt by this channel has failed; 0 while it works.",
            )?,
            last_success_seconds: gauges(
                "channel_last_success_timestamp_seconds",
                "When this channel last took a notification or a test; absent before the first.",
            )?,
            waiting: gauges("channel_waiting", "Notifications that wait for this channel.")?,
            limited: gauges("channel_limited", "Those of them that a rate limit holds back.")?,
            dead_letters: gauges(
                "channel_dead_letters",
                "Notifications that this channel did not take, given up, that nobody has dealt with.",
            )?,
        })
    }

    pub(crate) fn note(&self, channels: &[ChannelStatus], now_ms: Millis) {
        // Receivers that are gone have no figures any more.
        for gauges in [
            &self.failing_seconds,
            &self.last_success_seconds,
            &self.waiting,
            &self.limited,
            &self.dead_letters,
        ] {
            gauges.reset();
        }
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        for channel in channels {
            let labels = [channel.receiver.as_ref(), channel.integration.as_ref()];
            let since_ms = channel.failing_since_ms.map_or(0, |at_ms| (now_ms - at_ms).max(1_000));
            self.failing_seconds.with_label_values(&labels).set(since_ms / 1_000);
            if let Some(at_ms) = channel.last_success_ms {
                self.last_success_seconds.with_label_values(&labels).set(at_ms / 1_000);
            }
            self.waiting.with_label_values(&labels).set(number(channel.waiting));
            self.limited.with_label_values(&labels).set(number(channel.limited));
            let dead = i64::try_from(channel.dead).unwrap_or(i64::MAX);
            self.dead_letters.with_label_values(&labels).set(dead);
        }
    }
}
