//! One dead switch: ten thousand alerts at once, posted as Prometheus posts them, to ours and to Debian's Alertmanager.

use std::time::Duration;

use anyhow::ensure;
use serde_json::{Value, json};
use tests::alertmanager::{Alertmanager, Maker};
use tests::deadline::now;
use tests::webhook::Webhook;

use crate::process;
use crate::table::{present, row};

/// Twenty rules find the same five hundred hosts gone.
const RULES: usize = 20;
const HOSTS: usize = 500;

/// As many as Prometheus sends in one request.
const BATCH: usize = 64;

/// Long enough for all of them to be posted before the first is told.
const GROUP_WAIT: Duration = Duration::from_secs(15);

/// For the last message; a turn of a group is a minute.
const PATIENCE: Duration = Duration::from_secs(150);

pub(crate) async fn compare() -> anyhow::Result<()> {
    let what = "10,000 alerts of 20 rules from one dead switch, grouped by rule: posted; told; told as ended";
    let ours = storm(Maker::Ours).await?;
    row(what, ours, "one notification a group");
    row("– Debian's Alertmanager 0.25", storm(Maker::Debians).await?, "");
    Ok(())
}

async fn storm(maker: Maker) -> anyhow::Result<String> {
    let hook = Webhook::start().await?;
    let configuration = format!(
        "route: {{receiver: hook, group_by: [alertname], group_wait: {}s, group_interval: 1m}}\n\
         receivers: [{{name: hook, webhook_configs: [{{url: 'http://{}/'}}]}}]\n",
        GROUP_WAIT.as_secs(),
        hook.address
    );
    let manager = Alertmanager::start(maker, &configuration).await?;
    let pid = i32::try_from(manager.pid())?;
    let before = process::memory(pid)?.0;
    let posted = post(&manager, false).await?;
    let begun = now();
    let told = told(&hook, "firing").await?;
    let waited = begun.elapsed().saturating_sub(GROUP_WAIT);
    let ended = post(&manager, true).await?;
    let resolved = self::told(&hook, "resolved").await?;
    let (peak, time) = (process::peak_memory(pid)?, process::processor(pid)?);
    Ok(format!(
        "{:.2} s; {told} notifications, the last {:.2} s after the wait; {:.2} s, {resolved} notifications; \
         {:.1} s CPU, peak {peak:.0} MiB ({before:.0} when idle)",
        posted.as_secs_f64(),
        waited.as_secs_f64(),
        ended.as_secs_f64(),
        time.as_secs_f64(),
    ))
}

/// Posts all of it over one connection; gives how long that took.
async fn post(manager: &Alertmanager, ended: bool) -> anyhow::Result<Duration> {
    let (start, end) = (present().to_string(), Duration::from_secs(3_600));
    let end = if ended { present() } else { present() + end };
    let alerts: Vec<Value> = (0..RULES * HOSTS)
        .map(|at| {
            let host = format!("máy-{:03}", at % HOSTS);
            let mut alert = json!({
                "labels": {
                    "alertname": format!("Rule{:02}", at / HOSTS), "host": host, "switch": "sw-07",
                    "severity": "critical", "site": "dc1", "job": "node",
                },
                "annotations": {
                    "summary": format!("{host} does not answer"),
                    "summary_vi": format!("{host} không trả lời từ 5 phút"),
                    "runbook_url": "https://runbooks.example/host-down",
                },
                "generatorURL": "http://prometheus.example/graph?g0.expr=up+%3D%3D+0",
                "endsAt": end.to_string(),
            });
            if !ended {
                alert["startsAt"] = json!(start);
            }
            alert
        })
        .collect();
    let begun = now();
    for batch in alerts.chunks(BATCH) {
        let body = serde_json::to_string(batch)?;
        let (status, _, said) = manager.ask("POST", "/api/v2/alerts", Some(&body)).await?;
        ensure!(status == 200, "{status} {said}");
    }
    Ok(begun.elapsed())
}

/// Waits until every alert was told in this state; gives in how many notifications that were.
async fn told(hook: &Webhook, status: &str) -> anyhow::Result<usize> {
    let until = now() + PATIENCE;
    loop {
        let received = hook.received();
        let alerts = |one: &tests::webhook::Received| {
            let alerts = one.payload["alerts"].as_array().cloned().unwrap_or_default();
            alerts.iter().filter(|alert| alert["status"] == status).count()
        };
        let counts: Vec<usize> = received.iter().map(alerts).filter(|count| *count > 0).collect();
        if counts.iter().sum::<usize>() >= RULES * HOSTS {
            return Ok(counts.len());
        }
        let told: usize = counts.iter().sum();
        ensure!(now() < until, "only {told} of {} were told as {status}", RULES * HOSTS);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
