//! What a process takes of the host, from `/proc`; and the agent beside Debian's node_exporter.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use tests::house::{House, binary, free_address};

/// The agent's default interval, at which the peer is read too.
const INTERVAL: Duration = Duration::from_secs(15);

/// Resident memory in MiB: (now, of which anonymous).
pub(crate) fn memory(pid: i32) -> anyhow::Result<(f64, f64)> {
    Ok((status(pid, "VmRSS:")?, status(pid, "RssAnon:")?))
}

/// The most that was ever resident, in MiB.
pub(crate) fn peak_memory(pid: i32) -> anyhow::Result<f64> {
    status(pid, "VmHWM:")
}

/// A line of proc_pid_status(5), from kB to MiB.
fn status(pid: i32, key: &str) -> anyhow::Result<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    let kib = line.and_then(|line| line.split_whitespace().next());
    Ok(kib.with_context(|| format!("no {key} of {pid}"))?.parse::<f64>()? / 1024.0)
}

/// Time on a processor so far: every thread, those that have ended too (clock_getcpuclockid(3)).
pub(crate) fn processor(pid: i32) -> anyhow::Result<Duration> {
    let clock = nix::time::clock_getcpuclockid(nix::unistd::Pid::from_raw(pid))?;
    Ok(Duration::from(nix::time::clock_gettime(clock)?))
}

/// Ends with its owner.
pub(crate) struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Daemon {
    pub(crate) fn start(command: &mut Command) -> anyhow::Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Self(command.spawn()?))
    }

    pub(crate) fn pid(&self) -> anyhow::Result<i32> {
        Ok(i32::try_from(self.0.id())?)
    }
}

/// The agent as it is packaged: built with the profile `dist-agent`.
fn packaged_agent() -> anyhow::Result<PathBuf> {
    let release = binary("haidang-agent")?;
    let target = release.parent().and_then(Path::parent).context("a binary lies nowhere")?;
    let path = target.join("dist-agent/haidang-agent");
    let missing = "not built: cargo build --profile dist-agent -p agent";
    anyhow::ensure!(path.exists(), "{} is {missing}", path.display());
    Ok(path)
}

/// That agent with every default, enrolled as a second host of this house.
async fn agent(house: &House, directory: &Path) -> anyhow::Result<Daemon> {
    let invitation = serde_json::json!({ "lifetime_seconds": 600 });
    let token = house.post("/api/tokens", &invitation).await?["token"].clone();
    let config = directory.join("agent.yml");
    let collector = house.agents_address();
    let state_dir = directory.join("state").display().to_string();
    let listen = free_address()?;
    let text = format!(
        "collectors:\n  - address: {collector}\nstate_dir: {state_dir}\nweb:\n  listen: {listen}\n"
    );
    fs::write(&config, text)?;
    let enrolled = Command::new(packaged_agent()?)
        .args(["enrol", "--host", "beside-node-exporter", "--collector", collector])
        .args(["--state-dir", &state_dir, "--token", token.as_str().context("no token")?])
        .output()?;
    let error = String::from_utf8_lossy(&enrolled.stderr).into_owned();
    anyhow::ensure!(enrolled.status.success(), "the agent did not enrol: {error}");
    let mut command = Command::new(packaged_agent()?);
    Daemon::start(command.arg("run").arg("--config").arg(&config))
}

/// The process that started this one.
pub(crate) fn parent(pid: i32) -> anyhow::Result<i32> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("PPid:"));
    Ok(line.context("a process without a parent")?.trim().parse()?)
}

/// Both over so many ticks: resident memory at the end, processor time per tick. A row of the table.
pub(crate) async fn beside(house: &House, ticks: u32) -> anyhow::Result<[String; 3]> {
    let directory = tempfile::tempdir()?;
    let agent = agent(house, directory.path()).await?;
    let listen = free_address()?;
    let mut exporter = Command::new("prometheus-node-exporter");
    let exporter =
        Daemon::start(exporter.arg("--web.listen-address").arg(&listen).arg("--log.level=error"));
    // The first tick makes schemas and connections: it is not what a day consists of.
    tokio::time::sleep(INTERVAL + Duration::from_secs(5)).await;
    let http = reqwest::Client::new();
    let scrape = async || {
        anyhow::Ok(http.get(format!("http://{listen}/metrics")).send().await?.text().await?)
    };
    let peer = exporter.as_ref().ok();
    if peer.is_some() {
        scrape().await?;
    }
    let before = (processor(agent.pid()?)?, peer.map(|it| processor(it.pid()?)).transpose()?);
    let mut series = 0;
    for _ in 0..ticks {
        tokio::time::sleep(INTERVAL).await;
        if peer.is_some() {
            series = scrape().await?.lines().filter(|line| !line.starts_with('#')).count();
        }
    }
    let say = |pid: i32, before: Duration| -> anyhow::Result<String> {
        let ((resident, anonymous), used) = (memory(pid)?, processor(pid)?.saturating_sub(before));
        let per_tick = used.as_secs_f64() * 1_000.0 / f64::from(ticks);
        Ok(format!(
            "{resident:.1} MiB RSS ({anonymous:.1} anonymous), {per_tick:.1} ms CPU per tick"
        ))
    };
    let ours = say(agent.pid()?, before.0)?;
    let theirs = match (peer, before.1) {
        (Some(peer), Some(before)) => {
            format!("node_exporter: {}, {series} series", say(peer.pid()?, before)?)
        }
        _ => "node_exporter is not installed".to_owned(),
    };
    Ok([format!("agent as packaged, default sources, {INTERVAL:?}, {ticks} ticks"), ours, theirs])
}
