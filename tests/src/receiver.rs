//! Systems of others that take remote write: a real Prometheus and a real VictoriaMetrics of Debian's, which can be killed
//! and come back with what they had.

use std::fs;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::deadline::eventually;
use crate::house::free_address;

/// Which program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Prometheus,
    VictoriaMetrics,
}

/// A receiver at an address that stays its own.
pub struct Receiver {
    pub kind: Kind,
    pub address: String,
    server: Option<Child>,
    http: reqwest::Client,
    directory: tempfile::TempDir,
}

impl Receiver {
    pub async fn start(kind: Kind) -> anyhow::Result<Self> {
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let directory = tempfile::tempdir()?;
        // What hosts send late, and what is sent again, is older than the newest sample.
        let config = "storage: {tsdb: {out_of_order_time_window: 1h}}\n";
        fs::write(directory.path().join("prometheus.yml"), config)?;
        let (address, http) = (free_address()?, reqwest::Client::new());
        let mut receiver = Self { kind, address, server: None, http, directory };
        receiver.come_back().await?;
        Ok(receiver)
    }

    /// Where remote write goes.
    pub fn write_url(&self) -> String {
        format!("http://{}/api/v1/write", self.address)
    }

    pub async fn come_back(&mut self) -> anyhow::Result<()> {
        let path = self.directory.path();
        let mut command = match self.kind {
            Kind::Prometheus => {
                let mut command = Command::new("prometheus");
                command
                    .arg("--web.enable-remote-write-receiver")
                    .arg(format!("--config.file={}", path.join("prometheus.yml").display()))
                    .arg(format!("--storage.tsdb.path={}", path.join("data").display()))
                    .arg(format!("--web.listen-address={}", self.address));
                command
            }
            Kind::VictoriaMetrics => {
                let mut command = Command::new("victoria-metrics");
                command
                    .arg(format!("-storageDataPath={}", path.join("data").display()))
                    .arg(format!("-httpListenAddr={}", self.address))
                    // Answers are compared while samples still arrive.
                    .arg("-search.latencyOffset=0s")
                    .arg("-search.disableCache");
                command
            }
        };
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let program = command.get_program().to_owned();
        let spawned = command.spawn();
        self.server = Some(spawned.with_context(|| format!("{program:?}: apt-get install it"))?);
        let ready = match self.kind {
            Kind::Prometheus => "/-/ready",
            Kind::VictoriaMetrics => "/health",
        };
        let ready = format!("http://{}{ready}", self.address);
        eventually("a receiver to be ready", || async {
            Ok(self.http.get(&ready).send().await?.error_for_status().map(drop)?)
        })
        .await
    }

    /// Ends it: Prometheus by a kill, for it keeps what it answered; VictoriaMetrics, which writes to disk some seconds after
    /// its answer, by a stop.
    pub fn end(&mut self) -> anyhow::Result<()> {
        let signal = match self.kind {
            Kind::Prometheus => Signal::SIGKILL,
            Kind::VictoriaMetrics => Signal::SIGTERM,
        };
        if let Some(mut server) = self.server.take() {
            kill(Pid::from_raw(i32::try_from(server.id())?), signal)?;
            server.wait()?;
        }
        Ok(())
    }

    /// The result of an instant query.
    pub async fn query(&self, expression: &str, at_ms: i64) -> anyhow::Result<Value> {
        let mut url = reqwest::Url::parse(&format!("http://{}/api/v1/query", self.address))?;
        let time = format!("{}.{:03}", at_ms / 1_000, at_ms % 1_000);
        url.query_pairs_mut().append_pair("query", expression).append_pair("time", &time);
        let answer = self.http.get(url).send().await?;
        let (status, answer) = (answer.status(), answer.json::<Value>().await?);
        ensure!(status.is_success(), "{status}: {answer}");
        Ok(answer["data"]["result"].clone())
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            drop(server.kill());
            drop(server.wait());
        }
    }
}
