//! A drill from its start to the minutes, through a restart of the collector; and one that is aborted.

use std::process::Command;

use anyhow::{Context, bail};
use serde_json::{Value, json};
use tests::deadline::eventually;
use tests::house::{House, binary};
use tokio::net::TcpListener;

fn plan(address: &str) -> String {
    format!(
        "id: failover\ntitle_vi: Chuyển máy chủ\ntitle_en: Fail over\nsite: cmu-dc1\n\
         objectives: {{rto: 1h}}\nsteps:\n  \
         - {{id: seen, title_vi: Có số liệu, title_en: Seen, query: {{expr: 'up{{job=\"node\"}}'}}}}\n  \
         - {{id: stop, title_vi: Dừng, title_en: Stop, measures: rto_start, manual: {{instruction_vi: Dừng}}}}\n  \
         - {{id: back, title_vi: Chạy lại, title_en: Back, measures: rto_end, probe: {{tcp: '{address}'}}}}\n"
    )
}

/// The state of one step.
fn state<'r>(run: &'r Value, step: &str) -> &'r str {
    let mut steps = run["steps"].as_array().into_iter().flatten();
    let found = steps.find(|one| one["id"] == step);
    found.and_then(|one| one["state"].as_str()).unwrap_or("no such step")
}

async fn step_is(house: &House, drill: &str, step: &str, wanted: &str) -> anyhow::Result<()> {
    eventually(&format!("{step} {wanted}"), || async {
        let run = house.get(&format!("/api/drill-runs/{drill}")).await?;
        if state(&run, step) == wanted { Ok(()) } else { bail!("the run is {run}") }
    })
    .await
}

/// What `haidang drill` says.
fn haidang(house: &House, words: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(binary("haidang")?)
        .arg("drill")
        .args(words)
        .args(["--url", &format!("http://{}", house.web_address()), "--token-file"])
        .arg(house.state_dir.join("admin.token"))
        .output()?;
    if !output.status.success() {
        bail!("{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}

#[tokio::test]
async fn a_drill_survives_a_restart_and_its_minutes_hold_the_measured_times() -> anyhow::Result<()>
{
    let address = TcpListener::bind("127.0.0.1:0").await?.local_addr()?.to_string();
    let mut house = House::new()?;
    house.write("drills/failover.yml", &plan(&address))?;
    house.start().await?;
    let refused = house.post("/api/drills/failover/start", &json!({ "confirm_site": "dc9" })).await;
    assert!(refused.is_err_and(|error| error.to_string().contains("cmu-dc1")));
    let run =
        house.post("/api/drills/failover/start", &json!({ "confirm_site": "cmu-dc1" })).await?;
    let drill = run["id"].as_str().context("a run without an id")?.to_owned();
    // The query step passes by itself; then a person has to say something.
    step_is(&house, &drill, "stop", "running").await?;
    haidang(&house, &["confirm", &drill, "stop", "--note", "đã dừng máy chủ chính"])?;
    step_is(&house, &drill, "back", "running").await?;
    assert!(house.stop()?, "it did not end well");
    house.start().await?;
    // It goes on where it was, and the probe sees the service only now.
    step_is(&house, &drill, "back", "running").await?;
    let _service = TcpListener::bind(&address).await?;
    step_is(&house, &drill, "back", "passed").await?;
    let run = house.get(&format!("/api/drill-runs/{drill}")).await?;
    assert_eq!((&run["state"], &run["verdict"]), (&json!("finished"), &json!("met")), "{run}");
    assert!(run["rto_seconds"].as_f64().is_some_and(|seconds| seconds > 0.0), "{run}");
    let minutes = haidang(&house, &["report", &drill])?;
    assert_eq!(
        minutes.trim(),
        house.get_text(&format!("/api/drill-runs/{drill}/minutes")).await?.trim()
    );
    for text in ["BIÊN BẢN DIỄN TẬP", "đã dừng máy chủ chính", "nhận kết nối sau", "ĐẠT"]
    {
        assert!(minutes.contains(text), "{text} is not in {minutes}");
    }
    assert!(!minutes.contains("không đo được; cam kết: 1 giờ"), "{minutes}");
    let second = haidang(&house, &["start", "failover", "--confirm-site", "cmu-dc1"])?;
    let second = second.split_whitespace().nth(1).context("no number")?.to_owned();
    haidang(&house, &["abort", &second, "--reason", "có sự cố thật"])?;
    let run = house.get(&format!("/api/drill-runs/{second}")).await?;
    assert_eq!(run["state"], "aborted");
    assert!(haidang(&house, &["report", &second])?.contains("có sự cố thật"));
    assert!(haidang(&house, &["list"])?.contains("aborted"));
    let audit = house.get("/api/audit").await?.to_string();
    assert!(audit.contains("drill.start") && audit.contains("drill.abort"), "{audit}");
    Ok(())
}
