//! Derived metrics: what the collector knows beyond samples, as ordinary series, so that ordinary rules watch it.
//!
//! Promises: every name and label of `rules/library/METRICS.md` that is about hosts, backups, gaps and the collector itself; a host
//! that fell silent is `up 0`, one that has never reported too. Leaves to others: storing them (`ingest`) and judging them (rules).

use std::collections::BTreeMap;

use agent_model::{
    BackupOutcome, Column, Epoch, HostId, Labels, Millis, Report, ReportKey, Schema, Stream,
};
use collector_inventory::config::{ServiceReport, ServiceStatus};
use collector_inventory::{BackupJob, HostGap, HostState, HostSummary};

use crate::authority::COLLECTOR_NAME;
use crate::backup_truths::truths;
use crate::health::Health;
use crate::province::Province;

/// Everything that derived metrics are made from, read at one time.
pub struct Sources<'a> {
    pub hosts: &'a [HostSummary],
    pub backups: &'a [BackupJob],
    pub gaps: &'a [HostGap],
    pub province: &'a Province,
    pub services: &'a BTreeMap<String, ServiceReport>,
    pub health: &'a Health,
    pub reserve_bytes: u64,
    pub own: &'a [prometheus::proto::MetricFamily],
}

/// Series with complete labels, and their values.
pub type Readings = Vec<(Labels, f64)>;

pub fn readings(sources: &Sources<'_>, now_ms: Millis, silent_after_ms: Millis) -> Readings {
    let mut out = Vec::new();
    for host in sources.hosts.iter().filter(|host| !is_own(&host.host)) {
        host_readings(host, now_ms, silent_after_ms, &mut out);
    }
    for job in sources.backups {
        backup_readings(job, &mut out);
    }
    unplanned_readings(sources, &mut out);
    let policy = sources.province.backups.metrics();
    let truths = truths(sources.province, sources.backups, now_ms);
    let judged = truths.iter().flat_map(|(planned, truth)| truth.metrics(planned, now_ms));
    for (labels, value) in policy.into_iter().chain(judged) {
        out.push((labels.with("job", "collector"), value));
    }
    gap_readings(sources.gaps, &mut out);
    service_readings(sources.services, &mut out);
    let health = sources.health;
    out.push((series("haidang_collector_ready", &[]), f64::from(u8::from(health.ready))));
    out.push((series("haidang_collector_free_bytes", &[]), float(health.free_bytes)));
    let reserve = float(sources.reserve_bytes);
    out.push((series("haidang_collector_journal_reserve_bytes", &[]), reserve));
    own_readings(sources.own, &mut out);
    out
}

fn series(name: &str, labels: &[(&str, &str)]) -> Labels {
    let job = ("job", "collector");
    Labels::metric(name, labels.iter().copied().chain(std::iter::once(job)))
}

/// Whether a name is the collector's own: its derived reports go by it, and no host may.
pub fn is_own(host: &HostId) -> bool {
    let own = host.as_str().strip_prefix(COLLECTOR_NAME);
    own.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Whether a host reports now.
pub fn is_up(host: &HostSummary, now_ms: Millis, silent_after_ms: Millis) -> bool {
    host.last_report_ms.is_some_and(|last_ms| now_ms.saturating_sub(last_ms) <= silent_after_ms)
}

fn host_readings(host: &HostSummary, now_ms: Millis, silent_after_ms: Millis, out: &mut Readings) {
    if host.state == HostState::Revoked {
        return;
    }
    let name = host.host.as_str();
    let up = f64::from(u8::from(is_up(host, now_ms, silent_after_ms)));
    let labels = [("host", name), ("instance", name), ("job", "node")];
    out.push((Labels::metric("up", labels), up));
    if let Some(last_ms) = host.last_report_ms {
        let labels = [("host", name)];
        let offset = series("haidang_host_clock_offset_seconds", &labels);
        out.push((offset, seconds(host.clock_offset_ms)));
        out.push((series("haidang_host_last_report_timestamp_seconds", &labels), seconds(last_ms)));
    }
    if let Some(expiry_ms) = host.certificate_expiry_ms {
        let expiry = series("haidang_host_certificate_expiry_timestamp_seconds", &[("host", name)]);
        out.push((expiry, seconds(expiry_ms)));
    }
}

fn backup_readings(job: &BackupJob, out: &mut Readings) {
    let labels = [("host", job.host.as_str()), ("backup", job.job.as_str())];
    if let Some(run) = &job.last_run {
        let last = series("haidang_backup_last_run_timestamp_seconds", &labels);
        out.push((last, seconds(run.finished_ms)));
        for outcome in BackupOutcome::ALL {
            let labels = [labels[0], labels[1], ("outcome", outcome.name())];
            let value = f64::from(u8::from(outcome == run.outcome));
            out.push((series("haidang_backup_last_run_outcome", &labels), value));
        }
    }
    if let Some(run) = &job.last_success {
        let success = series("haidang_backup_last_success_timestamp_seconds", &labels);
        out.push((success, seconds(run.finished_ms)));
        if let Some(bytes) = run.bytes {
            out.push((series("haidang_backup_last_success_bytes", &labels), float(bytes)));
        }
    }
}

/// Hosts that report and services of the inventory whose data no backup is planned for. Without any plan nothing is said:
/// then the whole policy is what is missing.
fn unplanned_readings(sources: &Sources<'_>, out: &mut Readings) {
    let Province { inventory, backups } = sources.province;
    if backups.jobs.is_empty() {
        return;
    }
    let active = sources.hosts.iter().filter(|host| host.state != HostState::Revoked);
    let hosts = active.map(|host| &host.host).filter(|host| !is_own(host));
    for host in backups.uncovered(hosts) {
        out.push((series("haidang_backup_unplanned", &[("host", host.as_str())]), 1.0));
    }
    for service in backups.uncovered_services(inventory.services.keys()) {
        out.push((series("haidang_backup_unplanned", &[("service", service)]), 1.0));
    }
}

fn gap_readings(gaps: &[HostGap], out: &mut Readings) {
    let mut counts: BTreeMap<(&str, &str, &str), u64> = BTreeMap::new();
    for HostGap { host, gap, .. } in gaps {
        let key = (host.as_str(), gap.stream.name(), gap.reason.name());
        *counts.entry(key).or_default() += gap.reports();
    }
    for ((host, stream, reason), reports) in counts {
        let labels = [("host", host), ("stream", stream), ("reason", reason)];
        out.push((series("haidang_gap_reports_total", &labels), float(reports)));
    }
}

/// A service of which nothing is known has no reading: neither up nor down.
fn service_readings(services: &BTreeMap<String, ServiceReport>, out: &mut Readings) {
    for (service, report) in services {
        let up = match report.status {
            ServiceStatus::Up | ServiceStatus::Degraded => 1.0,
            ServiceStatus::Down => 0.0,
            ServiceStatus::Unknown => continue,
        };
        out.push((series("haidang_service_up", &[("service", service)]), up));
    }
}

/// The counters and gauges of `/metrics`.
fn own_readings(families: &[prometheus::proto::MetricFamily], out: &mut Readings) {
    for family in families {
        for metric in family.get_metric() {
            let pairs: Vec<(&str, &str)> =
                metric.get_label().iter().map(|pair| (pair.name(), pair.value())).collect();
            let value = match family.get_field_type() {
                prometheus::proto::MetricType::COUNTER => metric.get_counter().get_value(),
                prometheus::proto::MetricType::GAUGE => metric.get_gauge().get_value(),
                _ => continue,
            };
            out.push((series(family.name(), &pairs), value));
        }
    }
}

/// Readings as a report of the collector itself. Its schema is attached when it is not the one of last time.
#[derive(Debug)]
pub struct Reporter {
    epoch: Epoch,
    sequence: u64,
    host: HostId,
    last: Option<(Vec<Labels>, agent_model::SchemaId)>,
    job: &'static str,
}

impl Reporter {
    /// `epoch_ms` must be larger than that of every earlier start: the time will do. Each job numbers its reports by
    /// itself, so each goes by a name of its own.
    pub fn new(epoch_ms: Millis, job: &'static str) -> Result<Self, agent_model::HostIdError> {
        let epoch = Epoch(u64::try_from(epoch_ms).unwrap_or(0));
        let host = HostId::new(&format!("{COLLECTOR_NAME}.{job}"))?;
        Ok(Self { epoch, sequence: 0, host, last: None, job })
    }

    /// To be called when a report was not stored: the next one attaches its schema again.
    pub fn forget_schema(&mut self) {
        self.last = None;
    }

    pub fn report(&mut self, readings: Readings, at_ms: Millis) -> Report {
        self.sequence += 1;
        let key = ReportKey { epoch: self.epoch, stream: Stream::Metrics, sequence: self.sequence };
        let mut report = Report::empty(self.host.clone(), key, at_ms);
        let (series, values): (Vec<Labels>, Vec<f64>) = readings.into_iter().unzip();
        let schema = match &self.last {
            Some((last, schema)) if *last == series => *schema,
            _ => {
                let schema = Schema {
                    job: self.job.to_owned(),
                    instance: String::new(),
                    series,
                    base: values.clone(),
                };
                let id = schema.id();
                self.last = Some((schema.series.clone(), id));
                report.schemas.push(schema);
                id
            }
        };
        report.columns.push(Column { schema, timestamp_ms: at_ms, values });
        report
    }
}

#[allow(clippy::cast_precision_loss, reason = "a gauge of bytes or a count; 53 bits are plenty")]
fn float(value: u64) -> f64 {
    value as f64
}

#[allow(clippy::cast_precision_loss, reason = "milliseconds of this age are exact in an f64")]
fn seconds(ms: Millis) -> f64 {
    ms as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_attached_only_when_the_series_change() {
        let mut reporter = Reporter::new(5, "collector").unwrap();
        let reading = |value| vec![(series("up", &[("host", "a")]), value)];
        let first = reporter.report(reading(1.0), 10);
        let second = reporter.report(reading(0.0), 20);
        assert_eq!((first.schemas.len(), second.schemas.len()), (1, 0));
        assert_eq!(first.columns[0].schema, second.columns[0].schema);
        assert_eq!((first.key.sequence, second.key.sequence), (1, 2));
        assert!(is_own(&first.host));
        assert!(!is_own(&HostId::new("haidang-collector2").unwrap()));
    }
}
