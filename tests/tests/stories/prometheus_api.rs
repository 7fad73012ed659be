//! Grafana and promtool notice no difference: the same samples in a real Prometheus, the same questions to both.
//! Debian's Prometheus is of version 2, whose ranges include their start; so nothing is asked on a sample's own time.

use std::collections::BTreeMap;

use agent_model::{Column, Labels, Millis, Schema};
use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tests::house::House;
use tests::outsider::{Outsider, now_ms};
use tests::prometheus::{Prometheus, promtool};

const HOSTS: [&str; 3] = ["dc1-srv01", "dc1-srv02", "bk-srv01"];

/// Readings of each host, 15 s apart.
const READINGS: i64 = 120;

/// Asked at an instant and over a range.
const EXPRESSIONS: &[&str] = &[
    "requests_total",
    "requests_total{host=~\"dc1.*\",code!=\"500\"}",
    "sum by (host) (rate(requests_total[5m]))",
    "increase(requests_total{code=\"200\"}[4m]) > 10",
    "topk(2, temperature)",
    "temperature - on (host, instance, job) group_left () (temperature * 0)",
    "histogram_quantile(0.9, sum by (le) (rate(lag_bucket[5m])))",
    "avg_over_time(temperature[3m:30s])",
    "temperature offset 2m unless temperature > 25",
    "count_values(\"degrees\", round(temperature, 10))",
    "label_replace(temperature, \"short\", \"$1\", \"host\", \"(.*)-.*\")",
    "quantile_over_time(0.4, temperature[6m])",
    "predict_linear(temperature[5m], 600)",
    "absent(nothing{host=\"x\"})",
    "1 / (temperature - temperature)",
    "temperature / 0",
    "-temperature",
    "vector(1.5e-9)",
    "1e30 * 2",
    "time()",
    "nothing",
    "max_over_time(temperature[5m] @ end())",
    "stddev(temperature)",
    "temperature == bool 20",
];

/// Only at an instant: another type, or an order that counts.
const INSTANT: &[&str] =
    &["\"a text\"", "temperature[1m]", "sort_desc(temperature)", "scalar(nothing)"];

/// Refused by both, in the same way.
const REFUSED: &[&str] = &[
    "query?query=",
    "query?query=sum(",
    "query?query=nosuch(up)",
    "query?query=up&time=soon",
    "query?query=temperature%20%2B%20on%20(job)%20temperature",
    "query?query=up&timeout=never",
    "query_range?query=up&start=1&end=0&step=1",
    "query_range?query=up&start=0&end=1&step=0",
    "query_range?query=up&start=0&end=1&step=x",
    "query_range?query=up&start=0&end=1",
    "query_range?query=up&end=1&step=1",
    "query_range?query=up%5B1m%5D&start=0&end=1&step=1",
    "query_range?query=up&start=0&end=20000&step=1",
    "series",
    "series?match[]=%7B%7D",
    "series?match[]=up&start=2&end=1",
    "labels?match[]=sum(up)",
    "rules?type=nonsense",
];

fn reading(at: i64) -> Vec<(Labels, f64)> {
    let number = |at: i64| f64::from(i32::try_from(at).unwrap_or(0));
    let mut values = Vec::new();
    for (code, share) in [("200", 7), ("500", 1)] {
        let total = 50_000 + share * at + (at * at) % 5;
        values.push((Labels::metric("requests_total", [("code", code)]), number(total)));
    }
    values
        .push((Labels::metric("temperature", [("room", "A \"1\"")]), 20.0 + number(at % 17) / 3.0));
    for (bound, share) in [("0.1", 3), ("1", 5), ("+Inf", 6)] {
        values.push((Labels::metric("lag_bucket", [("le", bound)]), number(50_000 + share * at)));
    }
    values
}

/// Sends every reading of one host in one report.
async fn send(house: &House, host: &str, base_ms: Millis) -> anyhow::Result<()> {
    let invitation = serde_json::json!({ "host": host, "lifetime_seconds": 600 });
    let invited = house.post("/api/tokens", &invitation).await?;
    let token = invited["token"].as_str().context("no token")?.to_owned();
    let ca_pem = std::fs::read_to_string(house.state_dir.join("collector/ca/ca.pem"))?;
    let mut agent = Outsider::enrol(house.agents_address(), &ca_pem, &token, host).await?;
    let series: Vec<Labels> = reading(0).into_iter().map(|(labels, _)| labels).collect();
    let base = vec![0.0; series.len()];
    let schema = Schema { job: "story".to_owned(), instance: String::new(), series, base };
    let mut report = agent.report(host, Labels::metric("unused", [("", "")]), base_ms)?;
    report.columns = (0..READINGS)
        .map(|at| Column {
            schema: schema.id(),
            timestamp_ms: base_ms + at * 15_000,
            values: reading(at).into_iter().map(|(_, value)| value).collect(),
        })
        .collect();
    report.schemas = vec![schema];
    let outcome = agent.deliver(&report).await?;
    ensure!(outcome == agent_wire::ReportOutcome::Stored, "{host}: {outcome:?}");
    Ok(())
}

/// Path and parameters.
pub(crate) fn address(path: &str, parameters: &[(&str, &str)]) -> anyhow::Result<String> {
    let mut url = reqwest::Url::parse(&format!("http://x/api/v1/{path}"))?;
    url.query_pairs_mut().extend_pairs(parameters);
    Ok(format!("/api/v1/{path}?{}", url.query().unwrap_or_default()))
}

/// Equal but for the last digits of numbers, and for the order of what has none.
fn alike(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(a, b)| alike(a, b))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, a)| other.get(key).is_some_and(|b| alike(a, b)))
        }
        (Value::String(one), Value::String(other)) => {
            match (one.parse::<f64>(), other.parse::<f64>()) {
                (Ok(a), Ok(b)) if a.is_finite() && b.is_finite() => {
                    (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1e-3)
                }
                _ => one == other,
            }
        }
        _ => one == other,
    }
}

/// The data with its series in the order of their labels.
fn settled(mut answer: Value, ordered: bool) -> Value {
    if let Some(result) =
        answer.pointer_mut("/data/result").and_then(Value::as_array_mut).filter(|_| !ordered)
    {
        result.sort_by_key(|one| one["metric"].to_string());
    }
    // Version 3 says more beside the data.
    if let Some(answer) = answer.as_object_mut() {
        answer.remove("infos");
    }
    answer
}

/// Both servers, and where they differ.
pub(crate) struct Both<'a> {
    pub(crate) house: &'a House,
    pub(crate) prometheus: &'a Prometheus,
    pub(crate) differences: Vec<String>,
}

impl Both<'_> {
    pub(crate) async fn agree(&mut self, path: &str, ordered: bool) {
        if let Err(difference) = self.compared(path, ordered).await {
            self.differences.push(format!("{difference:#}"));
        }
    }

    async fn compared(&self, path: &str, ordered: bool) -> anyhow::Result<()> {
        let (status, ours) = self.house.get_any(path).await?;
        let (wanted_status, theirs) = self.prometheus.get(path).await?;
        ensure!(status == wanted_status, "{path}: {status} {ours}, not {wanted_status} {theirs}");
        if status != 200 {
            let kinds = (&ours["status"], &ours["errorType"]);
            let same =
                kinds == (&theirs["status"], &theirs["errorType"]) && ours["error"].is_string();
            ensure!(same, "{path}: {ours}, not {theirs}");
            return Ok(());
        }
        let (ours, theirs) = (settled(ours, ordered), settled(theirs, ordered));
        ensure!(alike(&ours, &theirs), "{path}:\n{ours}\nis not\n{theirs}");
        Ok(())
    }
}

pub(crate) async fn filled(house: &mut House) -> anyhow::Result<(Prometheus, Millis)> {
    house.start().await?;
    // No sample lies at a whole second, where questions are asked; and they are asked beside full half minutes, the steps
    // of a subquery: windows of Debian's Prometheus are closed on the left.
    let base_ms = (now_ms() / 30_000 - READINGS / 2 - 2) * 30_000 + 137;
    for host in HOSTS {
        send(house, host, base_ms).await?;
    }
    let last = format!("count(count_over_time({{job=\"story\"}}[40m]) == {READINGS}) == 18");
    house.eventually_sees(&last).await?;
    let matrix = house.query("{job=\"story\"}[40m]").await?;
    Ok((Prometheus::holding(&matrix).await?, base_ms))
}

#[tokio::test]
async fn the_answers_are_those_of_a_real_prometheus_with_the_same_samples() -> anyhow::Result<()> {
    let mut house = House::new()?;
    let (prometheus, base_ms) = filled(&mut house).await?;
    let mut both = Both { house: &house, prometheus: &prometheus, differences: Vec::new() };
    let middle = (base_ms / 1_000 + 1_003).to_string();
    let (start, end) = ((base_ms / 1_000 + 601).to_string(), (base_ms / 1_000 + 1_500).to_string());
    for expression in EXPRESSIONS.iter().chain(INSTANT) {
        let path = address("query", &[("query", expression), ("time", &middle)])?;
        both.agree(&path, expression.starts_with("sort")).await;
    }
    for expression in EXPRESSIONS {
        let parameters =
            [("query", *expression), ("start", &start), ("end", &end), ("step", "1m30s")];
        both.agree(&address("query_range", &parameters)?, false).await;
    }
    let matcher = ("match[]", "{job=\"story\"}");
    both.agree(&address("series", &[matcher, ("start", &start)])?, true).await;
    both.agree(&address("labels", &[matcher])?, true).await;
    for label in ["host", "__name__", "le", "missing"] {
        both.agree(&address(&format!("label/{label}/values"), &[matcher])?, true).await;
    }
    both.agree("/api/v1/query_exemplars?query=up&start=1&end=2", true).await;
    for path in REFUSED {
        both.agree(&format!("/api/v1/{path}"), true).await;
    }
    let differences = both.differences;
    ensure!(differences.is_empty(), "{}", differences.join("\n"));
    promtool_agrees(&house, &prometheus, &middle, &start, &end)
}

/// promtool asks both servers; ours by the token as a password, as its address can carry it.
fn promtool_agrees(
    house: &House,
    prometheus: &Prometheus,
    middle: &str,
    start: &str,
    end: &str,
) -> anyhow::Result<()> {
    let token = std::fs::read_to_string(house.state_dir.join("admin.token"))?;
    let ours = format!("http://promtool:{}@{}", token.trim(), house.web_address());
    let theirs = format!("http://{}", prometheus.address);
    let (time, from, to) =
        (format!("--time={middle}"), format!("--start={start}"), format!("--end={end}"));
    let mut questions: Vec<(Vec<&str>, Vec<&str>)> = vec![
        (vec!["query", "series", "--match={job=\"story\"}", &from, &to], vec![]),
        (vec!["query", "series", "--match=requests_total"], vec![]),
        (vec!["query", "labels"], vec!["room"]),
    ];
    for expression in EXPRESSIONS {
        questions.push((vec!["query", "instant", &time], vec![expression]));
        questions.push((vec!["query", "range", &from, &to, "--step=90s"], vec![expression]));
    }
    for (command, tail) in questions {
        let ask = |server: &str| -> anyhow::Result<BTreeMap<String, u32>> {
            let arguments: Vec<&str> =
                command.iter().copied().chain(["--", server]).chain(tail.iter().copied()).collect();
            let said = promtool(&arguments)?;
            let (out, error) =
                (String::from_utf8(said.stdout)?, String::from_utf8_lossy(&said.stderr));
            ensure!(said.status.success(), "{arguments:?}: {error}");
            let mut lines = BTreeMap::new();
            for line in out.lines() {
                *lines.entry(rounded(line)).or_default() += 1;
            }
            Ok(lines)
        };
        let (ours, theirs) = (ask(&ours)?, ask(&theirs)?);
        ensure!(ours == theirs, "promtool {command:?} {tail:?}: {ours:?}, not {theirs:?}");
    }
    Ok(())
}

/// A line with its numbers to nine digits.
fn rounded(line: &str) -> String {
    let words = line.split(' ').map(|word| match word.parse::<f64>() {
        Ok(number) if number.is_finite() => format!("{number:.8e}"),
        _ => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// What must be there, by path of the answer.
fn check(answer: &Value, expected: &[(&str, Value)]) -> anyhow::Result<()> {
    for (pointer, value) in expected {
        let found = answer.pointer(pointer);
        ensure!(found == Some(value), "{pointer} is {found:?}, not {value}, in {answer}");
    }
    Ok(())
}

#[tokio::test]
async fn rules_alerts_targets_and_status_have_the_shape_that_clients_know() -> anyhow::Result<()> {
    let mut house = House::new()?;
    house.write(
        "rules.d/story.yml",
        "groups:\n  - name: story\n    limit: 7\n    rules:\n      - alert: StoryUp\n        \
         expr: up{job=\"node\"} == 1\n        for: 1ms\n        labels: {severity: low}\n        \
         annotations: {summary: \"{{ $labels.host }} is up\"}\n      - record: story:up:sum\n        \
         expr: sum(up)\n",
    )?;
    house.start().await?;
    house.eventually_sees("story:up:sum").await?;
    let fires = || async {
        let answer = house.get("/api/v1/rules?type=alert&rule_name[]=StoryUp").await?;
        check(&answer, &[("/data/groups/0/rules/0/state", json!("firing"))])?;
        Ok(answer)
    };
    let rules = tests::deadline::eventually("StoryUp to fire", fires).await?;
    let group = "/data/groups/0";
    let at = |path: &str| rules.pointer(&format!("{group}{path}")).cloned().unwrap_or_default();
    ensure!(rules["data"]["groups"].as_array().is_some_and(|groups| groups.len() == 1), "{rules}");
    check(
        &rules,
        &[
            ("/status", json!("success")),
            ("/data/groups/0/name", json!("story")),
            ("/data/groups/0/limit", json!(7)),
            ("/data/groups/0/rules/0/type", json!("alerting")),
            ("/data/groups/0/rules/0/health", json!("ok")),
            ("/data/groups/0/rules/0/duration", json!(0.001)),
            ("/data/groups/0/rules/0/labels", json!({ "severity": "low" })),
            ("/data/groups/0/rules/0/alerts/0/state", json!("firing")),
            ("/data/groups/0/rules/0/alerts/0/value", json!("1e+00")),
            ("/data/groups/0/rules/0/alerts/0/labels/alertname", json!("StoryUp")),
        ],
    )?;
    ensure!(at("/lastEvaluation").as_str().is_some_and(|text| text.starts_with("20")), "{rules}");
    ensure!(at("/evaluationTime").as_f64().is_some_and(|took| took > 0.0), "{rules}");
    let records = house.get("/api/v1/rules?type=record&exclude_alerts=true").await?;
    ensure!(records.to_string().contains("story:up:sum"), "{records}");
    ensure!(!records.to_string().contains("StoryUp"), "{records}");
    let alerts = house.get("/api/v1/alerts").await?;
    ensure!(alerts["data"]["alerts"].to_string().contains("StoryUp"), "{alerts}");

    let targets = house.get("/api/v1/targets?state=active").await?;
    check(
        &targets,
        &[
            ("/data/activeTargets/0/health", json!("up")),
            ("/data/activeTargets/0/labels/job", json!("node")),
            ("/data/droppedTargets", json!([])),
        ],
    )?;
    let metadata = house.get("/api/v1/metadata?metric=node_network_receive_bytes_total").await?;
    let kind = "/data/node_network_receive_bytes_total/0/type";
    check(&metadata, &[(kind, json!("counter"))])?;
    for (path, pointer) in [
        ("buildinfo", "/data/version"),
        ("config", "/data/yaml"),
        ("flags", "/data/query.timeout"),
        ("runtimeinfo", "/data/startTime"),
        ("tsdb", "/data/seriesCountByMetricName/0/name"),
    ] {
        let status = house.get(&format!("/api/v1/status/{path}")).await?;
        ensure!(status.pointer(pointer).is_some_and(Value::is_string), "{path}: {status}");
    }
    expressions_and_federation(&house).await
}

async fn expressions_and_federation(house: &House) -> anyhow::Result<()> {
    let pretty = house.get("/api/v1/format_query?query=sum(up)by(job)").await?;
    check(&pretty, &[("/data", json!("sum by (job) (up)"))])?;
    let tree = house.get("/api/v1/parse_query?query=sum(up)").await?;
    check(&tree, &[("/data/type", json!("aggregation")), ("/data/op", json!("sum"))])?;
    let said = house.get("/api/v1/query?query=rate(node_load1%5B1m%5D)").await?;
    let info = said.pointer("/infos/0").and_then(Value::as_str).unwrap_or_default();
    ensure!(info.contains("might not be a counter") && info.ends_with("(1:6)"), "{said}");
    let cut = house.get("/api/v1/series?match[]=%7Bjob=~%22.%2B%22%7D&limit=1").await?;
    check(&cut, &[("/warnings/0", json!("results truncated due to limit"))])?;
    let federated = house.get_text("/federate?match[]=up").await?;
    ensure!(federated.starts_with("# TYPE up untyped\nup{"), "{federated}");

    // As Grafana asks: a form, with the token as a password.
    let token = std::fs::read_to_string(house.state_dir.join("admin.token"))?;
    let url = format!("http://{}/api/v1/query", house.web_address());
    let form = || reqwest::Client::new().post(&url).header("Content-Type", FORM).body("query=up");
    let answer = form().basic_auth("grafana", Some(token.trim())).send().await?;
    ensure!(answer.status() == 200, "{}", answer.text().await?);
    let answer = form().basic_auth("grafana", Some("wrong")).send().await?;
    ensure!(answer.status() == 401, "{}", answer.text().await?);
    for path in ["/api/v1/query?query=up", "/api/v1/rules", "/federate?match[]=up"] {
        ensure!(house.status_without_sign_in(path).await? == 401, "{path} is answered to anybody");
    }
    Ok(())
}

const FORM: &str = "application/x-www-form-urlencoded";
