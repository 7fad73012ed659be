//! How many series there are, by host, and which new ones are refused.
//! Only new series are refused, and every refusal is counted: a known series never loses a sample to these limits.

use std::collections::HashMap;
use std::sync::Arc;

/// Series and refusals, the greatest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cardinality {
    pub series: u64,
    /// Registrations refused since the store was opened.
    pub refused: u64,
    pub hosts: Vec<HostCardinality>,
    /// Metric name and its series.
    pub metrics: Vec<(Arc<str>, u64)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostCardinality {
    pub host: Arc<str>,
    pub series: u64,
    pub refused: u64,
}

#[derive(Debug)]
pub(crate) struct Limiter {
    host_series_max: u64,
    series_max: u64,
    series: u64,
    pub(crate) refused: u64,
    hosts: HashMap<Arc<str>, HostCount>,
}

#[derive(Debug, Default)]
struct HostCount {
    series: u64,
    refused: u64,
}

impl Limiter {
    /// The label that limits count by.
    pub(crate) const HOST: &str = "host";

    pub(crate) fn new(host_series_max: u64, series_max: u64) -> Self {
        Self { host_series_max, series_max, series: 0, refused: 0, hosts: HashMap::new() }
    }

    /// Whether one more series of this host may come; a refusal is counted.
    pub(crate) fn admits(&mut self, host: &str) -> bool {
        let of_host = self.hosts.get(host).map_or(0, |count| count.series);
        let admitted = self.series < self.series_max && of_host < self.host_series_max;
        if !admitted {
            self.refused += 1;
            // Who has no series yet shares the empty name: names are made up more easily than series are admitted.
            let known = if self.hosts.contains_key(host) { host } else { "" };
            self.hosts.entry(Arc::from(known)).or_default().refused += 1;
        }
        admitted
    }

    pub(crate) fn added(&mut self, host: Option<&Arc<str>>) {
        self.series += 1;
        match self.hosts.get_mut(host.map_or("", |host| host)) {
            Some(count) => count.series += 1,
            None => {
                let host = host.map_or_else(|| Arc::from(""), Arc::clone);
                self.hosts.insert(host, HostCount { series: 1, refused: 0 });
            }
        }
    }

    pub(crate) fn removed(&mut self, host: Option<&Arc<str>>) {
        self.series = self.series.saturating_sub(1);
        let host: &str = host.map_or("", |host| host);
        if let Some(count) = self.hosts.get_mut(host) {
            count.series = count.series.saturating_sub(1);
            if count.series == 0 && count.refused == 0 {
                self.hosts.remove(host);
            }
        }
    }

    /// The hosts with the most refusals, then the most series.
    pub(crate) fn hosts(&self, limit: usize) -> Vec<HostCardinality> {
        let mut hosts: Vec<_> = self
            .hosts
            .iter()
            .map(|(host, count)| HostCardinality {
                host: Arc::clone(host),
                series: count.series,
                refused: count.refused,
            })
            .collect();
        hosts.sort_by(|one, other| {
            let key = |host: &HostCardinality| (host.refused, host.series);
            key(other).cmp(&key(one)).then_with(|| one.host.cmp(&other.host))
        });
        hosts.truncate(limit);
        hosts
    }
}
