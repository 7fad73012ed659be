//! A province brings its Prometheus rule files: they mean the same here as in a real Prometheus that reads the same samples.

use anyhow::{Context, ensure};
use serde_json::{Map, Value, json};
use tests::deadline::eventually;
use tests::house::House;
use tests::prometheus::Prometheus;

/// Without a comparison by time, for the two evaluate at different moments. `slow` is evaluated once an hour.
const RULES: &str = r#"
groups:
  - name: story
    interval: 1s
    limit: 50
    rules:
      - record: story:hosts:count
        expr: count(up{job="node"})
        labels: {kind: recorded}
      - alert: StoryFiring
        expr: up{job="node"} == 1
        labels: {severity: low, where: "{{ $labels.job }}", instance: ""}
        annotations:
          summary: '{{ $labels.job }} {{ $value | humanize }} {{ with query "count(up{job=\"node\"})" }}{{ . | first | value }}{{ end }}'
          wrong: '{{ $labels.nothing }}{{ title "một hai" }} {{ parseDuration "90m" }}'
      - alert: StoryPending
        expr: up{job="node"} == 1
        for: 1h
        keep_firing_for: 5m
      - alert: StorySilent
        expr: up{job="node"} > 5
      - alert: StoryOnRecorded
        expr: story:hosts:count > 0
      - alert: StoryFailing
        expr: node_cpu_seconds_total * on (job) node_cpu_seconds_total > 0
  - name: other
    interval: 1s
    rules:
      - record: other:hosts:count
        expr: 2 * count(up{job="node"})
  - name: slow
    interval: 1h
    rules:
      - record: slow:one
        expr: 1 + 1
"#;

/// What both must answer alike.
const QUERIES: &[&str] = &[
    "ALERTS{alertname=~\"Story.*\"}",
    "ALERTS_FOR_STATE{alertname=~\"Story.*\"} > bool 1e9",
    "story:hosts:count",
    "other:hosts:count",
];

/// Of the rules, what does not depend on the moment or on how an expression is printed.
fn shown(answer: &Value) -> Value {
    let groups = answer["data"]["groups"].as_array().into_iter().flatten();
    let ours = groups.filter(|group| ["story", "other"].iter().any(|name| group["name"] == **name));
    let group = |group: &Value| {
        let rules = group["rules"].as_array().into_iter().flatten();
        json!({
            "name": group["name"],
            "interval": group["interval"],
            "limit": group["limit"],
            "rules": rules.map(shown_rule).collect::<Vec<_>>(),
        })
    };
    let mut groups: Vec<Value> = ours.map(group).collect();
    groups.sort_by_key(|group| group["name"].to_string());
    groups.into()
}

fn shown_rule(rule: &Value) -> Value {
    let names = ["name", "type", "health", "state", "labels", "annotations", "duration"];
    let names = names.into_iter().chain(["keepFiringFor"]);
    let kept = names.filter_map(|name| Some((name.to_owned(), rule.get(name)?.clone())));
    let mut kept: Map<String, Value> = kept.collect();
    let alerts = rule["alerts"].as_array().into_iter().flatten().map(|alert| {
        json!({
            "labels": alert["labels"],
            "annotations": alert["annotations"],
            "state": alert["state"],
            "value": alert["value"],
        })
    });
    kept.insert("alerts".to_owned(), alerts.collect());
    kept.into()
}

async fn compared(house: &House, prometheus: &Prometheus) -> anyhow::Result<()> {
    let (ours, theirs) =
        (house.get("/api/v1/rules").await?, prometheus.get("/api/v1/rules").await?);
    let (ours, theirs) = (shown(&ours), shown(&theirs.1));
    ensure!(theirs.to_string().contains("StoryOnRecorded"), "Prometheus has not begun: {theirs}");
    ensure!(ours == theirs, "rules:\n{ours:#}\nare not\n{theirs:#}");
    for expression in QUERIES {
        let mut url = reqwest::Url::parse("http://x/api/v1/query")?;
        url.query_pairs_mut().append_pair("query", expression);
        let path = format!("/api/v1/query?{}", url.query().unwrap_or_default());
        let result = |answer: &Value| {
            let result = answer["data"]["result"].as_array().into_iter().flatten();
            let mut series: Vec<String> =
                result.map(|one| format!("{} {}", one["metric"], one["value"][1])).collect();
            series.sort();
            series
        };
        let (ours, theirs) = (house.get(&path).await?, prometheus.get(&path).await?.1);
        let (ours, theirs) = (result(&ours), result(&theirs));
        ensure!(!theirs.is_empty() && ours == theirs, "{expression}: {ours:#?} is not {theirs:#?}");
    }
    Ok(())
}

#[tokio::test]
async fn rule_files_mean_the_same_here_and_in_a_real_prometheus() -> anyhow::Result<()> {
    let mut house = House::new()?;
    house.write("rules.d/story.yml", RULES)?;
    house.start().await?;
    let token = house.state_dir.join("admin.token");
    let prometheus = Prometheus::evaluating(RULES, house.web_address(), &token).await?;
    eventually("both to say the same", || compared(&house, &prometheus)).await?;
    // A group that is evaluated once an hour, and others that end and begin series meanwhile: its own stay.
    house.eventually_sees("slow:one == 2 and on () (time() - timestamp(slow:one) > 50)").await?;
    let missed = "haidang_collector_rule_group_iterations_total{group=\"slow\"} == 1";
    house.eventually_sees(missed).await?;
    house.stop().context("the house does not stop")?;
    Ok(())
}
