//! Verifies copies on intervals of their own, beside the looks: one at a time, because each reads much and takes memory.
//! Promises: when each was verified last survives a restart of the agent; one that failed is tried again within the hour;
//! one that hangs ends at its time limit, so the others wait for no longer than that.

use std::collections::BTreeMap;
use std::time::Duration;

use agent_model::{Millis, VerificationDepth};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::copies::Watched;
use super::restore::{self, Restore, Restored, Shown};
use super::tools::Seen;
use crate::clock::Clock;
use crate::source::{Bookmark, Evidence, SourceContext, Stopping};

/// A failure may be a line that was down for a moment.
const RETRY_AFTER: Duration = Duration::from_secs(3_600);
/// Between two looks at what is due: the wall clock may step.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(10);

const SOURCE: &str = "backup-verifications";

/// What one place is verified to, how often, and how long that may take.
#[derive(Clone, Debug)]
pub(super) struct Verification {
    pub(super) depth: VerificationDepth,
    pub(super) interval: Duration,
    pub(super) time_limit: Duration,
    /// Of the depth `Restored`.
    pub(super) restore: Option<Restore>,
}

/// When each was verified last, by the hash of what it is: the bookmark.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Done(BTreeMap<String, Last>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Last {
    at_ms: Millis,
    succeeded: bool,
    /// What the last restore that succeeded did, and when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    restored: Option<(Millis, Restored)>,
}

/// Verifies until the agent stops.
pub(super) async fn verify(
    watched: Vec<Watched>,
    context: SourceContext,
    restores: restore::Metrics,
    clock: Clock,
) {
    let mut bookmark = context.bookmarks.take(SOURCE);
    let shutdown = context.shutdown.clone();
    tokio::select! {
        () = shutdown.cancelled() => {}
        Stopping = repeat(&watched, &context, &mut bookmark, &restores, clock) => {}
    }
}

async fn repeat(
    watched: &[Watched],
    context: &SourceContext,
    bookmark: &mut Bookmark,
    restores: &restore::Metrics,
    clock: Clock,
) -> Stopping {
    // A bookmark that cannot be understood counts as empty: everything is verified once more.
    let mut done: Done = bookmark
        .content()
        .and_then(|content| serde_json::from_slice(content).ok())
        .unwrap_or_default();
    loop {
        restores.show(done.restores(watched));
        let Some((one, verification)) = done.most_overdue(watched, clock.now_ms()) else {
            tokio::time::sleep(LOOK_AGAIN_AFTER).await;
            continue;
        };
        let outcome = one.verify(verification).await;
        if let Err(NotVerified::NotRead(reason) | NotVerified::NotPassed(reason)) = &outcome {
            let (job, depth) = (&one.job, verification.depth.name());
            tracing::warn!(job, depth, reason, "backup copies are not verified");
        }
        let at_ms = clock.now_ms();
        let key = key(one, verification.depth);
        let before = done.0.get(&key).and_then(|last| last.restored);
        let now = outcome.as_ref().ok().and_then(|(_, restored)| *restored);
        let restored = now.map(|restored| (at_ms, restored)).or(before);
        done.0.insert(key, Last { at_ms, succeeded: outcome.is_ok(), restored });
        done.keep_only(watched);
        let told = match outcome {
            Ok((seen, _)) => Some(Ok(seen)),
            Err(NotVerified::NotPassed(reason)) => Some(Err(reason)),
            Err(NotVerified::NotRead(_)) => None,
        };
        let copy = |told| Evidence::BackupCopy(one.copy(verification.depth, &told, at_ms));
        let evidence = told.map(copy).into_iter().collect();
        let content = serde_json::to_vec(&done).unwrap_or_default();
        if let Err(stopping) = context.evidence.spool_to(evidence, bookmark, content).await {
            return stopping;
        }
    }
}

/// Why copies are not verified.
#[derive(Debug)]
pub(super) enum NotVerified {
    /// There was nothing to read, which the look tells: it says nothing of the copies.
    NotRead(String),
    NotPassed(String),
}

impl Watched {
    /// What lies there was seen before it was read: a copy that comes meanwhile is not verified.
    async fn verify(
        &self,
        verification: &Verification,
    ) -> Result<(Seen, Option<Restored>), NotVerified> {
        let mut tool = self.tool.clone();
        let seen = tool.look().await.map_err(NotVerified::NotRead)?;
        if seen.copies == 0 {
            return Err(NotVerified::NotRead("there is no copy to verify".to_owned()));
        }
        if let Some(restore) = &verification.restore {
            let restored = restore.test(&tool, &self.job, seen.newest().bytes).await?;
            return Ok((seen, Some(restored)));
        }
        let verified = tool.verify(verification.depth, verification.time_limit).await;
        verified.map(|()| (seen, None)).map_err(NotVerified::NotPassed)
    }
}

impl Done {
    /// What should have been verified longest ago; `None` when nothing is due.
    fn most_overdue<'a>(
        &self,
        watched: &'a [Watched],
        now_ms: Millis,
    ) -> Option<(&'a Watched, &'a Verification)> {
        let all = watched.iter().flat_map(|one| one.verify.iter().map(move |it| (one, it)));
        let due = all.map(|(one, it)| (self.due_ms(one, it, now_ms), one, it));
        let (due_ms, one, verification) = due.min_by_key(|(due_ms, ..)| *due_ms)?;
        (due_ms <= now_ms).then_some((one, verification))
    }

    fn due_ms(&self, one: &Watched, verification: &Verification, now_ms: Millis) -> Millis {
        let last = self.0.get(&key(one, verification.depth));
        // A clock that was set back has not verified anything in the future.
        let Some(last) = last.filter(|last| last.at_ms <= now_ms) else { return Millis::MIN };
        let interval = verification.interval;
        let wait = if last.succeeded { interval } else { interval.min(RETRY_AFTER) };
        last.at_ms.saturating_add(Millis::try_from(wait.as_millis()).unwrap_or(Millis::MAX))
    }

    fn restores(&self, watched: &[Watched]) -> Vec<Shown> {
        let restored = watched.iter().filter_map(|one| {
            let (at_ms, restored) = self.0.get(&key(one, VerificationDepth::Restored))?.restored?;
            let (job, location) = (one.job.clone(), one.tool.location());
            Some(Shown { job, location, tool: one.tool.name(), at_ms, restored })
        });
        restored.collect()
    }

    fn keep_only(&mut self, watched: &[Watched]) {
        let keys: Vec<_> = watched
            .iter()
            .flat_map(|one| one.verify.iter().map(|verification| key(one, verification.depth)))
            .collect();
        self.0.retain(|key, _| keys.contains(key));
    }
}

/// A short name: hundreds of jobs fit into a bookmark, however long their places are called.
fn key(one: &Watched, depth: VerificationDepth) -> String {
    let what = format!("{}\n{}\n{}", one.job, one.tool.location(), depth.name());
    hex::encode(&Sha256::digest(what.as_bytes())[..16])
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::tools::Tool;
    use super::super::tools::newest_file::Files;
    use super::*;

    const HOUR_MS: Millis = 3_600_000;

    fn watched(job: &str, hours: &[u64]) -> Watched {
        let depths = [VerificationDepth::Checked, VerificationDepth::DataRead];
        let every = |(depth, hours): (_, &u64)| Verification {
            depth,
            interval: Duration::from_secs(hours * 3_600),
            time_limit: Duration::from_secs(60),
            restore: None,
        };
        Watched {
            job: job.to_owned(),
            interval: Duration::from_secs(60),
            tool: Tool::NewestFile(Files::new("/srv/*.dump", Path::new("/"), None)),
            verify: depths.into_iter().zip(hours).map(every).collect(),
        }
    }

    #[test]
    fn what_is_longest_overdue_is_next_and_a_failure_is_tried_again_within_the_hour() {
        let all = [watched("a", &[24, 168]), watched("b", &[24])];
        let mut done = Done::default();
        let now_ms = 1_000 * HOUR_MS;
        let next = |done: &Done, now_ms| {
            let next = done.most_overdue(&all, now_ms);
            next.map(|(one, it)| (one.job.clone(), it.depth.name()))
        };
        let finish = |done: &mut Done, one: usize, at: usize, at_ms, succeeded| {
            let key = key(&all[one], all[one].verify[at].depth);
            done.0.insert(key, Last { at_ms, succeeded, restored: None });
        };
        assert_eq!(next(&done, now_ms), Some(("a".to_owned(), "checked")));
        finish(&mut done, 0, 0, now_ms, true);
        assert_eq!(next(&done, now_ms), Some(("a".to_owned(), "data_read")));
        finish(&mut done, 0, 1, now_ms, true);
        assert_eq!(next(&done, now_ms), Some(("b".to_owned(), "checked")));
        finish(&mut done, 1, 0, now_ms, false);
        assert_eq!(next(&done, now_ms + HOUR_MS - 1), None);
        assert_eq!(next(&done, now_ms + HOUR_MS), Some(("b".to_owned(), "checked")));
        finish(&mut done, 1, 0, now_ms + HOUR_MS, true);
        assert_eq!(next(&done, now_ms + 24 * HOUR_MS), Some(("a".to_owned(), "checked")));
        assert_eq!(next(&done, now_ms - 1), Some(("a".to_owned(), "checked")), "set back");
        done.keep_only(&all[1..]);
        assert_eq!(done.0.len(), 1);
    }

    #[test]
    fn the_bookmark_of_every_job_there_may_be_stays_small() {
        let all: Vec<_> = (0..200).map(|at| watched(&format!("job{at}"), &[24, 168])).collect();
        let restored = Restored { bytes: u64::MAX, files: u64::MAX, took_ms: u64::MAX };
        let at_ms = 1_800_000_000_000;
        let last = Last { at_ms, succeeded: false, restored: Some((at_ms, restored)) };
        let keys = all.iter().flat_map(|one| one.verify.iter().map(|it| key(one, it.depth)));
        let done = Done(keys.map(|key| (key, last)).collect());
        let bytes = serde_json::to_vec(&done).unwrap();
        assert_eq!(done.0.len(), 400);
        assert!(bytes.len() < 80_000, "{} bytes", bytes.len());
        assert_eq!(serde_json::from_slice::<Done>(&bytes).unwrap(), done);
    }
}
