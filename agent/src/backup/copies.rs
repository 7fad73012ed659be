//! Looks at the copies of backup jobs on an interval: each look is evidence, and metrics while it is fresh.
//! Promises: a look that failed says so and shows no older figures; a hanging store holds up its own job only.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use agent_model::{BackupCopy, Millis, VerificationDepth};

use super::tools::{Seen, Tool};
use super::verification::Verification;
use crate::clock::Clock;
use crate::source::{Evidence, MetricSource, Reading, SourceContext, SourceError, Stopping};

/// Looks older than so many intervals are not shown as metrics any more.
const STALE_INTERVALS: u32 = 3;

/// One job at one place.
#[derive(Clone, Debug)]
pub(super) struct Watched {
    pub(super) job: String,
    pub(super) interval: Duration,
    pub(super) tool: Tool,
    pub(super) verify: Vec<Verification>,
}

/// The last look, for the metrics.
#[derive(Debug)]
pub(super) struct Last {
    job: String,
    tool: &'static str,
    location: String,
    valid_for: Duration,
    look: Mutex<Option<(Instant, Result<Seen, String>)>>,
}

impl Watched {
    pub(super) fn last(&self) -> Arc<Last> {
        Arc::new(Last {
            job: self.job.clone(),
            tool: self.tool.name(),
            location: self.tool.location(),
            valid_for: self.interval * STALE_INTERVALS,
            look: Mutex::new(None),
        })
    }

    /// Looks until the agent stops.
    pub(super) async fn watch(self, context: SourceContext, last: Arc<Last>, clock: Clock) {
        let shutdown = context.shutdown.clone();
        tokio::select! {
            () = shutdown.cancelled() => {}
            Stopping = self.repeat(&context, &last, clock) => {}
        }
    }

    async fn repeat(mut self, context: &SourceContext, last: &Last, clock: Clock) -> Stopping {
        let mut ticks = tokio::time::interval(self.interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let look = self.tool.look().await;
            if let Err(reason) = &look {
                let (job, location) = (&last.job, &last.location);
                tracing::warn!(job, location, reason, "backup copies cannot be looked at");
            }
            let copy = self.copy(VerificationDepth::Listed, &look, clock.now_ms());
            let now = clock.instant();
            *last.look.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, look));
            let evidence = vec![Evidence::BackupCopy(copy)];
            if let Err(stopping) = context.evidence.spool(evidence).await {
                return stopping;
            }
        }
    }
}

impl Watched {
    /// What a look or a verification is as evidence.
    pub(super) fn copy(
        &self,
        depth: VerificationDepth,
        look: &Result<Seen, String>,
        observed_ms: Millis,
    ) -> BackupCopy {
        let (seen, error) = match look {
            Ok(seen) => (seen.clone(), None),
            Err(reason) => (Seen::default(), Some(reason.clone())),
        };
        let newest = seen.newest();
        BackupCopy {
            job: self.job.clone(),
            tool: self.tool.name().to_owned(),
            location: self.tool.location(),
            observed_ms,
            newest_ms: seen.newest_ms,
            consistent_ms: newest.consistent_ms,
            oldest_ms: seen.oldest_ms,
            bytes: newest.bytes,
            copies: seen.copies,
            content_id: seen.newest_ms.map(|_| newest.content_id),
            recent: seen.recent,
            depth,
            error,
        }
    }
}

/// `haidang_backup_…`, with `backup` for the job (`job` is set by the collector).
pub(super) struct Metrics {
    pub(super) all: Vec<Arc<Last>>,
    pub(super) clock: Clock,
}

impl MetricSource for Metrics {
    fn name(&self) -> &'static str {
        "backup"
    }

    fn job(&self) -> &'static str {
        "backup"
    }

    fn read(&mut self, _now_ms: Millis, out: &mut Reading) -> Result<(), SourceError> {
        let now = self.clock.instant();
        for last in &self.all {
            let look = last.look.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let Some((at, look)) = look else { continue };
            if now.saturating_duration_since(at) > last.valid_for {
                continue;
            }
            let labels =
                [("backup", last.job.as_str()), ("location", &last.location), ("tool", last.tool)];
            let success = f64::from(u8::from(look.is_ok()));
            out.add("haidang_backup_copy_look_success", &labels, success);
            let Ok(seen) = look else { continue };
            if let Some(newest_ms) = seen.newest_ms {
                let seconds = number(newest_ms.unsigned_abs()) / 1000.0;
                out.add("haidang_backup_copy_newest_timestamp_seconds", &labels, seconds);
            }
            let newest = seen.newest();
            if let Some(consistent_ms) = newest.consistent_ms {
                let seconds = number(consistent_ms.unsigned_abs()) / 1000.0;
                out.add("haidang_backup_copy_consistent_timestamp_seconds", &labels, seconds);
            }
            if let Some(bytes) = newest.bytes {
                out.add("haidang_backup_copy_size_bytes", &labels, number(bytes));
            }
            out.add("haidang_backup_copies", &labels, number(seen.copies));
        }
        Ok(())
    }
}

#[allow(clippy::cast_precision_loss, reason = "exact up to 2^53")]
fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use tempfile::TempDir;
    use tokio_util::sync::CancellationToken;

    use super::super::tools::newest_file::Files;
    use super::*;
    use crate::source::{Bookmarks, EvidenceSender, HostRoot};

    #[tokio::test]
    async fn every_look_is_evidence_and_a_failed_one_shows_no_old_figures() {
        let dir = TempDir::new().unwrap();
        std::fs::create_dir(dir.path().join("nas")).unwrap();
        std::fs::write(dir.path().join("nas/a.dump"), "12345").unwrap();
        let (evidence, mut receiver) = EvidenceSender::channel();
        let shutdown = CancellationToken::new();
        let (root, state_dir) = (HostRoot::default(), PathBuf::new());
        let bookmarks = Bookmarks::default();
        let context = SourceContext { root, state_dir, evidence, bookmarks, shutdown };
        let tool = Tool::NewestFile(Files::new("/nas/*.dump", dir.path(), None));
        let (job, interval) = ("nightly".into(), Duration::from_millis(50));
        let watched = Watched { job, interval, tool, verify: Vec::new() };
        // Metrics stay valid for long enough to be read here.
        let last = Arc::new(Last {
            valid_for: Duration::from_secs(600),
            ..Arc::into_inner(watched.last()).unwrap()
        });
        let task = tokio::spawn(watched.watch(context.clone(), Arc::clone(&last), Clock));
        let mut metrics = Metrics { all: vec![last], clock: Clock };
        let mut next = async || {
            let received = tokio::time::timeout(Duration::from_secs(30), receiver.recv());
            let message = received.await.unwrap().unwrap();
            let [Evidence::BackupCopy(copy)] = &message.bundle.evidence[..] else { panic!() };
            let mut reading = Reading::new();
            metrics.read(0, &mut reading).unwrap();
            let shown: Vec<_> = reading
                .samples()
                .map(|(labels, value)| (labels.metric_name().to_owned(), value))
                .collect();
            let copy = copy.clone();
            message.spooled.send(()).unwrap();
            (copy, shown)
        };
        let (copy, shown) = next().await;
        assert_eq!((copy.bytes, copy.copies, copy.error), (Some(5), 1, None));
        assert_eq!((copy.location.as_str(), copy.tool.as_str()), ("/nas/*.dump", "newest_file"));
        assert_eq!((shown.len(), shown[3].1), (5, 5.0), "{shown:?}");
        std::fs::rename(dir.path().join("nas"), dir.path().join("gone")).unwrap();
        let (copy, shown) = loop {
            let (copy, shown) = next().await;
            if copy.error.is_some() {
                break (copy, shown);
            }
        };
        assert_eq!((copy.newest_ms, copy.bytes), (None, None));
        assert_eq!(shown, [("haidang_backup_copy_look_success".to_owned(), 0.0)]);
        context.shutdown.cancel();
        tokio::time::timeout(Duration::from_secs(30), task).await.unwrap().unwrap();
    }
}
