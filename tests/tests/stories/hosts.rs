//! A host that stops reporting, a disk that fills, a certificate that runs out.

use tests::house::House;
use tests::webhook::Webhook;

#[tokio::test]
async fn a_host_that_falls_silent_raises_an_alert_and_recovers() -> anyhow::Result<()> {
    let webhook = Webhook::start().await?;
    let mut house = House::new()?;
    house.notify(&webhook)?;
    // The shipped HostDown waits a minute; a rule of the province's own may be quicker.
    house.write(
        "rules.d/silent.yml",
        "groups:\n  - name: story\n    rules:\n      - alert: StoryHostDown\n        \
         expr: up{job=\"node\"} == 0\n        labels: {severity: critical}\n",
    )?;
    house.start().await?;
    house.freeze("agent")?;
    webhook.expect("StoryHostDown", "firing").await?;
    // What is not measured is not shown as if it were.
    house.eventually_sees("absent(node_load1)").await?;
    house.thaw("agent")?;
    webhook.expect("StoryHostDown", "resolved").await?;
    house.eventually_sees("node_load1").await
}
