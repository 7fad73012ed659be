//! An administrator deletes series by hand: the same requests to a real Prometheus leave the same samples there and here, also after
//! the collector was killed, and in a snapshot.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use reqwest::Method;
use serde_json::Value;
use tests::house::{House, binary};
use tests::prometheus::Prometheus;

use super::prometheus_api::{Both, address, filled};

const DELETE: &str = "/api/v1/admin/tsdb/delete_series";
const CLEAN: &str = "/api/v1/admin/tsdb/clean_tombstones";
const FORM: &str = "application/x-www-form-urlencoded";

/// A request to both servers: parameters in the address, or in a form.
async fn asked(
    house: &House,
    prometheus: &Prometheus,
    (method, path, form): (Method, &str, Option<&str>),
) -> anyhow::Result<()> {
    let http = reqwest::Client::new();
    let token = std::fs::read_to_string(house.state_dir.join("admin.token"))?;
    let mut answers = Vec::new();
    for url in [format!("http://{}{path}", house.web_address()), prometheus.url(path)] {
        let mut request = http.request(method.clone(), url).bearer_auth(token.trim());
        if let Some(form) = form {
            request = request.header("Content-Type", FORM).body(form.to_owned());
        }
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        let text = answer.text().await?;
        let kind = serde_json::from_str::<Value>(&text).map(|answer| answer["errorType"].clone());
        answers.push((status, kind.ok(), text));
    }
    let [ours, theirs] = &answers[..] else { anyhow::bail!("{answers:?}") };
    ensure!(
        (ours.0, &ours.1) == (theirs.0, &theirs.1),
        "{path} {form:?}: {ours:?}, not {theirs:?}"
    );
    Ok(())
}

/// The same samples and the same series are left.
async fn alike(house: &House, prometheus: &Prometheus, at_s: i64) -> anyhow::Result<()> {
    let mut both = Both { house, prometheus, differences: Vec::new() };
    let time = at_s.to_string();
    let all = [("query", "{job=\"story\"}[60m]"), ("time", time.as_str())];
    both.agree(&address("query", &all)?, false).await;
    both.agree(&address("series", &[("match[]", "{job=\"story\"}")])?, true).await;
    ensure!(both.differences.is_empty(), "{}", both.differences.join("\n"));
    Ok(())
}

fn deletions(directory: &Path) -> anyhow::Result<usize> {
    let mut found = 0;
    for entry in std::fs::read_dir(directory)? {
        found += usize::from(entry?.path().extension().is_some_and(|of| of == "deletion"));
    }
    Ok(found)
}

/// Without a sign-in, or as a viewer.
async fn nobody_else_may(house: &House) -> anyhow::Result<()> {
    let web = format!("http://{}", house.web_address());
    let token_file = house.state_dir.join("admin.token");
    let made = Command::new(binary("haidang")?)
        .args(["api-token", "create", "--name", "looks", "--role", "viewer", "--url", &web])
        .arg("--token-file")
        .arg(token_file)
        .output()?;
    ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let viewer = String::from_utf8(made.stdout)?.trim().to_owned();
    let http = reqwest::Client::new();
    for path in [&format!("{DELETE}?match[]=up"), CLEAN] {
        let nobody = http.post(format!("{web}{path}")).send().await?.status();
        ensure!(nobody == 401, "{path}: {nobody}");
        let refused = http.post(format!("{web}{path}")).bearer_auth(&viewer).send().await?.status();
        ensure!(refused == 403, "{path}: {refused}");
    }
    Ok(())
}

#[tokio::test]
async fn what_is_deleted_is_what_a_real_prometheus_deletes_and_stays_so() -> anyhow::Result<()> {
    let mut house = House::new()?;
    let (prometheus, base_ms) = filled(&mut house).await?;
    let at_s = base_ms / 1_000 + 1_900;
    let (start, end) = (base_ms / 1_000 + 300, base_ms / 1_000 + 900);
    alike(&house, &prometheus, at_s).await?;
    let to_address = format!("{DELETE}?match[]=temperature%7Bhost%3D%22dc1-srv01%22%7D");
    let form = format!(
        "match[]=requests_total%7Bcode%3D%22500%22%7D&match[]=lag_bucket%7Ble%3D%221%22%7D&start={start}&end={end}"
    );
    let put = format!("{DELETE}?match[]=lag_bucket%7Bhost%3D~%22bk.*%22%7D&end={start}");
    for request in [
        (Method::POST, to_address.as_str(), None),
        (Method::POST, DELETE, Some(form.as_str())),
        (Method::PUT, put.as_str(), None),
        (Method::POST, DELETE, Some("match[]=nothing_of_this_name")),
        // Refused by both. (`{}`, which is everything to Prometheus, is refused here alone.)
        (Method::POST, DELETE, None),
        (Method::POST, DELETE, Some("match[]=sum(up)")),
        (Method::POST, DELETE, Some("match[]=up&start=soon")),
    ] {
        asked(&house, &prometheus, request).await?;
        alike(&house, &prometheus, at_s).await?;
    }
    nobody_else_may(&house).await?;

    let metrics = house.state_dir.join("collector/metrics");
    ensure!(deletions(&metrics)? == 3, "{} deletions", deletions(&metrics)?);
    house.kill_daemon("collector").await?;
    house.start().await?;
    house.eventually_sees("up{job=\"node\"} == 1").await?;
    alike(&house, &prometheus, at_s).await?;

    let copy = tempfile::tempdir()?;
    let copy = copy.path().join("copy");
    let taken = Command::new(binary("haidang-collector")?)
        .arg("snapshot")
        .arg("--state-dir")
        .arg(house.state_dir.join("collector"))
        .arg("--to")
        .arg(&copy)
        .output()?;
    ensure!(taken.status.success(), "{}", String::from_utf8_lossy(&taken.stderr));
    ensure!(deletions(&copy.join("metrics"))? == 3, "the snapshot forgot the deletions");

    asked(&house, &prometheus, (Method::POST, CLEAN, None)).await?;
    alike(&house, &prometheus, at_s).await?;
    ensure!(deletions(&metrics)? == 0, "{} deletions", deletions(&metrics)?);

    let audit = house.get("/api/audit").await?;
    let entries = audit.as_array().or(audit["entries"].as_array()).context("no entries")?;
    let told = |action: &str, object: &str, outcome: &str| {
        entries.iter().any(|entry| {
            entry["action"] == action
                && entry["object"].as_str().is_some_and(|text| text.contains(object))
                && entry["outcome"].as_str().is_some_and(|text| text.contains(outcome))
                && entry["who"] == "admin.token"
        })
    };
    ensure!(
        told("series.delete", "temperature{host=\"dc1-srv01\"}", "done: 1 series")
            && told("series.delete", "lag_bucket{le=\"1\"} from ", "done: 6 series")
            && told("series.clean", "", "done: "),
        "{audit}"
    );
    Ok(())
}
