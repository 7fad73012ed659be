//! What metrics are and where they come from: the collector says it field by field as a real Prometheus that scrapes the same
//! exporters, also of what that Prometheus writes to it, and still after it was killed.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, ensure};
use serde_json::Value;
use tests::deadline::eventually;
use tests::exporter::{Exporter, pages};
use tests::house::{House, free_address};
use tests::prometheus::Prometheus;

const TEXT: &str = "# HELP story_plain Of a \\\\ and\\na second line, \"quoted\".\n# TYPE story_plain gauge\n\
                    story_plain 1\n# TYPE story_open untyped\nstory_open 2\nstory_bare 3\n\
                    # HELP story_only_help  Nhiệt độ.\nstory_only_help 4\n";

const OPEN_METRICS: &str = "# TYPE story_requests counter\n# HELP story_requests With \\\"quotes\\\".\n\
                            story_requests_total 17\n# TYPE story_seconds histogram\n\
                            # UNIT story_seconds seconds\n# HELP story_seconds How long.\n\
                            story_seconds_bucket{le=\"+Inf\"} 5\nstory_seconds_sum 1.25\n\
                            story_seconds_count 5\n# TYPE story info\nstory_info{version=\"1\"} 1\n\
                            # TYPE story_state stateset\nstory_state{story_state=\"a\"} 1\n# EOF\n";

/// What is said of each metric.
fn metadata(answer: &Value) -> anyhow::Result<BTreeMap<String, BTreeSet<String>>> {
    let all = answer["data"].as_object().context("no metadata")?.iter();
    let said = |list: &Value| list.as_array().into_iter().flatten().map(Value::to_string).collect();
    Ok(all.map(|(metric, list)| (metric.clone(), said(list))).collect())
}

/// What each target says of each metric, by instance.
fn by_target(answer: &Value) -> anyhow::Result<BTreeSet<String>> {
    let all = answer["data"].as_array().context("no metadata")?.iter();
    let line = |one: &Value| {
        let Value::Object(mut fields) = one.clone() else { return one.to_string() };
        let instance = fields.remove("target").map(|target| target["instance"].to_string());
        format!("{instance:?} {}", Value::Object(fields))
    };
    Ok(all.map(line).collect())
}

/// The fields of each exporter's target that do not change from scrape to scrape, by instance.
fn targets(answer: &Value, ours: bool) -> anyhow::Result<BTreeMap<String, Value>> {
    let mut found = BTreeMap::new();
    for target in answer["data"]["activeTargets"].as_array().context("no targets")? {
        let mut labels = target["labels"].as_object().context("no labels")?.clone();
        let instance = labels["instance"].as_str().unwrap_or_default().to_owned();
        // The host itself is a target too.
        if !instance.starts_with("target") {
            continue;
        }
        ensure!(labels.remove("host").is_some() == ours, "{target}");
        let fields = ["scrapePool", "scrapeUrl", "health", "scrapeInterval", "scrapeTimeout"];
        let mut kept: serde_json::Map<String, Value> =
            fields.map(|field| (field.to_owned(), target[field].clone())).into_iter().collect();
        let discovered = ["__address__", "__metrics_path__", "__scheme__", "__scrape_interval__"];
        for label in discovered.into_iter().chain(["__scrape_timeout__", "job"]) {
            kept.insert(label.to_owned(), target["discoveredLabels"][label].clone());
        }
        let failed = target["lastError"].as_str().is_some_and(|error| !error.is_empty());
        ensure!(failed == (target["health"] == "down"), "{target}");
        ensure!(
            target["lastScrape"].as_str().is_some_and(|time| time.starts_with("20")),
            "{target}"
        );
        ensure!(target["lastScrapeDuration"].as_f64().is_some_and(|it| it > 0.0), "{target}");
        ensure!(target["globalUrl"].is_string(), "{target}");
        kept.insert("labels".to_owned(), Value::Object(labels));
        found.insert(instance, Value::Object(kept));
    }
    Ok(found)
}

#[tokio::test]
async fn metadata_and_targets_are_those_of_a_real_prometheus_and_outlast_a_kill()
-> anyhow::Result<()> {
    let few = ["--collector.disable-defaults".to_owned(), "--collector.loadavg".to_owned()];
    let node = Exporter::start("prometheus-node-exporter", &free_address()?, &few).await?;
    let open = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let pages = pages(vec![
        ("/text", "text/plain; version=0.0.4", TEXT.to_owned()),
        ("/open", open, OPEN_METRICS.to_owned()),
    ])
    .await?;
    let nobody = free_address()?;
    let exporters = [
        ("text", &pages, "/text"),
        ("open", &pages, "/open"),
        ("nodes", &node.address, "/metrics"),
        ("nobody", &nobody, "/metrics"),
    ];
    let (mut scraped, mut scrape_configs) = ("exporters:\n".to_owned(), String::new());
    for (at, (job, address, path)) in exporters.into_iter().enumerate() {
        scraped += &format!(
            "  - {{job: {job}, url: 'http://{address}{path}', instance: target{at}, interval: 2s, \
             labels: {{floor: so}}}}\n"
        );
        scrape_configs += &format!(
            "  - job_name: {job}\n    scrape_interval: 2s\n    scrape_timeout: 2s\n    \
             metrics_path: {path}\n    static_configs:\n      - targets: ['{address}']\n        \
             labels: {{instance: target{at}, floor: so}}\n"
        );
    }
    let mut house = House::new()?;
    house.write("agent.yml", &house.agent_yml(&scraped))?;
    house.start().await?;
    let scraping = Prometheus::scraping(&scrape_configs).await?;
    compare_targets(&house, &scraping).await.with_context(|| house.last_log_lines())?;
    // Another one sends what it knows: itself is scraped by nobody else.
    let token = house.write_token("story").await?;
    let writing = Prometheus::sending_to(house.web_address(), &token).await?;
    eventually("what the writing Prometheus says", || async {
        let theirs = metadata(&writing.get("/api/v1/metadata").await?.1)?;
        let ours = metadata(&house.get("/api/v1/metadata").await?)?;
        ensure!(theirs.len() > 100, "only {} metrics", theirs.len());
        let missing: Vec<_> = theirs
            .iter()
            .filter(|(metric, said)| ours.get(*metric).is_none_or(|ours| !ours.is_superset(said)))
            .collect();
        ensure!(missing.is_empty(), "{missing:?}");
        Ok(())
    })
    .await
    .with_context(|| house.last_log_lines())?;
    drop((writing, scraping));
    let before = metadata(&house.get("/api/v1/metadata").await?)?;
    house.kill_daemon("collector").await?;
    // Nobody says anything of the exporters again.
    house.write("agent.yml", &house.agent_yml(""))?;
    house.start().await?;
    eventually("the same metadata after the kill", || async {
        let after = metadata(&house.get("/api/v1/metadata").await?)?;
        let own = |metric: &&String| !metric.starts_with("haidang_");
        let gone: Vec<_> =
            before.keys().filter(own).filter(|one| after.get(*one) != before.get(*one)).collect();
        ensure!(gone.is_empty(), "{gone:?}");
        Ok(())
    })
    .await
    .with_context(|| house.last_log_lines())
}

/// What the agent scrapes and what Prometheus scrapes of the same exporters.
async fn compare_targets(house: &House, prometheus: &Prometheus) -> anyhow::Result<()> {
    eventually("the same metadata of each target", || async {
        let path = "/api/v1/targets/metadata?match_target=%7Bfloor%3D%22so%22%7D";
        let theirs = by_target(&prometheus.get(path).await?.1)?;
        let path = "/api/v1/targets/metadata?match_target=%7Binstance%3D~%22target.*%22%7D";
        let ours = by_target(&house.get(path).await?)?;
        ensure!(theirs.len() > 20, "only {}", theirs.len());
        let missing: Vec<_> = theirs.difference(&ours).collect();
        let surplus: Vec<_> = ours.difference(&theirs).collect();
        ensure!(missing.is_empty() && surplus.is_empty(), "{missing:#?}\nsurplus {surplus:#?}");
        Ok(())
    })
    .await?;
    eventually("the same targets", || async {
        let theirs = targets(&prometheus.get("/api/v1/targets").await?.1, false)?;
        let ours = targets(&house.get("/api/v1/targets").await?, true)?;
        ensure!(theirs.len() == 4, "{theirs:?}");
        ensure!(ours == theirs, "{ours:#?}\ninstead of {theirs:#?}");
        Ok(())
    })
    .await?;
    let pools = house.get("/api/v1/scrape_pools").await?;
    let expected = serde_json::json!(["agents", "nobody", "nodes", "open", "text"]);
    ensure!(pools["data"]["scrapePools"] == expected, "{pools}");
    Ok(())
}
