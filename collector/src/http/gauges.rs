//! The few figures of each host that lists show, and which probes succeed, read from the metric store at one time.
//! Promises: what has no fresh sample has no figure; nothing is guessed.

use std::collections::{BTreeMap, HashMap};

use agent_model::{HostId, Labels, Millis, Sample};
use rules_promql::{Limits, PromqlError, Value};

use crate::http::ApiError;
use crate::query::Query;

/// Busy time of all processors in the last minute.
const CPU: &str =
    r#"clamp_min(1 - avg by (host) (rate(node_cpu_seconds_total{mode="idle"}[1m])), 0)"#;
const MEMORY: &str = "1 - max by (host) (node_memory_MemAvailable_bytes) \
     / (max by (host) (node_memory_MemTotal_bytes) > 0)";
/// The fullest file system that holds data.
const DISK: &str = r#"max by (host) (1 - node_filesystem_avail_bytes{fstype!~"tmpfs|ramfs|squashfs|iso9660|devtmpfs|overlay"}
     / (node_filesystem_size_bytes > 0))"#;
const LOAD: &str = "max by (host) (node_load1)";
const UPTIME: &str = "time() - max by (host) (node_boot_time_seconds)";
const PROBES: &str = "max by (probe) (probe_success)";

/// One host's figures.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Gauges {
    pub cpu_ratio: Option<f64>,
    pub memory_ratio: Option<f64>,
    pub disk_ratio: Option<f64>,
    pub load1: Option<f64>,
    pub uptime_seconds: Option<f64>,
}

/// Where an expression's value goes.
type Place = fn(&mut Gauges) -> &mut Option<f64>;

/// Figures by host, and whether a probe succeeds from any host.
#[derive(Clone, Debug, Default)]
pub(super) struct Figures {
    pub hosts: HashMap<String, Gauges>,
    pub probes: BTreeMap<String, bool>,
}

/// A mounted file system as of now.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Filesystem {
    /// `mountpoint`, `device`, `fstype`.
    pub labels: Labels,
    pub size_bytes: f64,
    pub avail_bytes: Option<f64>,
    pub read_only: bool,
}

pub(super) async fn figures(query: &Query, at_ms: Millis) -> Result<Figures, ApiError> {
    blocking(query, move |query| read_figures(query, at_ms)).await
}

pub(super) async fn filesystems(
    query: &Query,
    host: &HostId,
    at_ms: Millis,
) -> Result<Vec<Filesystem>, ApiError> {
    let host = host.clone();
    blocking(query, move |query| read_filesystems(query, &host, at_ms)).await
}

async fn blocking<T: Send + 'static>(
    query: &Query,
    read: impl FnOnce(&Query) -> Result<T, PromqlError> + Send + 'static,
) -> Result<T, ApiError> {
    let query = query.clone();
    let done = tokio::task::spawn_blocking(move || read(&query)).await;
    let done = done.map_err(|panic| ApiError::internal("reading figures broke off", &panic))?;
    done.map_err(|error| ApiError::internal("figures cannot be read", &error))
}

fn read_figures(query: &Query, at_ms: Millis) -> Result<Figures, PromqlError> {
    let mut figures = Figures::default();
    let places: [(&str, Place); 5] = [
        (CPU, |gauges| &mut gauges.cpu_ratio),
        (MEMORY, |gauges| &mut gauges.memory_ratio),
        (DISK, |gauges| &mut gauges.disk_ratio),
        (LOAD, |gauges| &mut gauges.load1),
        (UPTIME, |gauges| &mut gauges.uptime_seconds),
    ];
    for (expression, place) in places {
        for (labels, sample) in vector(query, expression, at_ms)? {
            let Some(host) = labels.get("host") else { continue };
            let gauges = figures.hosts.entry(host.to_owned()).or_default();
            *place(gauges) = Some(sample.value).filter(|value| value.is_finite());
        }
    }
    for (labels, sample) in vector(query, PROBES, at_ms)? {
        if let Some(probe) = labels.get("probe") {
            figures.probes.insert(probe.to_owned(), sample.value > 0.0);
        }
    }
    Ok(figures)
}

fn read_filesystems(
    query: &Query,
    host: &HostId,
    at_ms: Millis,
) -> Result<Vec<Filesystem>, PromqlError> {
    let of = |metric: &str| vector(query, &format!("{metric}{{host=\"{host}\"}}"), at_ms);
    let key = |labels: &Labels| labels.filtered(|name| KEY.contains(&name));
    let by_key = |found: Vec<(Labels, Sample)>| -> HashMap<Labels, f64> {
        found.into_iter().map(|(labels, sample)| (key(&labels), sample.value)).collect()
    };
    let available = by_key(of("node_filesystem_avail_bytes")?);
    let read_only = by_key(of("node_filesystem_readonly")?);
    let sizes = of("node_filesystem_size_bytes")?.into_iter();
    let found = sizes.map(|(labels, size)| {
        let labels = key(&labels);
        Filesystem {
            size_bytes: size.value,
            avail_bytes: available.get(&labels).copied(),
            read_only: read_only.get(&labels).is_some_and(|value| *value > 0.0),
            labels,
        }
    });
    let mut found: Vec<Filesystem> = found.collect();
    found.sort_by(|a, b| a.labels.get("mountpoint").cmp(&b.labels.get("mountpoint")));
    Ok(found)
}

const KEY: [&str; 3] = ["mountpoint", "device", "fstype"];

fn vector(
    query: &Query,
    expression: &str,
    at_ms: Millis,
) -> Result<Vec<(Labels, Sample)>, PromqlError> {
    let expression = rules_promql::parse(expression)?;
    let value = rules_promql::evaluate_instant(&expression, at_ms, query, &Limits::default())?;
    Ok(if let Value::Vector(vector) = value { vector } else { Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_expression_can_be_parsed() {
        for expression in [CPU, MEMORY, DISK, LOAD, UPTIME, PROBES] {
            assert!(rules_promql::parse(expression).is_ok(), "{expression}");
        }
    }
}
