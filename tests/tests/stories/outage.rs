//! A collector that does not answer for a while: what happened meanwhile arrives afterwards, in order, each once.

use std::time::Duration;

use anyhow::ensure;
use tests::deadline::{eventually, now};
use tests::house::House;
use tests::logins::{held, line};

/// How long nobody answers: thirty of the agent's ticks.
const OUTAGE: Duration = Duration::from_secs(30);

/// Between two batches more than a second passes, so that their times tell them apart: a log's times are whole seconds.
const BATCHES: usize = 20;
const BATCH: usize = 10;

#[tokio::test]
async fn what_happens_while_the_collector_is_silent_arrives_afterwards_in_order_and_once()
-> anyhow::Result<()> {
    let mut house = House::new()?;
    house.start().await?;
    house.freeze("collector")?;
    let until = now() + OUTAGE;
    for batch in 0..BATCHES {
        let lines: Vec<String> = (batch * BATCH..(batch + 1) * BATCH).map(line).collect();
        house.log_in_auth(&lines)?;
        // Not waiting for anything: the outage lasts, and things go on happening.
        tokio::time::sleep(OUTAGE / u32::try_from(BATCHES)?).await;
    }
    ensure!(now() >= until, "the outage was shorter than meant");
    house.thaw("collector")?;
    let arrived = eventually("every event, once, in order", || async {
        let found = held(&house).await?;
        let mut once = found.clone();
        once.sort_unstable();
        ensure!(once == (0..BATCHES * BATCH).collect::<Vec<_>>(), "{}: {found:?}", found.len());
        ensure!(found.is_sorted_by_key(|number| number / BATCH), "not in order: {found:?}");
        Ok(())
    });
    arrived.await.map_err(|error| error.context(house.last_log_lines()))
}
