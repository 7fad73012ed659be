//! Sending on: what this collector, and Prometheus as Debian packages it, take by remote write on two connections goes on to
//! the same receiver, by as many connections and in requests as large; measured until the receiver has the last sample.

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use agent_model::Millis;
use anyhow::{Context, ensure};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::routing::post;
use collector_remote_write::{Version, decode};
use tests::deadline::{eventually, now};
use tests::fleet::SERIES;
use tests::house::{House, free_address};

use crate::peers::{self, Way};
use crate::process::{Daemon, peak_memory, processor};
use crate::table::{present, row};

/// 100,000 series.
const HOSTS: u32 = 200;
const TICKS: u32 = 60;

/// What both send by, the collector's defaults.
const SHARDS: u32 = 4;
const REQUEST_SAMPLES: u32 = 2_000;

/// From the making of the samples to the first: Prometheus sends on only what is newer than its own start.
const AHEAD_MS: Millis = 120_000;

/// Counts the samples it is sent and forgets them.
#[derive(Clone, Default)]
struct Sink {
    samples: Arc<AtomicU64>,
    requests: Arc<AtomicU64>,
    bytes: Arc<AtomicU64>,
}

impl Sink {
    /// Listens for as long as this program runs; its address.
    async fn start() -> anyhow::Result<(Self, String)> {
        let sink = Self::default();
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = socket.local_addr()?.to_string();
        let router = Router::new()
            .route("/api/v1/write", post(take))
            .layer(DefaultBodyLimit::disable())
            .with_state(sink.clone());
        tokio::spawn(async move { axum::serve(socket, router).await });
        Ok((sink, address))
    }

    async fn has(&self, samples: u64) -> anyhow::Result<()> {
        eventually("every sample at the receiver", || async {
            let there = self.samples.load(Relaxed);
            ensure!(there >= samples, "{there} of {samples} samples");
            Ok(())
        })
        .await
    }
}

async fn take(State(sink): State<Sink>, body: Bytes) -> StatusCode {
    let Ok(push) = decode(&body, Version::One) else { return StatusCode::BAD_REQUEST };
    sink.samples.fetch_add(push.sample_count() as u64, Relaxed);
    sink.requests.fetch_add(1, Relaxed);
    sink.bytes.fetch_add(body.len() as u64, Relaxed);
    StatusCode::NO_CONTENT
}

/// What came of one sender.
struct Sent {
    acknowledged: Duration,
    took: Duration,
    used: Duration,
    peak: f64,
    sink: Sink,
}

/// The figures of both, where Prometheus is installed.
pub(crate) async fn compare() -> anyhow::Result<()> {
    let samples = u64::from(HOSTS * SERIES * TICKS);
    for (name, measured) in
        [("Hải Đăng", here(samples).await), ("Prometheus", prometheus(samples).await)]
    {
        let figure = measured.map_or_else(
            |error| format!("not measured: {error:#}"),
            |sent| sent.figure(samples as f64),
        );
        let what = format!("{} series x {TICKS} samples taken and sent on", HOSTS * SERIES);
        row(&format!("{what}, {SHARDS} connections: {name}"), figure, "–");
    }
    Ok(())
}

impl Sent {
    fn figure(&self, samples: f64) -> String {
        let Self { acknowledged, took, used, peak, sink } = self;
        let there = sink.samples.load(Relaxed) as f64;
        format!(
            "{:.2} M samples/s until the last was there, {:.2} M per CPU-second of taking and \
             sending; all acknowledged after {acknowledged:.1?}, all there after {took:.1?}; peak \
             {peak:.0} MiB RSS; {:.2} B/sample in {} requests; {:.2} % sent twice",
            samples / took.as_secs_f64() / 1e6,
            samples / used.as_secs_f64() / 1e6,
            sink.bytes.load(Relaxed) as f64 / there,
            sink.requests.load(Relaxed),
            (there / samples - 1.0) * 100.0,
        )
    }
}

/// A second of samples after the other, none of them later than the collector and Prometheus take.
fn bodies() -> anyhow::Result<Vec<Vec<Vec<u8>>>> {
    let first_ms = present().as_millisecond() + AHEAD_MS;
    peers::bodies(Way::RemoteWrite, HOSTS, TICKS, &|tick| first_ms + Millis::from(tick) * 1_000)
}

async fn here(samples: u64) -> anyhow::Result<Sent> {
    let (sink, address) = Sink::start().await?;
    let mut house = House::new()?;
    // The house watches this machine meanwhile; that is not counted.
    let config = format!(
        "remote_write:\n  targets:\n    - name: sink\n      url: http://{address}/api/v1/write\n      \
         shards: {SHARDS}\n      batch_samples_max: {REQUEST_SAMPLES}\n      write_relabel:\n        \
         - {{source_labels: [job], regex: bench, action: keep}}\n"
    );
    house.write("collector.yml", &config)?;
    house.start().await?;
    let token = house.write_token("bench").await?;
    let pid = house.daemon("collector")?;
    let url = format!("http://{}", house.web_address());
    measure(pid, &url, Some(&token), sink, samples).await
}

async fn prometheus(samples: u64) -> anyhow::Result<Sent> {
    let (sink, address) = Sink::start().await?;
    let directory = tempfile::tempdir()?;
    let (listen, path) = (free_address()?, directory.path().display().to_string());
    let config = format!(
        "remote_write:\n  - url: http://{address}/api/v1/write\n    metadata_config: {{send: false}}\n    \
         queue_config: {{min_shards: {SHARDS}, max_shards: {SHARDS}, \
         max_samples_per_send: {REQUEST_SAMPLES}, capacity: {}}}\n",
        REQUEST_SAMPLES * 5
    );
    fs::write(directory.path().join("prometheus.yml"), config)?;
    let mut command = Command::new("prometheus");
    command
        .arg(format!("--config.file={path}/prometheus.yml"))
        .arg(format!("--storage.tsdb.path={path}/data"))
        .arg(format!("--web.listen-address={listen}"))
        .arg("--web.enable-remote-write-receiver");
    let peer = Daemon::start(&mut command).context("`prometheus` is not installed")?;
    let url = format!("http://{listen}");
    let ready = || async {
        anyhow::Ok(reqwest::get(format!("{url}/-/ready")).await?.error_for_status().map(drop)?)
    };
    eventually("Prometheus to be ready", ready).await?;
    measure(peer.pid()?, &url, None, sink, samples).await
}

async fn measure(
    pid: i32,
    url: &str,
    token: Option<&str>,
    sink: Sink,
    samples: u64,
) -> anyhow::Result<Sent> {
    let bodies = bodies()?;
    let (before, started) = (processor(pid)?, now());
    peers::post(url, token, Way::RemoteWrite, &bodies).await?;
    let acknowledged = now().duration_since(started);
    sink.has(samples).await?;
    let took = now().duration_since(started);
    let used = processor(pid)?.saturating_sub(before);
    Ok(Sent { acknowledged, took, used, peak: peak_memory(pid)?, sink })
}
