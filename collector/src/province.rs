//! What people wrote of their province: places and services (`inventory.yml`), and the backups that should be
//! (`backup-policy.yml`). Read once at the start; a file with a mistake stops it, with every problem told.

use std::sync::Arc;
use std::time::Duration;

use agent_model::{HostId, Labels, Millis, Problems};
use collector_inventory::InventoryConfig;
use collector_inventory::config::SiteState;
use rules::backup_policy::{BackupPolicy, PlannedBackup};
use tokio::sync::watch;

use crate::clock;
use crate::files::Files;
use crate::query::{HostLabels, Query};

/// A host moves from one place to another at the beginning of a day; a minute later every page knows.
const PLACES_INTERVAL: Duration = Duration::from_secs(60);

/// Both files, checked; clones share them. Without the files, both are empty.
#[derive(Clone, Debug, Default)]
pub struct Province {
    pub inventory: Arc<InventoryConfig>,
    pub backups: Arc<BackupPolicy>,
}

impl Province {
    /// Reads both files; every problem of both is told.
    pub fn read(files: &Files) -> Result<Self, Problems> {
        match (files.inventory(), files.backup_policy()) {
            (Ok(inventory), Ok(backups)) => Ok(Self { inventory, backups }),
            (inventory, backups) => {
                let problems = inventory.err().into_iter().chain(backups.err());
                Err(Problems(problems.flat_map(|problems| problems.0).collect()))
            }
        }
    }

    /// The plan of one backup job, if there is one.
    pub fn planned(&self, host: &HostId, backup: &str) -> Option<&PlannedBackup> {
        self.backups.jobs.iter().find(|job| job.host == *host && job.backup == backup)
    }

    /// Whether a host stands at a site that does not work yet, or no longer.
    pub fn is_planned(&self, host: &HostId, at_ms: Millis) -> bool {
        let place = self.inventory.place(host, at_ms);
        let site = place.and_then(|place| self.inventory.sites.get(&place.site));
        site.is_some_and(|site| {
            matches!(site.state, SiteState::Planned | SiteState::Building | SiteState::Closed)
        })
    }

    /// Where each host stands, as labels that are added when series are selected.
    pub fn host_labels(&self, at_ms: Millis) -> HostLabels {
        let standing = self.inventory.hosts.iter().filter(|place| place.period.holds(at_ms));
        let labels = standing.map(|place| {
            let site = Some(("site", place.site.as_str()));
            let unit = place.unit.as_deref().map(|unit| ("unit", unit));
            (place.host.as_str().to_owned(), Labels::new(site.into_iter().chain(unit)))
        });
        labels.collect()
    }
}

/// Keeps the labels of hosts as of today, and as of the newest reload, until `stop` turns true.
pub async fn keep_places(
    mut province: watch::Receiver<Arc<Province>>,
    query: Query,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let labels = province.borrow_and_update().host_labels(clock::now_ms());
        query.set_hosts(labels);
        tokio::select! {
            () = tokio::time::sleep(PLACES_INTERVAL) => {}
            changed = province.changed() => if changed.is_err() { return },
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_host_has_the_labels_of_its_place_and_a_planned_site_is_known() {
        let text = "sites:\n  - {id: dc1, name: A, type: datacenter}\n  \
                    - {id: dc2, name: B, type: datacenter, state: planned}\n\
                    hosts:\n  - {id: a, site: dc1}\n  - {id: b, site: dc2}\n";
        let inventory = InventoryConfig::parse(Path::new("inventory.yml"), text);
        let inventory = Arc::new(inventory.unwrap_or_else(|problems| panic!("{problems}")));
        let province = Province { inventory, ..Province::default() };
        let labels = province.host_labels(0);
        assert_eq!(labels["a"], Labels::new([("site", "dc1")]));
        assert!(!province.is_planned(&HostId::new("a").unwrap(), 0));
        assert!(province.is_planned(&HostId::new("b").unwrap(), 0));
    }
}
