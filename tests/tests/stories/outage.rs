//! Nobody answers for two minutes: what happened meanwhile arrives afterwards, in order, each once, and no reading is missing.

use std::time::Duration;

use anyhow::ensure;
use tests::deadline::{eventually, now};
use tests::house::House;
use tests::logins::{held, line};
use tests::second_host::SecondHost;
use tests::ticks::Ticks;

const OUTAGE: Duration = Duration::from_secs(120);

/// Between two batches more than a second passes, so that their times tell them apart: a log's times are whole seconds.
const BATCHES: usize = 80;
const BATCH: usize = 10;

/// Lets an outage last while people log in.
async fn live_through(log: impl Fn(&[String]) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let until = now() + OUTAGE;
    for batch in 0..BATCHES {
        let lines: Vec<String> = (batch * BATCH..(batch + 1) * BATCH).map(line).collect();
        log(&lines)?;
        // Not waiting for anything: the outage lasts, and things go on happening.
        tokio::time::sleep(OUTAGE / u32::try_from(BATCHES)?).await;
    }
    ensure!(now() >= until, "the outage was shorter than meant");
    Ok(())
}

/// Waits until everything of the outage is there, and nothing twice.
async fn arrives(house: &House, host: &str) -> anyhow::Result<()> {
    let arrived = eventually("every event, once, in order", || async {
        let found = held(house).await?;
        let mut once = found.clone();
        once.sort_unstable();
        ensure!(once == (0..BATCHES * BATCH).collect::<Vec<_>>(), "{}: {found:?}", found.len());
        ensure!(found.is_sorted_by_key(|number| number / BATCH), "not in order: {found:?}");
        Ok(())
    });
    arrived.await.map_err(|error| error.context(house.last_log_lines()))?;
    let complete = eventually("every reading", || async {
        let ticks = Ticks::of(house, host).await?;
        ensure!(ticks.holes().is_empty(), "missing: {:?}", ticks.holes());
        ensure!(ticks.held.len() as u64 > OUTAGE.as_secs(), "only {} readings", ticks.held.len());
        Ok(())
    });
    complete.await
}

#[tokio::test]
async fn what_happens_while_the_collector_is_silent_for_two_minutes_arrives_afterwards_in_order()
-> anyhow::Result<()> {
    let mut house = House::new()?;
    house.start().await?;
    let host = house.host().await?;
    house.freeze("collector")?;
    live_through(|lines| house.log_in_auth(lines)).await?;
    house.thaw("collector")?;
    arrives(&house, &host).await
}

#[tokio::test]
async fn what_happens_while_the_collector_is_gone_for_two_minutes_arrives_afterwards_in_order()
-> anyhow::Result<()> {
    let mut house = House::new()?;
    house.start().await?;
    let agent = SecondHost::start(&house, "dc1-srv07", None, "").await?;
    house.eventually_sees("node_load1{host=\"dc1-srv07\"}").await?;
    ensure!(house.stop()?, "the house did not end well");
    live_through(|lines| agent.log_in_auth(lines)).await?;
    house.start().await?;
    let arrived = arrives(&house, &agent.host).await;
    arrived.map_err(|error| error.context(agent.last_log_lines()))
}
