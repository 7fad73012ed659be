//! A full disk is an ordinary day: ingest stops, says so, and goes on by itself.

use anyhow::ensure;
use tests::deadline::eventually;
use tests::house::House;
use tests::load::{Load, all_is_there_once};
use tests::logins::{held, line};
use tests::mounted::{Mounted, fill_to_the_last_block};
use tests::second_host::SecondHost;
use tests::ticks::Ticks;
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

#[tokio::test(flavor = "multi_thread")]
async fn on_a_disk_filled_to_the_last_block_nothing_acknowledged_is_lost_and_an_alert_tells_it()
-> anyhow::Result<()> {
    let webhook = Webhook::start().await?;
    let mut house = House::new()?;
    Load::prepare(&house, &webhook)?;
    // No reserve: the disk itself says no.
    house.write("collector.yml", "journal:\n  free_reserve: 0B\n")?;
    let state = house.state_dir.join("collector");
    let _disk = Mounted::ext4(&state, 192)?;
    house.start().await?;
    let load = Load::start(&house, 2).await?;
    house.eventually_sees("sum(count_over_time(bench_00[1h])) > 1000").await?;
    let stands_still = "haidang_collector_refused_total{reason=\"no_space\"}";

    fill_to_the_last_block(&state.join("ballast"))?;
    let told = async {
        eventually("not ready", || async {
            ensure!(house.status_without_sign_in("/-/ready").await? == 503);
            ensure!(house.own_metric(stands_still).await? > 0.0);
            Ok(())
        })
        .await?;
        webhook.expect("CollectorDiskFull", "firing").await?;
        // Long enough for every store to have been refused.
        eventually("the metric head could not be written", || async {
            ensure!(house.has_said("the metric head could not be written"));
            Ok(())
        })
        .await
    };
    told.await.map_err(|error| error.context(house.last_log_lines()))?;

    std::fs::remove_file(state.join("ballast"))?;
    let ready = eventually("ready again", || async {
        ensure!(house.status_without_sign_in("/-/ready").await? == 200);
        Ok(())
    });
    ready.await?;
    webhook.expect("CollectorDiskFull", "resolved").await?;
    let remembered = load.stop().await?;
    println!("{}", all_is_there_once(&remembered, &house, &webhook).await?);
    // Not only in memory.
    house.kill_daemon("collector").await?;
    house.start().await?;
    all_is_there_once(&remembered, &house, &webhook).await?;
    Ok(())
}

#[tokio::test]
async fn an_agent_whose_disk_is_full_goes_on_by_itself() -> anyhow::Result<()> {
    let mut house = House::new()?;
    house.start().await?;
    let directory = tempfile::tempdir()?;
    let state_dir = directory.path().join("small");
    let _disk = Mounted::ext4(&state_dir, 48)?;
    let agent = SecondHost::start(&house, "dc1-srv07", Some(&state_dir), "").await?;
    house.eventually_sees("node_load1{host=\"dc1-srv07\"}").await?;
    let ballast = state_dir.join("ballast");
    fill_to_the_last_block(&ballast)?;
    // The room that was taken ahead carries the readings on, and events until it is used up.
    let mut written = 0;
    let waits = eventually("events that wait for room", || async {
        ensure!(agent.own_metric("haidang_agent_evidence_retries_total").await? > 0.0);
        Ok(())
    });
    let write = async {
        loop {
            let padding = "k".repeat(4_000);
            let lines = (written..written + 20).map(|number| format!("{} {padding}", line(number)));
            if let Err(error) = agent.log_in_auth(&lines.collect::<Vec<_>>()) {
                return error;
            }
            written += 20;
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    };
    tokio::select! {
        waits = waits => waits?,
        error = write => return Err(error),
    }
    std::fs::remove_file(&ballast)?;
    let arrived = eventually("every log-in, once", || async {
        let mut found = held(&house).await?;
        found.sort_unstable();
        ensure!(found == (0..written).collect::<Vec<_>>(), "{} of {written}", found.len());
        Ok(())
    });
    arrived.await.map_err(|error| error.context(agent.last_log_lines()))?;
    let ticks = Ticks::of(&house, &agent.host).await?;
    println!("{written} log-ins, {} readings, holes {:?}", ticks.held.len(), ticks.holes());
    Ok(())
}
