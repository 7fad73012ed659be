//! A real agent of a second host, which lives on when the house is stopped: to it the collector is then gone.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::deadline::eventually;
use crate::house::{House, binary, free_address};
use crate::logins::line;

pub struct SecondHost {
    pub host: String,
    /// The log that it follows.
    pub auth_log: PathBuf,
    web: String,
    http: reqwest::Client,
    process: Child,
    log: PathBuf,
    _directory: tempfile::TempDir,
}

impl SecondHost {
    /// Enrols it at a running house and starts it; `more` goes into its configuration. Its state lies in `state_dir`, or
    /// beside everything else of it.
    pub async fn start(
        house: &House,
        host: &str,
        state_dir: Option<&Path>,
        more: &str,
    ) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let own = directory.path().join("state");
        let state_dir = state_dir.unwrap_or(&own);
        let collector = house.agents_address();
        let token = house.post("/api/tokens", &json!({ "lifetime_seconds": 600 })).await?;
        let enrolled = Command::new(binary("haidang-agent")?)
            .args(["enrol", "--host", host, "--collector", collector, "--state-dir"])
            .arg(state_dir)
            .args(["--token", token["token"].as_str().context("no token")?])
            .output()?;
        let said = String::from_utf8_lossy(&enrolled.stderr).into_owned();
        ensure!(enrolled.status.success(), "{host} did not enrol: {said}");
        let auth_log = directory.path().join("auth.log");
        File::create(&auth_log)?;
        let (web, config) = (free_address()?, directory.path().join("agent.yml"));
        let (state, follow) = (state_dir.display(), auth_log.display());
        let text = format!(
            "collectors:\n  - address: {collector}\nstate_dir: {state}\ninterval: 1s\nweb:\n  listen: {web}\n\
             security:\n  auth_log:\n    files: [{follow}]\n  journald:\n    read: never\n{more}"
        );
        fs::write(&config, text)?;
        let log = directory.path().join("log");
        let process = Command::new(binary("haidang-agent")?)
            .arg("run")
            .arg("--config")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()?;
        let http =
            reqwest::Client::builder().timeout(std::time::Duration::from_secs(20)).build()?;
        let host = host.to_owned();
        Ok(Self { host, auth_log, web, http, process, log, _directory: directory })
    }

    /// Waits until the agent reads its log: what stands there before its first look is none of its business.
    pub async fn reads_its_log(&self, house: &House) -> anyhow::Result<()> {
        eventually("the agent reads its log", || async {
            self.log_in_auth(&[line(0).replace("story0", "somebody")])?;
            let found = house.messages("text=somebody").await?;
            ensure!(!found.is_empty(), "no event of it");
            Ok(())
        })
        .await
    }

    /// Appends lines to the log that it follows.
    pub fn log_in_auth(&self, lines: &[String]) -> anyhow::Result<()> {
        let mut file = OpenOptions::new().append(true).open(&self.auth_log)?;
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        Ok(file.write_all(text.as_bytes())?)
    }

    /// A metric of the agent's own page, named with its labels as the page writes it.
    pub async fn own_metric(&self, name: &str) -> anyhow::Result<f64> {
        let answer = self.http.get(format!("http://{}/metrics", self.web)).send().await?;
        let text = answer.error_for_status()?.text().await?;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(value.with_context(|| format!("the agent's page has no {name}"))?.parse()?)
    }

    /// Waits until its page shows a reading that began after this call: until then it may tell of before.
    pub async fn shows_what_is(&self) -> anyhow::Result<()> {
        let readings = "haidang_agent_readings_total";
        let before = self.own_metric(readings).await?;
        eventually("two more readings", || async {
            let now = self.own_metric(readings).await?;
            ensure!(now >= before + 2.0, "{now} readings after {before}");
            Ok(())
        })
        .await
    }

    /// The end of its log, for the message of a failed story.
    pub fn last_log_lines(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        format!("the agent said:\n{}", lines[lines.len().saturating_sub(20)..].join("\n"))
    }
}

impl Drop for SecondHost {
    fn drop(&mut self) {
        let pid = i32::try_from(self.process.id()).unwrap_or_default();
        if pid == 0 || kill(Pid::from_raw(pid), Signal::SIGTERM).is_err() {
            drop(self.process.kill());
        }
        drop(self.process.wait());
    }
}
