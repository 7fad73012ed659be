//! Killed at any moment, by an operator's mistake or by the kernel: nothing acknowledged is lost, nothing is kept twice.

use std::time::Duration;

use tests::deadline::eventually;
use tests::house::House;
use tests::webhook::Webhook;

/// Thirty for the collector and thirty for the agent.
const KILLS: u64 = 60;
const LINES: usize = 20;

/// Between nothing and a third of a second after the lines were written: before, in and after their way to the disk.
fn moment(kill: u64) -> Duration {
    Duration::from_millis(kill * 37 % 331)
}

#[tokio::test]
async fn events_survive_the_killing_of_either_daemon_each_exactly_once() -> anyhow::Result<()> {
    let webhook = Webhook::start().await?;
    let mut house = House::new()?;
    house.notify(&webhook)?;
    house.start().await?;
    let mut written = 0;
    for kill in 0..KILLS {
        let lines: Vec<String> = (written..written + LINES)
            .map(|number| {
                format!(
                    "Nov 21 10:00:00 dc1 sshd[{number}]: Accepted publickey for story{number} from \
                     203.0.113.9 port 22 ssh2"
                )
            })
            .collect();
        written += LINES;
        house.log_in_auth(&lines)?;
        // Not waiting for anything: the moment of the kill is what the story is about.
        tokio::time::sleep(moment(kill)).await;
        house.kill_daemon(if kill % 2 == 0 { "collector" } else { "agent" }).await?;
        house.start().await?;
    }
    let found = eventually("every event, once", || async {
        let page = house.get("/api/events?text=Accepted&limit=1").await?;
        let total = page["total"].as_u64().unwrap_or(0);
        anyhow::ensure!(total == written as u64, "{total} of {written}");
        Ok(())
    });
    found.await.map_err(|error| error.context(house.last_log_lines()))
}
