//! Killed at any moment under load, by an operator's mistake or by the kernel: nothing acknowledged is lost, and what the
//! collector holds it holds once; of a log that the agent follows, every line.

use std::time::Duration;

use anyhow::ensure;
use tests::chance::Chance;
use tests::deadline::eventually;
use tests::house::House;
use tests::load::{Load, all_is_there_once};
use tests::logins::{held, line};
use tests::webhook::Webhook;

const KILLS: u32 = 30;
const LINES: usize = 10;

/// Simulated agents beside the real one.
const AGENTS: u32 = 4;

/// The longest time from the start of the daemons, or from the moment at which they are at work, to the kill.
const SOONEST: Duration = Duration::from_secs(2);

/// Writes lines and kills a daemon meanwhile, again and again; gives how many lines were written.
async fn kill_again_and_again(house: &mut House, daemon: &str) -> anyhow::Result<usize> {
    let mut chance = Chance::new()?;
    let mut written = 0;
    for _ in 0..KILLS {
        let lines: Vec<String> = (written..written + LINES).map(line).collect();
        written += LINES;
        house.log_in_auth(&lines)?;
        // Not waiting for anything: the moment of the kill is what the story is about.
        tokio::time::sleep(chance.moment(SOONEST)).await;
        house.kill_daemon(daemon).await?;
        // One in three is killed again while it is still starting.
        if chance.percent(33) { house.launch()? } else { house.start().await? }
    }
    house.eventually_sees("up{job=\"node\"} == 1").await?;
    Ok(written)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_sample_event_and_detection_is_there_once_after_thirty_kills_of_the_collector()
-> anyhow::Result<()> {
    let webhook = Webhook::start().await?;
    let mut house = House::new()?;
    Load::prepare(&house, &webhook)?;
    house.start().await?;
    let load = Load::start(&house, AGENTS).await?;
    let written = kill_again_and_again(&mut house, "collector").await?;
    let remembered = load.stop().await?;
    let once = eventually("every line, once", || async {
        let mut found = held(&house).await?;
        found.sort_unstable();
        ensure!(found == (0..written).collect::<Vec<_>>(), "{} of {written}", found.len());
        Ok(())
    });
    once.await.map_err(|error| error.context(house.last_log_lines()))?;
    println!("{}", all_is_there_once(&remembered, &house, &webhook).await?);
    Ok(())
}

#[tokio::test]
async fn every_line_is_there_exactly_once_after_thirty_kills_of_the_agent() -> anyhow::Result<()> {
    let mut house = House::new()?;
    house.start().await?;
    let written = kill_again_and_again(&mut house, "agent").await?;
    let once = eventually("every line, once", || async {
        let mut found = held(&house).await?;
        found.sort_unstable();
        ensure!(found == (0..written).collect::<Vec<_>>(), "{} of {written}", found.len());
        Ok(())
    });
    once.await.map_err(|error| error.context(house.last_log_lines()))
}
