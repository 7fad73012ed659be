//! A snapshot is taken while everything is written to; the state is lost, and the collector starts from the snapshot.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tests::deadline::eventually;
use tests::house::{House, binary};
use tests::load::{Load, all_is_there_once};
use tests::logins::{held, line};
use tests::outsider::now_ms;
use tests::webhook::Webhook;
use tokio::task::JoinHandle;

/// Between two of what is written all the time.
const PAUSE: Duration = Duration::from_millis(5);

fn command(name: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let run = Command::new(name).args(arguments).output()?;
    let said = String::from_utf8([run.stdout, run.stderr].concat())?;
    ensure!(run.status.success(), "{name} {arguments:?}: {said}");
    Ok(said.trim().to_owned())
}

fn collector(arguments: &[&str]) -> anyhow::Result<String> {
    command(&binary("haidang-collector")?.display().to_string(), arguments)
}

/// A program that sends readings 0, 1, 2 … one by one, each again until it is acknowledged, and how many were.
struct Writer {
    acknowledged: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Writer {
    fn start(house: &House) -> anyhow::Result<Self> {
        let web = format!("http://{}", house.web_address());
        let token_file = house.state_dir.join("admin.token").display().to_string();
        let create = ["api-token", "create", "--name", "w", "--write", "--label", "origin=w"];
        let at = ["--url", &web, "--token-file", &token_file];
        let haidang = binary("haidang")?.display().to_string();
        let token = command(&haidang, &[&create[..], &at].concat())?;
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let (count, http) = (Arc::clone(&acknowledged), reqwest::Client::new());
        let task = tokio::spawn(async move {
            let mut time_ms = 0;
            for number in 0.. {
                time_ms = now_ms().max(time_ms + 1);
                let body = reading(number, time_ms);
                loop {
                    let request = http.post(format!("{web}/api/v1/otlp/v1/metrics")).json(&body);
                    let answer = request.bearer_auth(&token).send().await;
                    if answer.is_ok_and(|answer| answer.status() == 200) {
                        break;
                    }
                    tokio::time::sleep(PAUSE).await;
                }
                count.store(number + 1, SeqCst);
                tokio::time::sleep(PAUSE).await;
            }
        });
        Ok(Self { acknowledged, task })
    }

    fn acknowledged(&self) -> usize {
        self.acknowledged.load(SeqCst)
    }

    async fn reaches(&self, count: usize) -> anyhow::Result<()> {
        let reached = eventually("more readings", || async {
            ensure!(self.acknowledged() >= count, "{} of {count}", self.acknowledged());
            Ok(())
        });
        reached.await
    }
}

fn reading(number: usize, time_ms: i64) -> Value {
    let point = json!({ "timeUnixNano": format!("{time_ms}000000"), "asInt": number });
    let metric = json!({ "name": "reading", "gauge": { "dataPoints": [point] } });
    json!({ "resourceMetrics": [{ "scopeMetrics": [{ "metrics": [metric] }] }] })
}

/// How many readings there are: all from the first to some last one, each once.
async fn readings(house: &House) -> anyhow::Result<usize> {
    let found = house.query("reading{origin=\"w\"}[1h]").await?;
    let values = found[0]["values"].as_array().context("no readings")?;
    for (number, pair) in values.iter().enumerate() {
        let expected = number.to_string();
        ensure!(
            pair[1].as_str() == Some(&expected),
            "{pair} stands in the place of reading {number}"
        );
    }
    Ok(values.len())
}

/// The gaps of this machine for the reason that the collector was restored.
async fn restored_gaps(house: &House) -> anyhow::Result<Vec<Value>> {
    let detail = house.get(&format!("/api/hosts/{}", house.host().await?)).await?;
    let gaps = detail["gaps"].as_array().context("no gaps")?.iter();
    Ok(gaps.filter(|gap| gap["reason"] == "restored").cloned().collect())
}

/// As the README says: check the snapshot, copy it to where the state was.
fn restore(snapshot: &Path, state: &Path) -> anyhow::Result<()> {
    let (snapshot, state) = (snapshot.display().to_string(), state.display().to_string());
    std::fs::remove_dir_all(&state)?;
    collector(&["snapshot", "--verify", &snapshot])?;
    command("cp", &["-a", &snapshot, &state]).map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_before_a_snapshot_outlives_the_loss_of_the_state()
-> anyhow::Result<()> {
    let webhook = Webhook::start().await?;
    let mut house = House::new()?;
    Load::prepare(&house, &webhook)?;
    house.start().await?;
    // Some of it in parts on disk, some in the journal only.
    let load = Load::start(&house, 2).await?;
    let writer = Writer::start(&house)?;
    house.log_in_auth(&(0..50).map(line).collect::<Vec<_>>())?;
    writer.reaches(300).await?;
    let remembered = load.stop().await?;
    all_is_there_once(&remembered, &house, &webhook).await?;
    house.stop()?;
    house.start().await?;
    let logged = eventually("the lines", || async {
        let found = held(&house).await?;
        ensure!(found.len() == 50, "{} lines", found.len());
        Ok(())
    });
    logged.await?;
    house.log_in_auth(&(50..60).map(line).collect::<Vec<_>>())?;
    writer.reaches(600).await?;

    // Hosts that know nothing of the collector's loss and report on and on.
    let unaware = Load::of(&house, 2..4).await?;
    let (before, lines_before) = (writer.acknowledged(), held(&house).await?.len());
    let place = tempfile::tempdir()?;
    let (snapshot, state) = (place.path().join("snapshot"), house.state_dir.join("collector"));
    let (to, from) = (snapshot.display().to_string(), state.display().to_string());
    println!("{}", collector(&["snapshot", "--to", &to, "--state-dir", &from])?);
    writer.reaches(before + 100).await?;
    house.kill_daemon("collector").await?;
    writer.task.abort();
    let lost = writer.acknowledged();

    restore(&snapshot, &state)?;
    house.start().await?;
    println!("{}", all_is_there_once(&remembered, &house, &webhook).await?);
    let there = readings(&house).await?;
    ensure!((before..=lost + 1).contains(&there), "{there} of {before} to {lost} readings");
    println!("{there} readings are there, {before} were before the snapshot, {lost} in all");
    house.log_in_auth(&(60..70).map(line).collect::<Vec<_>>())?;
    let logged = eventually("the lines before and after", || async {
        let mut found = held(&house).await?;
        found.sort_unstable();
        let once = found.windows(2).all(|pair| pair[0] < pair[1]);
        let early = found.iter().filter(|number| **number < 60).count();
        ensure!(once && early >= lines_before, "{found:?}");
        ensure!((60..70).all(|number| found.contains(&number)), "{found:?}");
        Ok(())
    });
    logged.await.map_err(|error| error.context(house.last_log_lines()))?;
    let since_ms = now_ms();
    // Long enough for some readings of each; nothing is measured by it.
    tokio::time::sleep(Duration::from_secs(2)).await;
    for host in unaware.stop().await? {
        let goes_on = eventually("a host's later readings", || host.held_since(&house, since_ms));
        let readings = goes_on.await?;
        ensure!(readings > 10, "{readings} readings since");
    }
    // What came between is told, once.
    ensure!(restored_gaps(&house).await?.len() == 2, "{:?}", restored_gaps(&house).await?);
    let audit = house.get("/api/audit").await?.to_string();
    ensure!(audit.contains("snapshot.restore"), "{audit}");
    house.kill_daemon("collector").await?;
    // As if it had been killed before it was noted that all is told.
    std::fs::rename(state.join("restored-from.json"), state.join("manifest.json"))?;
    house.start().await?;
    ensure!(restored_gaps(&house).await?.len() == 2, "{:?}", restored_gaps(&house).await?);
    Ok(())
}
