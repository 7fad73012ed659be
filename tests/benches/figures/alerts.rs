//! How long it takes until a person is told: from the log line, and from the value that crosses a threshold.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::bail;
use tests::deadline::{eventually, now};
use tests::house::House;
use tests::mounted::Mounted;
use tests::webhook::Webhook;

use crate::process;
use crate::table::{row, spread};

const LOGIN_REPETITIONS: u32 = 50;
const THRESHOLD_REPETITIONS: u32 = 20;
/// One repetition takes about two ticks of 15 s.
const DEFAULT_REPETITIONS: u32 = 6;
/// Read while the repetitions wait.
const DEFAULT_TICKS: u32 = 10;
const QUICK_TICK: Duration = Duration::from_secs(1);
const DEFAULT_TICK: Duration = Duration::from_secs(15);

/// Each alert goes out alone and at once, so that what is measured is the way and not the grouping.
fn routing(webhook: &Webhook) -> String {
    let address = webhook.address;
    format!(
        "route:\n  receiver: bench\n  group_by: ['...']\n  group_wait: 0s\n  group_interval: 1s\n\
         receivers:\n  - name: bench\n    webhook_configs:\n      - url: http://{address}/\n        \
         send_resolved: true\n"
    )
}

/// The agent reads every second.
pub(crate) async fn quick() -> anyhow::Result<()> {
    let (webhook, mut house, small) = prepare(Some("interval: 1s"))?.start().await?;
    let mut times = Vec::new();
    for repetition in 0..LOGIN_REPETITIONS {
        times.push(login(&house, &webhook, repetition).await?);
    }
    let fail2ban = "fail2ban, measured earlier: p50 0.56 s, max 0.74 s";
    row("log line written → webhook, burst of 13 lines", spread(times), fail2ban);
    let times = threshold(&webhook, &small, THRESHOLD_REPETITIONS, QUICK_TICK).await?;
    let tightest =
        "Prometheus + Alertmanager at their tightest, measured earlier: p50 1.02 s, max 1.75 s";
    row("value crosses a threshold → webhook, agent at 1 s", spread(times.0), tightest);
    row("value returns → resolved at the webhook, agent at 1 s", spread(times.1), "–");
    house.stop()?;
    Ok(())
}

/// Every default of the agent, 15 s among them.
pub(crate) async fn as_installed() -> anyhow::Result<()> {
    let (webhook, mut house, small) = prepare(None)?.start().await?;
    let (times, beside) = tokio::join!(
        threshold(&webhook, &small, DEFAULT_REPETITIONS, DEFAULT_TICK),
        process::beside(&house, DEFAULT_TICKS),
    );
    let (times, [what, ours, theirs]) = (times?, beside?);
    let default = "Prometheus + Alertmanager as installed, measured earlier: p50 45.8 s, max 56 s";
    row("value crosses a threshold → webhook, agent at 15 s", spread(times.0), default);
    let (agent, collector) =
        (process::memory(house.daemon("agent")?)?, process::memory(house.daemon("collector")?)?);
    let up = process::memory(process::parent(house.daemon("collector")?)?)?;
    let counted = house.query("count({__name__!=\"\"})").await?;
    let series = counted[0]["value"][1].as_str().unwrap_or("unknown").to_owned();
    let whole = format!(
        "{:.1} MiB RSS: collector {:.1} ({:.1} anonymous), agent {:.1} ({:.1} anonymous); {series} \
         series; `haidang up` itself, which a packaged installation has not, {:.1} more",
        agent.0 + collector.0,
        collector.0,
        collector.1,
        agent.0,
        agent.1,
        up.0,
    );
    let peer = "Prometheus + Alertmanager + two exporters, measured earlier: 123 MiB";
    row("the whole on one host", whole, peer);
    wire(&house).await?;
    row(&what, ours, &theirs);
    house.stop()?;
    Ok(())
}

/// Bytes of request bodies per sample of this house's own agent so far.
async fn wire(house: &House) -> anyhow::Result<()> {
    let samples = house.own_metric("haidang_collector_samples_total").await?;
    let bytes = house.own_metric("haidang_collector_body_bytes_total").await?;
    let figure = format!("{:.2} B/sample ({bytes} B, {samples} samples)", bytes / samples);
    row("on the wire, a real agent at 15 s, first minutes with schemas", figure, "–");
    Ok(())
}

/// A house and a small file system that can be filled; not started yet.
struct Prepared {
    house: House,
    small: Small,
}

fn prepare(interval: Option<&str>) -> anyhow::Result<Prepared> {
    let house = House::new()?;
    let path = house.auth_log.with_file_name("small");
    let small = Small { _mounted: Mounted::tmpfs(&path, 8)?, path };
    let at = small.path.display();
    house.write(
        "rules.d/threshold.yml",
        &format!(
            "groups:\n  - name: bench\n    rules:\n      - alert: BenchFileSystemFull\n        \
             expr: node_filesystem_avail_bytes{{mountpoint=\"{at}\"}} / \
             node_filesystem_size_bytes{{mountpoint=\"{at}\"}} < 0.5\n        \
             labels: {{severity: critical}}\n"
        ),
    )?;
    if interval.is_none() {
        fs::remove_file(house.state_dir.join("agent.yml"))?;
    }
    Ok(Prepared { house, small })
}

impl Prepared {
    async fn start(mut self) -> anyhow::Result<(Webhook, House, Small)> {
        let webhook = Webhook::start().await?;
        self.house.write("alerting.yml", &routing(&webhook))?;
        self.house.start().await?;
        let at = self.small.path.display().to_string();
        let seen = format!("node_filesystem_avail_bytes{{mountpoint=\"{at}\"}}");
        self.house.eventually_sees(&seen).await?;
        Ok((webhook, self.house, self.small))
    }
}

/// Twelve failed log-ins and a success from an address that was not seen before.
async fn login(house: &House, webhook: &Webhook, repetition: u32) -> anyhow::Result<Duration> {
    let source = format!("198.51.100.{}", repetition + 1);
    let timestamp = jiff::Zoned::now().strftime("%b %e %H:%M:%S").to_string();
    let line = |outcome: &str, port: u32| {
        format!(
            "{timestamp} dc1 sshd[4711]: {outcome} password for root from {source} port {port} ssh2"
        )
    };
    let mut lines: Vec<String> = (0..12).map(|at| line("Failed", 50_000 + at)).collect();
    lines.push(line("Accepted", 50_999));
    let written = now();
    house.log_in_auth(&lines)?;
    let told = eventually("the alert at the webhook", || async {
        for (name, status, labels, at) in webhook.alerts() {
            if name == "SshBruteForceSucceeded"
                && status == "firing"
                && labels["source_ip"] == source.as_str()
            {
                return Ok(at);
            }
        }
        bail!("{} alerts came, not that of {source}", webhook.alerts().len())
    });
    Ok(told.await?.duration_since(written))
}

/// Fills and empties the file system; the times until `firing` and until `resolved` came.
async fn threshold(
    webhook: &Webhook,
    small: &Small,
    repetitions: u32,
    tick: Duration,
) -> anyhow::Result<(Vec<Duration>, Vec<Duration>)> {
    let (mut fired, mut resolved) = (Vec::new(), Vec::new());
    let ballast = small.path.join("ballast");
    for repetition in 0..repetitions {
        // Long enough for the group to be forgotten; then, because `resolved` has just come with a tick, moments that are
        // spread evenly over one.
        let moment = tick * (repetition * 7 % repetitions) / repetitions;
        tokio::time::sleep(Duration::from_millis(1_500) + moment).await;
        let written = now();
        fs::write(&ballast, vec![1; 6 << 20])?;
        fired.push(told(webhook, "firing", written).await?);
        let removed = now();
        fs::remove_file(&ballast)?;
        resolved.push(told(webhook, "resolved", removed).await?);
    }
    Ok((fired, resolved))
}

/// The time from `since` to the first notification after it.
async fn told(webhook: &Webhook, wanted: &str, since: Instant) -> anyhow::Result<Duration> {
    eventually(&format!("the threshold's alert, {wanted}"), || async {
        for (name, status, _, at) in webhook.alerts() {
            if name == "BenchFileSystemFull" && status == wanted && at >= since {
                return Ok(at.duration_since(since));
            }
        }
        bail!("{} alerts came so far", webhook.alerts().len())
    })
    .await
}

/// A file system of eight megabytes in memory and where it is mounted.
struct Small {
    path: PathBuf,
    _mounted: Mounted,
}
