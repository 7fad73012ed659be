//! Log files as a source: follows each, turns its lines into events and hands them over.
//! Promises: a line is read within milliseconds of being written; the cursor moves only after the spool has the events.
//! A file that cannot be read is said once, tried again, and counted in `haidang_log_readable`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use agent_model::{Event, Millis, Severity};
use jiff::tz::TimeZone;

use super::finding::Finding;
use super::tail::{Batch, Notice, StartAt, Tail, TailError};
use super::watch::Watch;
use super::{auth_log, fields};
use crate::clock::Clock;
use crate::source::{Evidence, MetricSource, Reading, SourceContext, SourceError, Stopping};

/// How long to wait before a file that could not be read is tried again.
const RETRY_INTERVAL: Duration = Duration::from_secs(10);

/// How long a stop waits for the spool to take the batch under way; on a full disk it takes none.
const LAST_BATCH_TIME_MAX: Duration = Duration::from_secs(2);

/// What one followed log tells about itself.
#[derive(Debug, Default)]
pub(super) struct Status {
    file: String,
    pub(super) readable: AtomicBool,
    pub(super) lines: AtomicU64,
    pub(super) lines_cut: AtomicU64,
    notices: AtomicU64,
}

impl Status {
    pub(super) fn new(file: &Path) -> Arc<Self> {
        Arc::new(Self { file: file.display().to_string(), ..Self::default() })
    }
}

/// The metrics of every followed log.
pub(super) struct Metrics(pub(super) Vec<Arc<Status>>);

impl MetricSource for Metrics {
    fn name(&self) -> &'static str {
        "auth_log"
    }

    fn read(&mut self, _now_ms: Millis, out: &mut Reading) -> Result<(), SourceError> {
        for log in &self.0 {
            let labels = [("file", log.file.as_str())];
            let readable = f64::from(u8::from(log.readable.load(Ordering::Relaxed)));
            out.add("haidang_log_readable", &labels, readable);
            for (name, counter) in [
                ("haidang_log_lines_total", &log.lines),
                ("haidang_log_lines_cut_total", &log.lines_cut),
                ("haidang_log_notices_total", &log.notices),
            ] {
                out.add(name, &labels, count(counter));
            }
        }
        Ok(())
    }
}

#[allow(clippy::cast_precision_loss, reason = "counters are exact up to 2^53")]
fn count(counter: &AtomicU64) -> f64 {
    counter.load(Ordering::Relaxed) as f64
}

/// Follows one log until the agent stops.
pub(super) async fn follow(
    log: PathBuf,
    context: SourceContext,
    clock: Clock,
    status: Arc<Status>,
) {
    let shutdown = context.shutdown.clone();
    let follow = follow_until_stopping(&log, &context, clock, &status);
    // A stop waits for the batch under way: lines that are spooled and whose cursor is not saved would come again.
    let too_late = async {
        shutdown.cancelled().await;
        tokio::time::sleep(LAST_BATCH_TIME_MAX).await;
    };
    tokio::select! {
        Stopping = follow => {}
        () = too_late => {}
    }
}

async fn follow_until_stopping(
    log: &Path,
    context: &SourceContext,
    clock: Clock,
    status: &Status,
) -> Stopping {
    let shutdown = context.shutdown.clone();
    let directory = log.parent().unwrap_or(Path::new("/")).to_owned();
    let name = log.file_name().map(std::ffi::OsStr::to_owned);
    let watch = Watch::directory(&directory, move |path| path.file_name() == name.as_deref());
    let cursor_file = context.state_dir.join(cursor_name(log));
    let mut follower =
        Follower { log, cursor_file, clock, started: clock.instant(), status, tail: None };
    let mut told = false;
    loop {
        match follower.read_new(context).await {
            Ok(()) => {
                status.readable.store(true, Ordering::Relaxed);
                told = false;
                tokio::select! {
                    () = shutdown.cancelled() => return Stopping,
                    _ = watch.wait() => {}
                }
            }
            Err(ReadError::Stopping) => return Stopping,
            Err(ReadError::Tail(error)) => {
                status.readable.store(false, Ordering::Relaxed);
                if !told {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(error, log = %log.display(), "security log is not followed");
                    told = true;
                }
                follower.tail = None;
                tokio::select! {
                    () = shutdown.cancelled() => return Stopping,
                    () = tokio::time::sleep(RETRY_INTERVAL) => {}
                }
            }
        }
    }
}

struct Follower<'a> {
    log: &'a Path,
    cursor_file: PathBuf,
    clock: Clock,
    started: Instant,
    status: &'a Status,
    /// Opened at the first read, and again after an error: it then begins at the cursor.
    tail: Option<Tail>,
}

enum ReadError {
    Tail(TailError),
    Stopping,
}

impl Follower<'_> {
    /// Reads until nothing is new, each batch spooled before the cursor moves.
    async fn read_new(&mut self, context: &SourceContext) -> Result<(), ReadError> {
        let zone = TimeZone::system();
        loop {
            let tail = self.tail.take();
            let (log, cursor_file) = (self.log.to_owned(), self.cursor_file.clone());
            let elapsed = self.clock.instant().saturating_duration_since(self.started);
            let (tail, batch) = blocking(move || {
                let mut tail = match tail {
                    Some(tail) => tail,
                    None => Tail::open(&log, &cursor_file, StartAt::End)?,
                };
                let batch = tail.poll(elapsed)?;
                Ok((tail, batch))
            })
            .await?;
            let now = self.clock.now_ms();
            let evidence: Vec<_> = self.events(&batch, now, &zone).map(Evidence::Event).collect();
            if !evidence.is_empty() {
                context.evidence.spool(evidence).await.map_err(|Stopping| ReadError::Stopping)?;
            }
            self.count(&batch);
            let tail = blocking(move || {
                let mut tail = tail;
                tail.commit()?;
                Ok(tail)
            });
            self.tail = Some(tail.await?);
            if !batch.more {
                return Ok(());
            }
        }
    }

    fn events(&self, batch: &Batch, now: Millis, zone: &TimeZone) -> impl Iterator<Item = Event> {
        let file = self.log.display().to_string();
        let notices = batch.notices.iter().map(|notice| noticed(notice, &file, now));
        let lines = batch.lines.iter().flat_map(|line| {
            let mut events = auth_log::events(&line.text, now, zone);
            for event in &mut events {
                event.fields.insert(fields::LOG_FILE.to_owned(), file.clone());
                if line.cut {
                    event.fields.insert(fields::LINE_CUT.to_owned(), "true".to_owned());
                }
            }
            events
        });
        notices.chain(lines).collect::<Vec<_>>().into_iter()
    }

    fn count(&self, batch: &Batch) {
        let add = |counter: &AtomicU64, number: usize| {
            counter.fetch_add(u64::try_from(number).unwrap_or(0), Ordering::Relaxed);
        };
        add(&self.status.lines, batch.lines.len());
        add(&self.status.lines_cut, batch.lines.iter().filter(|line| line.cut).count());
        add(&self.status.notices, batch.notices.len());
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, TailError> + Send + 'static,
) -> Result<T, ReadError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(ReadError::Tail),
        Err(_) => Err(ReadError::Stopping),
    }
}

fn noticed(notice: &Notice, file: &str, now: Millis) -> Event {
    let (event_type, reason) = match notice {
        Notice::Truncated { unread_after } => (
            fields::LOG_TRUNCATED,
            format!("cut short in place, with no copy beside it; read up to byte {unread_after}"),
        ),
        Notice::Lost { unread_after } => (
            fields::LOG_LINES_LOST,
            format!("the file that was being read is gone; it was read up to byte {unread_after}"),
        ),
        Notice::CursorDamaged => (
            fields::LOG_LINES_LOST,
            "the cursor is damaged; the log is read from its beginning, lines may repeat"
                .to_owned(),
        ),
    };
    let message = format!("{file}: {reason}");
    let mut finding = Finding::base(event_type).with(fields::LOG_FILE, file);
    finding.severity = Severity::Medium;
    finding.with(fields::REASON, reason).into_event(now, auth_log::SOURCE, message)
}

/// One cursor per log, named after its path.
fn cursor_name(log: &Path) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._".contains(c) { c } else { '-' };
    let name: String = log.display().to_string().chars().map(plain).collect();
    format!("log{name}.json")
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::Write;

    use tempfile::TempDir;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::source::{EvidenceMessage, EvidenceSender, HostRoot};

    fn context(dir: &TempDir) -> (SourceContext, tokio::sync::mpsc::Receiver<EvidenceMessage>) {
        let (evidence, receiver) = EvidenceSender::channel();
        let shutdown = CancellationToken::new();
        let state_dir = dir.path().to_owned();
        (SourceContext { root: HostRoot::default(), state_dir, evidence, shutdown }, receiver)
    }

    fn write(log: &Path, text: &str) {
        let mut file = OpenOptions::new().append(true).create(true).open(log).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn messages(message: &EvidenceMessage) -> Vec<String> {
        let text = |evidence: &Evidence| match evidence {
            Evidence::Event(event) => event.message.clone(),
            other => panic!("{other:?}"),
        };
        message.evidence.iter().map(text).collect()
    }

    const DEADLINE: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_line_becomes_evidence_and_the_cursor_waits_for_the_spool() {
        let dir = TempDir::new().unwrap();
        let log = dir.path().join("auth.log");
        write(&log, "old\n");
        let (context, mut receiver) = context(&dir);
        let status = Status::new(&log);
        let start = |context: &SourceContext, status: &Arc<Status>| {
            let follow = follow(log.clone(), context.clone(), Clock, Arc::clone(status));
            tokio::spawn(follow)
        };
        let task = start(&context, &status);
        let cursor = dir.path().join(cursor_name(&log));
        tokio::time::timeout(DEADLINE, async {
            while !cursor.exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
        .unwrap();
        write(&log, "one\n");
        let first = tokio::time::timeout(DEADLINE, receiver.recv()).await.unwrap().unwrap();
        assert_eq!(messages(&first), ["one"]);
        // Killed before the spool answered: the next start hands the line over again.
        task.abort();
        drop(first);
        let task = start(&context, &status);
        let again = tokio::time::timeout(DEADLINE, receiver.recv()).await.unwrap().unwrap();
        assert_eq!(messages(&again), ["one"]);
        again.spooled.send(()).unwrap();
        write(&log, "two\n");
        let second = tokio::time::timeout(DEADLINE, receiver.recv()).await.unwrap().unwrap();
        assert_eq!(messages(&second), ["two"]);
        assert_eq!(status.lines.load(Ordering::Relaxed), 1);
        context.shutdown.cancel();
        tokio::time::timeout(DEADLINE, task).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_wiped_log_becomes_an_event() {
        let event = noticed(&Notice::Truncated { unread_after: 7 }, "/var/log/auth.log", 1);
        assert_eq!(event.fields[fields::EVENT_TYPE], fields::LOG_TRUNCATED);
        assert_eq!(event.severity, Severity::Medium);
    }
}
