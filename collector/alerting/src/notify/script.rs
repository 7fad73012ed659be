//! A program of one's own: the webhook's JSON on its standard input, and its exit code says whether the notification was
//! taken. No shell is asked, and nothing of an alert becomes an argument.

use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStderr, Command};
use tokio::task::JoinSet;

use crate::notification::Notification;
use crate::routing::ScriptChannel;

use super::body::Body;
use super::composing::Composer;
use super::{Notifier, SendError, Sending, webhook};

/// As much of what it complains of as goes into the record of the attempt; the rest is read and dropped.
const COMPLAINT_BYTES_MAX: usize = 512;

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
            .process_group(0)
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
    let group = Group(child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw));
    let (input, errors) = (child.stdin.take(), child.stderr.take());
    // One that ends without reading everything has decided already.
    let told = async move {
        if let Some(mut input) = input {
            input.write_all(&json).await.ok();
        }
    };
    let kept = Arc::new(Mutex::new(Vec::new()));
    // Ends with this: what the program started may hold the line for ever.
    let mut listening = JoinSet::new();
    listening.spawn(listen(errors, Arc::clone(&kept)));
    let ((), status) = tokio::join!(told, child.wait());
    group.ended();
    tokio::time::timeout(COMPLAINT_WAIT, listening.join_next()).await.ok();
    let kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    Ok((status?, String::from_utf8_lossy(&kept).trim().to_owned()))
}

/// Keeps the beginning and reads the rest, or the program would stop where the line is full.
async fn listen(errors: Option<ChildStderr>, kept: Arc<Mutex<Vec<u8>>>) {
    let Some(mut errors) = errors else { return };
    let mut chunk = [0; COMPLAINT_BYTES_MAX];
    while let Ok(read @ 1..) = errors.read(&mut chunk).await {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        let room = COMPLAINT_BYTES_MAX - kept.len();
        kept.extend_from_slice(&chunk[..read.min(room)]);
    }
}

/// The program and what it started: ended together when its time is over.
struct Group(Option<Pid>);

impl Group {
    /// It ended by itself; what it left behind may go on.
    fn ended(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // It is not waited for yet, so its number is nobody else's; nobody may be left.
            killpg(leader, Signal::SIGKILL).ok();
        }
    }
}
