//! Which of the several requests of one notification were taken already, so that an attempt after a failed one does not
//! send those again: one refused recipient keeps nothing from the others. In memory only: after a restart all are sent
//! anew, at least once each. Leaves to others: which notifications still wait ([`Sent::keep`]), which bounds this.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::SendError;
use super::http::REQUEST_TIMEOUT;
use crate::limits::ATTEMPT_ASKED_MAX_S;

/// Of every notification by the key that is the same in all its attempts.
#[derive(Default)]
pub(crate) struct Sent(Mutex<BTreeMap<String, Progress>>);

#[derive(Default)]
struct Progress {
    taken: BTreeSet<usize>,
    /// Where the next attempt begins: behind what the last one was at when its time ended, so that one request which
    /// hangs does not use up the time of the others again.
    next: usize,
}

impl Sent {
    /// Sends what was not taken yet, each under a key of its own and whatever becomes of the others. The first failure is
    /// that of the attempt.
    pub(super) async fn each<T, S>(
        &self,
        key: &str,
        items: Vec<T>,
        send: impl Fn(String, T) -> S,
    ) -> Result<(), SendError>
    where
        S: Future<Output = Result<(), SendError>>,
    {
        let mut outcome = Ok(());
        for (at, item) in self.left(key, items) {
            self.lock().entry(key.to_owned()).or_default().next = at + 1;
            let sent = send(format!("{key}-{at}"), item).await;
            if sent.is_ok() {
                self.lock().entry(key.to_owned()).or_default().taken.insert(at);
            }
            outcome = outcome.and(sent);
        }
        outcome
    }

    fn left<T>(&self, key: &str, items: Vec<T>) -> Vec<(usize, T)> {
        let known = self.lock();
        let Some(progress) = known.get(key) else { return items.into_iter().enumerate().collect() };
        let left = items.into_iter().enumerate().filter(|(at, _)| !progress.taken.contains(at));
        let mut left: Vec<(usize, T)> = left.collect();
        left.sort_by_key(|(at, _)| (*at < progress.next, *at));
        left
    }

    /// Forgets the notifications that wait no longer.
    pub(crate) fn keep(&self, waits: impl Fn(&str) -> bool) {
        self.lock().retain(|key, _| waits(key));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Progress>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The time of so many requests one after another; no longer than a file may ask for, because the next attempt goes on
/// where this one ends.
pub(super) fn time_limit(requests: usize) -> Duration {
    let requests = u32::try_from(requests).unwrap_or(u32::MAX);
    REQUEST_TIMEOUT.saturating_mul(requests).min(Duration::from_secs(ATTEMPT_ASKED_MAX_S))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn refused(item: &str) -> Result<(), SendError> {
        Err(SendError::Setup(format!("{item} is refused")))
    }

    #[tokio::test]
    async fn all_are_tried_and_only_the_refused_again() {
        let (sent, tried) = (Sent::default(), RefCell::new(Vec::new()));
        let send = |key: String, item: &'static str| {
            tried.borrow_mut().push(key);
            std::future::ready(if item == "c" { Ok(()) } else { refused(item) })
        };
        let outcome = sent.each("k", vec!["a", "b", "c"], send).await;
        assert_eq!(outcome.unwrap_err().to_string(), "a is refused");
        assert_eq!(tried.take(), ["k-0", "k-1", "k-2"]);
        sent.each("k", vec!["a", "b", "c"], send).await.unwrap_err();
        assert_eq!(tried.take(), ["k-0", "k-1"]);
        sent.keep(|key| key == "k");
        sent.each("k", vec!["a", "b", "c"], send).await.unwrap_err();
        assert_eq!(tried.take(), ["k-0", "k-1"]);
        sent.keep(|key| key != "k");
        sent.each("k", vec!["a", "b", "c"], send).await.unwrap_err();
        assert_eq!(tried.take().len(), 3);
    }

    #[tokio::test]
    async fn one_that_hangs_costs_the_others_one_attempt() {
        let (sent, tried) = (Sent::default(), RefCell::new(Vec::new()));
        for _ in 0..2 {
            let attempt = sent.each("k", vec!["a", "hangs", "c"], async |_, item| {
                tried.borrow_mut().push(item);
                if item == "hangs" { std::future::pending().await } else { Ok(()) }
            });
            // Its time is over as soon as it waits.
            tokio::time::timeout(Duration::ZERO, attempt).await.unwrap_err();
        }
        assert_eq!(tried.take(), ["a", "hangs", "c", "hangs"]);
    }

    #[test]
    fn each_request_has_its_time_up_to_a_bound() {
        assert_eq!(time_limit(3), Duration::from_secs(30));
        assert_eq!(time_limit(60), time_limit(61));
        assert_eq!(time_limit(usize::MAX), Duration::from_secs(ATTEMPT_ASKED_MAX_S));
    }
}
