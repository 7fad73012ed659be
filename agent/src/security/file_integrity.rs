//! Files that should not change unseen: what changed, was created, deleted, or got other rights.
//! Promises: a change is told within a second where the kernel reports it, within `look_interval` where it does not, and
//! within a sweep when even the times were put back; changes made while the agent was down are told at its start.
//! The baseline moves after the spool has the events. Leaves to others: who did it, and what it means (the rules).

mod baseline;
mod config;
mod scope;
mod watcher;

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
    Evidence, HostRoot, MetricSource, Reading, SourceContext, SourceError, Stopping,
};
use baseline::{Baseline, Change, Record};
use scope::{Found, Scope};
use watcher::Watcher;

pub use config::Config;

/// The `source` of these events.
const SOURCE: &str = "file_integrity";
/// Events of one message to the spool.
const BATCH_EVENTS_MAX: usize = 500;
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
    let watching = async {
        loop {
            let mut integrity = Integrity::new(&config, &context, clock, &status);
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

/// The state that moves into a thread that may block, and back.
struct Work {
    scope: Scope,
    /// Of the run before: a file of a new pattern was not created, it was not watched.
    known_scope: Option<Scope>,
    baseline: Baseline,
    file_bytes_max: u64,
    changes: Vec<(PathBuf, Change)>,
}

struct Integrity<'a> {
    config: &'a Config,
    root: HostRoot,
    baseline_file: PathBuf,
    clock: Clock,
    status: &'a Status,
    watcher: Watcher,
    /// Files whose content is still to be read in this sweep.
    sweep: VecDeque<PathBuf>,
}

impl<'a> Integrity<'a> {
    fn new(config: &'a Config, context: &SourceContext, clock: Clock, status: &'a Status) -> Self {
        Self {
            config,
            root: context.root.clone(),
            baseline_file: context.state_dir.join("file_integrity.json"),
            clock,
            status,
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
    async fn load(&self, context: &SourceContext) -> Result<Result<Work, Stopping>, PersistError> {
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
        let known_scope = Scope::new(&baseline.patterns, &exclude, depth_max, files_max);
        baseline.files.retain(|path, _| scope.includes(path));
        baseline.patterns = patterns;
        if lost {
            let reason = "the baseline is damaged; changes up to now cannot be told";
            let mut finding =
                Finding::base(fields::FILE_BASELINE_LOST).with(fields::REASON, reason);
            finding.severity = Severity::Medium;
            let event = finding.into_event(self.clock.now_ms(), SOURCE, reason.to_owned());
            if let Err(stopping) = context.evidence.spool(vec![Evidence::Event(event)]).await {
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

    /// Spools the changes, then moves the baseline.
    async fn hand_over(
        &self,
        work: &mut Work,
        context: &SourceContext,
    ) -> Result<Result<(), Stopping>, PersistError> {
        let first = !self.baseline_file.exists();
        if work.changes.is_empty() && !first {
            return Ok(Ok(()));
        }
        let now = self.clock.now_ms();
        let changes = std::mem::take(&mut work.changes);
        for batch in changes.chunks(BATCH_EVENTS_MAX) {
            let event = |(path, change): &(PathBuf, Change)| {
                Evidence::Event(event(&shown(&self.root.root, path), change, now))
            };
            if let Err(stopping) = context.evidence.spool(batch.iter().map(event).collect()).await {
                return Ok(Err(stopping));
            }
        }
        persist::replace(&self.baseline_file, &work.baseline.to_bytes())?;
        Ok(Ok(()))
    }
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

impl Work {
    /// Compares times and rights of every file, and the content where they differ.
    fn look_at_all(&mut self) -> Found {
        let found = self.scope.walk();
        for path in &found.files {
            self.check(path, false);
        }
        let unknown = |path: &Path| found.unreadable.iter().any(|below| path.starts_with(below));
        let gone: Vec<_> = self
            .baseline
            .files
            .keys()
            .filter(|path| found.files.binary_search(path).is_err() && !unknown(path))
            .cloned()
            .collect();
        gone.iter().for_each(|path| self.check(path, false));
        self.known_scope = None;
        found
    }

    fn look_at(&mut self, paths: &[PathBuf]) {
        for path in paths {
            let below = self.baseline.below(path);
            below.iter().for_each(|path| self.check(path, false));
            let room = !self.baseline.files.contains_key(path) && self.scope.includes(path);
            if room && !self.scope.is_full(self.baseline.files.len()) {
                self.check(path, false);
            }
        }
    }

    /// Reads one file's content again; returns how many bytes it had.
    fn read(&mut self, path: &Path) -> u64 {
        let (change, read) = self.baseline.check(path, true, self.file_bytes_max);
        self.changes.extend(change.map(|change| (path.to_owned(), change)));
        read
    }

    fn check(&mut self, path: &Path, thorough: bool) {
        let (change, _) = self.baseline.check(path, thorough, self.file_bytes_max);
        let news = match (&change, &self.known_scope) {
            // In the first look after a start, what was not watched before is not new.
            (Some(Change::Created(_)), Some(known)) => known.includes(path),
            _ => true,
        };
        if let Some(change) = change.filter(|_| news) {
            self.changes.push((path.to_owned(), change));
        }
    }
}

async fn blocking<T: Send + 'static>(
    mut work: Work,
    run: impl FnOnce(&mut Work) -> T + Send + 'static,
) -> (Work, T) {
    let running = tokio::task::spawn_blocking(move || {
        let result = run(&mut work);
        (work, result)
    });
    match running.await {
        Ok(done) => done,
        Err(stopped) => match stopped.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime ends: so does this task, at its next turn.
            Err(_) => std::future::pending().await,
        },
    }
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
