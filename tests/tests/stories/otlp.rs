//! Applications' metrics by OTLP: OpenTelemetry's Python SDK sends to the collector, and a program sends JSON.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};
use tests::deadline::eventually;
use tests::house::{House, binary};
use tests::outsider::now_ms;

const SDK: [&str; 2] =
    ["opentelemetry-sdk==1.45.2", "opentelemetry-exporter-otlp-proto-http==1.45.2"];

/// OpenTelemetry's SDK, fetched once into the target directory.
fn sdk() -> anyhow::Result<PathBuf> {
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("opentelemetry-1.45.2");
    if !kept.exists() {
        let fresh = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?.keep();
        let pip = ["-m", "pip", "install", "--quiet"];
        let run = Command::new("python3").args(pip).args(SDK).arg("--target").arg(&fresh).status();
        let installed = run.context("python3 with pip is needed")?;
        ensure!(installed.success(), "the SDK cannot be installed: needs pip and the network");
        // Another test may have been quicker: then ours is superfluous.
        if std::fs::rename(&fresh, &kept).is_err() {
            std::fs::remove_dir_all(&fresh)?;
        }
    }
    Ok(kept)
}

/// Runs the application; what it said.
fn application(house: &House, token: &str, more: &[&str]) -> anyhow::Result<String> {
    let run = Command::new("python3")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stories/otlp_sender.py"))
        .arg(address(house))
        .arg(token)
        .args(more)
        .env("PYTHONPATH", sdk()?)
        .output()?;
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    ensure!(run.status.success(), "{said}{}", String::from_utf8_lossy(&run.stderr));
    Ok(said)
}

fn address(house: &House) -> String {
    format!("http://{}/api/v1/otlp/v1/metrics", house.web_address())
}

/// A token for applications.
fn token(house: &House) -> anyhow::Result<String> {
    let run = Command::new(binary("haidang")?)
        .args(["api-token", "create", "--name", "apps", "--write", "--label", "origin=apps"])
        .args(["--url", &format!("http://{}", house.web_address()), "--token-file"])
        .arg(house.state_dir.join("admin.token"))
        .output()?;
    ensure!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    Ok(String::from_utf8(run.stdout)?.trim().to_owned())
}

/// What the application measured, by the names that Prometheus 3 gives it.
const MEASURED: [&str; 11] = [
    r#"shop_orders_total{job="shop/cart",instance="cart-1",order_kind="web"} == 55"#,
    r#"shop_orders_total{job="shop/cart",instance="cart-1",order_kind="phone"} == 3"#,
    r#"queue_size{job="shop/cart"} == 7"#,
    r#"room_temperature_celsius{room="phòng máy"} == 21.5"#,
    r#"http_server_request_duration_seconds_bucket{le="0.1"} == 2"#,
    r#"http_server_request_duration_seconds_bucket{le="1"} == 3"#,
    r#"http_server_request_duration_seconds_bucket{le="5"} == 5"#,
    r#"http_server_request_duration_seconds_bucket{le="+Inf"} == 6"#,
    r#"http_server_request_duration_seconds_sum{http_response_status_code="200"} == 34.65"#,
    r#"http_server_request_duration_seconds_count == 6"#,
    r#"target_info{job="shop/cart",deployment_environment="tỉnh",telemetry_sdk_language="python"} == 1"#,
];

async fn all_measured(house: &House) -> anyhow::Result<()> {
    for expression in MEASURED {
        // Every series carries the token's label.
        house.eventually_sees(&format!(r#"({expression}) and {{origin="apps"}}"#)).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_with_opentelemetrys_sdk_is_seen_with_its_numbers_also_after_a_kill()
-> anyhow::Result<()> {
    let mut house = House::new()?;
    house.start().await?;
    let token = token(&house)?;
    let said = application(&house, &token, &[])?;
    ensure!(said.trim() == "flushed", "{said}");
    all_measured(&house).await?;
    house.kill_daemon("collector").await?;
    house.start().await?;
    all_measured(&house).await?;
    let version = "haidang_collector_otlp_requests_total{status=\"200\",version=\"protobuf\"}";
    // A counter begins anew with the collector; the application goes on with deltas, which are refused and not misread.
    application(&house, &token, &["delta"])?;
    ensure!(house.own_metric(version).await? >= 1.0, "no request is counted");
    let refused = "haidang_collector_otlp_samples_refused_total{reason=\"temporality\"}";
    ensure!(house.own_metric(refused).await? >= 2.0, "two deltas are not counted");
    house.eventually_sees(r#"queue_size{job="shop/delta"} == 7"#).await?;
    let deltas = house.query(r#"shop_orders_total{job="shop/delta"}"#).await?;
    ensure!(deltas == json!([]), "{deltas}");
    Ok(())
}

/// A program that sends JSON.
struct Sender<'a> {
    house: &'a House,
    http: reqwest::Client,
    token: String,
}

impl Sender<'_> {
    async fn send(&self, content_type: &str, body: String) -> anyhow::Result<(u16, String)> {
        let request = self.http.post(address(self.house)).bearer_auth(&self.token);
        let answer = request.header("Content-Type", content_type).body(body).send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    async fn metrics(&self, metrics: Value) -> anyhow::Result<(u16, Value)> {
        let request = json!({ "resourceMetrics": [{ "scopeMetrics": [{ "metrics": metrics }] }] });
        let (status, text) = self.send("application/json", request.to_string()).await?;
        Ok((status, serde_json::from_str(&text).context(text)?))
    }
}

/// A gauge with one point, as JSON.
fn gauge(name: &str, time_ms: i64, host: &str) -> Value {
    let attributes = match host {
        "" => json!([]),
        host => json!([{ "key": "host", "value": { "stringValue": host } }]),
    };
    let time = format!("{time_ms}000000");
    let point = json!({ "timeUnixNano": time, "asDouble": 4.25, "attributes": attributes });
    json!({ "name": name, "gauge": { "dataPoints": [point] } })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_sends_json_within_its_labels_and_is_told_what_was_not_taken()
-> anyhow::Result<()> {
    let mut house = House::new()?;
    house.start().await?;
    let host = house.host().await?;
    let token = token(&house)?;
    let mut sender = Sender { house: &house, http: reqwest::Client::new(), token };
    let now = now_ms();
    ensure!(sender.metrics(json!([gauge("ups.load", now, "")])).await? == (200, json!({})));
    house.eventually_sees("ups_load{origin=\"apps\"} == 4.25").await?;
    // The good part is stored, the rest named: whom it speaks for, a time of long ago.
    let mixed = json!([
        gauge("half", now, ""),
        gauge("up", now, &host),
        gauge("haidang_backup_ok", now, ""),
        gauge("old", 1, ""),
    ]);
    let (status, answer) = sender.metrics(mixed).await?;
    let partial = &answer["partialSuccess"];
    ensure!(status == 200 && partial["rejectedDataPoints"] == "3", "{status} {answer}");
    let text = partial["errorMessage"].as_str().context("no message")?;
    ensure!(text.contains("owner 2, time 1"), "{text}");
    house.eventually_sees("half == 4.25").await?;
    for (content_type, body, expected) in [
        ("application/json", "{".to_owned(), 400),
        ("application/x-protobuf", "rubbish".to_owned(), 400),
        ("text/plain", "{}".to_owned(), 415),
        ("application/json", format!("[{}]", vec!["{}"; 400_001].join(",")), 413),
    ] {
        let (status, text) = sender.send(content_type, body).await?;
        ensure!(status == expected, "{content_type}: {status} and not {expected}: {text}");
    }
    "nobody's".clone_into(&mut sender.token);
    let (status, answer) = sender.metrics(json!([gauge("x", now, "")])).await?;
    ensure!(status == 401 && answer["message"].is_string(), "{status} {answer}");
    for reason in ["malformed", "unsupported", "too_large", "invalid_token"] {
        let name = format!("haidang_collector_otlp_requests_refused_total{{reason=\"{reason}\"}}");
        let counted = eventually(&name, || async {
            match house.own_metric(&name).await? {
                count if count >= 1.0 => Ok(()),
                count => bail!("{count}"),
            }
        });
        counted.await?;
    }
    Ok(())
}
