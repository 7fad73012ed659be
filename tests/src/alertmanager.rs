//! An Alertmanager of its own on a loopback port: ours, or Debian's beside it, by the same flags and configuration.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::Context;
use serde_json::Value;

use crate::deadline::eventually;
use crate::house::{binary, free_address};

/// Whose program it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maker {
    Ours,
    Debians,
}

pub struct Alertmanager {
    pub address: String,
    server: Child,
    http: reqwest::Client,
    directory: tempfile::TempDir,
}

impl Alertmanager {
    pub async fn start(maker: Maker, configuration: &str) -> anyhow::Result<Self> {
        // Another part of the test may have done it.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let directory = tempfile::tempdir()?;
        fs::write(directory.path().join("alertmanager.yml"), configuration)?;
        let address = free_address()?;
        let http = reqwest::Client::new();
        let server = spawn(maker, directory.path(), &address)?;
        let started = Self { address, server, http, directory };
        started.ready().await?;
        Ok(started)
    }

    /// Ends the server without a word and starts it again on the same files.
    pub async fn kill_and_start(&mut self, maker: Maker) -> anyhow::Result<()> {
        self.server.kill()?;
        self.server.wait()?;
        self.server = spawn(maker, self.directory.path(), &self.address)?;
        self.ready().await
    }

    async fn ready(&self) -> anyhow::Result<()> {
        let waited = eventually("Alertmanager to be ready", || async {
            let ready = self.http.get(self.url("/-/ready"));
            ready.send().await?.error_for_status()?;
            Ok(())
        });
        waited.await.with_context(|| self.log())
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn configuration(&self) -> PathBuf {
        self.directory.path().join("alertmanager.yml")
    }

    pub fn pid(&self) -> u32 {
        self.server.id()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// Asks, and gives status, type of content and body; what is not JSON comes as text.
    pub async fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<&str>,
    ) -> anyhow::Result<(u16, String, Value)> {
        let mut request = self.http.request(method.parse()?, self.url(path));
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_owned());
        }
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        let kind = answer.headers().get("content-type");
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_owned();
        let text = answer.text().await?;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok((status, kind, body))
    }

    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        Ok(self.ask("GET", path, None).await?.2)
    }

    /// Runs amtool against it; gives its exit code, output and complaints.
    pub fn amtool(&self, arguments: &[&str]) -> anyhow::Result<(i32, String, String)> {
        let output = Command::new("amtool")
            .arg(format!("--alertmanager.url={}", self.url("")))
            .args(arguments)
            .env("HOME", self.directory.path())
            .current_dir(self.directory.path())
            .stdin(Stdio::null())
            .output()
            .context("amtool cannot be run")?;
        // It says of every server of another version that it is one.
        let known = |line: &&str| !line.starts_with("Warning: amtool version");
        let text = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            text.split_inclusive('\n').filter(known).collect::<String>()
        };
        Ok((output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr)))
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
    }
}

fn spawn(maker: Maker, directory: &Path, address: &str) -> anyhow::Result<Child> {
    let mut command = match maker {
        Maker::Ours => {
            let mut command = Command::new(binary("haidang-collector")?);
            command.arg("alertmanager");
            command
        }
        Maker::Debians => Command::new("prometheus-alertmanager"),
    };
    let log = File::options().create(true).append(true).open(directory.join("log"))?;
    let server = command
        .arg(format!("--config.file={}", directory.join("alertmanager.yml").display()))
        .arg(format!("--storage.path={}", directory.join("data").display()))
        .arg(format!("--web.listen-address={address}"))
        .arg("--web.external-url=http://alerts.example/")
        .arg("--web.route-prefix=/")
        .arg("--cluster.listen-address=")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?;
    Ok(server)
}
