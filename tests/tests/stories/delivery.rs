//! Delivery under `kill -9`: what was on its way arrives at least once, and what arrives twice has the same key and the same words.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
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
use tests::house::{House, free_address};
use tests::webhook::Webhook;

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

/// Counts the signs of life that come.
async fn watcher() -> anyhow::Result<(Arc<AtomicUsize>, String)> {
    let beats = Arc::<AtomicUsize>::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}/ping", listener.local_addr()?);
    let seen = Arc::clone(&beats);
    let app = Router::new().fallback(move || async move {
        seen.fetch_add(1, Ordering::SeqCst);
        "alive"
    });
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok((beats, address))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_channel_is_found_by_a_test_its_letters_are_kept_and_somebody_outside_hears_us()
-> anyhow::Result<()> {
    let hook = Webhook::start().await?;
    let (beats, watcher) = watcher().await?;
    let mut house = House::new()?;
    let dead = free_address()?;
    house.write(
        "alerting.yml",
        &format!(
            "route: {{receiver: both, group_wait: 0s}}\nreceivers:\n  - name: both\n    webhook_configs: \
             [{{url: 'http://{dead}/'}}, {{url: 'http://{}/'}}]\ndelivery: {{give_up_after: 1m}}\n\
             heartbeat: {{url: '{watcher}', interval: 10s}}\n",
            hook.address
        ),
    )?;
    let rule = "groups:\n  - name: a\n    rules: [{alert: AlwaysTrue, expr: vector(1)}]\n";
    house.write("rules.d/a.yml", rule)?;
    house.start().await?;
    hook.expect("AlwaysTrue", "firing").await?;
    let (fine, said) = house.haidang(&["notification", "test", "both"])?;
    ensure!(!fine && said.contains("both (webhook/1): delivered"), "{said}");
    ensure!(said.contains("both (webhook/0): the receiver could not be reached"), "{said}");
    hook.expect("ChannelTest", "firing").await?;
    let (fine, said) =
        house.haidang(&["notification", "test", "both", "--integration", "webhook/1"])?;
    ensure!(fine, "{said}");
    let (_, said) = house.haidang(&["notification", "channels"])?;
    ensure!(said.contains("failing") && said.contains("working"), "{said}");
    house
        .eventually_sees("haidang_collector_channel_failing_seconds{integration=\"webhook/0\"} > 0")
        .await?;
    eventually("a sign of life outside", || async {
        ensure!(beats.load(Ordering::SeqCst) > 0);
        Ok(())
    })
    .await?;
    house.eventually_sees("haidang_collector_heartbeats_total{outcome=\"sent\"} > 0").await?;
    let audit = house.get("/api/audit").await?.to_string();
    ensure!(audit.contains("notification.test") && audit.contains("failed: webhook/0"), "{audit}");
    let letters = eventually("a dead letter", || async {
        let letters = house.get("/api/dead-letters").await?;
        ensure!(letters.as_array().is_some_and(|letters| !letters.is_empty()));
        Ok(letters)
    })
    .await?;
    let id = letters[0]["id"].as_str().unwrap_or_default().to_owned();
    let (fine, said) = house.haidang(&["notification", "list", "--dead"])?;
    ensure!(fine && said.contains(&id) && said.contains("dead"), "{said}");
    house.eventually_sees("haidang_collector_channel_dead_letters == 1").await?;
    let (fine, said) = house.haidang(&["notification", "dismiss", "nothing"])?;
    ensure!(!fine && said.contains("there is no dead letter"), "{said}");
    let (fine, said) = house.haidang(&["notification", "resend", &id])?;
    ensure!(fine && said.contains("It goes out again"), "{said}");
    ensure!(house.get("/api/dead-letters").await? == json!([]));
    Ok(())
}
