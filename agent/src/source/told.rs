//! What is said once and when it changes: what metrics are, and which exporters there are.
//!
//! Promises: whoever says it never waits, also while the disk is full: what finds no room is said at a later turn. Everything is
//! said again once a day, so that a collector may forget what nobody says any more. Of what was said only hashes are kept.
//! Leaves to others: the way into the spool, where it is evidence.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use agent_model::{MetricMetadata, TargetMetadata};
use tokio::sync::mpsc;

use super::{Evidence, EvidenceSender};

/// Messages waiting for the spool, each of at most `CHUNK` descriptions.
const MESSAGES_MAX: usize = 32;

/// Descriptions in one message: a report of them stays small.
const CHUNK: usize = 200;

/// How often everything is said again.
pub(crate) const AGAIN: Duration = Duration::from_secs(86_400);

/// The way to the spool for those who do not wait.
#[derive(Clone, Debug)]
pub(crate) struct Teller(mpsc::Sender<Evidence>);

impl Teller {
    /// The two ends of a bounded queue.
    pub(crate) fn channel() -> (Self, mpsc::Receiver<Evidence>) {
        let (sender, receiver) = mpsc::channel(MESSAGES_MAX);
        (Self(sender), receiver)
    }

    /// Whether there was room.
    pub(crate) fn tell(&self, evidence: Evidence) -> bool {
        self.0.try_send(evidence).is_ok()
    }
}

/// Carries what was told into the spool, and waits there.
pub(crate) async fn carry(mut told: mpsc::Receiver<Evidence>, evidence: EvidenceSender) {
    while let Some(one) = told.recv().await {
        if evidence.spool(vec![one]).await.is_err() {
            return;
        }
    }
}

/// What was said of the metrics of one target.
#[derive(Debug, Default)]
pub(crate) struct Told {
    hasher: RandomState,
    /// Hash of a metric's name → hash of what was said of it.
    said: HashMap<u64, u64>,
    since: Option<Instant>,
}

impl Told {
    /// Whether everything is to be said again.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.since.is_none_or(|since| now.saturating_duration_since(since) >= AGAIN)
    }

    /// Says what is new of a target's metrics, or everything when that is due. Whether all of it was said.
    pub(crate) fn tell(
        &mut self,
        teller: &Teller,
        (job, instance): (&str, &str),
        metrics: Vec<MetricMetadata>,
        now: Instant,
    ) -> bool {
        let mut complete = self.is_due(now);
        if complete {
            self.said.clear();
        }
        let hash = |metadata: &MetricMetadata| {
            (self.hasher.hash_one(&metadata.metric), self.hasher.hash_one(metadata))
        };
        let is_new = |metadata: &MetricMetadata| {
            let (name, all) = hash(metadata);
            self.said.get(&name) != Some(&all)
        };
        let news: Vec<_> = metrics.into_iter().filter(is_new).collect();
        // Who has nothing to say at all takes back what was said before.
        let nothing: &[MetricMetadata] = &[];
        let nothing = (news.is_empty() && complete).then_some(nothing);
        for chunk in news.chunks(CHUNK).chain(nothing) {
            let hashes: Vec<_> = chunk.iter().map(hash).collect();
            let (job, instance) = (job.to_owned(), instance.to_owned());
            let said = TargetMetadata { job, instance, complete, metrics: chunk.to_vec() };
            if !teller.tell(Evidence::Metadata(said)) {
                return false;
            }
            if complete {
                self.since = Some(now);
            }
            complete = false;
            self.said.extend(hashes);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use agent_model::MetricKind;

    use super::*;
    use crate::clock::Clock;

    fn metrics(names: &[&str], help: &str) -> Vec<MetricMetadata> {
        let one = |name: &&str| MetricMetadata::bounded(name, MetricKind::Gauge, help, "");
        names.iter().filter_map(one).map(|(metadata, _)| metadata).collect()
    }

    /// Completeness and names of each message.
    fn heard(told: &mut mpsc::Receiver<Evidence>) -> Vec<(bool, Vec<String>)> {
        let mut all = Vec::new();
        while let Ok(Evidence::Metadata(one)) = told.try_recv() {
            all.push((one.complete, one.metrics.into_iter().map(|one| one.metric).collect()));
        }
        all
    }

    #[test]
    fn what_is_known_is_said_again_when_it_changes_and_once_a_day() {
        let (teller, mut receiver) = Teller::channel();
        let (mut told, start) = (Told::default(), Clock.instant());
        let mut say = |names: &[&str], help: &str, after: Duration| {
            assert!(told.tell(&teller, ("db", "a"), metrics(names, help), start + after));
            heard(&mut receiver)
        };
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(say(&["a", "b"], "x", Duration::ZERO), [(true, names(&["a", "b"]))]);
        assert_eq!(say(&["a", "b"], "x", Duration::ZERO), []);
        assert_eq!(say(&["a", "c"], "x", Duration::ZERO), [(false, names(&["c"]))]);
        assert_eq!(say(&["a"], "y", Duration::ZERO), [(false, names(&["a"]))]);
        assert_eq!(say(&["a"], "y", AGAIN), [(true, names(&["a"]))]);
        assert_eq!(say(&[], "", 2 * AGAIN), [(true, vec![])]);
        assert_eq!(say(&[], "", 2 * AGAIN), []);
    }

    #[test]
    fn what_finds_no_room_is_said_later() {
        let (teller, mut receiver) = Teller::channel();
        let names: Vec<String> =
            (0..(MESSAGES_MAX + 1) * CHUNK).map(|at| format!("m{at}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (mut told, now) = (Told::default(), Clock.instant());
        assert!(!told.tell(&teller, ("db", "a"), metrics(&names, ""), now));
        let first = heard(&mut receiver);
        assert_eq!((first.len(), first[0].0, first[1].0), (MESSAGES_MAX, true, false));
        assert!(told.tell(&teller, ("db", "a"), metrics(&names, ""), now));
        let second = heard(&mut receiver);
        assert_eq!((second.len(), second[0].0, second[0].1.len()), (1, false, CHUNK));
    }
}
