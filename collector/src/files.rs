//! The files that people write beside `collector.yml`: where each lies, and reading them.
//! Promises: every call reads anew; what is not given and not there is empty, which is no mistake.
//! Leaves to others: what a mistake leads to (the start, a reload, `check-config`).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use agent_model::{Problem, Problems};
use collector_alerting::Routing;
use collector_inventory::InventoryConfig;
use rules::backup_policy::BackupPolicy;
use rules::drill::DrillPlan;

use crate::config::{Config, Rules};
use crate::drills::Plans;
use crate::only_way;
use crate::rulebook::Rulebook;
use crate::tls::WebCertificate;

const NO_LINKS: &str = "collector.yml: `web.external_url` is not set, so messages carry no link by which an alert is acknowledged, \
     and their other links lead to the address that is listened on; set what people type to reach the pages";

/// Where the files lie.
#[derive(Clone, Debug)]
pub struct Files {
    rules: Rules,
    alerting: Option<PathBuf>,
    is_external_url_given: bool,
    inventory: Option<PathBuf>,
    backup_policy: Option<PathBuf>,
    drills: Option<PathBuf>,
    /// The web port's certificate chain and key.
    certificate: Option<(PathBuf, PathBuf)>,
    /// What the configuration does not name is looked for here under its usual name.
    directory: Option<PathBuf>,
}

impl Files {
    pub fn new(config: &Config, directory: Option<PathBuf>) -> Self {
        Self {
            rules: config.rules.clone(),
            alerting: config.alerting_file.clone(),
            is_external_url_given: config.web.is_external_url_given,
            inventory: config.inventory_file.clone(),
            backup_policy: config.backup_policy_file.clone(),
            drills: config.drills_dir.clone(),
            certificate: config.web.tls.clone(),
            directory,
        }
    }

    pub fn rulebook(&self) -> Rulebook {
        let named = self.rules.directory.as_ref().map(|directory| directory.0.as_path());
        let directory = self.place(named, "rules.d").map(agent_yaml::FilePath);
        Rulebook::load(&Rules { directory, ..self.rules.clone() })
    }

    pub fn routing(&self) -> Result<Routing, Problems> {
        let file = self.place(self.alerting.as_deref(), "alerting.yml");
        file.as_deref().map_or_else(|| Ok(Routing::nobody()), Routing::open)
    }

    /// The same, and every file that it names is there.
    pub fn whole_routing(&self) -> Result<Routing, Problems> {
        self.routing()?.whole()
    }

    pub fn inventory(&self) -> Result<Arc<InventoryConfig>, Problems> {
        let file = self.place(self.inventory.as_deref(), "inventory.yml");
        Ok(Arc::new(file.as_deref().map(InventoryConfig::load).transpose()?.unwrap_or_default()))
    }

    pub fn backup_policy(&self) -> Result<Arc<BackupPolicy>, Problems> {
        let file = self.place(self.backup_policy.as_deref(), "backup-policy.yml");
        Ok(Arc::new(file.as_deref().map(BackupPolicy::load).transpose()?.unwrap_or_default()))
    }

    /// What is good, and what is wrong with the others.
    pub fn drill_plans(&self) -> Plans {
        let directory = self.place(self.drills.as_deref(), "drills");
        let (plans, problems) =
            directory.as_deref().map(DrillPlan::load_directory).unwrap_or_default();
        Plans { plans: plans.into_iter().map(Arc::new).collect(), problems }
    }

    /// The web port's certificate; `None` where it speaks plain HTTP.
    pub fn certificate(&self) -> Result<Option<WebCertificate>, Problems> {
        let Some((chain, key)) = &self.certificate else { return Ok(None) };
        WebCertificate::read(chain, key).map(Some).map_err(|error| {
            let message = crate::describe(&error);
            Problems(vec![Problem { file: chain.clone(), line: None, message }])
        })
    }

    /// Everything that is wrong with any of them.
    pub fn problems(&self) -> Problems {
        let wrong = [
            self.whole_routing().err(),
            self.inventory().err(),
            self.backup_policy().err(),
            Some(self.drill_plans().problems),
            self.certificate().err(),
        ];
        let mut problems = self.rulebook().problems;
        problems.0.extend(wrong.into_iter().flatten().flat_map(|more| more.0));
        problems
    }

    /// What is no mistake and should still be known before the day on which it matters.
    pub fn remarks(&self) -> Vec<String> {
        let (Ok(routing), Ok(inventory)) = (self.routing(), self.inventory()) else {
            return Vec::new();
        };
        let mut remarks = only_way::remarks(&routing, &inventory);
        if routing.tells_somebody() && !self.is_external_url_given {
            remarks.push(NO_LINKS.to_owned());
        }
        remarks
    }

    fn place(&self, named: Option<&Path>, usual: &str) -> Option<PathBuf> {
        let found = || self.directory.as_ref().map(|directory| directory.join(usual));
        named.map(Path::to_owned).or_else(|| found().filter(|path| path.exists()))
    }
}
