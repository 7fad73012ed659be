//! Severity by the hour through the real binaries: who is woken changes with the hour, what an alert is does not, and what a
//! person has put off stays put off when it would begin to weigh more.

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tests::deadline::eventually;
use tests::house::House;
use tests::webhook::Webhook;

/// A working day that is always, or over for good.
fn alerting(day: &str, quiet: &Webhook, loud: &Webhook) -> String {
    format!(
        "
time_intervals:
  - {{name: always, time_intervals: [{{years: ['2000:3000']}}]}}
  - {{name: never, time_intervals: [{{years: ['2000']}}]}}
severity_rules:
  - {{matchers: ['service=\"portal\"'], outside: [{day}], severity: info}}
route:
  receiver: quiet
  group_by: ['...']
  group_wait: 0s
  group_interval: 1s
  routes: [{{matchers: ['severity=\"critical\"'], receiver: loud}}]
receivers:
  - {{name: quiet, webhook_configs: [{{url: 'http://{}/'}}]}}
  - {{name: loud, webhook_configs: [{{url: 'http://{}/'}}]}}
",
        quiet.address, loud.address
    )
}

fn alert(name: &str) -> Value {
    json!([{"labels": {"alertname": name, "service": "portal", "severity": "critical"}}])
}

/// The alert as Alertmanager's API shows it.
async fn shown(house: &House, name: &str) -> anyhow::Result<Value> {
    let alerts = house.get("/api/v2/alerts").await?;
    let mut alerts = alerts.as_array().into_iter().flatten();
    Ok(alerts.find(|one| one["labels"]["alertname"] == name).context("no such alert")?.clone())
}

#[tokio::test]
async fn when_the_working_day_begins_it_weighs_more_stays_who_it_is_and_what_was_put_off_stays_so()
-> anyhow::Result<()> {
    let (quiet, loud) = (Webhook::start().await?, Webhook::start().await?);
    let mut house = House::new()?;
    house.write("alerting.yml", &alerting("never", &quiet, &loud))?;
    house.start().await?;
    for name in ["PortalDown", "PortalSlow"] {
        house.post("/api/v2/alerts", &alert(name)).await?;
        let (told, _) = quiet.expect(name, "firing").await?;
        ensure!(told["severity"] == "info", "{told}");
        ensure!(told["severity_given"] == "critical", "{told}");
    }
    let at_night = shown(&house, "PortalDown").await?;
    ensure!(at_night["labels"]["severity"] == "info", "{at_night}");
    ensure!(at_night["receivers"] == json!([{"name": "quiet"}]), "{at_night}");
    let slow = shown(&house, "PortalSlow").await?["fingerprint"].clone();
    let slow = slow.as_str().context("no fingerprint")?;
    let (fine, said) = house.haidang(&["alert", "put-off", slow, "--for", "8h"])?;
    ensure!(fine, "{said}");

    house.write("alerting.yml", &alerting("always", &quiet, &loud))?;
    let (fine, said) = house.haidang(&["reload"])?;
    ensure!(fine, "{said}");
    let (told, _) = loud.expect("PortalDown", "firing").await?;
    ensure!(told["severity"] == "critical", "{told}");
    ensure!(told.get("severity_given").is_none(), "{told}");
    let by_day = shown(&house, "PortalDown").await?;
    ensure!(by_day["fingerprint"] == at_night["fingerprint"], "{by_day} was {at_night}");
    ensure!(by_day["startsAt"] == at_night["startsAt"], "{by_day} was {at_night}");
    ensure!(by_day["receivers"] == json!([{"name": "loud"}]), "{by_day}");

    // One that came later is told, so the one that was put off would have been.
    house.post("/api/v2/alerts", &alert("PortalGone")).await?;
    loud.expect("PortalGone", "firing").await?;
    let put_off = shown(&house, "PortalSlow").await?;
    ensure!(put_off["labels"]["severity"] == "critical", "{put_off}");
    ensure!(put_off["status"]["state"] == "suppressed", "{put_off}");
    ensure!(put_off["fingerprint"] == slow, "{put_off}");
    ensure!(!loud.alerts().iter().any(|(name, ..)| name == "PortalSlow"), "{:?}", loud.alerts());
    house.kill_daemon("collector").await?;
    house.start().await?;
    eventually("the alerts to be there again", || async {
        let again = shown(&house, "PortalSlow").await?;
        ensure!(
            again["status"]["state"] == "suppressed" && again["fingerprint"] == slow,
            "{again}"
        );
        ensure!(shown(&house, "PortalDown").await?["labels"]["severity"] == "critical");
        Ok(())
    })
    .await?;
    ensure!(!loud.alerts().iter().any(|(name, ..)| name == "PortalSlow"), "after the restart");
    Ok(())
}
