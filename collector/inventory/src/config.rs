//! `inventory.yml`: sites, units, hosts and services as people describe them, and the pure questions asked of them.
//!
//! Promises: every problem is told at once with its line; what loads has no unknown reference and no cycle.
//! Hosts that report without standing in the file are nobody's: they have no site, unit or service.

use std::collections::BTreeMap;
use std::path::Path;

use agent_model::{HostId, Millis, Problems};
use agent_yaml::Document;

mod check;
mod places;
mod raw;
mod status;

pub use raw::{SiteState, SiteType};
pub use status::{Reason, ServiceInputs, ServiceReport, ServiceStatus};

/// The checked content of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InventoryConfig {
    pub sites: BTreeMap<String, Site>,
    pub units: BTreeMap<String, Unit>,
    /// In the order of the file; a host that moved stands once for each period.
    pub hosts: Vec<HostPlace>,
    pub services: BTreeMap<String, Service>,
}

/// A place: a data centre, a backup site, an office.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    pub name: String,
    pub site_type: SiteType,
    /// What is planned or being built is never counted as down.
    pub state: SiteState,
    pub parent: Option<String>,
    pub period: Period,
}

/// An organisation: a department, a district, a commune.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    pub name: String,
    pub parent: Option<String>,
    pub period: Period,
}

/// Where a host stands during a period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPlace {
    pub host: HostId,
    pub site: String,
    pub unit: Option<String>,
    /// Cấp độ an toàn, 1 to 5.
    pub level: Option<u8>,
    pub role: String,
    pub period: Period,
}

/// What people use, and what it stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    pub name: String,
    pub level: Option<u8>,
    pub unit: Option<String>,
    pub hosts: Vec<HostId>,
    /// Names of probes in the agents' configuration.
    pub probes: Vec<String>,
    pub depends_on: Vec<String>,
    /// Mức mất dữ liệu chấp nhận được.
    pub rpo_ms: Option<Millis>,
    /// Thời gian phục hồi mục tiêu.
    pub rto_ms: Option<Millis>,
}

/// From the beginning of a day to the end of another, in Vietnam's time; open ends are `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Period {
    pub from_ms: Option<Millis>,
    /// The first millisecond after it.
    pub until_ms: Option<Millis>,
}

impl Period {
    pub fn holds(&self, at_ms: Millis) -> bool {
        self.from_ms.is_none_or(|from_ms| from_ms <= at_ms)
            && self.until_ms.is_none_or(|until_ms| at_ms < until_ms)
    }

    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        let before = |end: Option<Millis>, start: Option<Millis>| match (end, start) {
            (Some(end), Some(start)) => end <= start,
            _ => false,
        };
        !before(self.until_ms, other.from_ms) && !before(other.until_ms, self.from_ms)
    }
}

impl InventoryConfig {
    /// Reads and checks the file.
    pub fn load(file: &Path) -> Result<Self, Problems> {
        Self::from_document(&Document::open(file)?)
    }

    /// Checks text; `file` only names it in problems.
    pub fn parse(file: &Path, text: &str) -> Result<Self, Problems> {
        Self::from_document(&Document::parse(file, text)?)
    }

    fn from_document(document: &Document) -> Result<Self, Problems> {
        check::check(document, document.read()?)
    }
}

#[cfg(test)]
mod tests;
