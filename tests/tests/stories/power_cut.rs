//! The power of the collector's disk is cut under load: what was acknowledged is there afterwards, once.

use std::time::Duration;

use anyhow::ensure;
use bytes::Bytes;
use collector_journal::{Journal, JournalConfig, Position};
use tests::chance::Chance;
use tests::deadline::eventually;
use tests::house::House;
use tests::load::{Load, all_is_there_once};
use tests::logins::{held, line};
use tests::mounted::Mounted;
use tests::webhook::Webhook;

const CUTS: u64 = 10;
const LINES: usize = 40;

/// The longest time from new lines to the cut.
const SOONEST: Duration = Duration::from_secs(3);

/// Simulated agents beside the real one.
const AGENTS: u32 = 4;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_before_a_power_cut_is_there_afterwards_once() -> anyhow::Result<()> {
    let (webhook, mut chance) = (Webhook::start().await?, Chance::new()?);
    let mut house = House::new()?;
    Load::prepare(&house, &webhook)?;
    house.write("collector.yml", "journal:\n  free_reserve: 16MiB\n")?;
    let disk = Mounted::xfs(&house.state_dir.join("collector"))?;
    house.start().await?;
    let load = Load::start(&house, AGENTS).await?;
    let mut written = 0;
    for _ in 0..CUTS {
        let lines: Vec<String> = (written..written + LINES).map(line).collect();
        written += LINES;
        house.log_in_auth(&lines)?;
        // Not waiting for anything: the moment of the cut is what the story is about.
        tokio::time::sleep(chance.moment(SOONEST)).await;
        disk.cut_power()?;
        house.kill_daemon("collector").await?;
        disk.power_on()?;
        house.start().await?;
    }
    let remembered = load.stop().await?;
    println!("{}", all_is_there_once(&remembered, &house, &webhook).await?);
    let once = eventually("every log-in, once", || async {
        let mut found = held(&house).await?;
        found.sort_unstable();
        ensure!(found == (0..written).collect::<Vec<_>>(), "{} of {written}", found.len());
        Ok(())
    });
    once.await.map_err(|error| error.context(house.last_log_lines()))?;
    ensure!(
        house.query("sum(haidang_gap_reports_total)").await?.as_array().is_none_or(Vec::is_empty)
    );
    Ok(())
}

/// So many that one sync in a thousand which lies about a cut is found in most runs.
const JOURNAL_CUTS: u32 = 100;

/// Who appends at the same time.
const APPENDERS: usize = 4;

/// Appends until the journal refuses; the last position that was acknowledged.
async fn append_until_refused(journal: Journal) -> Position {
    let mut acknowledged = Position::default();
    while let Ok(position) = journal.append(vec![Bytes::from_static(&[7; 300])]).await {
        acknowledged = position;
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_journal_acknowledged_is_there_after_each_of_many_power_cuts() -> anyhow::Result<()>
{
    let (directory, mut chance) = (tempfile::tempdir()?, Chance::new()?);
    let disk = Mounted::xfs(&directory.path().join("disk"))?;
    let mut acknowledged = Position::default();
    for cut in 0..JOURNAL_CUTS {
        let mut config =
            JournalConfig::new(directory.path().join("disk/journal"), || Duration::ZERO);
        config.free_reserve_bytes = 0;
        let journal = Journal::open(config)?;
        let (held, damaged) = (journal.durable(), &journal.recovery().damaged);
        ensure!(held >= acknowledged, "after {cut} cuts up to {held}, not {acknowledged}");
        ensure!(damaged.is_empty(), "after {cut} cuts {damaged:?}");
        let appenders: Vec<_> =
            (0..APPENDERS).map(|_| tokio::spawn(append_until_refused(journal.clone()))).collect();
        tokio::time::sleep(chance.moment(Duration::from_millis(60))).await;
        disk.cut_power()?;
        for appender in appenders {
            acknowledged = acknowledged.max(appender.await?);
        }
        drop(journal);
        // The journal's thread closes its file a moment later.
        eventually("the power", || async { disk.power_on() }).await?;
    }
    ensure!(acknowledged.0 > u64::from(JOURNAL_CUTS), "this was no load: {acknowledged}");
    println!("{JOURNAL_CUTS} cuts, {acknowledged} records acknowledged, all there");
    Ok(())
}
