//! A log line on a host becomes an alert at a person.

use std::time::Instant;

use anyhow::{Context, ensure};
use tests::deadline::{eventually, now};
use tests::house::House;
use tests::webhook::Webhook;

const ALERT: &str = "SshBruteForceSucceeded";

const REPETITIONS: u32 = 50;

fn failed(source: &str, port: u32) -> String {
    let at = timestamp();
    format!("{at} dc1 sshd[4711]: Failed password for root from {source} port {port} ssh2")
}

fn accepted(source: &str) -> String {
    let at = timestamp();
    format!("{at} dc1 sshd[4712]: Accepted password for root from {source} port 50999 ssh2")
}

/// Now, as rsyslog's traditional format has it in the host's own time zone.
fn timestamp() -> String {
    let now = jiff::Zoned::now();
    now.strftime("%b %e %H:%M:%S").to_string()
}

/// When the alert about this source came, once it did.
async fn told(webhook: &Webhook, source: &str) -> anyhow::Result<Instant> {
    eventually(&format!("the alert about {source}"), || async {
        let about = webhook.alerts().into_iter().find(|(name, status, labels, _)| {
            name == ALERT && status == "firing" && labels["source_ip"] == source
        });
        let (_, _, labels, at) = about.context("it has not come")?;
        ensure!(labels["severity"] == "critical", "{labels}");
        Ok(at)
    })
    .await
}

#[tokio::test]
async fn twelve_failed_logins_and_a_success_are_one_alert_fifty_times() -> anyhow::Result<()> {
    let webhook = Webhook::start().await?;
    let mut house = House::new()?;
    house.notify_one_by_one(&webhook)?;
    house.start().await?;
    let mut times = Vec::new();
    for repetition in 1..=REPETITIONS {
        let source = format!("198.51.100.{repetition}");
        let mut lines: Vec<String> = (0..12).map(|at| failed(&source, 50_000 + at)).collect();
        lines.push(accepted(&source));
        let written = now();
        house.log_in_auth(&lines)?;
        times.push(told(&webhook, &source).await?.duration_since(written));
    }
    // What comes later must not tell it again: another notification, of the last log-in as root, has passed since.
    let last = format!("198.51.100.{REPETITIONS}");
    eventually("the last log-in as root", || async {
        let told = webhook.alerts().into_iter().any(|(name, _, labels, _)| {
            name == "SshRootLogin" && labels["source_ip"] == last.as_str()
        });
        ensure!(told, "it has not come");
        Ok(())
    })
    .await?;
    let alerts = webhook.alerts();
    let count = alerts.iter().filter(|(name, ..)| name == ALERT).count();
    ensure!(count == REPETITIONS as usize, "{count} alerts about {REPETITIONS} successes");
    times.sort_unstable();
    // Printed and not judged: the machine may be busy. The 99th percentile of fifty is the slowest.
    println!(
        "log line written → webhook: p50 {:?}, slowest {:?}",
        times[times.len() / 2],
        times.last()
    );
    Ok(())
}
