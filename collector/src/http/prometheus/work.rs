//! Where evaluations run: off the reactor, a few at once, each until its deadline or until the client leaves.
//!
//! Promises: a place is given back only when its evaluation has really ended, so abandoned ones never pile up; what is
//! refused for want of places or time is counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use prometheus::IntCounterVec;
use rules_promql::{Limits, PromqlError};
use tokio::sync::Semaphore;

use super::answer::Failure;
use crate::query::Query;

/// Prometheus' own default time-out of a query is two minutes; ours is what a person waits.
pub(super) const QUERY_TIME_MAX: Duration = Duration::from_secs(30);

/// Queries at once: a small machine room's collector has few cores, and ingest needs some of them.
pub(super) const QUERIES_MAX: usize = 4;

/// Queries that wait for a place; a page has about thirty panels, and several people look.
pub(super) const WAITING_MAX: usize = 100;

/// The places for evaluations, one for the whole collector.
#[derive(Clone)]
pub struct Places {
    running: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    time_max: Duration,
    /// Queries that were refused or cut, by reason.
    cut: IntCounterVec,
}

impl Places {
    pub(crate) fn new(cut: IntCounterVec) -> Self {
        Self::of(QUERIES_MAX, WAITING_MAX, QUERY_TIME_MAX, cut)
    }

    fn of(running: usize, waiting: usize, time_max: Duration, cut: IntCounterVec) -> Self {
        let (running, waiting) = (Semaphore::new(running), Semaphore::new(waiting));
        Self { running: Arc::new(running), waiting: Arc::new(waiting), time_max, cut }
    }

    /// Runs an evaluation within its place and its deadline. Dropping the future cancels it.
    pub(super) async fn evaluate<T: Send + 'static>(
        &self,
        query: &Query,
        timeout: Option<Duration>,
        evaluation: impl FnOnce(&Query, &Limits) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let time_max = timeout.map_or(self.time_max, |asked| asked.min(self.time_max));
        let source = query.clone();
        let run = self.run(move |limits| evaluation(&source, limits));
        match tokio::time::timeout(time_max, run).await {
            Ok(result) => result,
            Err(_) => {
                self.cut.with_label_values(&["timeout"]).inc();
                Err(Failure::from(PromqlError::Cancelled))
            }
        }
    }

    async fn run<T: Send + 'static>(
        &self,
        evaluation: impl FnOnce(&Limits) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let closed = |_| Failure::unavailable("the collector is stopping");
        let place = match Arc::clone(&self.running).try_acquire_owned() {
            Ok(place) => place,
            Err(_) => {
                let Ok(_turn) = self.waiting.try_acquire() else {
                    self.cut.with_label_values(&["too_many"]).inc();
                    let text =
                        format!("{WAITING_MAX} queries are waiting already; try again later");
                    return Err(Failure::unavailable(text));
                };
                Arc::clone(&self.running).acquire_owned().await.map_err(closed)?
            }
        };
        let cancel = Arc::new(AtomicBool::new(false));
        // Dropped when the client leaves or the deadline passes; either way the evaluation stops soon.
        let _guard = CancelOnDrop(Arc::clone(&cancel));
        let limits = Limits { cancel: Some(cancel), ..Limits::default() };
        let work = tokio::task::spawn_blocking(move || {
            let result = evaluation(&limits);
            drop(place);
            result
        });
        match work.await {
            Ok(result) => result,
            Err(panic) => Err(Failure::internal(format!("the evaluation broke off: {panic}"))),
        }
    }
}

struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counter() -> IntCounterVec {
        IntCounterVec::new(prometheus::Opts::new("cut", "Cut."), &["reason"]).unwrap()
    }

    /// Holds its place until told, or until it is cancelled.
    fn held(
        places: &Places,
        go_on: &Arc<AtomicBool>,
    ) -> tokio::task::JoinHandle<Result<bool, Failure>> {
        let (places, go_on) = (places.clone(), Arc::clone(go_on));
        tokio::spawn(async move {
            places
                .run(move |limits| {
                    let cancelled =
                        || limits.cancel.as_ref().is_some_and(|flag| flag.load(Ordering::Relaxed));
                    while !go_on.load(Ordering::Relaxed) && !cancelled() {
                        std::thread::yield_now();
                    }
                    Ok(cancelled())
                })
                .await
        })
    }

    async fn until(condition: impl Fn() -> bool) {
        let waited = async {
            while !condition() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), waited).await.unwrap();
    }

    #[tokio::test]
    async fn one_query_too_many_is_refused_and_counted_and_the_waiting_ones_are_served() {
        let counter = counter();
        let places = Places::of(1, 1, QUERY_TIME_MAX, counter.clone());
        let go_on = Arc::new(AtomicBool::new(false));
        let first = held(&places, &go_on);
        until(|| places.running.available_permits() == 0).await;
        let second = held(&places, &go_on);
        until(|| places.waiting.available_permits() == 0).await;
        let third = places.run(|_| Ok(())).await.unwrap_err();
        assert_eq!((third.status.as_u16(), third.kind), (503, "unavailable"));
        assert_eq!(counter.with_label_values(&["too_many"]).get(), 1);
        go_on.store(true, Ordering::Relaxed);
        assert!(first.await.unwrap().is_ok() && second.await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn a_client_that_leaves_cancels_its_query_which_keeps_its_place_until_it_has_ended() {
        let places = Places::of(1, 1, QUERY_TIME_MAX, counter());
        let never = Arc::new(AtomicBool::new(false));
        let left = held(&places, &never);
        until(|| places.running.available_permits() == 0).await;
        left.abort();
        // The evaluation sees the flag and ends by itself: only then there is room again.
        until(|| places.running.available_permits() == 1).await;
        assert!(places.run(|_| Ok(())).await.is_ok());
    }
}
