//! What everybody may know of a target: how far it has come, whether it takes samples, and its figures for `/metrics`.
//! Leaves to others: how often a trouble is in the log (`told`).

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use agent_model::Millis;
use collector_journal::Position;
use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use super::told::{Told, Trouble};

/// A target that has refused nothing for so long refuses no more.
const REFUSING_TIME_MS: Millis = 60_000;

/// The counters of all targets.
#[derive(Clone, Debug)]
pub(super) struct Figures {
    sent: IntCounterVec,
    dropped: IntCounterVec,
    kept_back: IntCounterVec,
    lost_records: IntCounterVec,
    retries: IntCounterVec,
    position_failures: IntCounterVec,
    lag_seconds: IntGaugeVec,
    lag_bytes: IntGaugeVec,
    last_success: IntGaugeVec,
    good: IntGaugeVec,
}

impl Figures {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let opts = |name: &str, help: &str| {
            Opts::new(format!("haidang_collector_outward_{name}"), help.to_owned())
        };
        let counters = |name, help, labels: &[&str]| {
            let made = IntCounterVec::new(opts(name, help), labels)?;
            registry.register(Box::new(made.clone()))?;
            Ok::<_, prometheus::Error>(made)
        };
        let gauges = |name, help| {
            let made = IntGaugeVec::new(opts(name, help), &["target"])?;
            registry.register(Box::new(made.clone()))?;
            Ok::<_, prometheus::Error>(made)
        };
        Ok(Self {
            sent: counters("sent_samples_total", "Samples that a target took.", &["target"])?,
            dropped: counters(
                "dropped_samples_total",
                "Samples that a target will never get, by reason.",
                &["target", "reason"],
            )?,
            kept_back: counters(
                "kept_back_samples_total",
                "Samples that write_relabel does not send.",
                &["target"],
            )?,
            lost_records: counters(
                "lost_records_total",
                "Records of the journal that were gone or could not be read before they were sent.",
                &["target"],
            )?,
            retries: counters("retries_total", "Requests that are sent again.", &["target"])?,
            position_failures: counters(
                "position_write_failures_total",
                "Times that how far a target has come could not be stored.",
                &["target"],
            )?,
            lag_seconds: gauges("lag_seconds", "Age of the oldest samples that wait.")?,
            lag_bytes: gauges("lag_bytes", "Bytes of the journal that wait.")?,
            last_success: gauges(
                "last_success_timestamp_seconds",
                "When a target last took a request.",
            )?,
            good: gauges("good", "Whether a target takes what it is sent.")?,
        })
    }
}

/// Why samples will never reach a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dropped {
    /// The target refused them for good.
    Refused,
    /// They waited until there were too many bytes of them.
    QueueFull,
    /// They waited too long.
    TooOld,
    /// The collector's disk was nearly full.
    DiskFull,
}

impl Dropped {
    pub(super) const ALL: [Self; 4] =
        [Self::Refused, Self::QueueFull, Self::TooOld, Self::DiskFull];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::QueueFull => "queue_full",
            Self::TooOld => "too_old",
            Self::DiskFull => "disk_full",
        }
    }
}

/// Whether a target takes samples.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Health {
    #[default]
    Good,
    /// It cannot be reached or asks to wait; what waits is kept.
    Failing { since_ms: Millis, why: String },
    /// It says that it will never take what it was sent: that is lost.
    Refusing { since_ms: Millis, why: String },
    /// What waits for it cannot be read from the journal; it is kept within the bound.
    Standing { since_ms: Millis, why: String },
}

/// One target as others see it.
#[derive(Debug)]
pub struct Progress {
    name: String,
    /// Everything up to here is taken, dropped, or none of the target's business.
    stored: AtomicU64,
    /// The same as its file has it.
    written: AtomicU64,
    /// Refusals in a row.
    refusals: AtomicU32,
    state: Mutex<State>,
    figures: Figures,
    sent: IntCounter,
    lag_seconds: IntGauge,
}

#[derive(Debug, Default)]
struct State {
    health: Health,
    /// When samples were refused for the last time.
    refused_ms: Millis,
    /// Of the samples that wait, when reading them began to fail.
    lag_seconds: i64,
    told: Told,
    position_told: Told,
}

impl Progress {
    pub(super) fn new(name: &str, stored: Position, written: Position, figures: Figures) -> Self {
        // What was never counted stands there with 0, so that a rule sees the first one.
        for reason in Dropped::ALL {
            figures.dropped.with_label_values(&[name, reason.name()]).inc_by(0);
        }
        figures.lost_records.with_label_values(&[name]).inc_by(0);
        figures.retries.with_label_values(&[name]).inc_by(0);
        figures.position_failures.with_label_values(&[name]).inc_by(0);
        figures.good.with_label_values(&[name]).set(1);
        Self {
            stored: AtomicU64::new(stored.0),
            written: AtomicU64::new(written.0),
            refusals: AtomicU32::new(0),
            state: Mutex::default(),
            sent: figures.sent.with_label_values(&[name]),
            lag_seconds: figures.lag_seconds.with_label_values(&[name]),
            name: name.to_owned(),
            figures,
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn stored(&self) -> Position {
        Position(self.stored.load(Relaxed))
    }

    pub(super) fn set_stored(&self, position: Position) {
        self.stored.fetch_max(position.0, Relaxed);
    }

    pub(super) fn written(&self) -> Position {
        Position(self.written.load(Relaxed))
    }

    pub(super) fn set_written(&self, position: Position) {
        self.written.store(position.0, Relaxed);
        if self.state().position_told.ends() {
            tracing::info!(target = self.name, "how far it has come is stored again");
        }
    }

    /// How far it has come is not on disk: a crash would send again what was taken since.
    pub(super) fn note_unwritten(&self, why: &str, now_ms: Millis) {
        self.figures.position_failures.with_label_values(&[&self.name]).inc();
        if self.state().position_told.begins(Trouble::Unwritten, now_ms) {
            tracing::error!(target = self.name, "how far it has come cannot be stored: {why}");
        }
    }

    pub fn health(&self) -> Health {
        self.state().health.clone()
    }

    /// The age of the oldest samples that wait.
    pub fn lag_seconds(&self) -> i64 {
        self.lag_seconds.get()
    }

    pub(super) fn note_lag(&self, seconds: i64) {
        self.lag_seconds.set(seconds);
    }

    pub(super) fn note_pending(&self, bytes: u64) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.figures.lag_bytes.with_label_values(&[&self.name]).set(bytes);
    }

    pub(super) fn note_lost(&self, records: u64, why: &str) {
        tracing::error!(target = self.name, records, "records are lost to a target: {why}");
        self.figures.lost_records.with_label_values(&[&self.name]).inc_by(records);
    }

    /// Samples that the configuration does not send.
    pub(super) fn note_kept_back(&self, samples: u64) {
        self.figures.kept_back.with_label_values(&[&self.name]).inc_by(samples);
    }

    pub(super) fn note_dropped(&self, samples: u64, reason: Dropped) {
        self.figures.dropped.with_label_values(&[&self.name, reason.name()]).inc_by(samples);
    }

    /// A request of so many samples was taken.
    pub(super) fn note_taken(&self, samples: u64, now_ms: Millis) {
        self.sent.inc_by(samples);
        self.refusals.store(0, Relaxed);
        self.figures.last_success.with_label_values(&[&self.name]).set(now_ms / 1_000);
        let mut state = self.state();
        let since_ms = match state.health {
            Health::Good => return,
            Health::Failing { since_ms, .. } | Health::Standing { since_ms, .. } => since_ms,
            // Most of a request may be taken and a part refused, again and again.
            Health::Refusing { since_ms, .. } => {
                let quiet_ms = now_ms.saturating_sub(state.refused_ms);
                if quiet_ms < REFUSING_TIME_MS {
                    return;
                }
                since_ms
            }
        };
        self.turn_good(&mut state, since_ms, now_ms);
    }

    fn turn_good(&self, state: &mut State, since_ms: Millis, now_ms: Millis) {
        state.health = Health::Good;
        self.figures.good.with_label_values(&[&self.name]).set(1);
        if state.told.ends() {
            let seconds = now_ms.saturating_sub(since_ms) / 1_000;
            tracing::info!(target = self.name, "takes samples again, after {seconds} s");
        }
    }

    /// A request is sent again later.
    pub(super) fn note_failing(&self, why: String, now_ms: Millis) {
        self.figures.retries.with_label_values(&[&self.name]).inc();
        self.figures.good.with_label_values(&[&self.name]).set(0);
        let mut state = self.state();
        if state.told.begins(Trouble::Failing, now_ms) {
            tracing::warn!(target = self.name, "takes no samples, they are kept: {why}");
        }
        let since_ms = match &state.health {
            Health::Failing { since_ms, .. } => *since_ms,
            _ => now_ms,
        };
        state.health = Health::Failing { since_ms, why };
    }

    /// Samples were refused for good; how often in a row that was so.
    pub(super) fn note_refused(&self, samples: u64, why: String, now_ms: Millis) -> u32 {
        self.note_dropped(samples, Dropped::Refused);
        self.figures.good.with_label_values(&[&self.name]).set(0);
        let mut state = self.state();
        if state.told.goes_on(Trouble::Refusing, now_ms) {
            tracing::warn!(target = self.name, samples, "refuses samples, they are lost: {why}");
        }
        let since_ms = match &state.health {
            Health::Refusing { since_ms, .. } => *since_ms,
            _ => now_ms,
        };
        state.refused_ms = now_ms;
        state.health = Health::Refusing { since_ms, why };
        self.refusals.fetch_add(1, Relaxed).saturating_add(1)
    }

    /// What waits cannot be read; its age grows on.
    pub(super) fn note_standing(&self, why: String, now_ms: Millis) {
        self.figures.good.with_label_values(&[&self.name]).set(0);
        let mut state = self.state();
        if state.told.goes_on(Trouble::Standing, now_ms) {
            tracing::error!(target = self.name, "sending stands still, samples are kept: {why}");
        }
        let since_ms = match &state.health {
            Health::Standing { since_ms, .. } => *since_ms,
            _ => {
                state.lag_seconds = self.lag_seconds.get();
                now_ms
            }
        };
        self.lag_seconds.set(state.lag_seconds + now_ms.saturating_sub(since_ms) / 1_000);
        state.health = Health::Standing { since_ms, why };
    }

    /// What waits could be read.
    pub(super) fn note_read(&self, now_ms: Millis) {
        let mut state = self.state();
        if let Health::Standing { since_ms, .. } = state.health {
            self.turn_good(&mut state, since_ms, now_ms);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_takes_most_and_refuses_some_refuses_until_it_has_been_quiet() {
        let figures = Figures::new(&Registry::new()).unwrap();
        let progress = Progress::new("vm", Position(0), Position(0), figures);
        let refusing = || matches!(progress.health(), Health::Refusing { since_ms: 1_000, .. });
        progress.note_refused(1, "400".to_owned(), 1_000);
        progress.note_taken(9, 1_100);
        assert!(refusing(), "it would be told and taken back with each request");
        progress.note_refused(1, "400".to_owned(), 50_000);
        progress.note_taken(9, 109_999);
        assert!(refusing());
        progress.note_taken(9, 110_000);
        assert_eq!(progress.health(), Health::Good);
        // What was only to be sent again is over when it was taken.
        progress.note_failing("503".to_owned(), 120_000);
        progress.note_failing("504".to_owned(), 121_000);
        let failing = Health::Failing { since_ms: 120_000, why: "504".to_owned() };
        assert_eq!(progress.health(), failing);
        progress.note_taken(9, 122_000);
        assert_eq!(progress.health(), Health::Good);
    }
}
