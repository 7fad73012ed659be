//! The agent watches itself as it watches a host: job `agent`, names with `haidang_agent_`.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use agent_model::{Millis, Stream};

use crate::enrol::attempts;
use crate::send::Collector;
use crate::source::Reading;
use crate::spool::SpoolStatistics;

/// What the loops count beside the spool and the senders.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Times that evidence waited a second for room on the disk.
    pub(crate) evidence_retries: AtomicU64,
    pub(crate) drop_box_taken: AtomicU64,
    pub(crate) drop_box_rejected: AtomicU64,
    pub(crate) ticks_missed: AtomicU64,
    /// Readings begun, which numbers each: a number that a collector lacks is a reading that it lacks.
    pub(crate) readings: AtomicU64,
}

/// Everything that is told, as it stands at one moment.
pub(crate) struct OwnMetrics {
    pub(crate) collectors: Vec<Arc<Collector>>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) state_dir: PathBuf,
    pub(crate) started_ms: Millis,
}

impl OwnMetrics {
    pub(crate) fn write(&self, spool: &SpoolStatistics, surplus: u64, out: &mut Reading) {
        let version = env!("CARGO_PKG_VERSION");
        out.add("haidang_agent_build_info", &[("version", version)], 1.0);
        out.add("process_start_time_seconds", &[], seconds(self.started_ms));
        process(out);
        out.add("haidang_agent_spool_bytes", &[], number(spool.bytes));
        out.add("haidang_agent_spool_bytes_max", &[], number(spool.bytes_max));
        out.add("haidang_agent_spooled_reports_total", &[], number(spool.appended_reports));
        for (reason, count) in [
            ("spool_overflow", spool.dropped_overflow),
            ("spool_damaged", spool.dropped_damaged),
            ("refused", spool.dropped_refused),
        ] {
            let labels = [("reason", reason)];
            out.add("haidang_agent_dropped_reports_total", &labels, number(count));
        }
        out.add("haidang_agent_failed_appends_total", &[], number(spool.failed_appends));
        out.add("haidang_agent_failed_upkeep_total", &[], number(spool.failed_upkeep));
        out.add("haidang_agent_pending_gaps", &[], number(spool.pending_gaps));
        let count = |counter: &AtomicU64| number(counter.load(Ordering::Relaxed));
        let counters = &self.counters;
        out.add("haidang_agent_evidence_retries_total", &[], count(&counters.evidence_retries));
        out.add("haidang_agent_drop_box_taken_total", &[], count(&counters.drop_box_taken));
        out.add("haidang_agent_drop_box_rejected_total", &[], count(&counters.drop_box_rejected));
        let reading = number(counters.readings.fetch_add(1, Ordering::Relaxed) + 1);
        out.add("haidang_agent_readings_total", &[], reading);
        out.add("haidang_agent_ticks_missed_total", &[], count(&counters.ticks_missed));
        out.add("haidang_agent_surplus_samples_total", &[], number(surplus));
        for (outcome, count) in attempts::read(&self.state_dir) {
            let labels = [("outcome", outcome.as_str())];
            out.add("haidang_agent_enrolments_total", &labels, number(count));
        }
        for (collector, waiting) in self.collectors.iter().zip(&spool.waiting) {
            one_collector(collector, *waiting, out);
        }
    }
}

fn one_collector(collector: &Collector, (evidence, metrics): (u64, u64), out: &mut Reading) {
    let name = collector.address().as_str();
    let labels = [("collector", name)];
    let health = &collector.health;
    let count = |counter: &AtomicU64| number(counter.load(Ordering::Relaxed));
    let connected = health.connected.load(Ordering::Relaxed);
    out.add("haidang_agent_connected", &labels, f64::from(u8::from(connected)));
    out.add("haidang_agent_sent_reports_total", &labels, count(&health.sent_reports));
    out.add("haidang_agent_sent_bytes_total", &labels, count(&health.sent_bytes));
    out.add("haidang_agent_send_failures_total", &labels, count(&health.failures));
    for (reason, count) in health.refusals.met() {
        let labels = [("collector", name), ("reason", reason)];
        out.add("haidang_agent_refusals_total", &labels, number(count));
    }
    let acknowledged = seconds(health.last_acknowledged_ms.load(Ordering::Relaxed));
    out.add("haidang_agent_last_acknowledged_timestamp_seconds", &labels, acknowledged);
    let offset = seconds(health.clock_offset_ms.load(Ordering::Relaxed));
    out.add("haidang_agent_clock_offset_seconds", &labels, offset);
    for (stream, waiting) in [(Stream::Evidence, evidence), (Stream::Metrics, metrics)] {
        let labels = [("collector", name), ("stream", stream.name())];
        out.add("haidang_agent_waiting_reports", &labels, number(waiting));
    }
}

/// Memory and processor time of this process, under the names every Prometheus client uses.
fn process(out: &mut Reading) {
    let Ok(stat) = procfs::process::Process::myself().and_then(|process| process.stat()) else {
        return;
    };
    let ticks = number(stat.utime.saturating_add(stat.stime));
    let ticks_per_second = number(procfs::ticks_per_second());
    out.add("process_cpu_seconds_total", &[], ticks / ticks_per_second);
    let resident = stat.rss.saturating_mul(procfs::page_size());
    out.add("process_resident_memory_bytes", &[], number(resident));
}

#[allow(clippy::cast_precision_loss, reason = "counts and bytes stay far below 2^53")]
fn number(value: u64) -> f64 {
    value as f64
}

#[allow(clippy::cast_precision_loss, reason = "milliseconds since 1970 stay far below 2^53")]
fn seconds(millis: Millis) -> f64 {
    millis as f64 / 1_000.0
}
