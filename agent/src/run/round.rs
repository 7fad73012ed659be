//! One thread reads every metric source, one after the other; when one of them hangs in the kernel it is left behind
//! with its thread, and another thread goes on with the rest.
//!
//! A read that blocks (a dead network file system, a disk that does not answer) cannot be broken off from outside.
//! Promises: a source that hangs is not started again before it returns, so there are never more threads than sources
//! and one; it comes back by itself. In ordinary times there is one thread for all, and it is asked once per tick.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use agent_model::Millis;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::source::{MetricSource, Reading};

/// A source that has not come to its end after this long is looked at again, and left behind when it is still the same
/// one: it has hung for this long at least. A slow one (`filesystem` with dead mounts) takes two seconds and a little.
const HANGS_AFTER: Duration = Duration::from_secs(4);

/// Sources call one level of the standard library; certificates and queries are read elsewhere.
const STACK_BYTES: usize = 512 << 10;

/// A source and what it read last.
pub(super) struct Slot {
    pub(super) source: Box<dyn MetricSource>,
    pub(super) reading: Reading,
    pub(super) outcome: Outcome,
    /// Its place in the order of the sources.
    pub(super) index: usize,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Outcome {
    pub(super) seconds: f64,
    pub(super) success: bool,
    /// Whether its series differ from those of its reading before.
    pub(super) changed: bool,
}

/// The sources of one tick on their way through a thread.
struct Round {
    now_ms: Millis,
    clock: Clock,
    progress: Mutex<Progress>,
    finished: Notify,
}

#[derive(Default)]
struct Progress {
    waiting: VecDeque<Slot>,
    /// The one being read, and since when.
    current: Option<(usize, Instant)>,
    done: Vec<Slot>,
}

/// A source that did not return, and the round that has it.
pub(super) struct Hanging {
    pub(super) index: usize,
    pub(super) name: &'static str,
    pub(super) since: Instant,
    round: Arc<Round>,
}

/// Reads sources, and keeps those that hang.
pub(super) struct Reader {
    clock: Clock,
    hangs_after: Duration,
    thread: Option<SyncSender<Arc<Round>>>,
    pub(super) hanging: Vec<Hanging>,
}

impl Slot {
    pub(super) fn new(index: usize, source: Box<dyn MetricSource>) -> Self {
        Self { source, reading: Reading::new(), outcome: Outcome::default(), index }
    }

    fn read(&mut self, now_ms: Millis, clock: Clock) {
        let name = self.source.name();
        self.reading.begin();
        let mark = self.reading.mark();
        let started = clock.instant();
        let (source, reading) = (&mut self.source, &mut self.reading);
        let result = catch_unwind(AssertUnwindSafe(|| source.read(now_ms, reading)));
        let seconds = clock.instant().saturating_duration_since(started).as_secs_f64();
        let success = match result {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::warn!(source = name, error = crate::chain(&error), "a source failed");
                false
            }
            Err(_) => {
                tracing::error!(source = name, "a source panicked; please report this");
                false
            }
        };
        if !success {
            self.reading.take_back(mark);
        }
        let changed = self.reading.finish();
        self.outcome = Outcome { seconds, success, changed };
    }
}

impl Round {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what waits, until nothing does.
    fn work(&self) {
        loop {
            let next = {
                let mut progress = self.progress();
                let next = progress.waiting.pop_front();
                let since = self.clock.instant();
                progress.current = next.as_ref().map(|slot| (slot.index, since));
                next
            };
            let Some(mut slot) = next else { break };
            slot.read(self.now_ms, self.clock);
            let mut progress = self.progress();
            progress.current = None;
            progress.done.push(slot);
        }
        self.finished.notify_one();
    }
}

impl Reader {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, hangs_after: HANGS_AFTER, thread: None, hanging: Vec::new() }
    }

    /// Tests have less patience.
    #[cfg(test)]
    pub(super) fn with_patience(self, hangs_after: Duration) -> Self {
        Self { hangs_after, ..self }
    }

    /// The sources that hung and have returned since.
    pub(super) fn returned(&mut self) -> Vec<Slot> {
        let mut returned = Vec::new();
        self.hanging.retain(|hanging| {
            let back = std::mem::take(&mut hanging.round.progress().done);
            if !back.is_empty() {
                tracing::warn!(source = hanging.name, "the source answers again");
            }
            let gone = !back.is_empty();
            returned.extend(back);
            !gone
        });
        returned
    }

    /// Reads every slot once; those that do not come back are in `hanging`.
    pub(super) async fn read(&mut self, slots: VecDeque<Slot>, now_ms: Millis) -> Vec<Slot> {
        let mut done = Vec::with_capacity(slots.len());
        let names: Vec<_> = slots.iter().map(|it| (it.index, it.source.name())).collect();
        let mut waiting = slots;
        while !waiting.is_empty() {
            let progress = Mutex::new(Progress { waiting, ..Progress::default() });
            let (clock, finished) = (self.clock, Notify::new());
            let round = Arc::new(Round { now_ms, clock, progress, finished });
            self.start(Arc::clone(&round));
            let end = self.end(&round).await;
            done.extend(end.done);
            waiting = end.waiting;
            let Some((index, since)) = end.current else { continue };
            let found = names.iter().find(|(other, _)| *other == index);
            let name = found.map_or("unknown", |(_, name)| *name);
            tracing::error!(
                source = name,
                "the source does not answer; it is left alone until it does"
            );
            self.hanging.push(Hanging { index, name, since, round });
            // It ends when its source returns: nobody gives it another round.
            self.thread = None;
        }
        done.sort_by_key(|slot| slot.index);
        done
    }

    /// What has become of a round when it is over, or when one source has hung for long enough: that is `current`.
    async fn end(&self, round: &Round) -> Progress {
        // `None` before the first look; within it `None` between two sources, twice in a row only without a thread.
        let mut before = None;
        loop {
            let over =
                tokio::time::timeout(self.hangs_after, round.finished.notified()).await.is_ok();
            // Decided and taken under one lock: the source cannot come to its end in between.
            let mut progress = round.progress();
            if over || before == Some(progress.current) {
                let current = progress.current;
                return Progress { current, ..std::mem::take(&mut *progress) };
            }
            before = Some(progress.current);
        }
    }

    fn start(&mut self, round: Arc<Round>) {
        let round = match &self.thread {
            // The thread waits for its next round, and there is room for one.
            Some(thread) => match thread.try_send(round) {
                Ok(()) => return,
                Err(refused) => match refused {
                    std::sync::mpsc::TrySendError::Full(round)
                    | std::sync::mpsc::TrySendError::Disconnected(round) => round,
                },
            },
            None => round,
        };
        let (rounds, receiver) = sync_channel::<Arc<Round>>(1);
        let builder = thread::Builder::new().name("metrics".to_owned()).stack_size(STACK_BYTES);
        let first = Arc::clone(&round);
        let spawned = builder.spawn(move || {
            first.work();
            while let Ok(round) = receiver.recv() {
                round.work();
            }
        });
        match spawned {
            Ok(_detached) => self.thread = Some(rounds),
            Err(error) => {
                // Nothing is read in this tick; every source says so.
                tracing::error!(%error, "the thread that reads metrics cannot be started");
                let mut progress = round.progress();
                let waiting = std::mem::take(&mut progress.waiting);
                progress.done.extend(waiting.into_iter().map(|mut slot| {
                    slot.reading.begin();
                    let changed = slot.reading.finish();
                    slot.outcome = Outcome { changed, ..Outcome::default() };
                    slot
                }));
                drop(progress);
                round.finished.notify_one();
            }
        }
    }
}
