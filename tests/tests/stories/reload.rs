//! Rules, routing and inventory are changed while the collector runs; a file with a mistake changes nothing.

use std::process::{Command, Output};

use anyhow::bail;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tests::deadline::eventually;
use tests::house::{House, binary};
use tests::webhook::Webhook;

fn rules(alert: &str) -> String {
    format!(
        "groups:\n  - name: story\n    rules:\n      - alert: {alert}\n        expr: up{{job=\"node\"}} == 1\n"
    )
}

/// What `haidang` says, and whether it is content.
fn haidang(house: &House, words: &[&str]) -> anyhow::Result<Output> {
    let url = format!("http://{}", house.web_address());
    let mut command = Command::new(binary("haidang")?);
    command.args(words).args(["--url", &url, "--token-file"]);
    Ok(command.arg(house.state_dir.join("admin.token")).output()?)
}

#[tokio::test]
async fn a_changed_rule_fires_after_a_reload_and_a_broken_file_is_refused_by_line_and_changes_nothing()
-> anyhow::Result<()> {
    let webhook = Webhook::start().await?;
    let mut house = House::new()?;
    house.start().await?;
    // Neither the directory nor the routing was there at the start.
    house.write("rules.d/story.yml", &rules("FirstRule"))?;
    house.notify(&webhook)?;
    let reloaded = haidang(&house, &["reload"])?;
    assert!(reloaded.status.success(), "{reloaded:?}");
    webhook.expect("FirstRule", "firing").await?;
    let since = house.get("/api/alerts").await?[0]["starts_at_ms"].clone();

    house.write(
        "rules.d/story.yml",
        "groups:\n  - name: story\n    rules:\n      - alert: Bad\n        expr: up ==\n",
    )?;
    house.write("inventory.yml", "sites:\n  - {id: dc1, name: Một, type: province}\n")?;
    let refused = haidang(&house, &["reload"])?;
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && told.contains("rules.d/story.yml:5: "), "{refused:?}");
    assert_eq!(house.get("/api/overview").await?["province"], "Một", "other groups come in");
    let status = haidang(&house, &["status"])?;
    let told = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(told.contains("story.yml:5"), "{told}");
    house.eventually_sees("haidang_config_last_reload_successful{files=\"rules\"} == 0").await?;
    webhook.expect("ConfigReloadFailed", "firing").await?;
    // The old rule still works, and its alert was never interrupted.
    let alerts = house.get("/api/alerts").await?;
    let found = alerts.as_array().into_iter().flatten().find(|alert| alert["name"] == "FirstRule");
    assert_eq!(
        found.map(|alert| (&alert["state"], &alert["starts_at_ms"])),
        Some((&"firing".into(), &since)),
        "{alerts}"
    );

    house.write("rules.d/story.yml", &rules("SecondRule"))?;
    kill(Pid::from_raw(house.daemon("collector")?), Signal::SIGHUP)?;
    webhook.expect("SecondRule", "firing").await?;
    webhook.expect("FirstRule", "resolved").await?;
    webhook.expect("ConfigReloadFailed", "resolved").await?;
    let last = house.get("/-/reload").await?;
    assert_eq!(last["by"], "SIGHUP", "{last}");
    eventually("the reloads in the audit log", || async {
        let audit = house.get("/api/audit").await?.to_string();
        let all = ["config.reload", "SIGHUP", "refused: rules"];
        if all.iter().all(|text| audit.contains(text)) { Ok(()) } else { bail!("{audit}") }
    })
    .await
}
