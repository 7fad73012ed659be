//! A thousand receivers that are down for an hour, over real HTTP on a fake clock: nothing is lost, and nothing is sent again after
//! its success was recorded.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};

use crate::harness::{HOUR, MINUTE, START, World, detection};

const RECEIVERS: usize = 1_000;

/// Refuses while it is down; remembers which key it took for whom, and how often.
#[derive(Clone, Default)]
struct Endpoint {
    up: Arc<AtomicBool>,
    refused: Arc<Mutex<u64>>,
    taken: Arc<Mutex<BTreeMap<(String, String), u32>>>,
}

impl Endpoint {
    async fn start() -> (Self, String) {
        let endpoint = Self::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(take).with_state(endpoint.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        (endpoint, address)
    }
}

async fn take(State(endpoint): State<Endpoint>, uri: Uri, headers: HeaderMap) -> StatusCode {
    if !endpoint.up.load(Ordering::SeqCst) {
        *endpoint.refused.lock().unwrap() += 1;
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    let key = headers["idempotency-key"].to_str().unwrap().to_owned();
    *endpoint.taken.lock().unwrap().entry((uri.path().to_owned(), key)).or_default() += 1;
    StatusCode::OK
}

fn config(address: &str) -> String {
    let mut text = String::from("route:\n  receiver: r0\n  group_wait: 0s\n  routes:\n");
    for at in 0..RECEIVERS {
        text.push_str(&format!("    - {{receiver: r{at}, continue: true}}\n"));
    }
    text.push_str("receivers:\n");
    for at in 0..RECEIVERS {
        text.push_str(&format!(
            "  - {{name: r{at}, webhook_configs: [{{url: '{address}/r{at}'}}]}}\n"
        ));
    }
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_receivers_down_for_an_hour_are_all_told_and_none_twice() {
    let (endpoint, address) = Endpoint::start().await;
    let world = World::new(&config(&address)).await;
    let found = vec![detection(1, "a", START)];
    world.alerting.commit_detections(1, b"", found, START).await.unwrap();
    // The back-off: seven attempts in two minutes, then one in five.
    for minute in [0, 1, 2, 5, 10, 20, 30, 40, 50, 59] {
        let now = START + minute * MINUTE;
        world.alerting.tick(now).await.unwrap();
        world.alerting.deliver_due(now).await.unwrap();
    }
    let down = world.alerting.stats(START + HOUR).await.unwrap();
    let refused = *endpoint.refused.lock().unwrap();
    assert_eq!((down.sent, down.dead), (0, 0));
    assert_eq!(down.outbox_length, RECEIVERS);
    assert_eq!(down.failed, refused);
    let channels = world.alerting.channels(START + HOUR).await.unwrap();
    assert!(channels.iter().all(|one| one.failing_since_ms == Some(START)));
    endpoint.up.store(true, Ordering::SeqCst);
    for minute in 60..=66 {
        let now = START + minute * MINUTE;
        world.alerting.deliver_due(now).await.unwrap();
    }
    let taken = endpoint.taken.lock().unwrap().clone();
    assert_eq!(taken.len(), RECEIVERS, "one key for each receiver");
    assert!(taken.values().all(|times| *times == 1), "nothing is sent again after its success");
    let up = world.alerting.stats(START + 2 * HOUR).await.unwrap();
    assert_eq!((up.sent, up.outbox_length), (RECEIVERS as u64, 0));
    let channels = world.alerting.channels(START + 2 * HOUR).await.unwrap();
    assert!(channels.iter().all(|one| one.failing_since_ms.is_none()));
}
