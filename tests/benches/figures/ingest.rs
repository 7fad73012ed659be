//! What the collector takes from many agents at once, and what a sample costs on the wire and on the disk.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use agent_model::{Epoch, Millis};
use anyhow::{Context, ensure};
use futures_util::{StreamExt, TryStreamExt, stream};
use tests::deadline::{eventually, now};
use tests::fleet::{Agent, INTERVAL_MS, SERIES, Sent, Shared};
use tests::house::House;

use crate::process;
use crate::table::{present, row, spread};

/// Enrolments under way at once.
const ENROLMENTS_AT_ONCE: usize = 16;

/// Ticks before the present that a fleet of many sends as fast as it can: ten reports in each of four requests.
const BURST: Burst = Burst { requests: 4, reports: 10 };

/// Ticks of ordinary operation after the burst.
const ORDINARY_TICKS: u32 = 3;

/// Five times two minutes: the collector cuts its head every two minutes, so like is compared with like.
const SOAK_ROUNDS: u32 = 5;
const SOAK_TICKS: u32 = 8;

/// Four hours of 10,000 series: what compression makes of long series.
pub(crate) const HOURS: Burst = Burst { requests: 24, reports: 40 };
pub(crate) const HOURS_HOSTS: u32 = 20;

#[derive(Clone, Copy)]
pub(crate) struct Burst {
    requests: u32,
    reports: u32,
}

impl Burst {
    pub(crate) const fn new(requests: u32, reports: u32) -> Self {
        Self { requests, reports }
    }

    pub(crate) fn ticks(self) -> u32 {
        self.requests * self.reports
    }

    /// When the tick of this number was, if the tick after the last is now.
    pub(crate) fn timestamp(self, now_ms: Millis, tick: u32) -> Millis {
        now_ms - INTERVAL_MS * Millis::from(self.ticks() - tick)
    }
}

/// Many agents: a burst as fast as the collector takes it, then ticks of ordinary operation, then a crash.
pub(crate) async fn fleet(hosts: u32) -> anyhow::Result<()> {
    let mut house = House::new()?;
    house.start().await?;
    let started = now();
    let agents = enrol(&house, hosts).await?;
    let enrolment = now().duration_since(started).as_secs_f64();
    let rate = f64::from(hosts) / enrolment;
    let figure = format!("{hosts} hosts in {enrolment:.1} s ({rate:.0}/s)");
    row("enrolment: token, certificate request, certificate", figure, "–");
    let (agents, _) = burst(&house, agents, BURST).await?;
    let mut rounds = Rounds { from: BURST.ticks(), agents };
    rounds.run(&house, ORDINARY_TICKS).await?;
    restart(&mut house, hosts).await
}

/// The same fleet for ten minutes, to see whether memory grows; asked for by name only.
pub(crate) async fn soak(hosts: u32) -> anyhow::Result<()> {
    let mut house = House::new()?;
    house.start().await?;
    let agents = enrol(&house, hosts).await?;
    let mut rounds = Rounds { from: 0, agents };
    for _ in 0..SOAK_ROUNDS {
        rounds.run(&house, SOAK_TICKS).await?;
    }
    restart(&mut house, hosts).await
}

/// A few agents over hours: what taking a sample costs, and what it takes on the disk.
pub(crate) async fn hours() -> anyhow::Result<()> {
    let mut house = House::new()?;
    house.start().await?;
    let agents = enrol(&house, HOURS_HOSTS).await?;
    let collector = house.daemon("collector")?;
    let before = process::processor(collector)?;
    let (_, took) = burst(&house, agents, HOURS).await?;
    let used = process::processor(collector)?.saturating_sub(before);
    let peak = process::peak_memory(collector)?;
    let samples = house.own_metric("haidang_collector_samples_total").await?;
    // Stopping writes what is still in memory.
    house.stop()?;
    let disk_bytes = bytes_below(&house.state_dir.join("collector").join("metrics"))?;
    let what = format!("{HOURS_HOSTS} simulated agents of {SERIES} series, 4 hours at 15 s");
    row(&what, Taken { samples, took, used, peak, disk_bytes }, "see the next two rows");
    Ok(())
}

/// What a server took of samples, and at what cost.
pub(crate) struct Taken {
    pub(crate) samples: f64,
    /// Until the last was acknowledged.
    pub(crate) took: Duration,
    /// Of processors.
    pub(crate) used: Duration,
    /// MiB resident, at most.
    pub(crate) peak: f64,
    pub(crate) disk_bytes: u64,
}

impl fmt::Display for Taken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { samples, took, used, peak, disk_bytes } = self;
        let rate = |time: &Duration| samples / time.as_secs_f64() / 1e6;
        write!(
            formatter,
            "{:.2} M samples/s, {:.2} M per CPU-second; peak {peak:.0} MiB RSS; {:.2} B/sample on \
             disk; {:.1} M samples",
            rate(took),
            rate(used),
            *disk_bytes as f64 / samples,
            samples / 1e6
        )
    }
}

async fn enrol(house: &House, hosts: u32) -> anyhow::Result<Vec<Agent>> {
    let schema = Shared::new(SERIES);
    let epoch = Epoch(u64::try_from(present().as_millisecond())?);
    let enrolled = (0..hosts).map(|number| Agent::enrol(house, number, epoch, schema.clone()));
    stream::iter(enrolled).buffer_unordered(ENROLMENTS_AT_ONCE).try_collect().await
}

/// Everybody at once, each the next request when the last was acknowledged.
async fn burst(
    house: &House,
    agents: Vec<Agent>,
    burst: Burst,
) -> anyhow::Result<(Vec<Agent>, Duration)> {
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
    let collector = house.daemon("collector")?;
    let (started, before) = (now(), process::processor(collector)?);
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
    queryable(house, hosts, last_ms, last_ms).await?;
    let queryable = now().duration_since(started);
    let used = process::processor(collector)?.saturating_sub(before);
    let samples = all.iter().map(|it| it.stored as f64).sum::<f64>() * f64::from(SERIES);
    let rate = |time: Duration| samples / time.as_secs_f64() / 1e6;
    let figure = format!(
        "{:.2} M samples/s acknowledged, {:.2} M/s until queryable, {:.2} M per CPU-second of the \
         collector; {:.1} M samples; {}",
        rate(acknowledged),
        rate(queryable),
        rate(used),
        samples / 1e6,
        outcome(&all),
    );
    let Burst { reports, .. } = burst;
    let what = format!(
        "ingest of new series, {hosts} agents at once, mTLS, {reports} reports of {SERIES} a request"
    );
    row(&what, figure, "–");
    let bytes = all.iter().map(|it| it.body_bytes as f64).sum::<f64>() / samples;
    let what = format!("on the wire, simulated agents, {reports} reports a request");
    row(&what, format!("{bytes:.2} B/sample"), "–");
    Ok((agents, acknowledged))
}

/// Ordinary operation: a fleet and the number of its next tick.
struct Rounds {
    from: u32,
    agents: Vec<Agent>,
}

impl Rounds {
    /// So many ticks, the agents spread evenly over each as chance spreads them.
    async fn run(&mut self, house: &House, ticks: u32) -> anyhow::Result<()> {
        let hosts = u32::try_from(self.agents.len())?;
        let tick = Duration::from_millis(u64::try_from(INTERVAL_MS)?);
        let collector = house.daemon("collector")?;
        let (before, started) = (process::processor(collector)?, now());
        let numbers = self.from..self.from + ticks;
        self.from = numbers.end;
        let tasks: Vec<_> = (0..hosts)
            .zip(std::mem::take(&mut self.agents))
            .map(|(place, mut agent)| {
                let numbers = numbers.clone();
                tokio::spawn(async move {
                    let mut all = Vec::new();
                    for (number, later) in numbers.zip(0..) {
                        let at = started + tick * place / hosts + tick * later;
                        tokio::time::sleep_until(at.into()).await;
                        let body = agent.body(&[(number, present().as_millisecond())])?;
                        all.push(agent.send(body).await?);
                    }
                    anyhow::Ok((agent, all))
                })
            })
            .collect();
        let mut all = Vec::new();
        for task in tasks {
            let (agent, sent) = task.await??;
            self.agents.push(agent);
            all.extend(sent);
        }
        let used = process::processor(collector)?.saturating_sub(before);
        let share = 100.0 * used.as_secs_f64() / now().duration_since(started).as_secs_f64();
        let bytes = all.iter().map(|it| it.body_bytes as f64).sum::<f64>()
            / (all.iter().map(|it| it.stored as f64).sum::<f64>() * f64::from(SERIES));
        let what = format!("acknowledgement, {hosts} agents, each every {tick:?}, {ticks} ticks");
        row(&what, format!("{}; {bytes:.2} B/sample on the wire", outcome(&all)), "–");
        let (resident, anonymous) = process::memory(collector)?;
        let figure = format!(
            "{share:.0} % of one core; {resident:.0} MiB RSS ({anonymous:.0} anonymous), {} series",
            hosts * SERIES
        );
        row(&format!("the collector meanwhile, {hosts} hosts"), figure, "–");
        Ok(())
    }
}

/// The collector is killed and started again: when it is ready, and when what it had not yet cut can be asked for.
async fn restart(house: &mut House, hosts: u32) -> anyhow::Result<()> {
    let last = house.query("max(timestamp(bench_00{device=\"device0\"}))").await?;
    let last: f64 = last[0]["value"][1].as_str().context("no samples of the fleet")?.parse()?;
    house.kill_daemon("collector").await?;
    let started = now();
    let readiness = format!("http://{}/-/ready", house.web_address());
    let http = reqwest::Client::new();
    let ready = eventually("readiness", || async {
        http.get(&readiness).send().await?.error_for_status()?;
        Ok(now().duration_since(started))
    });
    let (begun, ready) = tokio::join!(house.start(), ready);
    begun?;
    // Every host reported within the last interval.
    #[allow(clippy::cast_possible_truncation, reason = "milliseconds since 1970")]
    let last_ms = (last * 1_000.0).round() as Millis;
    queryable(house, usize::try_from(hosts)?, last_ms - INTERVAL_MS - 2_000, last_ms).await?;
    let figure = format!(
        "ready after {:.2} s, everything acknowledged queryable after {:.2} s, for which it used \
         {:.2} s of a core",
        ready?.as_secs_f64(),
        now().duration_since(started).as_secs_f64(),
        process::processor(house.daemon("collector")?)?.as_secs_f64()
    );
    row(&format!("start after `kill -9`, {} series", hosts * SERIES), figure, "–");
    Ok(())
}

fn outcome(all: &[Sent]) -> String {
    let refused: usize = all.iter().map(|it| it.refused).sum();
    let times = all.iter().map(|it| it.took).collect();
    format!("acknowledged in {}; refused {refused}", spread(times))
}

/// Waits until a report of every host, between these times, can be asked for.
async fn queryable(
    house: &House,
    hosts: usize,
    from_ms: Millis,
    to_ms: Millis,
) -> anyhow::Result<()> {
    let seconds = |ms: Millis| format!("{}.{:03}", ms / 1_000, ms % 1_000);
    let (from, to) = (seconds(from_ms), seconds(to_ms));
    // At a time of the data: a fleet that takes minutes would fall out of what is looked back on.
    let question =
        format!("count(timestamp(bench_00{{device=\"device0\"}} @ {to}) >= {from}) == {hosts}");
    eventually(&question, || async {
        let answer = house.query(&question).await?;
        ensure!(answer.as_array().is_some_and(|it| !it.is_empty()), "the result is {answer}");
        Ok(())
    })
    .await
}

pub(crate) fn bytes_below(path: &Path) -> anyhow::Result<u64> {
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
