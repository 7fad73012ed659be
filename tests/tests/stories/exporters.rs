//! Exporters beside a host: what the agent scrapes is what a real Prometheus would hold, and when one dies it is seen.

use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use tests::deadline::eventually;
use tests::exporter::{Exporter, pages};
use tests::house::{House, free_address};
use tests::prometheus::Prometheus;

const NODE: &str = "prometheus-node-exporter";
const BLACKBOX: &str = "prometheus-blackbox-exporter";

/// What a text page may look like: all that the format allows, and nothing that Prometheus 2 refuses.
const TEXT: &str = r#"# HELP story_plain A metric.
# TYPE story_plain gauge
story_plain 1
story_blanks   { a = "b" , c="d",}	 -2.5e-3
story_escapes{path="C:\\x \"y\"\nz",other="\t# {}=,"} 1e3
story_unicode{unit="Sở Nội vụ"} NaN
"#;

/// The same in OpenMetrics, with an exemplar.
const OPEN_METRICS: &str = r#"# TYPE story_requests counter
# HELP story_requests Some.
story_requests_total{code="200"} 17 # {trace_id="a b"} 0.5 1520879607.789
story_requests_created{code="200"} 1520430000.123
# TYPE story_seconds histogram
# UNIT story_seconds seconds
story_seconds_bucket{le="0.1"} 3 # {trace_id="x # y"} 0.05
story_seconds_bucket{le="+Inf"} 5
story_seconds_sum 1.25
story_seconds_count 5
# TYPE story_info info
story_info{version="1.0",host="inner",job="inner",unit="inner"} 1
story_special{kind="nan"} NaN
story_special{kind="inf"} +Inf
story_special{kind="minus"} -Inf
# EOF
"#;

/// Every series of the scraped jobs, without what only one of the two sets, and its value.
fn shown(result: &Value, own: bool) -> anyhow::Result<BTreeMap<String, String>> {
    let mut all = BTreeMap::new();
    for one in result.as_array().context("no vector")? {
        let mut labels = one["metric"].as_object().context("no labels")?.clone();
        if own {
            labels.remove("host");
            // What the exporter calls `host` keeps its name in Prometheus, which sets none.
            if let Some(exported) = labels.remove("exported_host") {
                labels.insert("host".to_owned(), exported);
            }
        }
        let value = one["value"][1].as_str().context("no value")?.to_owned();
        let before = all.insert(serde_json::to_string(&labels)?, value);
        ensure!(before.is_none(), "{labels:?} stands twice");
    }
    Ok(all)
}

/// Whether the value of a series is the same in every scrape.
fn is_constant(series: &str) -> bool {
    ["\"story_", "_info\"", "\"up\"", "\"scrape_samples_"].iter().any(|part| series.contains(part))
}

const EVERYTHING: &str = "{job=~\"text|open|boxes|nodes\"}";

#[tokio::test]
async fn what_the_agent_scrapes_is_what_a_real_prometheus_holds() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    std::fs::write(directory.path().join("a.prom"), "story_file{at=\"1\"} 4.5\n")?;
    let few = [
        "--collector.disable-defaults".to_owned(),
        "--collector.uname".to_owned(),
        "--collector.textfile".to_owned(),
        format!("--collector.textfile.directory={}", directory.path().display()),
    ];
    let node = Exporter::start(NODE, &free_address()?, &few).await?;
    let other = Exporter::start(NODE, &free_address()?, &few[..2]).await?;
    let blackbox = "--config.file=/etc/prometheus/blackbox.yml".to_owned();
    let blackbox = Exporter::start(BLACKBOX, &free_address()?, &[blackbox]).await?;
    let open = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let pages = pages(vec![
        ("/text", "text/plain; version=0.0.4", TEXT.to_owned()),
        ("/open", open, OPEN_METRICS.to_owned()),
    ])
    .await?;
    let targets = [
        ("text", &pages, "/text"),
        ("open", &pages, "/open"),
        ("boxes", &blackbox.address, "/metrics"),
        ("nodes", &node.address, "/metrics"),
        ("nodes", &other.address, "/metrics"),
    ];
    let rules = "[{source_labels: [__name__], regex: 'go_memstats_.*|story_seconds_sum', \
                 action: drop}, {regex: code, action: labeldrop}, \
                 {source_labels: [__name__, path], separator: '@', regex: 'story_(.*)@C[^@]*', \
                 target_label: found, replacement: 'x-$1'}]";
    let (mut exporters, mut scrape_configs) = ("exporters:\n".to_owned(), String::new());
    for (at, (job, address, path)) in targets.into_iter().enumerate() {
        exporters += &format!(
            "  - job: {job}\n    url: http://{address}{path}\n    instance: target{at}\n    \
             labels: {{unit: so}}\n    metric_relabel: {rules}\n"
        );
        scrape_configs += &format!(
            "  - job_name: {job}{at}\n    scrape_interval: 1s\n    metrics_path: {path}\n    \
             static_configs:\n      - targets: ['{address}']\n        labels: {{job: {job}, \
             instance: target{at}, unit: so}}\n    metric_relabel_configs: {rules}\n"
        );
    }
    let prometheus = Prometheus::scraping(&scrape_configs).await?;
    let mut house = House::new()?;
    house.write("agent.yml", &house.agent_yml(&exporters))?;
    house.start().await?;
    eventually("the same series in both", || async {
        let ours = shown(&house.query(EVERYTHING).await?, true)?;
        let path = format!("/api/v1/query?query={}", EVERYTHING.replace('|', "%7C"));
        let theirs = shown(&prometheus.get(&path).await?.1["data"]["result"], false)?;
        let missing: Vec<_> = theirs.keys().filter(|series| !ours.contains_key(*series)).collect();
        let surplus: Vec<_> = ours.keys().filter(|series| !theirs.contains_key(*series)).collect();
        ensure!(
            missing.is_empty() && surplus.is_empty(),
            "missing {missing:?}\nsurplus {surplus:?}"
        );
        ensure!(ours.len() > 100, "only {} series", ours.len());
        for (series, value) in theirs.iter().filter(|(series, _)| is_constant(series)) {
            ensure!(ours[series] == *value, "{series}: {} instead of {value}", ours[series]);
        }
        Ok(())
    })
    .await
    .with_context(|| house.last_log_lines())
}

#[tokio::test]
async fn an_exporter_that_dies_is_down_its_series_end_and_it_comes_back() -> anyhow::Result<()> {
    let few = ["--collector.disable-defaults".to_owned(), "--collector.uname".to_owned()];
    let address = free_address()?;
    let first = Exporter::start(NODE, &address, &few).await?;
    let living = Exporter::start(NODE, &free_address()?, &few).await?;
    let mut house = House::new()?;
    let exporters = format!(
        "exporters:\n  - {{job: nodes, url: 'http://{address}/metrics', instance: mortal}}\n  \
         - {{job: nodes, url: 'http://{}/metrics', instance: other}}\n",
        living.address
    );
    house.write("agent.yml", &house.agent_yml(&exporters))?;
    house.start().await?;
    house.eventually_sees("up{job=\"nodes\",instance=\"mortal\"} == 1").await?;
    house.eventually_sees("node_uname_info{instance=\"mortal\"}").await?;
    drop(first);
    house.eventually_sees("up{job=\"nodes\",instance=\"mortal\"} == 0").await?;
    // At the next question already, not after five minutes.
    eventually("its series to end", || async {
        // The alert that it is down carries its labels.
        let all = "{instance=\"mortal\",__name__!~\"up|scrape_.*|ALERTS.*\"}";
        let left = house.query(all).await?;
        match left.as_array().map(Vec::len) {
            Some(0) => Ok(()),
            other => bail!("{other:?} are left"),
        }
    })
    .await?;
    house.eventually_sees("haidang_agent_exporter_failures_total{reason=\"connect\"} > 0").await?;
    ensure!(house.has_said("a scrape failed"), "nobody was told\n{}", house.last_log_lines());
    // Neither the host nor its neighbour is touched.
    let up = house.query("up{job=\"node\"} == 1 or up{instance=\"other\"} == 1").await?;
    ensure!(up.as_array().is_some_and(|up| up.len() == 2), "{up}");
    let _second = Exporter::start(NODE, &address, &few).await?;
    house.eventually_sees("up{job=\"nodes\",instance=\"mortal\"} == 1").await?;
    house.eventually_sees("node_uname_info{instance=\"mortal\"}").await?;
    let gaps = house.query("changes(up{instance=\"other\"}[5m]) > 0").await?;
    ensure!(gaps.as_array().is_some_and(Vec::is_empty), "{gaps}");
    Ok(())
}
