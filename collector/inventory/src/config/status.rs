//! Whether a service works, from what was seen of it. Only a probe that succeeded proves that it does: without data,
//! or without a probe, the answer is unknown and never up.

use std::collections::{BTreeMap, BTreeSet};

use agent_model::HostId;

use super::{InventoryConfig, Service};

/// What was seen lately; what is missing here was not seen. The caller leaves out what is too old to count.
#[derive(Clone, Debug, Default)]
pub struct ServiceInputs {
    /// Probe name to success, from any host that ran it: one success is enough.
    pub probes: BTreeMap<String, bool>,
    /// Whether a host reports.
    pub hosts: BTreeMap<HostId, bool>,
    /// Services that a firing alert names.
    pub alerts: BTreeSet<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ServiceStatus {
    Up,
    /// It works in part, or something it stands on does not.
    Degraded,
    Down,
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceReport {
    pub status: ServiceStatus,
    /// Why it is not up; empty when it is.
    pub reasons: Vec<Reason>,
}

/// One thing that keeps a service from being up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    ProbeFailed(String),
    ProbeSilent(String),
    /// The file names no probe for it.
    NoProbe,
    HostDown(HostId),
    HostSilent(HostId),
    /// The service it depends on is down: look there first.
    DependencyDown(String),
    AlertFiring,
}

impl ServiceStatus {
    pub fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Degraded => "degraded",
            Self::Down => "down",
            Self::Unknown => "unknown",
        }
    }
}

impl InventoryConfig {
    /// The status of every service.
    pub fn service_statuses(&self, inputs: &ServiceInputs) -> BTreeMap<String, ServiceReport> {
        let mut reports = BTreeMap::new();
        for id in self.services.keys() {
            self.report(id, inputs, &mut reports);
        }
        reports
    }

    fn report(
        &self,
        id: &str,
        inputs: &ServiceInputs,
        reports: &mut BTreeMap<String, ServiceReport>,
    ) {
        let Some(service) = self.services.get(id) else { return };
        if reports.contains_key(id) {
            return;
        }
        let mut report = own(service, inputs, inputs.alerts.contains(id));
        for on in &service.depends_on {
            self.report(on, inputs, reports);
            if reports.get(on).is_some_and(|on| on.status == ServiceStatus::Down) {
                report.reasons.push(Reason::DependencyDown(on.clone()));
                if report.status == ServiceStatus::Up {
                    report.status = ServiceStatus::Degraded;
                }
            }
        }
        reports.insert(id.to_owned(), report);
    }
}

/// What can be said of a service without looking at what it depends on.
fn own(service: &Service, inputs: &ServiceInputs, alert: bool) -> ServiceReport {
    let mut reasons = Vec::new();
    let (mut answered, mut failed, mut silent) = (0, 0, 0);
    for probe in &service.probes {
        match inputs.probes.get(probe) {
            Some(true) => answered += 1,
            Some(false) => {
                failed += 1;
                reasons.push(Reason::ProbeFailed(probe.clone()));
            }
            None => {
                silent += 1;
                reasons.push(Reason::ProbeSilent(probe.clone()));
            }
        }
    }
    if service.probes.is_empty() {
        reasons.push(Reason::NoProbe);
    }
    let mut hosts_down = 0;
    for host in &service.hosts {
        match inputs.hosts.get(host) {
            Some(true) => {}
            Some(false) => {
                hosts_down += 1;
                reasons.push(Reason::HostDown(host.clone()));
            }
            None => reasons.push(Reason::HostSilent(host.clone())),
        }
    }
    if alert {
        reasons.push(Reason::AlertFiring);
    }
    let all_hosts_down = hosts_down > 0 && hosts_down == service.hosts.len();
    let status = if answered == 0 {
        match failed > 0 || all_hosts_down {
            true => ServiceStatus::Down,
            false => ServiceStatus::Unknown,
        }
    } else if failed > 0 || hosts_down > 0 || alert {
        ServiceStatus::Degraded
    } else if silent > 0 {
        // Half of the proof is missing.
        ServiceStatus::Unknown
    } else {
        ServiceStatus::Up
    };
    // A silent host says nothing against a service that answers everywhere.
    if status == ServiceStatus::Up {
        reasons.clear();
    }
    ServiceReport { status, reasons }
}
