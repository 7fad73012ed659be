//! The systemd journal as a source: `journalctl --follow` as a child process, its JSON entries as events.
//! Promises: entries come once, from the cursor that lies in the spool with them; a missing journalctl, no journal
//! or no permission is a status and a log line, never a crash; memory is bounded whatever an entry holds.
//! Beyond what a log file can tell: the kernel attests who wrote a line, so a forged one is seen.

mod entry;
mod fallback;

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio_util::sync::CancellationToken;

use super::log_file::Status;
use super::persist::{self, PersistError};
use crate::source::{Bookmark, Evidence, SourceContext, Stopping};
use entry::Entry;

pub(super) use fallback::follow_without;

/// The `source` of events from the journal.
pub(super) const SOURCE: &str = "journald";
/// Programs whose entries are read.
pub(super) const IDENTIFIERS: &[&str] = &[
    "sshd",
    "sshd-session",
    "sshd-auth",
    "sudo",
    "su",
    "login",
    "systemd-logind",
    "useradd",
    "userdel",
    "usermod",
    "groupadd",
    "groupdel",
    "groupmod",
    "gpasswd",
    "passwd",
    "chpasswd",
    "chage",
    "chsh",
    "chfn",
];

/// An entry is JSON on one line, bytes as numbers: a message of 64 KiB in its longest form.
const LINE_BYTES_MAX: usize = 512 << 10;
/// Entries of one batch: what a report holds comfortably.
const BATCH_ENTRIES_MAX: usize = 500;
/// How long to wait before journalctl is started again.
const RETRY_INTERVAL: Duration = Duration::from_secs(10);
/// What is kept of an error.
const ERROR_BYTES_MAX: u64 = 2 << 10;
/// journalctl answers one entry at once; a journal on a dead disk does not.
const LAST_ENTRY_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Debug, thiserror::Error)]
pub(super) enum JournalError {
    #[error("{} cannot be run; is systemd installed?", program.display())]
    Run {
        program: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the output of journalctl cannot be read")]
    Read(#[source] std::io::Error),
    #[error("journalctl ended with {status}: {said}; is the agent in the group systemd-journal?")]
    Ended { status: String, said: String },
    #[error("journalctl did not answer within {0:?}")]
    Slow(Duration),
    #[error(transparent)]
    Persist(#[from] PersistError),
}

/// What is read.
#[derive(Clone, Debug)]
pub(super) struct Journal {
    pub(super) program: PathBuf,
    pub(super) identifiers: Vec<String>,
    /// Journal files instead of the host's journal.
    pub(super) files: Vec<PathBuf>,
}

/// Follows the journal until the agent stops.
pub(super) async fn follow(journal: Journal, context: SourceContext, status: Arc<Status>) {
    let shutdown = context.shutdown.clone();
    let mut bookmark = context.bookmarks.take(SOURCE);
    let never = CancellationToken::new();
    tokio::select! {
        () = shutdown.cancelled() => {}
        _ = follow_until_stopping(&journal, &context, &mut bookmark, &status, &never) => {}
    }
}

/// The same with a way to leave, which is `None`: between two batches, so that the bookmark is where the spool has it.
async fn follow_until_stopping(
    journal: &Journal,
    context: &SourceContext,
    bookmark: &mut Bookmark,
    status: &Status,
    leave: &CancellationToken,
) -> Option<Stopping> {
    let mut told = None;
    loop {
        match journal.follow_once(context, bookmark, status, leave).await {
            Ok(end) => return end,
            Err(error) => {
                status.readable.store(false, Ordering::Relaxed);
                let said = error.to_string();
                if told.as_ref() != Some(&said) {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(error, "the journal is not followed");
                    told = Some(said);
                }
                let wait = tokio::time::sleep(RETRY_INTERVAL);
                leave.run_until_cancelled(wait).await?;
            }
        }
    }
}

impl Journal {
    /// Follows until the agent stops, or it is to leave, or journalctl ends.
    async fn follow_once(
        &self,
        context: &SourceContext,
        bookmark: &mut Bookmark,
        status: &Status,
        leave: &CancellationToken,
    ) -> Result<Option<Stopping>, JournalError> {
        let start = match self.begin(context, bookmark).await? {
            Ok(start) => start,
            Err(stopping) => return Ok(Some(stopping)),
        };
        let mut arguments = vec!["--follow".to_owned(), "--no-tail".to_owned()];
        arguments.extend(start.map(|start| match start.strip_prefix(SINCE) {
            Some(time) => format!("--since={time}"),
            None => format!("--after-cursor={start}"),
        }));
        arguments.extend(self.identifiers.iter().map(|name| format!("--identifier={name}")));
        let mut child = self.spawn(&arguments)?;
        let Some(stdout) = child.stdout.take() else { return Err(ended(&mut child).await) };
        let mut lines = Lines::new(stdout);
        status.readable.store(true, Ordering::Relaxed);
        loop {
            let batch = tokio::select! {
                batch = lines.batch() => batch.map_err(JournalError::Read)?,
                () = leave.cancelled() => return Ok(None),
            };
            let Some(batch) = batch else { return Err(ended(&mut child).await) };
            status.lines.fetch_add(batch.entries.len() as u64, Ordering::Relaxed);
            status.lines_cut.fetch_add(batch.too_long, Ordering::Relaxed);
            let evidence: Vec<_> =
                batch.entries.iter().map(|entry| Evidence::Event(entry.event())).collect();
            let Some(last) = batch.entries.last() else { continue };
            let cursor = last.cursor.clone().into_bytes();
            if let Err(stopping) = context.evidence.spool_to(evidence, bookmark, cursor).await {
                return Ok(Some(stopping));
            }
        }
    }

    /// Where to go on, a cursor or a time; `None` in an empty journal. The first start reads what comes from now on, and a second one must
    /// know from where.
    async fn begin(
        &self,
        context: &SourceContext,
        bookmark: &mut Bookmark,
    ) -> Result<Result<Option<String>, Stopping>, JournalError> {
        if let Some(cursor) = bookmark.content().and_then(start_text) {
            return Ok(Ok(Some(cursor)));
        }
        let earlier = context.state_dir.join("journald.cursor");
        let is_whole = |bytes: &[u8]| cursor_text(bytes).is_some();
        let known = persist::earlier_cursor(&earlier, is_whole)?;
        let cursor = match known.as_deref().and_then(cursor_text) {
            Some(cursor) => Some(cursor),
            None => self.last_cursor().await?,
        };
        if let Some(cursor) = &cursor {
            let content = cursor.clone().into_bytes();
            if let Err(stopping) = context.evidence.spool_to(Vec::new(), bookmark, content).await {
                return Ok(Err(stopping));
            }
            persist::forget_earlier_cursor(&earlier);
        }
        Ok(Ok(cursor))
    }

    /// The cursor of the newest entry; `None` when the journal is empty.
    async fn last_cursor(&self) -> Result<Option<String>, JournalError> {
        let mut child = self.spawn(&["--lines=1".to_owned()])?;
        let Some(stdout) = child.stdout.take() else { return Err(ended(&mut child).await) };
        let read = async {
            let batch = Lines::new(stdout).batch().await.map_err(JournalError::Read)?;
            match batch.and_then(|mut batch| batch.entries.pop()) {
                Some(entry) => Ok(Some(entry.cursor)),
                None => match child.wait().await {
                    Ok(status) if status.success() => Ok(None),
                    _ => Err(ended(&mut child).await),
                },
            }
        };
        let limited = tokio::time::timeout(LAST_ENTRY_TIMEOUT, read).await;
        limited.unwrap_or(Err(JournalError::Slow(LAST_ENTRY_TIMEOUT)))
    }

    fn spawn(&self, arguments: &[String]) -> Result<Child, JournalError> {
        let mut command = Command::new(&self.program);
        command.args(["--output=json", "--all", "--quiet", "--no-pager"]).args(arguments);
        for file in &self.files {
            command.arg("--file").arg(file);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let spawned = command.kill_on_drop(true).spawn();
        spawned.map_err(|source| JournalError::Run { program: self.program.clone(), source })
    }
}

/// Before the time of a bookmark that is no cursor.
const SINCE: &str = "since=";

/// The bookmark that stands at a time, in seconds since 1970.
fn since(seconds: i64) -> String {
    format!("{SINCE}@{seconds}")
}

fn start_text(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    if text.starts_with(SINCE) { Some(text.to_owned()) } else { cursor_text(bytes) }
}

/// A cursor of the journal, if these bytes look like one.
fn cursor_text(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    (text.starts_with("s=") && text.contains(";x=")).then(|| text.to_owned())
}

/// Why journalctl ended, in its own words.
async fn ended(child: &mut Child) -> JournalError {
    let mut said = Vec::new();
    if let Some(stderr) = child.stderr.take() {
        // Half an error message is better than none.
        stderr.take(ERROR_BYTES_MAX).read_to_end(&mut said).await.unwrap_or_default();
    }
    let status = match child.wait().await {
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    };
    let said = String::from_utf8_lossy(&said).trim().replace('\n', " / ");
    JournalError::Ended { status, said }
}

#[derive(Debug, Default)]
struct Batch {
    entries: Vec<Entry>,
    /// Entries that were longer than the bound.
    too_long: u64,
}

/// Bounded lines of JSON.
struct Lines {
    stdout: BufReader<ChildStdout>,
    line: Vec<u8>,
    too_long: bool,
}

impl Lines {
    fn new(stdout: ChildStdout) -> Self {
        Self { stdout: BufReader::new(stdout), line: Vec::new(), too_long: false }
    }

    /// Waits for an entry, then takes all that are there already. `None` at the end.
    async fn batch(&mut self) -> std::io::Result<Option<Batch>> {
        let mut batch = Batch::default();
        loop {
            let bytes = self.stdout.fill_buf().await?;
            if bytes.is_empty() {
                return Ok(None);
            }
            let newline = bytes.iter().position(|byte| *byte == b'\n');
            let used = newline.map_or(bytes.len(), |at| at + 1);
            let room = LINE_BYTES_MAX.saturating_sub(self.line.len());
            self.too_long |= used > room;
            self.line.extend_from_slice(&bytes[..used.min(room)]);
            self.stdout.consume(used);
            if newline.is_none() {
                continue;
            }
            match (self.too_long, Entry::parse(&self.line)) {
                (false, Some(entry)) => batch.entries.push(entry),
                _ => batch.too_long += 1,
            }
            self.line.clear();
            self.too_long = false;
            let more = self.stdout.buffer().contains(&b'\n');
            if !more || batch.entries.len() >= BATCH_ENTRIES_MAX {
                return Ok(Some(batch));
            }
        }
    }
}

#[cfg(test)]
mod tests;
