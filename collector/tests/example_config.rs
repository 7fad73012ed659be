//! The example configurations that are shipped in `deploy/config` are ones that the collector takes.

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use agent_model::Labels;
    use collector::config::Config;
    use collector_alerting::{
        AlertFilter, Alerting, AlertingConfig, Finding, Routing, RuleObservation, STORM_ALERT,
    };
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
    fn the_alerting_example_tells_security_officers_of_every_detection() {
        let routing = Routing::open(&example("alerting.yml")).unwrap();
        let library = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules/library/detections");
        let names = std::fs::read_dir(library).unwrap().filter_map(|file| {
            let name = file.unwrap().file_name().into_string().unwrap();
            Some(name.strip_suffix(".yml")?.to_owned()).filter(|name| !name.ends_with(".test"))
        });
        let names: Vec<String> = names.chain([STORM_ALERT.to_owned()]).collect();
        assert!(names.len() > 10, "{names:?}");
        for name in names {
            let told = routing.receiver_names(&Labels::new([("alertname", name.as_str())]));
            assert!(told.iter().any(|one| &**one == "security-officers"), "{name}: {told:?}");
        }
    }

    /// The alert of a shipped rule with these labels and its own severity.
    fn shipped(name: &str, labels: &[(&str, &str)]) -> Finding {
        let metric = rules::library::metric_rules().into_iter().find_map(|file| {
            let (rules, _) = rules::load_rule_text(Path::new(&file.name), &file.text);
            let rule = rules.rules().find(|rule| rule.name == name)?;
            let own = rule.labels.iter();
            Some(own.map(|(label, text)| (label.clone(), text.text().to_owned())).collect())
        });
        let detection = || {
            let mut files = rules::library::detection_rules().into_iter();
            let file = files.find(|file| file.name == format!("detections/{name}.yml"));
            let file = file.unwrap_or_else(|| panic!("no rule {name} is shipped"));
            let level = file.text.lines().find_map(|line| line.strip_prefix("level: ")).unwrap();
            vec![("severity".to_owned(), level.to_owned())]
        };
        let own: Vec<(String, String)> = metric.unwrap_or_else(detection);
        let given = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let named = [("alertname".to_owned(), name.to_owned())];
        let labels = Labels::new(own.into_iter().chain(given).chain(named));
        Finding { labels, annotations: Default::default(), value: 1.0 }
    }

    #[tokio::test]
    async fn each_inhibition_of_the_alerting_example_mutes_an_alert_of_the_shipped_rules() {
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let directory = tempfile::tempdir().unwrap();
        let database = directory.path().join("alerting.db");
        let config = AlertingConfig { database, external_url: String::new(), answers_links: false };
        let routing = Routing::open(&example("alerting.yml")).unwrap();
        let alerting = Alerting::open(config, routing, 0).await.unwrap();
        let (down, up) = (("host", "dc1-srv01"), ("host", "dc1-srv02"));
        let (them, others) = (("source_ip", "203.0.113.9"), ("source_ip", "203.0.113.10"));
        let findings = vec![
            shipped("HostDown", &[down]),
            shipped("DiskSaturated", &[down]),
            shipped("DiskSaturated", &[up]),
            shipped("SshBruteForceSucceeded", &[up, them]),
            shipped("SshRootLogin", &[up, them]),
            shipped("SshBruteForce", &[up, them]),
            shipped("SshRootLogin", &[up, others]),
        ];
        let rule_id = "all".to_owned();
        let observation =
            RuleObservation { rule_id, for_ms: 0, keep_firing_for_ms: 0, findings, at_ms: 1_000 };
        alerting.observe_rule(observation).await.unwrap();
        let open = alerting.alerts(&AlertFilter::default(), 1_000).await.unwrap();
        let muted = open.iter().filter(|status| !status.inhibited_by.is_empty());
        let mut muted: Vec<String> = muted.map(|status| status.alert.labels.to_string()).collect();
        muted.sort();
        assert_eq!(open.len(), 7);
        assert_eq!(
            muted,
            [
                r#"{alertname="DiskSaturated",host="dc1-srv01",severity="medium"}"#,
                r#"{alertname="SshBruteForce",host="dc1-srv02",severity="medium",source_ip="203.0.113.9"}"#,
                r#"{alertname="SshRootLogin",host="dc1-srv02",severity="high",source_ip="203.0.113.9"}"#,
            ]
        );
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
