//! Killed at any moment, by an operator's mistake or by the kernel: nothing acknowledged is lost, and what the collector
//! holds it holds once. The agent promises less: lines that were on their way into its spool may come twice.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, ensure};
use tests::deadline::eventually;
use tests::house::House;

const KILLS: u64 = 30;
const LINES: usize = 10;

/// Between nothing and a third of a second after the lines were written: before, in and after their way to the disk.
fn moment(kill: u64) -> Duration {
    Duration::from_millis(kill * 37 % 331)
}

fn line(number: usize) -> String {
    format!(
        "Nov 21 10:00:00 dc1 sshd[{number}]: Accepted publickey for story{number} from 203.0.113.9 port 22 ssh2"
    )
}

/// Writes lines and kills a daemon meanwhile, again and again; gives how many lines were written.
async fn kill_again_and_again(house: &mut House, daemon: &str) -> anyhow::Result<usize> {
    let mut written = 0;
    for kill in 0..KILLS {
        let lines: Vec<String> = (written..written + LINES).map(line).collect();
        written += LINES;
        house.log_in_auth(&lines)?;
        // Not waiting for anything: the moment of the kill is what the story is about.
        tokio::time::sleep(moment(kill)).await;
        house.kill_daemon(daemon).await?;
        house.start().await?;
    }
    Ok(written)
}

/// The numbers of the lines that the collector holds, each as often as it holds it.
async fn held(house: &House) -> anyhow::Result<Vec<usize>> {
    let (mut found, mut before) = (Vec::new(), String::new());
    loop {
        let page = house.get(&format!("/api/events?text=Accepted&limit=500{before}")).await?;
        for event in page["events"].as_array().context("no events")? {
            let message = event["message"].as_str().unwrap_or_default();
            let number = message.split("story").nth(1).and_then(|rest| rest.split(' ').next());
            found.push(number.context("another event")?.parse()?);
        }
        match page["next"].as_str() {
            Some(next) => before = format!("&before={next}"),
            None => return Ok(found),
        }
    }
}

#[tokio::test]
async fn every_event_is_there_exactly_once_after_thirty_kills_of_the_collector()
-> anyhow::Result<()> {
    let mut house = House::new()?;
    house.start().await?;
    let written = kill_again_and_again(&mut house, "collector").await?;
    let once = eventually("every event, once", || async {
        let mut found = held(&house).await?;
        found.sort_unstable();
        ensure!(found == (0..written).collect::<Vec<_>>(), "{} of {written}", found.len());
        Ok(())
    });
    once.await.map_err(|error| error.context(house.last_log_lines()))
}

#[tokio::test]
async fn no_event_is_lost_by_thirty_kills_of_the_agent() -> anyhow::Result<()> {
    let mut house = House::new()?;
    house.start().await?;
    let written = kill_again_and_again(&mut house, "agent").await?;
    let all = eventually("every event", || async {
        let found = held(&house).await?;
        let distinct: BTreeSet<usize> = found.iter().copied().collect();
        ensure!(distinct == (0..written).collect(), "{} of {written}", distinct.len());
        Ok(found.len() - written)
    });
    let repeated = all.await.map_err(|error| error.context(house.last_log_lines()))?;
    println!("{repeated} of {written} lines came twice");
    Ok(())
}
