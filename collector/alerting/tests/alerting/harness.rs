//! A webhook receiver that does as it is told, and short ways to say what is true.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use agent_model::{Labels, Millis};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use collector_alerting::{
    Alerting, AlertingConfig, Deed, DetectionAlert, Finding, Routing, RuleObservation,
};
use serde_json::Value;
use tempfile::TempDir;

/// 2026-11-21 08:12:00 in Vietnam; every test begins here.
pub(crate) const START: Millis = 1_795_223_520_000;
pub(crate) const SECOND: Millis = 1_000;
pub(crate) const MINUTE: Millis = 60 * SECOND;
pub(crate) const HOUR: Millis = 60 * MINUTE;

#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Ok,
    Status(u16),
    RetryAfter(u16, u64),
    Hang,
    /// 200 with a text or, behind it, JSON.
    Says(&'static str),
    Json(u16, &'static str),
}

#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) key: String,
    pub(crate) authorization: String,
    pub(crate) path: String,
    pub(crate) body: Value,
}

/// A real HTTP server that keeps what it gets and answers as scripted, then with 200.
#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) address: String,
    received: Arc<Mutex<Vec<Received>>>,
    script: Arc<Mutex<VecDeque<Answer>>>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let receiver = Self { address, received: Arc::default(), script: Arc::default() };
        let app = Router::new().fallback(take).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        receiver
    }

    /// One that runs in another process.
    pub(crate) fn at(address: String) -> Self {
        Self { address, received: Arc::default(), script: Arc::default() }
    }

    pub(crate) fn answer(&self, answers: impl IntoIterator<Item = Answer>) {
        self.script.lock().unwrap().extend(answers);
    }

    /// From now on it answers with 200 again.
    pub(crate) fn forget_script(&self) {
        self.script.lock().unwrap().clear();
    }

    /// Everything since the last call.
    pub(crate) fn take(&self) -> Vec<Received> {
        std::mem::take(&mut self.received.lock().unwrap())
    }

    /// Waits until that many have come; fails after a while.
    pub(crate) async fn wait_for(&self, count: usize) -> Vec<Received> {
        for _ in 0..1_000 {
            if self.received.lock().unwrap().len() >= count {
                return self.take();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("waited for {count} messages, got {:?}", self.take());
    }
}

async fn take(
    State(receiver): State<Receiver>,
    uri: axum::http::Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let header = |name| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let key = header("idempotency-key").expect("every message has its key");
    let authorization = header("authorization").unwrap_or_default();
    let body = serde_json::from_slice(&body).unwrap();
    let received = Received { key, authorization, path: uri.path().to_owned(), body };
    receiver.received.lock().unwrap().push(received);
    let answer = receiver.script.lock().unwrap().pop_front().unwrap_or(Answer::Ok);
    let status = |code: u16| axum::http::StatusCode::from_u16(code).unwrap();
    match answer {
        Answer::Ok => "ok".into_response(),
        Answer::Status(code) => (status(code), "not today").into_response(),
        Answer::RetryAfter(code, seconds) => {
            (status(code), [("retry-after", seconds.to_string())]).into_response()
        }
        Answer::Says(text) => text.into_response(),
        Answer::Json(code, text) => {
            (status(code), [("content-type", "application/json")], text).into_response()
        }
        Answer::Hang => std::future::pending().await,
    }
}

/// What a message says, short: `firing[A a] resolved[B b]`.
pub(crate) fn told(received: &[Received]) -> Vec<String> {
    received.iter().map(|one| summary(&one.body)).collect()
}

pub(crate) fn summary(body: &Value) -> String {
    let mut parts = Vec::new();
    for status in ["firing", "resolved"] {
        let alerts = body["alerts"].as_array().unwrap().iter();
        let alerts = alerts.filter(|alert| alert["status"] == status);
        let names: Vec<String> = alerts
            .map(|alert| {
                let text = |name: &str| alert["labels"][name].as_str().unwrap_or("").to_owned();
                format!("{} {}", text("alertname"), text("host")).trim().to_owned()
            })
            .collect();
        if !names.is_empty() {
            parts.push(format!("{status}[{}]", names.join(", ")));
        }
    }
    parts.join(" ")
}

/// Minutes since the start, who, what.
pub(crate) type Call = (i64, String, String);

pub(crate) fn short(calls: &[Call]) -> Vec<(i64, &str, &str)> {
    calls.iter().map(|(at, who, what)| (*at, who.as_str(), what.as_str())).collect()
}

pub(crate) struct World {
    pub(crate) alerting: Alerting,
    pub(crate) receiver: Receiver,
    pub(crate) directory: TempDir,
}

impl World {
    /// `URL` in the configuration stands for the receiver's address.
    pub(crate) async fn new(config: &str) -> Self {
        let receiver = Receiver::start().await;
        let directory = tempfile::tempdir().unwrap();
        let alerting = open(directory.path(), &receiver, config, START).await;
        Self { alerting, receiver, directory }
    }

    /// What is told at every moment that is due from `from` on, before `until`.
    pub(crate) async fn pass_before(&self, from: Millis, until: Millis) -> Vec<(Millis, Received)> {
        let (mut seen, mut now) = (Vec::new(), from);
        while now < until {
            now = self.come_to(now, &mut seen).await.unwrap_or(until).clamp(now + 1, until);
        }
        seen
    }

    /// The same up to and including `until`.
    pub(crate) async fn pass(&self, from: Millis, until: Millis) -> Vec<(Millis, Received)> {
        let mut seen = self.pass_before(from, until).await;
        self.come_to(until, &mut seen).await;
        seen
    }

    /// Ticks and delivers; returns when something is due again.
    async fn come_to(&self, now: Millis, seen: &mut Vec<(Millis, Received)>) -> Option<Millis> {
        self.alerting.tick(now).await.unwrap();
        self.alerting.deliver_due(now).await.unwrap();
        seen.extend(self.receiver.take().into_iter().map(|one| (now, one)));
        // A failed attempt has made a new time to come back at.
        self.alerting.tick(now).await.unwrap()
    }

    /// Seconds since the start and what was told.
    pub(crate) async fn pass_to(&self, from: Millis, until: Millis) -> Vec<(Millis, String)> {
        let seen = self.pass(from, until).await;
        seen.iter().map(|(at, one)| ((at - START) / SECOND, summary(&one.body))).collect()
    }

    /// Minutes since the start, who is told by the path of its address, whether it fires; sorted.
    pub(crate) async fn who_is_told(&self, from: Millis, until: Millis) -> Vec<Call> {
        let seen = self.pass(from, until).await.into_iter().map(|(at, one)| {
            let what = one.body["status"].as_str().unwrap().to_owned();
            ((at - START) / MINUTE, one.path[1..].to_owned(), what)
        });
        let mut calls: Vec<Call> = seen.collect();
        calls.sort();
        calls
    }

    pub(crate) async fn observe(&self, at: Millis, hosts: &[&str]) {
        self.alerting.observe_rule(observation("DiskFull", 0, at, hosts)).await.unwrap();
    }
}

pub(crate) fn routing(receiver: &Receiver, config: &str) -> Routing {
    let text = config.replace("URL", &receiver.address);
    Routing::parse(Path::new("alerting.yml"), &text).unwrap_or_else(|problems| panic!("{problems}"))
}

pub(crate) async fn open(
    directory: &Path,
    receiver: &Receiver,
    config: &str,
    now: Millis,
) -> Alerting {
    let database = directory.join("alerting.db");
    let external_url = "http://haidang.example".to_owned();
    let settings = AlertingConfig { database, external_url, answers_links: true };
    Alerting::open(settings, routing(receiver, config), now).await.unwrap()
}

pub(crate) fn observation(
    name: &str,
    for_ms: Millis,
    at: Millis,
    hosts: &[&str],
) -> RuleObservation {
    let findings = hosts.iter().map(|host| Finding {
        labels: labels(name, host),
        annotations: BTreeMap::from([("summary_vi".to_owned(), "ổ đĩa sắp đầy".to_owned())]),
        value: 97.5,
    });
    RuleObservation {
        rule_id: name.to_owned(),
        for_ms,
        keep_firing_for_ms: 0,
        findings: findings.collect(),
        at_ms: at,
    }
}

pub(crate) fn labels(name: &str, host: &str) -> Labels {
    Labels::new([("alertname", name), ("host", host), ("severity", "critical")])
}

/// An acknowledgement for as long as the alert goes on.
pub(crate) fn taken(note: &str) -> Deed {
    Deed::Acknowledge { note: note.to_owned(), until_ms: None }
}

pub(crate) fn detection(id: u8, host: &str, time: Millis) -> DetectionAlert {
    DetectionAlert {
        id: [id; 16],
        labels: labels("BruteForce", host),
        annotations: BTreeMap::from([("summary_vi".to_owned(), "dò mật khẩu".to_owned())]),
        time_ms: time,
        hold_ms: 10 * MINUTE,
    }
}

/// One webhook for everything, Alertmanager's timing.
pub(crate) const SIMPLE: &str = "
route:
  receiver: hook
  group_by: [alertname]
  group_wait: 30s
  group_interval: 5m
  repeat_interval: 4h
receivers:
  - name: hook
    webhook_configs:
      - url: URL/hook
";
