//! What the collector takes from many agents at once, and what a sample costs on the wire and on the disk.

use std::path::Path;
use std::time::Duration;

use agent_model::{Epoch, Millis};
use anyhow::ensure;
use futures_util::{StreamExt, TryStreamExt, stream};
use tests::deadline::{eventually, now};
use tests::fleet::{Agent, INTERVAL_MS, SERIES, Sent, Shared};
use tests::house::House;

use crate::process;
use crate::table::{Table, present, spread};

/// Enrolments under way at once.
const ENROLMENTS_AT_ONCE: usize = 16;

/// Ticks before the present that a fleet of many sends as fast as it can: ten reports in each of four requests.
const BURST: Burst = Burst { requests: 4, reports: 10 };

/// Four hours of a few agents: what compression makes of long series.
const HOURS: Burst = Burst { requests: 24, reports: 40 };
const HOURS_HOSTS: u32 = 4;

#[derive(Clone, Copy)]
struct Burst {
    requests: u32,
    reports: u32,
}

impl Burst {
    fn ticks(self) -> u32 {
        self.requests * self.reports
    }

    /// When the tick of this number was, if the tick after the last is now.
    fn timestamp(self, now_ms: Millis, tick: u32) -> Millis {
        now_ms - INTERVAL_MS * Millis::from(self.ticks() - tick)
    }
}

/// Many agents: a burst as fast as the collector takes it, then two ticks of ordinary operation.
pub(crate) async fn fleet(table: &mut Table, hosts: u32) -> anyhow::Result<()> {
    let mut house = House::new()?;
    house.start().await?;
    let started = now();
    let agents = enrol(&house, hosts).await?;
    let enrolment = now().duration_since(started).as_secs_f64();
    let rate = f64::from(hosts) / enrolment;
    let figure = format!("{hosts} hosts in {enrolment:.1} s ({rate:.0}/s)");
    table.row("enrolment: token, certificate request, certificate", figure, "–");
    let agents = burst(table, &house, agents, BURST).await?;
    ordinary(table, agents).await?;
    let (resident, anonymous) = process::memory(house.daemon("collector")?)?;
    let series = hosts * SERIES;
    let figure =
        format!("{resident:.0} MiB RSS ({anonymous:.0} anonymous), {series} active series");
    table.row(&format!("collector with {hosts} hosts"), figure, "–");
    Ok(())
}

/// A few agents over hours: bytes per sample.
pub(crate) async fn hours(table: &mut Table) -> anyhow::Result<()> {
    let mut house = House::new()?;
    house.start().await?;
    let agents = enrol(&house, HOURS_HOSTS).await?;
    drop(burst(table, &house, agents, HOURS).await?);
    let samples = house.own_metric("haidang_collector_samples_total").await?;
    // Stopping writes what is still in memory.
    house.stop()?;
    let bytes = bytes_below(&house.state_dir.join("collector").join("metrics"))?;
    let figure = format!("{:.2} B/sample ({bytes} B, {samples} samples)", bytes as f64 / samples);
    table.row("on disk, simulated agents, 4 hours at 15 s", figure, "none on the same data");
    Ok(())
}

async fn enrol(house: &House, hosts: u32) -> anyhow::Result<Vec<Agent>> {
    let schema = Shared::new(SERIES);
    let epoch = Epoch(u64::try_from(present().as_millisecond())?);
    let enrolled = (0..hosts).map(|number| Agent::enrol(house, number, epoch, schema.clone()));
    stream::iter(enrolled).buffer_unordered(ENROLMENTS_AT_ONCE).try_collect().await
}

/// Everybody at once, each the next request when the last was acknowledged.
async fn burst(
    table: &mut Table,
    house: &House,
    agents: Vec<Agent>,
    burst: Burst,
) -> anyhow::Result<Vec<Agent>> {
    let (hosts, now_ms) = (agents.len(), present().as_millisecond());
    // Encoding is the agents' work and lies before the measurement.
    let mut ready = Vec::new();
    for mut agent in agents {
        let mut bodies = Vec::new();
        for request in 0..burst.requests {
            let ticks = request * burst.reports..(request + 1) * burst.reports;
            let ticks: Vec<_> = ticks.map(|it| (it, burst.timestamp(now_ms, it))).collect();
            bodies.push(agent.body(&ticks)?);
        }
        ready.push((agent, bodies));
    }
    let started = now();
    let tasks: Vec<_> = ready
        .into_iter()
        .map(|(agent, bodies)| {
            tokio::spawn(async move {
                let mut all = Vec::new();
                for body in bodies {
                    all.push(agent.send(body).await?);
                }
                anyhow::Ok((agent, all))
            })
        })
        .collect();
    let (mut agents, mut all) = (Vec::new(), Vec::new());
    for task in tasks {
        let (agent, sent) = task.await??;
        agents.push(agent);
        all.extend(sent);
    }
    let acknowledged = now().duration_since(started);
    let last_ms = burst.timestamp(now_ms, burst.ticks() - 1);
    queryable(house, hosts, last_ms).await?;
    let queryable = now().duration_since(started);
    let samples = all.iter().map(|it| it.stored as f64).sum::<f64>() * f64::from(SERIES);
    let rate = |time: Duration| samples / time.as_secs_f64() / 1e6;
    let figure = format!(
        "{:.2} M samples/s acknowledged, {:.2} M/s until queryable; {samples} samples; {}",
        rate(acknowledged),
        rate(queryable),
        outcome(&all),
    );
    let Burst { reports, .. } = burst;
    let what = format!(
        "ingest of new series, {hosts} agents at once, mTLS, {reports} reports of {SERIES} a request"
    );
    table.row(&what, figure, "–");
    let bytes = all.iter().map(|it| it.body_bytes as f64).sum::<f64>() / samples;
    let what = format!("on the wire, simulated agents, {reports} reports a request");
    table.row(&what, format!("{bytes:.2} B/sample"), "–");
    Ok(agents)
}

/// Two ticks, the agents spread evenly over each as chance spreads them.
async fn ordinary(table: &mut Table, agents: Vec<Agent>) -> anyhow::Result<()> {
    let hosts = u32::try_from(agents.len())?;
    let tick = Duration::from_millis(u64::try_from(INTERVAL_MS)?);
    let tasks: Vec<_> = (0..hosts)
        .zip(agents)
        .map(|(place, mut agent)| {
            tokio::spawn(async move {
                tokio::time::sleep(tick / hosts * place).await;
                let mut all = Vec::new();
                for round in 0..2 {
                    let now_ms = present().as_millisecond();
                    let body = agent.body(&[(BURST.ticks() + round, now_ms)])?;
                    all.push(agent.send(body).await?);
                    tokio::time::sleep(tick).await;
                }
                anyhow::Ok(all)
            })
        })
        .collect();
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await??);
    }
    let bytes = all.iter().map(|it| it.body_bytes as f64).sum::<f64>()
        / (all.iter().map(|it| it.stored as f64).sum::<f64>() * f64::from(SERIES));
    let outcome = outcome(&all);
    let what = format!("acknowledgement, {hosts} agents, each every {tick:?}");
    table.row(&what, format!("{outcome}; {bytes:.2} B/sample on the wire"), "–");
    Ok(())
}

fn outcome(all: &[Sent]) -> String {
    let refused: usize = all.iter().map(|it| it.refused).sum();
    let times = all.iter().map(|it| it.took).collect();
    format!("acknowledged in {}; refused {refused}", spread(times))
}

/// Waits until the last report of every host can be asked for.
async fn queryable(house: &House, hosts: usize, last_ms: Millis) -> anyhow::Result<()> {
    let seconds = last_ms / 1_000;
    let question =
        format!("count(timestamp(bench_00{{device=\"device0\"}}) >= {seconds}) == {hosts}");
    eventually(&question, || async {
        let answer = house.query(&question).await?;
        ensure!(answer.as_array().is_some_and(|it| !it.is_empty()), "the result is {answer}");
        Ok(())
    })
    .await
}

fn bytes_below(path: &Path) -> anyhow::Result<u64> {
    let metadata = path.symlink_metadata()?;
    if !metadata.is_dir() {
        return Ok(metadata.len());
    }
    let mut sum = 0;
    for entry in path.read_dir()? {
        sum += bytes_below(&entry?.path())?;
    }
    Ok(sum)
}
