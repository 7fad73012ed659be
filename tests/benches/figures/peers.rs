//! This collector, and Prometheus and VictoriaMetrics as Debian packages them, taking the same samples by remote write 1.0
//! on two connections from the same sender; then the same range queries over them. And the same samples by OTLP, which
//! neither peer of Debian 12 takes yet: there remote write is what it is compared with.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use agent_model::{Labels, Millis};
use anyhow::Context;
use prost::Message;
use tests::deadline::{eventually, now};
use tests::fleet::{SERIES, Shared, value};
use tests::house::{House, free_address};

use crate::ingest::{Burst, HOURS, HOURS_HOSTS, Taken, bytes_below};
use crate::otlp;
use crate::process::{Daemon, peak_memory, processor};
use crate::ranges;
use crate::table::{present, row};

/// Ticks of one host in one request: 10,000 samples, which both peers take in one piece.
const TICKS: u32 = 20;
const CONNECTIONS: u32 = 2;

/// An hour of the load that is compared with the peers.
const OTLP_TICKS: Burst = Burst::new(12, TICKS);

/// prompb's messages (github.com/prometheus/prometheus, prompb/remote.proto and types.proto).
#[derive(Clone, PartialEq, Message)]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    timeseries: Vec<TimeSeries>,
}

#[derive(Clone, PartialEq, Message)]
struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    timestamp: i64,
}

/// How samples are sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    RemoteWrite,
    Otlp,
}

impl Way {
    fn path(self) -> &'static str {
        match self {
            Self::RemoteWrite => "/api/v1/write",
            Self::Otlp => "/api/v1/otlp/v1/metrics",
        }
    }

    fn encoding(self) -> &'static str {
        match self {
            Self::RemoteWrite => "snappy",
            Self::Otlp => "gzip",
        }
    }
}

/// What all take: so many series of so many hosts, by time.
struct Load {
    way: Way,
    hosts: u32,
    ticks: Burst,
    /// Whether range queries are asked of it as well.
    asked: bool,
    /// The tick after the last.
    now_ms: Millis,
    bodies: Vec<Vec<Vec<u8>>>,
}

impl Load {
    fn samples(&self) -> f64 {
        f64::from(self.hosts * self.ticks.ticks() * SERIES)
    }
}

/// Four hours of few series, the data of [`crate::ingest::hours`], and half an hour of many.
const LOADS: [(u32, Burst, bool); 2] =
    [(HOURS_HOSTS, HOURS, true), (200, Burst::new(6, TICKS), false)];

/// The figures of each peer that is installed.
pub(crate) async fn compare() -> anyhow::Result<()> {
    for (hosts, ticks, asked) in LOADS {
        let now_ms = present().as_millisecond();
        let load = load(Way::RemoteWrite, hosts, ticks, asked, now_ms)?;
        let (series, ticks) = (hosts * SERIES, ticks.ticks());
        for (name, measured) in [
            ("Hải Đăng, until queryable", here(&load).await),
            ("Prometheus", prometheus(&load).await),
            ("VictoriaMetrics", victoria_metrics(&load).await),
        ] {
            let figure = measured
                .map_or_else(|error| format!("not measured: {error:#}"), |it| it.to_string());
            let what = format!("{series} series x {ticks} samples by remote write");
            row(&format!("{what}, {CONNECTIONS} connections: {name}"), figure, "–");
        }
    }
    Ok(())
}

/// OTLP, and remote write with the same samples.
pub(crate) async fn otlp() -> anyhow::Result<()> {
    let now_ms = present().as_millisecond();
    for (name, way) in [("OTLP", Way::Otlp), ("remote write", Way::RemoteWrite)] {
        let load = load(way, HOURS_HOSTS, OTLP_TICKS, false, now_ms)?;
        let sent: usize = load.bodies.iter().flatten().map(Vec::len).sum();
        let here = here(&load).await;
        let series = HOURS_HOSTS * SERIES;
        let what = format!(
            "{series} series x {} samples by {name}, {CONNECTIONS} connections, {:.1} B/sample sent",
            OTLP_TICKS.ticks(),
            sent as f64 / load.samples()
        );
        let figure =
            here.map_or_else(|error| format!("not measured: {error:#}"), |it| it.to_string());
        row(&what, figure, "–");
    }
    Ok(())
}

fn load(way: Way, hosts: u32, ticks: Burst, asked: bool, now_ms: Millis) -> anyhow::Result<Load> {
    let at = |tick| ticks.timestamp(now_ms, tick);
    Ok(Load { way, hosts, ticks, asked, now_ms, bodies: bodies(way, hosts, ticks.ticks(), &at)? })
}

/// For each connection the requests in order of time; `at` is the time of a tick.
pub(crate) fn bodies(
    way: Way,
    hosts: u32,
    ticks: u32,
    at: &dyn Fn(u32) -> Millis,
) -> anyhow::Result<Vec<Vec<Vec<u8>>>> {
    let series = Shared::new(SERIES).series().to_vec();
    let mut connections = vec![Vec::new(); usize::try_from(CONNECTIONS)?];
    for first in (0..ticks).step_by(usize::try_from(TICKS)?) {
        for host in 0..hosts {
            let ticks = first..(first + TICKS).min(ticks);
            let values = |tick| (0..SERIES).map(|at| value(host, at, tick)).collect();
            let columns: Vec<_> = ticks.map(|tick| (at(tick), values(tick))).collect();
            let packed = match way {
                Way::RemoteWrite => {
                    let message = request(&series, host, &columns).encode_to_vec();
                    snap::raw::Encoder::new().compress_vec(&message)?
                }
                Way::Otlp => otlp::body(&series, &format!("bench-{host:05}"), &columns)?,
            };
            connections[usize::try_from(host % CONNECTIONS)?].push(packed);
        }
    }
    Ok(connections)
}

fn request(series: &[Labels], host: u32, columns: &[(Millis, Vec<f64>)]) -> WriteRequest {
    let host = format!("bench-{host:05}");
    let one = |(at, labels): (usize, &Labels)| {
        let labels = labels.with("host", &*host).with("instance", &*host).with("job", "bench");
        let label = |label: &agent_model::Label| Label {
            name: label.name.to_string(),
            value: label.value.to_string(),
        };
        let samples = columns
            .iter()
            .map(|(timestamp, values)| Sample { value: values[at], timestamp: *timestamp });
        TimeSeries { labels: labels.iter().map(label).collect(), samples: samples.collect() }
    };
    WriteRequest { timeseries: series.iter().enumerate().map(one).collect() }
}

/// The collector of a house, which watches this machine meanwhile; measured until a query sees the last samples.
async fn here(load: &Load) -> anyhow::Result<Taken> {
    let mut house = House::new()?;
    house.start().await?;
    let token = house.write_token("bench").await?;
    let pid = house.daemon("collector")?;
    let url = format!("http://{}", house.web_address());
    let (before, started) = (processor(pid)?, now());
    post(&url, Some(&token), load.way, &load.bodies).await?;
    let acknowledged = now().duration_since(started);
    // The view takes records in their order: when it has the last ones of all, it has all.
    let series = Shared::new(SERIES).series()[0].clone();
    let last = (1..=CONNECTIONS).map(|back| format!("bench-{:05}", load.hosts - back));
    let last = last.collect::<Vec<_>>().join("|");
    let at = load.now_ms / 1_000 - 60;
    let name = series.metric_name();
    let expression =
        format!("count(timestamp({name}{{host=~\"{last}\"}}) > {at}) >= {CONNECTIONS}");
    house.eventually_sees(&expression).await?;
    let took = now().duration_since(started);
    println!("acknowledged after {acknowledged:.2?}, all queryable after {took:.2?}");
    let used = processor(pid)?.saturating_sub(before);
    let peak = peak_memory(pid)?;
    if load.asked {
        ranges::ask("Hải Đăng", &url, Some(&house.read_token().await?)).await?;
    }
    // Stopping writes what is still in memory.
    house.stop()?;
    let disk_bytes = bytes_below(&house.state_dir.join("collector").join("metrics"))?;
    Ok(Taken { samples: load.samples(), took, used, peak, disk_bytes })
}

async fn prometheus(load: &Load) -> anyhow::Result<Taken> {
    let directory = tempfile::tempdir()?;
    let (listen, path) = (free_address()?, directory.path().display().to_string());
    fs::write(directory.path().join("prometheus.yml"), "")?;
    let mut command = Command::new("prometheus");
    command
        .arg(format!("--config.file={path}/prometheus.yml"))
        .arg(format!("--storage.tsdb.path={path}/data"))
        .arg(format!("--web.listen-address={listen}"))
        .args(["--web.enable-remote-write-receiver", "--web.enable-admin-api"]);
    let peer = Daemon::start(&mut command).context("`prometheus` is not installed")?;
    let url = format!("http://{listen}");
    let mut taken = send(&peer, &url, "/-/ready", load).await?;
    if load.asked {
        ranges::ask("Prometheus", &url, None).await?;
    }
    // What it would have on disk after its next compaction: a block with its index.
    let snapshot = format!("{url}/api/v1/admin/tsdb/snapshot");
    reqwest::Client::new().post(snapshot).send().await?.error_for_status()?;
    taken.disk_bytes = bytes_below(&Path::new(&path).join("data/snapshots"))?;
    Ok(taken)
}

async fn victoria_metrics(load: &Load) -> anyhow::Result<Taken> {
    let directory = tempfile::tempdir()?;
    let (listen, path) = (free_address()?, directory.path().display().to_string());
    let mut command = Command::new("victoria-metrics");
    command.arg(format!("-storageDataPath={path}")).arg(format!("-httpListenAddr={listen}"));
    let peer = Daemon::start(&mut command).context("`victoria-metrics` is not installed")?;
    let url = format!("http://{listen}");
    let mut taken = send(&peer, &url, "/health", load).await?;
    for task in ["force_flush", "force_merge"] {
        reqwest::get(format!("{url}/internal/{task}")).await?.error_for_status()?;
    }
    if load.asked {
        ranges::ask("VictoriaMetrics", &url, None).await?;
    }
    // The merge goes on after its answer.
    let mut before = 0;
    taken.disk_bytes = eventually("the merge to end", || {
        let bytes = bytes_below(directory.path());
        let unchanged = bytes.as_ref().is_ok_and(|bytes| *bytes == before);
        before = bytes.as_ref().copied().unwrap_or(0);
        async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            anyhow::ensure!(unchanged, "it still writes");
            bytes
        }
    })
    .await?;
    Ok(taken)
}

/// Each connection sends its next request when the last was answered.
async fn send(peer: &Daemon, url: &str, health: &str, load: &Load) -> anyhow::Result<Taken> {
    let http = reqwest::Client::new();
    let health = format!("{url}{health}");
    let ready = || async { anyhow::Ok(http.get(&health).send().await?.error_for_status()?) };
    eventually("the peer to be ready", ready).await?;
    let (before, started) = (processor(peer.pid()?)?, now());
    post(url, None, load.way, &load.bodies).await?;
    let took = now().duration_since(started);
    let used = processor(peer.pid()?)?.saturating_sub(before);
    Ok(Taken {
        samples: load.samples(),
        took,
        used,
        peak: peak_memory(peer.pid()?)?,
        disk_bytes: 0,
    })
}

pub(crate) async fn post(
    url: &str,
    token: Option<&str>,
    way: Way,
    bodies: &[Vec<Vec<u8>>],
) -> anyhow::Result<()> {
    let tasks: Vec<_> = bodies
        .iter()
        .cloned()
        .map(|requests| {
            let url = format!("{url}{}", way.path());
            let token = token.unwrap_or_default().to_owned();
            tokio::spawn(async move {
                let http = reqwest::Client::new();
                for body in requests {
                    let request = http
                        .post(&url)
                        .header("Content-Type", "application/x-protobuf")
                        .header("Content-Encoding", way.encoding())
                        .body(body);
                    let answer = request.bearer_auth(&token).send().await?;
                    let status = answer.status();
                    let text = answer.text().await?;
                    anyhow::ensure!(status.is_success(), "{status}: {text}");
                }
                anyhow::Ok(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(())
}
