//! Files that should not change unseen: what changed, was created, deleted, or got other rights.
//! Promises: a change is told within a second where the kernel reports it, within `look_interval` where it does not, and
//! within a sweep when even the times were put back; changes made while the agent was down are told at its start.
//! What was told is known to be told: it lies in the spool with the events. Leaves to others: who did it, and what it
//! means (the rules).

mod baseline;
mod config;
mod scope;
mod watcher;
mod work;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use agent_model::{Event, EventClass, Millis, Severity};
use tokio::time::Instant;

use super::fields;
use super::finding::Finding;
use super::persist::{self, PersistError};
use crate::clock::Clock;
use crate::source::{
    Bookmark, Evidence, HostRoot, MetricSource, Reading, SourceContext, SourceError, Stopping,
};
use baseline::{Baseline, Change, Record, Step};
use scope::{Found, Scope};
use watcher::Watcher;
use work::{Work, blocking};

pub use config::Config;

/// The `source` of these events.
const SOURCE: &str = "file_integrity";
/// Events of one message to the spool; the bookmark that goes with them holds as many records.
const BATCH_EVENTS_MAX: usize = 100;
/// Bytes of path in one message, for the same reason.
const BATCH_PATH_BYTES_MAX: usize = 16 << 10;
/// How long changes are gathered: an editor writes, renames and sets rights in a few milliseconds.
const GATHER: Duration = Duration::from_millis(20);
/// How long to wait after the state could not be written.
const RETRY_INTERVAL: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
pub(super) struct Status {
    files: AtomicU64,
    skipped: AtomicU64,
    unreadable: AtomicU64,
    unwatched: AtomicU64,
    swept_ms: AtomicU64,
    rescans: AtomicU64,
}

pub(super) struct Metrics(pub(super) Arc<Status>);

impl MetricSource for Metrics {
    fn name(&self) -> &'static str {
        "file_integrity"
    }

    fn read(&mut self, _now_ms: Millis, out: &mut Reading) -> Result<(), SourceError> {
        #[allow(clippy::cast_precision_loss, reason = "exact up to 2^53")]
        let number = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as f64;
        let status = &self.0;
        for (name, value) in [
            ("haidang_file_integrity_files", number(&status.files)),
            ("haidang_file_integrity_files_skipped", number(&status.skipped)),
            ("haidang_file_integrity_unreadable", number(&status.unreadable)),
            ("haidang_file_integrity_directories_unwatched", number(&status.unwatched)),
            ("haidang_file_integrity_watch_overflows_total", number(&status.rescans)),
            ("haidang_file_integrity_swept_timestamp_seconds", number(&status.swept_ms) / 1000.0),
        ] {
            out.add(name, &[], value);
        }
        Ok(())
    }
}

/// Watches until the agent stops.
pub(super) async fn watch(
    config: Config,
    context: SourceContext,
    clock: Clock,
    status: Arc<Status>,
) {
    let shutdown = context.shutdown.clone();
    let mut bookmark = context.bookmarks.take(SOURCE);
    let watching = async {
        loop {
            let mut integrity = Integrity::new(&config, &context, clock, &status, &mut bookmark);
            match integrity.run(&context).await {
                Ok(stopping) => return stopping,
                Err(error) => {
                    tell(&error);
                    tokio::time::sleep(RETRY_INTERVAL).await;
                }
            }
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        Stopping = watching => {}
    }
}

fn tell(error: &PersistError) {
    let error = error as &dyn std::error::Error;
    tracing::error!(error, "watched files are not compared");
}

struct Integrity<'a> {
    config: &'a Config,
    root: HostRoot,
    baseline_file: PathBuf,
    clock: Clock,
    status: &'a Status,
    bookmark: &'a mut Bookmark,
    /// The file of the baseline is not there or cannot be used.
    unsaved: bool,
    watcher: Watcher,
    /// Files whose content is still to be read in this sweep.
    sweep: VecDeque<PathBuf>,
}

impl<'a> Integrity<'a> {
    fn new(
        config: &'a Config,
        context: &SourceContext,
        clock: Clock,
        status: &'a Status,
        bookmark: &'a mut Bookmark,
    ) -> Self {
        Self {
            config,
            root: context.root.clone(),
            baseline_file: context.state_dir.join("file_integrity.json"),
            clock,
            status,
            bookmark,
            unsaved: false,
            watcher: Watcher::new(),
            sweep: VecDeque::new(),
        }
    }

    async fn run(&mut self, context: &SourceContext) -> Result<Stopping, PersistError> {
        let mut work = match self.load(context).await? {
            Ok(work) => work,
            Err(stopping) => return Ok(stopping),
        };
        let mut look_at = Instant::now();
        let mut sweep_at = look_at + self.config.sweep_interval.0;
        loop {
            let mut everything = false;
            let mut paths = Vec::new();
            tokio::select! {
                () = tokio::time::sleep_until(look_at) => everything = true,
                () = tokio::time::sleep_until(sweep_at) => {
                    let (step, pause) = sweep(self, work).await;
                    work = step;
                    sweep_at = Instant::now() + pause;
                }
                () = self.watcher.changed() => {
                    tokio::time::sleep(GATHER).await;
                    match self.watcher.take() {
                        Some(dirty) => paths.extend(dirty),
                        None => {
                            self.status.rescans.fetch_add(1, Ordering::Relaxed);
                            everything = true;
                        }
                    }
                }
            }
            // New directories need a watch, and what is in them was not reported.
            everything |= paths.iter().any(|path| path.is_dir());
            if everything {
                let found;
                (work, found) = blocking(work, |work| work.look_at_all()).await;
                self.note(&found, &work);
                look_at = Instant::now() + self.config.look_interval.0;
            } else if !paths.is_empty() {
                (work, ()) = blocking(work, move |work| work.look_at(&paths)).await;
            }
            if let Err(stopping) = self.hand_over(&mut work, context).await? {
                return Ok(stopping);
            }
        }
    }

    /// The baseline of the last run, or a new one, which is no news.
    async fn load(
        &mut self,
        context: &SourceContext,
    ) -> Result<Result<Work, Stopping>, PersistError> {
        let texts = |list: &[agent_yaml::At<String>]| -> Vec<String> {
            let path = |at: &agent_yaml::At<String>| super::within(&self.root.root, &at.value);
            list.iter().map(|at| path(at).display().to_string()).collect()
        };
        let (patterns, exclude) = (texts(&self.config.paths), texts(&self.config.exclude));
        let bound = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let depth_max = bound(self.config.depth_max.into());
        let files_max = bound(self.config.files_max);
        let scope = Scope::new(&patterns, &exclude, depth_max, files_max);
        let stored = persist::read(&self.baseline_file)?;
        let parsed = stored.as_deref().map(Baseline::parse);
        let lost = matches!(parsed, Some(None));
        let mut baseline = parsed.flatten().unwrap_or_default();
        let step = self.bookmark.content().and_then(Step::parse).unwrap_or_default();
        self.unsaved = lost || stored.is_none();
        if self.unsaved {
            // Without the file, a step that goes on from it says nothing.
            baseline.step = step.number;
        }
        let known_scope = Scope::new(&baseline.patterns, &exclude, depth_max, files_max);
        if baseline.go(&step) {
            // Told, and killed before the file had it. A bookmark holds one step, so the file must have this one first.
            persist::replace(&self.baseline_file, &baseline.to_bytes())?;
        }
        baseline.files.retain(|path, _| scope.includes(path));
        baseline.patterns = patterns;
        if lost && !step.anew {
            let reason = "the baseline is damaged; changes up to now cannot be told";
            let mut finding =
                Finding::base(fields::FILE_BASELINE_LOST).with(fields::REASON, reason);
            finding.severity = Severity::Medium;
            let event = finding.into_event(self.clock.now_ms(), SOURCE, reason.to_owned());
            baseline.step += 1;
            let step = Step { anew: true, ..Step::new(baseline.step, &[]) };
            let told = vec![Evidence::Event(event)];
            let spooled = context.evidence.spool_to(told, self.bookmark, step.to_bytes()).await;
            if let Err(stopping) = spooled {
                return Ok(Err(stopping));
            }
        }
        let file_bytes_max = self.config.file_bytes_max.0;
        let known_scope = Some(known_scope);
        Ok(Ok(Work { scope, known_scope, baseline, file_bytes_max, changes: Vec::new() }))
    }

    fn note(&mut self, found: &Found, work: &Work) {
        let set = |counter: &AtomicU64, number: usize| {
            counter.store(u64::try_from(number).unwrap_or(u64::MAX), Ordering::Relaxed);
        };
        set(&self.status.files, work.baseline.files.len());
        set(&self.status.skipped, found.skipped);
        set(&self.status.unreadable, found.unreadable.len());
        set(&self.status.unwatched, self.watcher.set(&found.directories));
    }

    /// Spools the changes, each batch with its step; after each the file of the baseline follows.
    async fn hand_over(
        &mut self,
        work: &mut Work,
        context: &SourceContext,
    ) -> Result<Result<(), Stopping>, PersistError> {
        if work.changes.is_empty() && self.unsaved {
            persist::replace(&self.baseline_file, &work.baseline.to_bytes())?;
            self.unsaved = false;
        }
        let now = self.clock.now_ms();
        let changes = std::mem::take(&mut work.changes);
        let mut rest = &changes[..];
        while !rest.is_empty() {
            let (batch, after) = rest.split_at(batch_length(rest));
            rest = after;
            let event = |(path, change): &(PathBuf, Change)| {
                Evidence::Event(event(&shown(&self.root.root, path), change, now))
            };
            let events = batch.iter().map(event).collect();
            let step = Step::new(work.baseline.step + 1, batch);
            let spooled = context.evidence.spool_to(events, self.bookmark, step.to_bytes()).await;
            if let Err(stopping) = spooled {
                return Ok(Err(stopping));
            }
            work.baseline.step = step.number;
            let bytes = match rest {
                [] => work.baseline.to_bytes(),
                rest => work.baseline.before(rest).to_bytes(),
            };
            persist::replace(&self.baseline_file, &bytes)?;
            self.unsaved = false;
        }
        Ok(Ok(()))
    }
}

/// How many changes go together.
fn batch_length(changes: &[(PathBuf, Change)]) -> usize {
    let mut bytes = 0;
    let fits = |(path, _): &&(PathBuf, Change)| {
        bytes += path.as_os_str().len();
        bytes <= BATCH_PATH_BYTES_MAX
    };
    changes.iter().take(BATCH_EVENTS_MAX).take_while(fits).count().max(1)
}

/// Reads the content of the next file of the sweep; returns how long to pause after it.
async fn sweep(integrity: &mut Integrity<'_>, work: Work) -> (Work, Duration) {
    let Some(path) = integrity.sweep.pop_front() else {
        integrity.sweep = work.baseline.files.keys().cloned().collect();
        return (work, Duration::ZERO);
    };
    let (work, read) = blocking(work, move |work| work.read(&path)).await;
    if integrity.sweep.is_empty() {
        let now = u64::try_from(integrity.clock.now_ms()).unwrap_or(0);
        integrity.status.swept_ms.store(now, Ordering::Relaxed);
        return (work, integrity.config.sweep_interval.0);
    }
    // A small file costs its open and close too.
    const BYTES_PER_FILE: u64 = 4 << 10;
    let rate = integrity.config.sweep_bytes_per_second.0.max(1);
    let millis = (read + BYTES_PER_FILE).saturating_mul(1000) / rate;
    (work, Duration::from_millis(millis))
}

/// The path as the host names it.
fn shown(root: &Path, path: &Path) -> PathBuf {
    Path::new("/").join(path.strip_prefix(root).unwrap_or(path))
}

fn event(path: &Path, change: &Change, now: Millis) -> Event {
    let (event_type, severity, did, old, new) = match change {
        Change::Created(new) => {
            (fields::FILE_CREATED, Severity::Low, "was created", None, Some(new))
        }
        Change::Modified { old, new } => {
            (fields::FILE_MODIFIED, Severity::Medium, "was modified", Some(old), Some(new))
        }
        Change::Deleted(old) => {
            (fields::FILE_DELETED, Severity::Medium, "was deleted", Some(old), None)
        }
        Change::PermissionChanged { old, new } => (
            fields::FILE_PERMISSION_CHANGED,
            Severity::Medium,
            "got another owner or mode",
            Some(old),
            Some(new),
        ),
    };
    let path = path.display().to_string();
    let message = format!("{path} {did}");
    let mode = |record: &Record| format!("{:04o}", record.mode);
    let owner = |record: &Record| format!("{}:{}", record.user, record.group);
    Finding::new(EventClass::FileSystemActivity, severity, event_type)
        .with(fields::TARGET_FILENAME, path)
        .with_option(fields::HASH, new.and_then(|new| new.hash.as_ref()))
        .with_option(fields::OLD_HASH, old.and_then(|old| old.hash.as_ref()))
        .with_option(fields::MODE, new.map(mode))
        .with_option(fields::OLD_MODE, old.map(mode))
        .with_option(fields::OWNER, new.map(owner))
        .with_option(fields::OLD_OWNER, old.map(owner))
        .with_option(fields::SIZE, new.map(|new| new.size.to_string()))
        .into_event(now, SOURCE, message)
}

#[cfg(test)]
mod tests;
