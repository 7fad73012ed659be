//! The example configurations that are shipped in `deploy/config` are ones that the collector takes.

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use collector::config::Config;
    use collector_alerting::Routing;
    use collector_inventory::InventoryConfig;
    use rules::backup_policy::BackupPolicy;
    use rules::drill::DrillPlan;

    fn example(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/config").join(name)
    }

    #[test]
    fn the_collectors_example_is_taken_and_shows_the_defaults() {
        let config =
            Config::open(&example("collector.yml")).unwrap_or_else(|problems| panic!("{problems}"));
        let defaults = Config::defaults(config.state_dir.clone()).unwrap();
        let shown = |part: &dyn std::fmt::Debug| format!("{part:?}");
        assert_eq!(shown(&config.agents), shown(&defaults.agents));
        assert_eq!(shown(&config.remote_write), shown(&defaults.remote_write));
        assert_eq!(shown(&config.journal), shown(&defaults.journal));
        assert_eq!(shown(&config.retention), shown(&defaults.retention));
        assert_eq!(config.web.listen, defaults.web.listen);
        assert_eq!(config.web.session_lifetime_ms, defaults.web.session_lifetime_ms);
        assert_eq!(config.rules.library, defaults.rules.library);
        let interval = shown(&config.rules.evaluation_interval);
        assert_eq!(interval, shown(&defaults.rules.evaluation_interval));
        assert!(config.alerting_file.is_some() && config.inventory_file.is_some());
    }

    #[test]
    fn what_the_collectors_example_only_shows_is_taken_too() {
        let text = std::fs::read_to_string(example("collector.yml")).unwrap();
        let lines = text.lines().skip_while(|line| *line != "  # targets:");
        let targets: Vec<_> = lines.map_while(|line| line.strip_prefix("  # ")).collect();
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("collector.yml");
        let text = format!("remote_write:\n  {}\n", targets.join("\n  "));
        std::fs::write(&file, text).unwrap();
        let config = Config::open(&file).unwrap_or_else(|problems| panic!("{problems}"));
        let target = &config.remote_write.targets[0];
        assert!(target.client_files.is_some() && target.write_relabel.len() == 1);
    }

    #[test]
    fn the_alerting_example_is_taken() {
        Routing::open(&example("alerting.yml")).unwrap_or_else(|problems| panic!("{problems}"));
    }

    #[test]
    fn the_inventory_example_is_taken_and_its_services_name_known_hosts() {
        let inventory = InventoryConfig::load(&example("inventory.yml"))
            .unwrap_or_else(|problems| panic!("{problems}"));
        let hosts: Vec<_> = inventory.hosts.iter().map(|place| &place.host).collect();
        assert!(!inventory.services.is_empty());
        for service in inventory.services.values() {
            assert!(service.hosts.iter().all(|host| hosts.contains(&host)), "{}", service.name);
        }
    }

    #[test]
    fn the_drill_example_is_taken_and_its_site_is_one_of_the_inventory() {
        let (plans, problems) = DrillPlan::load_directory(&example("drills"));
        assert!(problems.0.is_empty(), "{problems}");
        assert_eq!(plans.len(), 1);
        let inventory = InventoryConfig::load(&example("inventory.yml")).unwrap();
        assert!(plans.iter().all(|plan| inventory.sites.contains_key(&plan.site)));
    }

    #[test]
    fn the_backup_policy_example_is_taken_and_plans_for_hosts_of_the_inventory() {
        let policy = BackupPolicy::load(&example("backup-policy.yml"))
            .unwrap_or_else(|problems| panic!("{problems}"));
        let inventory = InventoryConfig::load(&example("inventory.yml")).unwrap();
        assert!(!policy.jobs.is_empty());
        for job in &policy.jobs {
            let known = inventory.hosts.iter().any(|place| place.host == job.host);
            assert!(known, "{} is no host of inventory.yml", job.host);
        }
    }
}
