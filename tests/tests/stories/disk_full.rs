//! A full disk is an ordinary day: ingest stops, says so, and goes on by itself.

use anyhow::ensure;
use tests::deadline::eventually;
use tests::house::House;
use tests::mounted::Mounted;
use tests::webhook::Webhook;

#[tokio::test]
async fn at_the_reserve_it_stops_taking_reports_says_so_and_goes_on_by_itself() -> anyhow::Result<()>
{
    let directory = tempfile::tempdir()?;
    let state_dir = directory.path().join("small");
    let small = Mounted::tmpfs(&state_dir, 192)?;
    let webhook = Webhook::start().await?;
    let mut house = House::at(directory, state_dir.clone())?;
    house.notify(&webhook)?;
    house.write("collector.yml", "journal:\n  free_reserve: 32MiB\n")?;
    house.start().await?;

    // Something else fills the disk, down to less than the reserve.
    let ballast = state_dir.join("ballast");
    small.fill(&ballast, 24 << 20)?;
    let not_ready = eventually("not ready", || async {
        ensure!(house.status_without_sign_in("/-/ready").await? == 503);
        Ok(())
    });
    not_ready.await?;
    house.eventually_sees("haidang_collector_ready == 0").await?;
    webhook.expect("CollectorDiskFull", "firing").await?;

    std::fs::remove_file(&ballast)?;
    let ready = eventually("ready again", || async {
        ensure!(house.status_without_sign_in("/-/ready").await? == 200);
        Ok(())
    });
    ready.await?;
    webhook.expect("CollectorDiskFull", "resolved").await?;
    house.eventually_sees("node_load1").await
}
