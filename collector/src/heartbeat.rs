//! The dead man's switch: signs of life to a watcher outside (`heartbeat` in `alerting.yml`), only while the collector is really
//! well: ready, evaluating its rules, able to write. When they stay away, the watcher tells people by ways that are not ours.

use std::time::Duration;

use agent_model::Millis;
use collector_alerting::{Alerting, Heartbeat};
use prometheus::{IntCounterVec, IntGauge};
use tokio::sync::watch;

use crate::clock;
use crate::health::Health;
use crate::registering::Make;
use crate::rule_health::RuleHealth;

/// How often is looked whether a heartbeat is wanted, after a reload for example.
const LOOK: Duration = Duration::from_secs(5);

/// Rules that were not evaluated for so long are not watching.
const EVALUATION_AGE_MAX_MS: Millis = 180_000;

#[derive(Clone, Debug)]
pub struct HeartbeatFigures {
    beats: IntCounterVec,
    last_success_seconds: IntGauge,
    failing_seconds: IntGauge,
}

impl HeartbeatFigures {
    pub(crate) fn new(make: &Make<'_>) -> Result<Self, prometheus::Error> {
        let beats = make.counters(
            "heartbeats_total",
            "Signs of life to the watcher outside: sent, failed, or withheld because the collector was not well.",
            &["outcome"],
        )?;
        for outcome in ["sent", "failed", "withheld"] {
            beats.with_label_values(&[outcome]);
        }
        Ok(Self {
            beats,
            last_success_seconds: make.gauge(
                "heartbeat_last_success_timestamp_seconds",
                "When the watcher outside last took a sign of life; 0 before the first.",
            )?,
            failing_seconds: make.gauge(
                "heartbeat_failing_seconds",
                "How long the watcher outside could not be reached; 0 while it can, and where there is none.",
            )?,
        })
    }
}

/// What a heartbeat is made from.
pub struct Heart {
    pub alerting: Alerting,
    pub health: watch::Receiver<Health>,
    pub rule_health: RuleHealth,
    pub figures: HeartbeatFigures,
}

/// What came of one turn.
#[derive(Debug, PartialEq, Eq)]
enum Beat {
    Sent,
    Failed(String),
    Withheld(String),
}

impl Heart {
    /// Beats until `stop` turns true.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut last: Option<std::time::Instant> = None;
        let mut failing_since: Option<std::time::Instant> = None;
        let mut silent = false;
        loop {
            let now = clock::instant();
            match self.wanted().await {
                Ok(None) => (last, failing_since) = (None, None),
                Ok(Some(heartbeat)) if is_due(last, now, heartbeat.interval_ms()) => {
                    last = Some(now);
                    let beat = self.beat(&heartbeat, clock::now_ms()).await;
                    self.note(&beat, &mut silent);
                    failing_since = match beat {
                        Beat::Failed(_) => failing_since.or(Some(now)),
                        Beat::Sent | Beat::Withheld(_) => None,
                    };
                }
                Ok(Some(_)) => {}
                Err(why) => self.note(&Beat::Withheld(why), &mut silent),
            }
            let failing =
                failing_since.map_or(0, |since| (clock::instant() - since).as_secs().max(1));
            self.figures.failing_seconds.set(i64::try_from(failing).unwrap_or(i64::MAX));
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    async fn wanted(&self) -> Result<Option<Heartbeat>, String> {
        let routing = self.alerting.routing(clock::now_ms()).await;
        Ok(Heartbeat::of(&routing.map_err(|error| crate::describe(&error))?))
    }

    async fn beat(&self, heartbeat: &Heartbeat, now_ms: Millis) -> Beat {
        if let Err(why) = self.is_well(now_ms).await {
            return Beat::Withheld(why);
        }
        match heartbeat.beat().await {
            Ok(()) => Beat::Sent,
            Err(error) => Beat::Failed(crate::describe(&error)),
        }
    }

    /// Says what keeps it from being well. What cannot write cannot tell anybody anything either.
    async fn is_well(&self, now_ms: Millis) -> Result<(), String> {
        let health = self.health.borrow().clone();
        if !health.ready {
            return Err(format!("the collector is not ready: {}", health.reasons.join("; ")));
        }
        match self.rule_health.newest_sound_ms() {
            Some(at_ms) if now_ms - at_ms <= EVALUATION_AGE_MAX_MS => {}
            _ => {
                return Err(
                    "no rule was evaluated without an error in the last three minutes".to_owned()
                );
            }
        }
        let written = self.alerting.prove_writable(now_ms).await;
        written.map_err(|error| crate::describe(&error))
    }

    fn note(&self, beat: &Beat, silent: &mut bool) {
        let outcome = match beat {
            Beat::Sent => "sent",
            Beat::Failed(_) => "failed",
            Beat::Withheld(_) => "withheld",
        };
        self.figures.beats.with_label_values(&[outcome]).inc();
        match beat {
            Beat::Sent => {
                self.figures.last_success_seconds.set(clock::now_ms() / 1_000);
                if *silent {
                    tracing::info!("the heartbeat goes out again");
                }
            }
            Beat::Failed(why) => tracing::warn!(
                why,
                "the heartbeat did not arrive; see whether this machine reaches the address in alerting.yml"
            ),
            Beat::Withheld(why) => tracing::warn!(why, "no heartbeat is sent"),
        }
        *silent = *beat != Beat::Sent;
    }
}

fn is_due(last: Option<std::time::Instant>, now: std::time::Instant, interval_ms: Millis) -> bool {
    let interval = Duration::from_millis(interval_ms.unsigned_abs());
    last.is_none_or(|last| now.duration_since(last) >= interval)
}

#[cfg(test)]
mod tests;
