//! The journal as long as no log file is there: both hold the same lines, and a host may get or lose its syslog daemon
//! at any time.
//!
//! Promises: no line is lost when one takes over from the other. Lines have nothing that tells in the file which entry
//! of the journal they are, so those of about a second around that moment may come from both.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Journal, SOURCE, follow_until_stopping, since};
use crate::security::log_file::Status;
use crate::source::{Bookmark, SourceContext, Stopping};
use crate::watch;

/// How long a log must be gone: a rotation leaves a hole until the daemon writes its next line.
const GONE_AFTER: Duration = Duration::from_secs(600);
/// How often is looked although the kernel reported nothing.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);
/// How long the journal is still read when a log appears: it may be behind by this much.
const LINGER: Duration = Duration::from_secs(1);
/// The bookmark while a log is read instead.
const LOGS_ARE_READ: &[u8] = b"logs";

/// Follows the journal whenever none of `logs` is there, until the agent stops.
pub(in crate::security) async fn follow_without(
    logs: Vec<PathBuf>,
    journal: Journal,
    context: SourceContext,
    status: Arc<Status>,
) {
    let shutdown = context.shutdown.clone();
    tokio::select! {
        () = shutdown.cancelled() => {}
        Stopping = take_turns(&logs, &journal, &context, &status, GONE_AFTER) => {}
    }
}

pub(super) async fn take_turns(
    logs: &[PathBuf],
    journal: &Journal,
    context: &SourceContext,
    status: &Status,
    gone_after: Duration,
) -> Stopping {
    let mut bookmark = context.bookmarks.take(SOURCE);
    loop {
        let mut written = None;
        if let Some(seen) = last_written(logs) {
            status.idle.store(true, Ordering::Relaxed);
            // Noted, so that a start after the logs went does not go back to where the journal was left long ago.
            if bookmark.content().is_some()
                && let Err(stopping) = note(&mut bookmark, context, LOGS_ARE_READ).await
            {
                return stopping;
            }
            written = Some(wait_until_gone(logs, seen, gone_after).await);
            status.idle.store(false, Ordering::Relaxed);
            tracing::info!("no log of authentications is left: the journal is read instead");
        } else if bookmark.is_at(LOGS_ARE_READ) {
            written = last_written_copy(logs);
        }
        if let Some(seconds) = written {
            let start = since(seconds - 1);
            if let Err(stopping) = note(&mut bookmark, context, start.as_bytes()).await {
                return stopping;
            }
        }
        let leave = CancellationToken::new();
        let following = follow_until_stopping(journal, context, &mut bookmark, status, &leave);
        let appeared = async {
            wait_until_there(logs).await;
            tokio::time::sleep(LINGER).await;
            leave.cancel();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            stopped = following => if let Some(stopping) = stopped { return stopping },
            () = appeared => {}
        }
        tracing::info!("a log of authentications is there: it is read instead of the journal");
    }
}

async fn note(
    bookmark: &mut Bookmark,
    context: &SourceContext,
    content: &[u8],
) -> Result<(), Stopping> {
    if bookmark.is_at(content) {
        return Ok(());
    }
    context.evidence.spool_to(Vec::new(), bookmark, content.to_vec()).await
}

/// When the logs were last written, in seconds; `None` when none is there.
fn last_written(logs: &[PathBuf]) -> Option<i64> {
    logs.iter().filter_map(|log| Some(fs::metadata(log).ok()?.mtime())).max()
}

async fn wait_until_there(logs: &[PathBuf]) {
    let watch = watch::files(logs, LOOK_INTERVAL);
    while last_written(logs).is_none() {
        watch.wait().await;
    }
}

/// Returns when the logs were last written.
async fn wait_until_gone(logs: &[PathBuf], seen: i64, gone_after: Duration) -> i64 {
    let watch = watch::files(logs, LOOK_INTERVAL.min(gone_after));
    let (mut gone_since, mut written) = (tokio::time::Instant::now(), seen);
    loop {
        if let Some(newest) = last_written(logs) {
            written = newest;
            gone_since = tokio::time::Instant::now();
        } else if gone_since.elapsed() >= gone_after {
            return written;
        }
        watch.wait().await;
    }
}

/// The same by the newest rotated copy, when nobody looked while the logs went.
fn last_written_copy(logs: &[PathBuf]) -> Option<i64> {
    let times = logs.iter().filter_map(|log| {
        let name = log.file_name()?.to_str()?;
        let entries = fs::read_dir(log.parent().unwrap_or(Path::new("/"))).ok()?;
        let copies = entries.filter_map(Result::ok).filter(|entry| {
            let other = entry.file_name();
            other.to_str().is_some_and(|other| other.starts_with(name))
        });
        copies.filter_map(|copy| Some(copy.metadata().ok()?.mtime())).max()
    });
    times.max()
}
