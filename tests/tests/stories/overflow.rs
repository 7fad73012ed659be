//! An outage longer than the spool is large: the oldest readings go, a gap record names them, every event stays.

use std::process::Command;
use std::time::Duration;

use agent_model::Millis;
use anyhow::{Context, ensure};
use serde_json::Value;
use tests::deadline::{eventually, now};
use tests::house::{House, binary};
use tests::logins::{held, line};
use tests::second_host::SecondHost;
use tests::ticks::Ticks;

const HOST: &str = "dc1-srv07";
const SMALLEST_SPOOL: &str = "spool:\n  bytes_max: 4MiB\n";

/// Readings that are to be lost at least; they go by segments of some dozens.
const LOST: f64 = 40.0;

/// Readings of one segment that were on their way just when it was dropped: named as lost, and yet they come.
const ON_THEIR_WAY_MAX: u64 = 60;

/// How long the spool may take to overflow.
const PATIENCE: Duration = Duration::from_secs(400);

/// Long lines, so that they and not time fill the spool: sshd tells a key's whole certificate.
const BATCH: usize = 10;
const PADDING: usize = 4_000;

/// Writes batches, each in a second of its own, until the spool has dropped readings; gives how many lines there are. The
/// next one is written when the spool has the last: on a slow disk a heap of them would find only events to displace.
async fn overflow(agent: &SecondHost, collector: &str) -> anyhow::Result<usize> {
    let dropped = "haidang_agent_dropped_reports_total{reason=\"spool_overflow\"}";
    let waiting =
        format!("haidang_agent_waiting_reports{{collector=\"{collector}\",stream=\"evidence\"}}");
    let (mut written, deadline) = (0, now() + PATIENCE);
    // A report that was under way when the collector left would count as one that waits.
    agent.shows_what_is().await?;
    while agent.own_metric(dropped).await? < LOST {
        ensure!(now() < deadline, "the spool did not overflow");
        let before = agent.own_metric(&waiting).await?;
        let padding = "k".repeat(PADDING);
        let lines = (written..written + BATCH).map(|number| format!("{} {padding}", line(number)));
        agent.log_in_auth(&lines.collect::<Vec<_>>())?;
        written += BATCH;
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        let taken = eventually("the last log-ins in the spool", || async {
            let after = agent.own_metric(&waiting).await?;
            ensure!(after > before, "{after} reports wait, as before");
            Ok(())
        });
        taken.await.map_err(|error| error.context(agent.last_log_lines()))?;
    }
    Ok(written)
}

/// What the collector says it will never get.
struct Told {
    from_ms: Millis,
    to_ms: Millis,
    reports: u64,
    samples: u64,
}

async fn told(house: &House) -> anyhow::Result<Told> {
    let host = house.get(&format!("/api/hosts/{HOST}")).await?;
    let gaps = host["gaps"].as_array().context("no gaps")?;
    let number = |gap: &Value, key: &str| gap[key].as_i64().with_context(|| format!("no {key}"));
    let mut told = Told { from_ms: Millis::MAX, to_ms: 0, reports: 0, samples: 0 };
    for gap in gaps {
        ensure!(gap["stream"] == "metrics" && gap["reason"] == "spool_overflow", "{gap}");
        ensure!(gap["events"] == 0, "events were dropped: {gap}");
        told.from_ms = told.from_ms.min(number(gap, "from_ms")?);
        told.to_ms = told.to_ms.max(number(gap, "to_ms")?);
        told.reports += number(gap, "reports")?.unsigned_abs();
        told.samples += number(gap, "samples")?.unsigned_abs();
    }
    ensure!(told.reports > 0, "no gap is told: {host}");
    Ok(told)
}

/// What `haidang status` says.
fn status(house: &House) -> anyhow::Result<String> {
    let output = Command::new(binary("haidang")?)
        .args(["status", "--url", &format!("http://{}", house.web_address()), "--token-file"])
        .arg(house.state_dir.join("admin.token"))
        .output()?;
    Ok(String::from_utf8(output.stdout)?)
}

#[tokio::test]
async fn readings_that_find_no_room_in_the_spool_are_named_in_a_gap_record_and_no_event_is_lost()
-> anyhow::Result<()> {
    let mut house = House::new()?;
    house.start().await?;
    let agent = SecondHost::start(&house, HOST, None, SMALLEST_SPOOL).await?;
    house.eventually_sees(&format!("node_load1{{host=\"{HOST}\"}}")).await?;
    agent.reads_its_log(&house).await?;
    ensure!(house.stop()?, "the house did not end well");
    let written = overflow(&agent, house.agents_address()).await?;
    house.start().await?;
    let arrived = eventually("every event, once, in order", || async {
        let found = held(&house).await?;
        let mut once = found.clone();
        once.sort_unstable();
        ensure!(once == (0..written).collect::<Vec<_>>(), "{} of {written}", found.len());
        ensure!(found.is_sorted_by_key(|number| number / BATCH), "not in order: {found:?}");
        Ok(())
    });
    arrived.await.map_err(|error| error.context(agent.last_log_lines()))?;
    // The backlog follows the present, so the hole shrinks to what was dropped.
    let same = eventually("one hole, which the gap records tell", || async {
        let (ticks, told) = (Ticks::of(&house, HOST).await?, told(&house).await?);
        let holes = ticks.holes();
        let [(before_ms, after_ms, missing)] = holes[..] else {
            let gaps = house.get(&format!("/api/hosts/{HOST}")).await?["gaps"].clone();
            anyhow::bail!("the holes are {holes:?}, the gaps {gaps}");
        };
        let arrived = told.reports.checked_sub(missing).context("readings are missing untold")?;
        ensure!(arrived <= ON_THEIR_WAY_MAX, "{missing} are missing, {} are told", told.reports);
        let within = told.to_ms < after_ms || arrived > 0;
        ensure!(before_ms < told.from_ms && within, "{holes:?} lie elsewhere");
        Ok((told, ticks.held.len()))
    });
    let (told, readings) = same.await.map_err(|error| error.context(agent.last_log_lines()))?;
    ensure!(told.samples > told.reports * 100, "only {} samples are told", told.samples);
    println!(
        "{written} log-ins, {readings} readings held, {} lost ({} samples)",
        told.reports, told.samples
    );
    // A person is told too.
    let gap = format!("haidang_gap_reports_total{{host=\"{HOST}\"}} == {}", told.reports);
    house.eventually_sees(&gap).await?;
    let screen = status(&house)?;
    ensure!(screen.contains("will never arrive") && screen.contains(HOST), "{screen}");
    Ok(())
}
