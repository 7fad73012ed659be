//! A line that carries everything to the collector and, from some moment on, nothing back: an answer gets lost on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What a client says after the server has spoken, up to the request itself: the end of the handshake and HTTP/2's
/// settings take less, a request for a certificate more.
const BEFORE_REQUEST_BYTES: u64 = 500;

/// Where to dial, until it is dropped.
pub struct Lossy {
    pub address: String,
    line: JoinHandle<()>,
}

impl Lossy {
    pub async fn to(collector: &str) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, collector) = (listener.local_addr()?.to_string(), collector.to_owned());
        let line = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(&collector).await else { return };
                tokio::spawn(carry(client, server));
            }
        });
        Ok(Self { address, line })
    }
}

impl Drop for Lossy {
    fn drop(&mut self) {
        self.line.abort();
    }
}

async fn carry(client: TcpStream, server: TcpStream) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    // What the client has said since the server's first words.
    let said = Arc::new(AtomicU64::new(0));
    let heard = Arc::clone(&said);
    let back = tokio::spawn(async move {
        let mut buffer = vec![0; 16 << 10];
        let mut spoken = false;
        while let Ok(count @ 1..) = from_server.read(&mut buffer).await {
            if !std::mem::replace(&mut spoken, true) {
                heard.store(1, Ordering::SeqCst);
            }
            if heard.load(Ordering::SeqCst) < BEFORE_REQUEST_BYTES
                && to_client.write_all(&buffer[..count]).await.is_err()
            {
                return;
            }
        }
    });
    let mut buffer = vec![0; 16 << 10];
    while let Ok(count @ 1..) = from_client.read(&mut buffer).await {
        if said.load(Ordering::SeqCst) > 0 {
            // Before it is carried on: its answer must find the line dead.
            said.fetch_add(count as u64, Ordering::SeqCst);
        }
        if to_server.write_all(&buffer[..count]).await.is_err() {
            break;
        }
    }
    back.abort();
}
