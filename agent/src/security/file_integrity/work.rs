//! Looking at files, which blocks: the state of it moves into a thread that may wait, and back.

use std::path::{Path, PathBuf};

use super::baseline::{Baseline, Change};
use super::scope::{Found, Scope};

/// The state that moves into a thread that may block, and back.
pub(super) struct Work {
    pub(super) scope: Scope,
    /// Of the run before: a file of a new pattern was not created, it was not watched.
    pub(super) known_scope: Option<Scope>,
    pub(super) baseline: Baseline,
    pub(super) file_bytes_max: u64,
    pub(super) changes: Vec<(PathBuf, Change)>,
}

impl Work {
    /// Compares times and rights of every file, and the content where they differ.
    pub(super) fn look_at_all(&mut self) -> Found {
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

    pub(super) fn look_at(&mut self, paths: &[PathBuf]) {
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
    pub(super) fn read(&mut self, path: &Path) -> u64 {
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

/// Runs a look in a thread that may block.
pub(super) async fn blocking<T: Send + 'static>(
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
