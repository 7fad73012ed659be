//! A server that stands for Slack and Telegram: takes every message, answers as those do, remembers what came.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::deadline::eventually;

/// Path and body of a message.
type Message = (String, Value);

#[derive(Clone, Debug)]
pub struct Chats {
    pub address: SocketAddr,
    received: Arc<Mutex<Vec<Message>>>,
}

impl Chats {
    pub async fn start() -> anyhow::Result<Self> {
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = socket.local_addr()?;
        let received: Arc<Mutex<Vec<Message>>> = Arc::default();
        let router = Router::new().fallback(take).with_state(Arc::clone(&received));
        tokio::spawn(async move { axum::serve(socket, router).await });
        Ok(Self { address, received })
    }

    /// What came at a path, in order.
    pub fn received(&self, path: &str) -> Vec<Value> {
        let received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        let at_path = received.iter().filter(|(at, _)| at == path);
        at_path.map(|(_, body)| body.clone()).collect()
    }

    pub async fn wait_for(&self, path: &str, count: usize) -> anyhow::Result<Vec<Value>> {
        eventually(&format!("{count} messages at {path}"), || async {
            let received = self.received(path);
            anyhow::ensure!(received.len() >= count, "so far: {received:?}");
            Ok(received)
        })
        .await
    }
}

async fn take(State(received): State<Arc<Mutex<Vec<Message>>>>, uri: Uri, body: Bytes) -> Response {
    let path = uri.path().to_owned();
    let is_telegram = path.ends_with("/sendMessage");
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    received.lock().unwrap_or_else(PoisonError::into_inner).push((path, body));
    if is_telegram {
        let chat = json!({"id": 1, "type": "private"});
        Json(json!({"ok": true, "result": {"message_id": 1, "date": 1, "chat": chat, "text": "x"}}))
            .into_response()
    } else {
        "ok".into_response()
    }
}
