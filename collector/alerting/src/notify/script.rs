//! A program of one's own: the webhook's JSON on its standard input, and its exit code says whether the notification was
//! taken. No shell is asked, and nothing of an alert becomes an argument.

use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStderr, Command};

use crate::notification::Notification;
use crate::routing::ScriptChannel;

use super::body::Body;
use super::composing::Composer;
use super::{Notifier, SendError, Sending, webhook};

/// As much of what it complains of as goes into the record of the attempt; the rest is read and dropped.
const COMPLAINT_BYTES_MAX: u64 = 512;

/// How long its complaints are waited for once it has ended: what it started may still hold the line.
const COMPLAINT_WAIT: Duration = Duration::from_millis(200);

pub(super) struct Script {
    channel: Arc<ScriptChannel>,
    composer: Composer,
}

impl Script {
    pub(super) fn new(channel: Arc<ScriptChannel>, composer: Composer) -> Self {
        Self { channel, composer }
    }

    async fn run(&self, notification: &Notification) -> Result<(), SendError> {
        let path = self.channel.path.display().to_string();
        let failed = |source| SendError::Script { path: path.clone(), source };
        let Body { bytes, room: _room } = self.composer.body(notification, webhook::json).await?;
        let child = Command::new(&self.channel.path)
            .args(&self.channel.arguments)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("LANG", "C.UTF-8")
            .env("IDEMPOTENCY_KEY", &notification.idempotency_key)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let ended = tokio::time::timeout(self.channel.timeout, talk(child, bytes)).await;
        let seconds = self.channel.timeout.as_secs();
        let (status, complaint) =
            ended.map_err(|_| SendError::TimedOut { seconds })?.map_err(failed)?;
        if status.success() {
            return Ok(());
        }
        Err(SendError::ScriptRefused { path: path.clone(), status, complaint })
    }
}

impl Notifier for Script {
    fn send<'a>(&'a self, notification: &'a Notification) -> Sending<'a> {
        Box::pin(self.run(notification))
    }

    fn time_limit(&self) -> Duration {
        self.channel.timeout + COMPLAINT_WAIT
    }
}

async fn talk(mut child: Child, json: Vec<u8>) -> std::io::Result<(ExitStatus, String)> {
    let (input, errors) = (child.stdin.take(), child.stderr.take());
    // One that ends without reading everything has decided already.
    let told = async move {
        if let Some(mut input) = input {
            input.write_all(&json).await.ok();
        }
    };
    let complaint = tokio::spawn(complaint(errors));
    let ((), status) = tokio::join!(told, child.wait());
    let complaint = tokio::time::timeout(COMPLAINT_WAIT, complaint).await;
    Ok((status?, complaint.ok().and_then(Result::ok).unwrap_or_default()))
}

async fn complaint(errors: Option<ChildStderr>) -> String {
    let Some(mut errors) = errors else { return String::new() };
    let mut kept = Vec::new();
    let mut first = (&mut errors).take(COMPLAINT_BYTES_MAX);
    if first.read_to_end(&mut kept).await.is_ok() && kept.len() as u64 >= COMPLAINT_BYTES_MAX {
        // Or it would stop where the line is full.
        let mut rest = errors;
        tokio::spawn(async move { tokio::io::copy(&mut rest, &mut tokio::io::sink()).await });
    }
    String::from_utf8_lossy(&kept).trim().to_owned()
}
