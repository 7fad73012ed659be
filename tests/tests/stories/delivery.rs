//! Delivery under `kill -9`: what was on its way arrives at least once, and what arrives twice has the same key and the same words.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::ensure;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use serde_json::{Value, json};
use tests::alertmanager::{Alertmanager, Maker};
use tests::deadline::eventually;

use super::alertmanager::{HOUR_MS, alert, now_ms};

const HOSTS: usize = 60;
const KILLS: usize = 4;

/// As many as are on their way to one integration at one time.
const ON_THEIR_WAY_MAX: usize = 4;

type Taken = Arc<Mutex<Vec<(String, Value)>>>;

/// Takes a message and answers a moment later: a kill finds some that were taken and are not recorded.
async fn take(State(taken): State<Taken>, headers: HeaderMap, body: Bytes) {
    let key = headers.get("Idempotency-Key").and_then(|key| key.to_str().ok()).unwrap_or_default();
    let payload = serde_json::from_slice(&body).unwrap_or_default();
    taken.lock().unwrap_or_else(PoisonError::into_inner).push((key.to_owned(), payload));
    tokio::time::sleep(Duration::from_millis(150)).await;
}

fn count(taken: &Taken) -> usize {
    taken.lock().unwrap_or_else(PoisonError::into_inner).len()
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_of_delivery_it_tells_all_and_what_comes_twice_has_its_key()
-> anyhow::Result<()> {
    let taken = Taken::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let app = Router::new().fallback(take).with_state(Arc::clone(&taken));
    tokio::spawn(async move { axum::serve(listener, app).await });
    let configuration = format!(
        "route: {{receiver: hook, group_by: ['...'], group_wait: 0s}}\nreceivers:\n  - name: hook\n    \
         webhook_configs: [{{url: 'http://{address}/'}}]\n"
    );
    let mut manager = Alertmanager::start(Maker::Ours, &configuration).await?;
    let now = now_ms();
    let mut posts = Vec::new();
    for at in 0..HOSTS {
        posts.push(alert("DiskFull", &format!("h{at}"), "dc", now - HOUR_MS, now + HOUR_MS)?);
    }
    let (status, _, said) =
        manager.ask("POST", "/api/v2/alerts", Some(&json!(posts).to_string())).await?;
    ensure!(status == 200, "{said}");
    for _kill in 0..KILLS {
        let seen = count(&taken) + 7;
        eventually("some more to be on their way", || async {
            ensure!(count(&taken) >= seen.min(HOSTS), "{} of {seen}", count(&taken));
            Ok(())
        })
        .await?;
        manager.kill_and_start(Maker::Ours).await?;
    }
    let mut told: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    eventually("every host to be told", || async {
        let taken = taken.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let hosts = taken.iter().map(|(_, payload)| payload["alerts"][0]["labels"].to_string());
        let hosts: BTreeSet<String> = hosts.collect();
        ensure!(hosts.len() == HOSTS, "{} hosts so far", hosts.len());
        Ok(())
    })
    .await?;
    let metrics = eventually("the outbox to be empty", || async {
        let metrics = manager.get("/metrics").await?.as_str().unwrap_or_default().to_owned();
        ensure!(
            metrics.contains("haidang_collector_alerting{what=\"outbox_length\"} 0"),
            "{metrics}"
        );
        Ok(metrics)
    })
    .await?;
    ensure!(metrics.contains("what=\"notifications_given_up\"} 0"), "{metrics}");
    let taken = taken.lock().unwrap_or_else(PoisonError::into_inner).clone();
    for (key, payload) in &taken {
        told.entry(key.clone()).or_default().insert(payload.to_string());
    }
    let twice = taken.len() - told.len();
    println!(
        "{HOSTS} notifications, {KILLS} kills: {} arrivals, {twice} of them again",
        taken.len()
    );
    ensure!(told.len() == HOSTS, "one key for each host, not {}", told.len());
    ensure!(told.values().all(|words| words.len() == 1), "the same key says the same");
    ensure!(twice <= KILLS * ON_THEIR_WAY_MAX, "{twice} came again");
    Ok(())
}
