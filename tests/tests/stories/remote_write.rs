//! Others' metrics: a real Prometheus writes to the collector, a program writes version 2.0, Grafana reads with a token.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context, bail, ensure};
use collector_remote_write::messages::version_2::{Request, Sample, TimeSeries};
use prost::Message;
use serde_json::{Value, json};
use tests::deadline::eventually;
use tests::house::{House, binary};
use tests::outsider::now_ms;
use tests::prometheus::{Prometheus, promtool};

const FORM: &str = "application/x-www-form-urlencoded";

/// What `haidang api-token` prints.
fn api_token(house: &House, arguments: &[&str]) -> anyhow::Result<String> {
    let run = Command::new(binary("haidang")?)
        .arg("api-token")
        .args(arguments)
        .args(["--url", &format!("http://{}", house.web_address()), "--token-file"])
        .arg(house.state_dir.join("admin.token"))
        .output()?;
    ensure!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    Ok(String::from_utf8(run.stdout)?.trim().to_owned())
}

/// Each series of an answer by its labels, without that of the token.
fn samples(answer: &Value) -> anyhow::Result<BTreeMap<String, Value>> {
    let mut found = BTreeMap::new();
    for one in answer.as_array().context("no series")? {
        let mut labels = one["metric"].as_object().context("no labels")?.clone();
        labels.remove("origin");
        found.insert(serde_json::to_string(&labels)?, one["values"].clone());
    }
    Ok(found)
}

/// Everything that the Prometheus scraped of itself within some seconds before a time, here and there.
async fn compare(
    house: &House,
    prometheus: &Prometheus,
    at_ms: i64,
    seconds: i64,
) -> anyhow::Result<usize> {
    // Off the samples: only then do closed and open ranges hold the same.
    let query = |matcher: &str| {
        format!(
            "/api/v1/query?query=%7B{matcher}%7D%5B{seconds}s%5D&time={}.{:03}",
            at_ms / 1_000,
            at_ms % 1_000
        )
    };
    let (_, theirs) = prometheus.get(&query("job%3D%22prometheus%22")).await?;
    let ours = house.get(&query("job%3D%22prometheus%22%2Corigin%3D%22dc2%22")).await?;
    let (theirs, ours) = (samples(&theirs["data"]["result"])?, samples(&ours["data"]["result"])?);
    ensure!(!theirs.is_empty(), "Prometheus has nothing");
    let count = |all: &BTreeMap<String, Value>| -> usize {
        all.values().filter_map(|values| values.as_array().map(Vec::len)).sum()
    };
    for (labels, values) in &theirs {
        ensure!(
            ours.get(labels) == Some(values),
            "{labels}: {:?} there {values}",
            ours.get(labels)
        );
    }
    ensure!(ours.len() == theirs.len(), "{} series, {} there", ours.len(), theirs.len());
    Ok(count(&ours))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_prometheus_loses_nothing_while_the_collector_is_killed_and_stopped()
-> anyhow::Result<()> {
    let mut house = House::new()?;
    house.start().await?;
    let token =
        api_token(&house, &["create", "--name", "dc2", "--write", "--label", "origin=dc2"])?;
    let prometheus = Prometheus::sending_to(house.web_address(), &token).await?;
    house.eventually_sees("prometheus_build_info{origin=\"dc2\"}").await?;
    let began_ms = now_ms();
    for _ in 0..3 {
        house.kill_daemon("collector").await?;
        house.start().await?;
        let now = now_ms() / 1_000;
        house.eventually_sees(&format!("timestamp(up{{origin=\"dc2\"}}) > {now}")).await?;
    }
    house.stop()?;
    // Long enough for several batches to wait at the sender; nothing is measured by it.
    tokio::time::sleep(std::time::Duration::from_secs(10)).await;
    house.start().await?;
    let ended_ms = now_ms();
    let seconds = (ended_ms - began_ms) / 1_000 - 1;
    let compared = eventually("both to hold the same", || async {
        compare(&house, &prometheus, ended_ms, seconds).await
    });
    let compared = compared.await.map_err(|error| error.context(house.last_log_lines()))?;
    ensure!(compared > 2_000, "only {compared} samples over {seconds} s");
    println!("{compared} samples over {seconds} s are the same");
    // A revocation acts at once: the very next request is refused, and counted.
    api_token(&house, &["revoke", "dc2"])?;
    let refused = "haidang_collector_remote_write_requests_refused_total{reason=\"invalid_token\"}";
    eventually("a refusal", || house.own_metric(refused)).await?;
    let listed = api_token(&house, &["list"])?;
    ensure!(listed.contains("writes {origin=\"dc2\"}") && listed.contains("revoked"), "{listed}");
    Ok(())
}

#[test]
fn the_example_for_a_prometheus_that_writes_is_one_that_promtool_takes() -> anyhow::Result<()> {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/config/prometheus.yml");
    let mut text = std::fs::read_to_string(example)?;
    let directory = tempfile::tempdir()?;
    // promtool looks whether the files are there.
    for name in ["haidang.token", "haidang-ca.pem"] {
        let there = directory.path().join(name);
        std::fs::write(&there, "x")?;
        let named = format!("/etc/prometheus/{name}");
        ensure!(text.contains(&named), "the example names no {named}");
        let place = format!("_file: {named}");
        text = text.replace(&place, &format!("_file: {}", there.display()));
    }
    let file = directory.path().join("prometheus.yml");
    std::fs::write(&file, text)?;
    let file = file.to_str().context("a path that is no text")?;
    let checked = promtool(&["check", "config", "--syntax-only", file])?;
    ensure!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    Ok(())
}

/// A sender of version 2.0.
struct Sender<'a> {
    house: &'a House,
    http: reqwest::Client,
    token: String,
}

struct Answer {
    status: u16,
    written: Vec<String>,
    text: String,
}

impl Sender<'_> {
    async fn send(&self, content_type: &str, message: &[u8]) -> anyhow::Result<Answer> {
        let answer = self
            .http
            .post(format!("http://{}/api/v1/write", self.house.web_address()))
            .bearer_auth(&self.token)
            .header("Content-Type", content_type)
            .header("Content-Encoding", "snappy")
            .body(snap::raw::Encoder::new().compress_vec(message)?)
            .send()
            .await?;
        let status = answer.status().as_u16();
        let header = |kind: &str| {
            let name = format!("x-prometheus-remote-write-{kind}-written");
            let value = answer.headers().get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or("none").to_owned()
        };
        let written = ["samples", "histograms", "exemplars"].map(header).to_vec();
        Ok(Answer { status, written, text: answer.text().await? })
    }

    async fn write(&self, series: &[(&[(&str, &str)], i64)]) -> anyhow::Result<Answer> {
        let mut request = Request { symbols: vec![String::new()], timeseries: vec![] };
        for (labels, timestamp) in series {
            let mut one = TimeSeries::default();
            for text in labels.iter().flat_map(|(name, value)| [name, value]) {
                one.labels_refs.push(u32::try_from(request.symbols.len())?);
                request.symbols.push((*text).to_owned());
            }
            one.samples = vec![Sample { value: 4.25, timestamp: *timestamp, start_timestamp: 0 }];
            request.timeseries.push(one);
        }
        let content_type = "application/x-protobuf;proto=io.prometheus.write.v2.Request";
        self.send(content_type, &request.encode_to_vec()).await
    }
}

/// Names that only Prometheus 3 takes come in, are asked for, stand in lists and go out again.
async fn any_text_is_a_name(house: &House, sender: &Sender<'_>, now: i64) -> anyhow::Result<()> {
    let cold = [("__name__", "nhiệt.độ"), ("phòng máy", "A 1"), ("http.status", "200")];
    let written = sender.write(&[(&cold, now)]).await?;
    ensure!(written.status == 204, "{}: {}", written.status, written.text);
    house.eventually_sees(r#"{"nhiệt.độ","phòng máy"="A 1"} == 4.25"#).await?;
    let summed = house.query(r#"sum by ("phòng máy") ({"nhiệt.độ"})"#).await?;
    ensure!(summed[0]["metric"] == json!({ "phòng máy": "A 1" }), "{summed}");
    let values = house.get("/api/v1/label/U__http_2e_status/values").await?;
    ensure!(values["data"] == json!(["200"]), "{values}");
    let names = house.get("/api/v1/labels?match[]=%7Borigin%3D%22ups%22%7D").await?;
    ensure!(
        names["data"].as_array().is_some_and(|all| all.contains(&json!("phòng máy"))),
        "{names}"
    );
    let federate = "/federate?match[]=%7B%22nhi%E1%BB%87t.%C4%91%E1%BB%99%22%7D";
    let plain = house.get_text(federate).await?;
    ensure!(plain.contains(r#"nhi_t___{http_status="200","#), "{plain}");
    let url = format!("http://{}{federate}", house.web_address());
    let asked = sender.http.get(url).bearer_auth(house.read_token().await?);
    let asked = asked.header("Accept", "text/plain;version=1.0.0;escaping=allow-utf-8").send();
    let text = asked.await?.text().await?;
    ensure!(text.contains(r#"{"nhiệt.độ","http.status"="200","#), "{text}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_writes_version_2_within_its_labels_and_is_told_what_was_not_taken()
-> anyhow::Result<()> {
    let mut house = House::new()?;
    house.start().await?;
    let host = house.host().await?;
    let token =
        api_token(&house, &["create", "--name", "ups", "--write", "--label", "origin=ups"])?;
    let mut sender = Sender { house: &house, http: reqwest::Client::new(), token };
    let now = now_ms();
    let good = sender.write(&[(&[("__name__", "ups_load"), ("site", "x")], now)]).await?;
    ensure!(good.status == 204, "{}: {}", good.status, good.text);
    ensure!(good.written == ["1", "0", "0"], "{:?}", good.written);
    house.eventually_sees("ups_load{origin=\"ups\", exported_site=\"x\"} == 4.25").await?;
    any_text_is_a_name(&house, &sender, now).await?;
    // The good half is stored, the other half named; sending it again is of no use.
    let half = sender
        .write(&[
            (&[("__name__", "ups_half")], now),
            (&[("__name__", "up"), ("host", &host)], now),
            (&[("__name__", "haidang_service_up"), ("service", "portal")], now),
            (&[("__name__", "ups_half"), ("late", "1")], now - 8 * 86_400_000),
            (&[("__name__", "ups_half"), ("early", "1")], now + 2 * 3_600_000),
            (&[("unit", "không tên")], now),
        ])
        .await?;
    ensure!(half.status == 400 && half.written == ["1", "0", "0"], "{} {}", half.status, half.text);
    for part in ["1 samples are stored", "owner 2", "time 2", "metric_name 1"] {
        ensure!(half.text.contains(part), "{part}: {}", half.text);
    }
    house.eventually_sees("ups_half{origin=\"ups\"} == 4.25").await?;
    let refused = "haidang_collector_remote_write_samples_refused_total{reason=\"owner\"}";
    let refused = house.own_metric(refused).await?;
    ensure!((refused - 2.0).abs() < 0.1, "{refused}");
    for (content_type, message, status) in [
        ("application/x-protobuf;proto=io.prometheus.write.v3.Request", vec![], 415),
        ("application/json", vec![], 415),
        ("application/x-protobuf", b"\x0a\xff".to_vec(), 400),
        ("application/x-protobuf", vec![0; 33 << 20], 413),
    ] {
        let answer = sender.send(content_type, &message).await?;
        ensure!(answer.status == status, "{content_type}: {} {}", answer.status, answer.text);
    }
    // It writes, and does nothing else; without a token nobody writes.
    let query = format!("http://{}/api/v1/query?query=up", house.web_address());
    let read = sender.http.get(query).bearer_auth(&sender.token).send().await?;
    ensure!(read.status().as_u16() == 403, "{}", read.status());
    sender.token = "hda1.0000000000000000.nothing".to_owned();
    let nobody = sender.write(&[(&[("__name__", "ups_load")], now)]).await?;
    ensure!(nobody.status == 401, "{}", nobody.status);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn grafana_reads_with_a_viewers_token_and_changes_nothing() -> anyhow::Result<()> {
    let mut house = House::new()?;
    house.start().await?;
    let token = api_token(&house, &["create", "--name", "grafana", "--role", "viewer"])?;
    let http = reqwest::Client::new();
    let url = |path: &str| format!("http://{}{path}", house.web_address());
    // As Grafana's data source asks: a form, and the build's version to know what it talks to.
    let answer = http
        .post(url("/api/v1/query_range"))
        .bearer_auth(&token)
        .header("Content-Type", FORM)
        .body("query=up&start=0&end=10&step=5")
        .send()
        .await?;
    ensure!(answer.status().is_success(), "{}", answer.status());
    let answer = http.post(url("/api/v1/query")).bearer_auth(&token);
    let answer =
        answer.header("Content-Type", FORM).body("query=up%7Bjob%3D%22node%22%7D").send().await?;
    let answer: Value = serde_json::from_str(&answer.text().await?)?;
    ensure!(answer["data"]["result"][0]["value"][1] == "1", "{answer}");
    for path in ["/api/v1/labels", "/api/v1/status/buildinfo", "/api/v1/rules", "/api/v1/metadata"]
    {
        let answer = http.get(url(path)).bearer_auth(&token).send().await?;
        ensure!(answer.status().is_success(), "{path}: {}", answer.status());
    }
    for (path, body) in [
        ("/api/users", json!({ "name": "x", "password": "y", "role": "admin" })),
        ("/api/tokens", json!({ "lifetime_seconds": 60 })),
        ("/api/api-tokens", json!({ "name": "x", "role": "viewer", "lifetime_seconds": 60 })),
        ("/-/reload", Value::Null),
    ] {
        let answer = http.post(url(path)).bearer_auth(&token).json(&body).send().await?;
        ensure!(answer.status().as_u16() == 403, "{path}: {}", answer.status());
    }
    let write = http.post(url("/api/v1/write")).bearer_auth(&token).body("").send().await?;
    ensure!(write.status().as_u16() == 403, "{}", write.status());
    let listed = api_token(&house, &["list"])?;
    let Some(line) = listed.lines().find(|line| line.starts_with("grafana")) else {
        bail!("{listed}")
    };
    ensure!(line.contains("reads as viewer") && line.contains("in force"), "{line}");
    ensure!(!line.contains(" - "), "its last use is shown: {line}");
    // Who made it, what for, and when stands in the audit log.
    let audit = house.get("/api/audit").await?;
    let made = audit
        .as_array()
        .is_some_and(|entries| entries.iter().any(|entry| entry["action"] == "api_token.create"));
    ensure!(made, "{audit}");
    api_token(&house, &["revoke", "grafana"])?;
    let after = http.get(url("/api/v1/labels")).bearer_auth(&token).send().await?;
    ensure!(after.status().as_u16() == 401, "{}", after.status());
    Ok(())
}
