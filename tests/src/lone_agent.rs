//! An agent of its own beside the house, with whatever identity a story gives it.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use anyhow::{Context, ensure};
use serde_json::json;

use crate::deadline::eventually;
use crate::house::{binary, free_address};

pub struct LoneAgent {
    directory: tempfile::TempDir,
    web: String,
    running: Option<Child>,
}

impl LoneAgent {
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self { directory: tempfile::tempdir()?, web: free_address()?, running: None })
    }

    pub fn state_dir(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    /// `haidang-agent enrol`, ready to be started.
    pub fn enrolment(&self, collector: &str, token: &str, host: &str) -> anyhow::Result<Command> {
        let mut command = Command::new(binary("haidang-agent")?);
        command.args(["enrol", "--collector", collector, "--token", token, "--host", host]);
        command.arg("--state-dir").arg(self.state_dir());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(command)
    }

    /// Enrols; what it says when it cannot.
    pub fn enrol(&self, collector: &str, token: &str, host: &str) -> anyhow::Result<()> {
        let Output { status, stderr, .. } = self.enrolment(collector, token, host)?.output()?;
        ensure!(status.success(), "{}", String::from_utf8_lossy(&stderr));
        Ok(())
    }

    /// The same under another name, in place of the identity that is there.
    pub fn enrol_anew(&self, collector: &str, token: &str, host: &str) -> anyhow::Result<()> {
        let output = self.enrolment(collector, token, host)?.arg("--replace").output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// What it says when it cannot enrol; fails when it can.
    pub fn cannot_enrol(&self, collector: &str, token: &str, host: &str) -> anyhow::Result<String> {
        match self.enrol(collector, token, host) {
            Ok(()) => anyhow::bail!("{host} was enrolled at {collector}"),
            Err(said) => Ok(said.to_string()),
        }
    }

    /// Gives it an identity that a story has made.
    pub fn set_identity(&self, key: &str, certificate: &str, ca: &str) -> anyhow::Result<()> {
        let directory = self.state_dir().join("identity");
        fs::create_dir_all(&directory)?;
        let identity = json!({ "key_pem": key, "certificate_pem": certificate, "ca_pem": ca });
        Ok(fs::write(directory.join("story.json"), identity.to_string())?)
    }

    /// Runs it; it says everything into a file.
    pub fn start(&mut self, collector: &str) -> anyhow::Result<()> {
        self.stop()?;
        let config = self.directory.path().join("agent.yml");
        let (state, web) = (self.state_dir(), &self.web);
        let text = format!(
            "collectors:\n  - address: {collector}\nstate_dir: {}\ninterval: 1s\nweb:\n  listen: \
             {web}\nsecurity:\n  journald:\n    read: never\n",
            state.display()
        );
        fs::write(&config, text)?;
        let mut command = Command::new(binary("haidang-agent")?);
        command.args(["run", "--config"]).arg(config).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(File::create(self.log())?);
        self.running = Some(command.spawn()?);
        Ok(())
    }

    /// Ends it as a power cut would.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        if let Some(mut running) = self.running.take() {
            running.kill()?;
            running.wait()?;
        }
        Ok(())
    }

    /// Waits until its own page shows a metric, up to the space before the value, as at least this.
    pub async fn counts(&self, metric: &str, least: f64) -> anyhow::Result<()> {
        let counted = eventually(metric, || async {
            let page = reqwest::get(format!("http://{}/metrics", self.web)).await?.text().await?;
            let value = page.lines().find_map(|line| line.strip_prefix(metric)?.strip_prefix(' '));
            let value: f64 = value.with_context(|| format!("/metrics has no {metric}"))?.parse()?;
            ensure!(value >= least, "{metric} is {value}, not {least}");
            Ok(())
        });
        counted.await.with_context(|| format!("the agent said:\n{}", self.said()))
    }

    /// Waits until its log has these words.
    pub async fn says(&self, words: &str) -> anyhow::Result<()> {
        eventually(words, || async {
            ensure!(self.said().contains(words), "the agent said:\n{}", self.said());
            Ok(())
        })
        .await
    }

    fn said(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("log")
    }
}

impl Drop for LoneAgent {
    fn drop(&mut self) {
        drop(self.stop());
    }
}
