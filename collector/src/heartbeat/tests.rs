//! With a real alerting database and a real watcher over HTTP.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

use axum::http::StatusCode;
use collector_alerting::{AlertingConfig, Routing};

use super::*;
use crate::rule_health::RuleRun;

const NOW: Millis = 1_795_223_520_000;

/// A watcher that answers with the status it is given, and counts.
#[derive(Clone, Default)]
struct Watcher {
    beats: Arc<AtomicUsize>,
    status: Arc<AtomicU16>,
}

async fn watcher() -> (Watcher, String) {
    let watcher = Watcher::default();
    watcher.status.store(200, Ordering::SeqCst);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = watcher.clone();
    let app = axum::Router::new().fallback(move || async move {
        seen.beats.fetch_add(1, Ordering::SeqCst);
        StatusCode::from_u16(seen.status.load(Ordering::SeqCst)).unwrap()
    });
    tokio::spawn(async move { axum::serve(listener, app).await });
    (watcher, format!("http://{address}/ping"))
}

async fn heart(directory: &Path, url: &str) -> (Heart, watch::Sender<Health>) {
    let text = format!(
        "route: {{receiver: nobody}}\nreceivers: [{{name: nobody}}]\nheartbeat: {{url: '{url}', interval: 10s}}\n"
    );
    let routing = Routing::parse(Path::new("alerting.yml"), &text).unwrap();
    let database = directory.join("alerting.db");
    let config = AlertingConfig { database, external_url: String::new(), answers_links: false };
    let alerting = Alerting::open(config, routing, NOW).await.unwrap();
    let registry = prometheus::Registry::new();
    let make = Make { registry: &registry, prefix: "haidang_collector_" };
    let (sender, health) = watch::channel(Health { ready: true, ..Health::default() });
    let rule_health = RuleHealth::default();
    let run = RuleRun { at_ms: NOW, took: Duration::ZERO, error: None };
    rule_health.note("a".to_owned(), run);
    let figures = HeartbeatFigures::new(&make).unwrap();
    (Heart { alerting, health, rule_health, figures }, sender)
}

#[tokio::test]
async fn it_beats_only_while_the_collector_is_really_well() {
    let directory = tempfile::tempdir().unwrap();
    let (watcher, url) = watcher().await;
    let (heart, health) = heart(directory.path(), &url).await;
    let heartbeat = heart.wanted().await.unwrap().unwrap();
    assert_eq!(heart.beat(&heartbeat, NOW).await, Beat::Sent);
    let withheld = |beat| match beat {
        Beat::Withheld(why) => why,
        other => panic!("{other:?}"),
    };
    let late = NOW + EVALUATION_AGE_MAX_MS + 1;
    let why = withheld(heart.beat(&heartbeat, late).await);
    assert!(why.contains("no rule was evaluated"), "{why}");
    health.send_replace(Health { ready: false, reasons: vec!["full".to_owned()], free_bytes: 0 });
    let why = withheld(heart.beat(&heartbeat, NOW).await);
    assert!(why.contains("not ready: full"), "{why}");
    health.send_replace(Health { ready: true, ..Health::default() });
    heart.alerting.close().await;
    let why = withheld(heart.beat(&heartbeat, NOW).await);
    assert!(why.contains("database"), "{why}");
    assert_eq!(watcher.beats.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_watcher_that_refuses_or_is_gone_is_a_failure() {
    let directory = tempfile::tempdir().unwrap();
    let (watcher, url) = watcher().await;
    let (refused, _health) = heart(directory.path(), &url).await;
    watcher.status.store(404, Ordering::SeqCst);
    let heartbeat = refused.wanted().await.unwrap().unwrap();
    let beat = refused.beat(&heartbeat, NOW).await;
    assert!(matches!(&beat, Beat::Failed(why) if why.contains("404")), "{beat:?}");
    let gone = tempfile::tempdir().unwrap();
    let (gone, _health) = heart(gone.path(), "http://127.0.0.1:1/ping").await;
    let heartbeat = gone.wanted().await.unwrap().unwrap();
    let beat = gone.beat(&heartbeat, NOW).await;
    assert!(matches!(&beat, Beat::Failed(why) if why.contains("could not be reached")), "{beat:?}");
}
