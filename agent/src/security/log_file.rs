//! Log files as a source: follows each, turns its lines into events and hands them over.
//! Promises: a line is read within milliseconds of being written; the cursor lies in the spool with the events before it.
//! A file that cannot be read is said once, tried again, and counted in `haidang_log_readable`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use agent_model::{Event, Millis, Severity};
use jiff::tz::TimeZone;

use super::finding::Finding;
use super::tail::{Batch, Notice, StartAt, Tail, TailError};
use super::{auth_log, fields, persist};
use crate::clock::Clock;
use crate::source::{
    Bookmark, Evidence, MetricSource, Reading, SourceContext, SourceError, Stopping,
};
use crate::watch;

/// How often a log is looked at although the kernel reported nothing: others may write it over a network.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);

/// How long to wait before a file that could not be read is tried again.
const RETRY_INTERVAL: Duration = Duration::from_secs(10);

/// What one followed log tells about itself.
#[derive(Debug, Default)]
pub(super) struct Status {
    file: String,
    pub(super) readable: AtomicBool,
    /// Not to be read now, because another holds the same lines: nothing is told of it.
    pub(super) idle: AtomicBool,
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
        for log in self.0.iter().filter(|log| !log.idle.load(Ordering::Relaxed)) {
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
    tokio::select! {
        () = shutdown.cancelled() => {}
        Stopping = follow_until_stopping(&log, &context, clock, &status) => {}
    }
}

async fn follow_until_stopping(
    log: &Path,
    context: &SourceContext,
    clock: Clock,
    status: &Status,
) -> Stopping {
    let watch = watch::files(&[log.to_owned()], LOOK_INTERVAL);
    let earlier = context.state_dir.join(cursor_name(log));
    let bookmark = context.bookmarks.take(&format!("log {}", log.display()));
    let started = clock.instant();
    let mut follower = Follower { log, earlier, clock, started, status, bookmark, tail: None };
    let mut told = false;
    loop {
        match follower.read_new(context).await {
            Ok(()) => {
                status.readable.store(true, Ordering::Relaxed);
                told = false;
                watch.wait().await;
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
                tokio::time::sleep(RETRY_INTERVAL).await;
            }
        }
    }
}

struct Follower<'a> {
    log: &'a Path,
    /// Where an earlier version kept its cursor.
    earlier: PathBuf,
    clock: Clock,
    started: Instant,
    status: &'a Status,
    bookmark: Bookmark,
    /// Opened at the first read, and again after an error: it then begins at the bookmark.
    tail: Option<Tail>,
}

enum ReadError {
    Tail(TailError),
    Stopping,
}

impl Follower<'_> {
    /// Reads until nothing is new; each batch goes to the spool with the cursor behind it.
    async fn read_new(&mut self, context: &SourceContext) -> Result<(), ReadError> {
        let zone = TimeZone::system();
        loop {
            let tail = self.tail.take();
            let opened = tail.is_none().then(|| self.bookmark.content().map(<[u8]>::to_vec));
            let (log, earlier) = (self.log.to_owned(), self.earlier.clone());
            let elapsed = self.clock.instant().saturating_duration_since(self.started);
            let (tail, batch, cursor) = blocking(move || {
                let mut tail = match tail {
                    Some(tail) => tail,
                    None => open(&log, opened.flatten(), &earlier)?,
                };
                let batch = tail.poll(elapsed)?;
                let cursor = tail.cursor();
                Ok((tail, batch, cursor))
            })
            .await?;
            let now = self.clock.now_ms();
            let evidence: Vec<_> = self.events(&batch, now, &zone).map(Evidence::Event).collect();
            if !evidence.is_empty() || !self.bookmark.is_at(&cursor) {
                let first = self.bookmark.content().is_none();
                let spooled = context.evidence.spool_to(evidence, &mut self.bookmark, cursor).await;
                spooled.map_err(|Stopping| ReadError::Stopping)?;
                if first {
                    persist::forget_earlier_cursor(&self.earlier);
                }
            }
            self.count(&batch);
            self.tail = Some(tail);
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

/// At the bookmark, at the cursor of an earlier version, or at the end for a log that is followed for the first time.
fn open(log: &Path, cursor: Option<Vec<u8>>, earlier: &Path) -> Result<Tail, TailError> {
    let cursor = match cursor {
        Some(cursor) => Some(cursor),
        None => persist::earlier_cursor(earlier, Tail::is_cursor)?,
    };
    Tail::open(log, cursor.as_deref(), StartAt::End)
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

/// The file in which an earlier version kept the cursor of a log, named after its path.
fn cursor_name(log: &Path) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._".contains(c) { c } else { '-' };
    let name: String = log.display().to_string().chars().map(plain).collect();
    format!("log{name}.json")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs::{self, OpenOptions};
    use std::io::Write;

    use tempfile::TempDir;
    use tokio::sync::mpsc::Receiver;
    use tokio::task::JoinHandle;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::source::{Bookmarks, Bundle, EvidenceMessage, EvidenceSender, HostRoot};

    const DEADLINE: Duration = Duration::from_secs(20);

    /// A log that is followed, and a spool that keeps what it answers.
    struct Bench {
        dir: TempDir,
        context: SourceContext,
        receiver: Receiver<EvidenceMessage>,
        status: Arc<Status>,
        kept: Option<Vec<u8>>,
    }

    impl Bench {
        fn new() -> Self {
            let dir = TempDir::new().unwrap();
            let (evidence, receiver) = EvidenceSender::channel();
            let shutdown = CancellationToken::new();
            let (state_dir, root) = (dir.path().to_owned(), HostRoot::default());
            let bookmarks = Bookmarks::default();
            let context = SourceContext { root, state_dir, evidence, bookmarks, shutdown };
            let status = Status::new(&dir.path().join("auth.log"));
            Self { dir, context, receiver, status, kept: None }
        }

        fn log(&self) -> PathBuf {
            self.dir.path().join("auth.log")
        }

        fn write(&self, text: &str) {
            let mut file = OpenOptions::new().append(true).create(true).open(self.log()).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        }

        /// Starts at what the spool has kept.
        fn start(&self) -> JoinHandle<()> {
            let source: Arc<str> = format!("log {}", self.log().display()).into();
            let found: BTreeMap<_, _> =
                self.kept.iter().map(|kept| (source.clone(), kept.clone())).collect();
            let bookmarks = Bookmarks::new(found, false);
            let context = SourceContext { bookmarks, ..self.context.clone() };
            tokio::spawn(follow(self.log(), context, Clock, Arc::clone(&self.status)))
        }

        async fn receive(&mut self) -> (Bundle, tokio::sync::oneshot::Sender<()>) {
            let received = tokio::time::timeout(DEADLINE, self.receiver.recv()).await;
            let message = received.unwrap().unwrap();
            (message.bundle, message.spooled)
        }

        /// The next lines, kept with their bookmark.
        async fn spool(&mut self) -> Vec<String> {
            loop {
                let (bundle, spooled) = self.receive().await;
                let texts = texts(&bundle);
                self.kept = Some(bundle.bookmark.unwrap().1);
                spooled.send(()).unwrap();
                if !texts.is_empty() {
                    return texts;
                }
            }
        }
    }

    fn texts(bundle: &Bundle) -> Vec<String> {
        let text = |evidence: &Evidence| match evidence {
            Evidence::Event(event) => event.message.clone(),
            other => panic!("{other:?}"),
        };
        bundle.evidence.iter().map(text).collect()
    }

    #[tokio::test]
    async fn a_kill_at_any_moment_neither_repeats_nor_loses_a_line() {
        let mut bench = Bench::new();
        bench.write("old\n");
        let task = bench.start();
        let (bundle, spooled) = bench.receive().await;
        assert_eq!(texts(&bundle), [""; 0], "a first start tells where it begins, at the end");
        bench.kept = bundle.bookmark.map(|(_, content)| content);
        spooled.send(()).unwrap();
        bench.write("one\n");
        // Killed before the spool has it: the next start hands the line over again.
        let (bundle, _unanswered) = bench.receive().await;
        assert_eq!(texts(&bundle), ["one"]);
        task.abort();
        let task = bench.start();
        // Killed after the spool has it and before the source hears of it: it is not handed over again.
        let (bundle, _unanswered) = bench.receive().await;
        assert_eq!(texts(&bundle), ["one"]);
        bench.kept = bundle.bookmark.map(|(_, content)| content);
        task.abort();
        let task = bench.start();
        bench.write("two\n");
        assert_eq!(bench.spool().await, ["two"]);
        bench.context.shutdown.cancel();
        tokio::time::timeout(DEADLINE, task).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn the_cursor_file_of_an_earlier_version_is_taken_over_once() {
        let mut bench = Bench::new();
        bench.write("read\n");
        let tail = Tail::open(&bench.log(), None, StartAt::End).unwrap();
        let file = bench.dir.path().join(cursor_name(&bench.log()));
        fs::write(&file, tail.cursor()).unwrap();
        bench.write("written while it was upgraded\n");
        let task = bench.start();
        assert_eq!(bench.spool().await, ["written while it was upgraded"]);
        bench.write("next\n");
        assert_eq!(bench.spool().await, ["next"]);
        assert!(!file.exists());
        bench.context.shutdown.cancel();
        tokio::time::timeout(DEADLINE, task).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_wiped_log_becomes_an_event() {
        let event = noticed(&Notice::Truncated { unread_after: 7 }, "/var/log/auth.log", 1);
        assert_eq!(event.fields[fields::EVENT_TYPE], fields::LOG_TRUNCATED);
        assert_eq!(event.severity, Severity::Medium);
    }
}
