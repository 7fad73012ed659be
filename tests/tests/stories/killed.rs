//! Killed at any moment, by a power cut or by the kernel: nothing acknowledged is lost, nothing is told twice.

use tests::deadline::eventually;
use tests::house::House;
use tests::webhook::Webhook;

#[tokio::test]
async fn events_survive_the_killing_of_either_daemon_each_exactly_once() -> anyhow::Result<()> {
    let webhook = Webhook::start().await?;
    let mut house = House::new()?;
    house.notify(&webhook)?;
    house.start().await?;
    let mut written = 0;
    for round in 0..4 {
        let lines: Vec<String> = (0..50)
            .map(|at| {
                let number = written + at;
                format!("Nov 21 10:00:00 dc1 sshd[{number}]: Accepted publickey for story{number} from 203.0.113.9 port 22 ssh2")
            })
            .collect();
        written += lines.len();
        house.log_in_auth(&lines)?;
        // Half of the rounds kill the one, half the other, while the lines are on their way.
        house.kill_daemon(if round % 2 == 0 { "collector" } else { "agent" }).await?;
        house.start().await?;
    }
    let found = eventually("every event, once", || async {
        let page = house.get("/api/events?text=Accepted&limit=1").await?;
        let total = page["total"].as_u64().unwrap_or(0);
        anyhow::ensure!(total == written as u64, "{total} of {written}");
        Ok(total)
    });
    found.await.map_err(|error| error.context(house.last_log_lines()))?;
    Ok(())
}
