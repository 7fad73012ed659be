//! A token invites a host once, but an answer that is lost on the line, or with either side, does not lose the token.

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tests::deadline::eventually;
use tests::house::House;
use tests::lone_agent::LoneAgent;
use tests::lossy::Lossy;

async fn token(house: &House) -> anyhow::Result<String> {
    let made = house.post("/api/tokens", &json!({ "lifetime_seconds": 600 })).await?;
    Ok(made["token"].as_str().context("no token")?.to_owned())
}

async fn enrolments(house: &House, outcome: &str) -> f64 {
    let metric = format!("haidang_collector_enrolments_total{{outcome=\"{outcome}\"}}");
    house.own_metric(&metric).await.unwrap_or(0.0)
}

/// Enrols over a line that loses the answer, until the collector has granted; the agent still waits then.
async fn half_enrolled(
    house: &House,
    agent: &LoneAgent,
    token: &str,
    host: &str,
) -> anyhow::Result<(std::process::Child, Lossy)> {
    let before = enrolments(house, "enrolled").await;
    let line = Lossy::to(house.agents_address()).await?;
    let mut asking = agent.enrolment(&line.address, token, host)?.spawn()?;
    eventually("the collector grants", || async {
        ensure!(enrolments(house, "enrolled").await > before, "it has not");
        Ok(())
    })
    .await?;
    ensure!(asking.try_wait()?.is_none(), "the answer arrived");
    Ok((asking, line))
}

#[tokio::test]
async fn an_enrolment_whose_answer_is_lost_is_answered_again() -> anyhow::Result<()> {
    let mut house = House::new()?;
    house.start().await?;

    // The agent is killed while it waits.
    let (agent, invitation) = (LoneAgent::new()?, token(&house).await?);
    let (mut asking, _line) = half_enrolled(&house, &agent, &invitation, "dc1-srv07").await?;
    asking.kill()?;
    asking.wait()?;
    let other = LoneAgent::new()?;
    let said = other.cannot_enrol(house.agents_address(), &invitation, "dc1-srv07")?;
    ensure!(said.contains("was used before"), "another machine with the same token: {said}");
    agent.enrol(house.agents_address(), &invitation, "dc1-srv07")?;
    ensure!(enrolments(&house, "enrolled_again").await >= 1.0);
    ensure!(enrolments(&house, "used_token").await >= 1.0);

    // The collector is killed before it answers.
    let (agent, invitation) = (LoneAgent::new()?, token(&house).await?);
    let (asking, line) = half_enrolled(&house, &agent, &invitation, "dc1-srv08").await?;
    house.kill_daemon("collector").await?;
    drop(line);
    let said = String::from_utf8(asking.wait_with_output()?.stderr)?;
    ensure!(said.contains("Run the same command again"), "{said}");
    house.start().await?;
    agent.enrol(house.agents_address(), &invitation, "dc1-srv08")?;
    ensure!(enrolments(&house, "enrolled_again").await >= 1.0);

    let audit = house.get("/api/audit").await?;
    let outcomes = |host: &str| -> Vec<String> {
        let entries = audit.as_array().into_iter().flatten();
        let mine = |entry: &&Value| entry["who"] == host && entry["action"] == "host.enrol";
        let outcome = |entry: &Value| entry["outcome"].as_str().unwrap_or_default().to_owned();
        entries.filter(mine).map(outcome).collect()
    };
    ensure!(outcomes("dc1-srv07") == ["answered again", "used_token", "done"], "{audit}");
    ensure!(outcomes("dc1-srv08") == ["answered again", "done"], "{audit}");
    Ok(())
}
