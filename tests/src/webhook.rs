//! A webhook receiver that remembers everything it was sent, in order.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::bail;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use serde_json::Value;

use crate::deadline::{eventually, now};

/// One notification as it came.
#[derive(Clone, Debug)]
pub struct Received {
    pub payload: Value,
    /// Its `Idempotency-Key`: the same key is the same notification.
    pub key: String,
    pub at: Instant,
}

/// Listens on a loopback port for as long as it lives.
#[derive(Clone, Debug)]
pub struct Webhook {
    pub address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Webhook {
    pub async fn start() -> anyhow::Result<Self> {
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = socket.local_addr()?;
        let received: Arc<Mutex<Vec<Received>>> = Arc::default();
        let router = Router::new().route("/", post(take)).with_state(Arc::clone(&received));
        tokio::spawn(async move { axum::serve(socket, router).await });
        Ok(Self { address, received })
    }

    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Every alert of every notification, as (name, status, labels, when).
    pub fn alerts(&self) -> Vec<(String, String, Value, Instant)> {
        let mut found = Vec::new();
        for Received { payload, at, .. } in self.received() {
            for alert in payload["alerts"].as_array().into_iter().flatten() {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                let name = text(&alert["labels"]["alertname"]);
                found.push((name, text(&alert["status"]), alert["labels"].clone(), at));
            }
        }
        found
    }

    /// Waits for an alert of this name and status, and gives its labels and when it came.
    pub async fn expect(&self, name: &str, status: &str) -> anyhow::Result<(Value, Instant)> {
        eventually(&format!("a webhook with {name} {status}"), || async {
            for (found, state, labels, at) in self.alerts() {
                if found == name && state == status {
                    return Ok((labels, at));
                }
            }
            let seen: Vec<_> = self
                .alerts()
                .into_iter()
                .map(|(name, state, ..)| format!("{name} {state}"))
                .collect();
            bail!("so far: {seen:?}")
        })
        .await
    }
}

async fn take(State(received): State<Arc<Mutex<Vec<Received>>>>, headers: HeaderMap, body: Bytes) {
    let key = headers.get("Idempotency-Key").and_then(|key| key.to_str().ok());
    let key = key.unwrap_or_default().to_owned();
    let payload = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let mut received = received.lock().unwrap_or_else(PoisonError::into_inner);
    received.push(Received { payload, key, at: now() });
}
