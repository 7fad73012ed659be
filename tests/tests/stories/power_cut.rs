//! The power of the collector's disk is cut while reports arrive: what was acknowledged is there afterwards, once.

use anyhow::ensure;
use tests::deadline::eventually;
use tests::house::House;
use tests::mounted::Mounted;

/// Cuts, each at another moment after new lines were written.
const CUTS: u64 = 10;
const LINES: usize = 40;

fn line(number: usize) -> String {
    format!(
        "Nov 21 10:00:00 dc1 sshd[{number}]: Accepted publickey for story{number} from 203.0.113.9 port 22 ssh2"
    )
}

#[tokio::test]
async fn what_was_acknowledged_before_a_power_cut_is_there_afterwards_each_event_once()
-> anyhow::Result<()> {
    let mut house = House::new()?;
    house.write("collector.yml", "journal:\n  free_reserve: 16MiB\n")?;
    let disk = Mounted::xfs(&house.state_dir.join("collector"))?;
    house.start().await?;
    let mut written = 0;
    for cut in 0..CUTS {
        let lines: Vec<String> = (written..written + LINES).map(line).collect();
        written += LINES;
        house.log_in_auth(&lines)?;
        // Not waiting for anything: the cut comes sooner or later after the lines, before, in and after their way to disk.
        tokio::time::sleep(std::time::Duration::from_millis(cut * 40)).await;
        disk.cut_power()?;
        house.kill_daemon("collector").await?;
        disk.power_on()?;
        house.start().await?;
    }
    let found = eventually("every event, once", || async {
        let page = house.get("/api/events?text=Accepted&limit=1").await?;
        let total = page["total"].as_u64().unwrap_or(0);
        ensure!(total == written as u64, "{total} of {written}");
        Ok(())
    });
    found.await.map_err(|error| error.context(house.last_log_lines()))?;
    ensure!(
        house.query("sum(haidang_gap_reports_total)").await?.as_array().is_none_or(Vec::is_empty)
    );
    Ok(())
}
