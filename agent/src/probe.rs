//! Probes: whether something answers, as seen from this host.
//! Promises: every probe runs on its own interval, spread in time, a bounded number at once; a result is evidence at the
//! start and when the outcome changes; metrics older than a few intervals disappear instead of looking fresh.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use agent_model::{Millis, ProbeKind, ProbeResult};
use tokio::sync::Semaphore;

use crate::clock::Clock;
use crate::source::{
    Evidence, MetricSource, Reading, SourceContext, SourceError, SourceGroup, Stopping,
};

pub(crate) mod certificate;
mod config;
pub(crate) mod http;
mod tcp;

pub use config::Config;

/// Results that are older than so many intervals are not shown as metrics any more.
const STALE_INTERVALS: u32 = 3;

/// One thing to look at, again and again.
#[derive(Clone, Debug)]
struct Probe {
    name: String,
    kind: ProbeKind,
    target: String,
    interval: Duration,
    check: Check,
}

#[derive(Clone, Debug)]
enum Check {
    Http(http::HttpProbe),
    Tcp(tcp::TcpProbe),
}

/// What one look found.
#[derive(Clone, Debug, Default)]
struct Answer {
    success: bool,
    duration: Duration,
    http_status: Option<u16>,
    certificate_expiry_ms: Option<Millis>,
    failure: String,
}

impl Answer {
    fn failed(mut self, failure: String) -> Self {
        self.success = false;
        self.failure = failure;
        self
    }

    /// What makes an outcome another one; the words of a failure do not.
    fn outcome(&self) -> (bool, Option<u16>, Option<Millis>) {
        (self.success, self.http_status, self.certificate_expiry_ms)
    }
}

/// The last answer of a probe, for the metrics.
#[derive(Debug)]
struct Last {
    probe: String,
    target: String,
    kind: ProbeKind,
    valid_for: Duration,
    answer: Mutex<Option<(Instant, Answer)>>,
}

/// Every probe that is configured.
pub fn sources(config: &Config, context: &SourceContext) -> SourceGroup {
    let mut group = SourceGroup::default();
    let at_once = usize::try_from(config.concurrent_max.max(1)).unwrap_or(1);
    let permits = Arc::new(Semaphore::new(at_once));
    let mut all = Vec::new();
    for probe in config.probes() {
        let last = Arc::new(Last {
            probe: probe.name.clone(),
            target: probe.target.clone(),
            kind: probe.kind,
            valid_for: probe.interval * STALE_INTERVALS,
            answer: Mutex::new(None),
        });
        all.push(Arc::clone(&last));
        let (context, permits) = (context.clone(), Arc::clone(&permits));
        group.tasks.push(Box::pin(async move {
            let shutdown = context.shutdown.clone();
            tokio::select! {
                () = shutdown.cancelled() => {}
                Stopping = repeat(&probe, &context, &permits, &last, Clock) => {}
            }
        }));
    }
    if !all.is_empty() {
        group.metrics.push(Box::new(Metrics { all, clock: Clock }));
    }
    group
}

async fn repeat(
    probe: &Probe,
    context: &SourceContext,
    permits: &Semaphore,
    last: &Last,
    clock: Clock,
) -> Stopping {
    let mut told = None;
    tokio::time::sleep(jitter(&probe.name, probe.interval)).await;
    let mut ticks = tokio::time::interval(probe.interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Ok(permit) = permits.acquire().await else { return Stopping };
        let answer = probe.run(clock).await;
        drop(permit);
        let outcome = answer.outcome();
        let result = probe.result(&answer, clock.now_ms());
        let now = clock.instant();
        *last.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, answer));
        if told != Some(outcome) {
            let evidence = vec![Evidence::ProbeResult(result)];
            if let Err(stopping) = context.evidence.spool(evidence).await {
                return stopping;
            }
            told = Some(outcome);
        }
    }
}

impl Probe {
    async fn run(&self, clock: Clock) -> Answer {
        match &self.check {
            Check::Http(probe) => probe.run(clock).await,
            Check::Tcp(probe) => probe.run(clock).await,
        }
    }

    fn result(&self, answer: &Answer, time_ms: Millis) -> ProbeResult {
        ProbeResult {
            probe: self.name.clone(),
            kind: self.kind,
            target: self.target.clone(),
            time_ms,
            success: answer.success,
            duration_seconds: answer.duration.as_secs_f64(),
            http_status: answer.http_status,
            certificate_expiry_ms: answer.certificate_expiry_ms,
            failure: answer.failure.clone(),
        }
    }
}

/// Spreads the first runs over the interval, or over some seconds when it is long: people wait for a first result.
fn jitter(name: &str, interval: Duration) -> Duration {
    const SPREAD_MAX: Duration = Duration::from_secs(10);
    let part = f64::from(crc32fast::hash(name.as_bytes())) / f64::from(u32::MAX);
    interval.min(SPREAD_MAX).mul_f64(part)
}

/// Named as blackbox_exporter names them, with `probe` and `target` as labels.
struct Metrics {
    all: Vec<Arc<Last>>,
    clock: Clock,
}

impl MetricSource for Metrics {
    fn name(&self) -> &'static str {
        "probe"
    }

    fn job(&self) -> &'static str {
        "probe"
    }

    fn read(&mut self, _now_ms: Millis, out: &mut Reading) -> Result<(), SourceError> {
        let now = self.clock.instant();
        for last in &self.all {
            let answer = last.answer.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let Some((at, answer)) = answer else { continue };
            if now.saturating_duration_since(at) > last.valid_for {
                continue;
            }
            let labels = [("probe", last.probe.as_str()), ("target", last.target.as_str())];
            out.add("probe_success", &labels, f64::from(u8::from(answer.success)));
            out.add("probe_duration_seconds", &labels, answer.duration.as_secs_f64());
            if last.kind == ProbeKind::Http {
                let status = f64::from(answer.http_status.unwrap_or(0));
                out.add("probe_http_status_code", &labels, status);
            }
            if let Some(expiry_ms) = answer.certificate_expiry_ms {
                #[allow(clippy::cast_precision_loss, reason = "seconds are exact up to 2^53")]
                let seconds = expiry_ms.div_euclid(1000) as f64;
                out.add("probe_ssl_earliest_cert_expiry", &labels, seconds);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests;
