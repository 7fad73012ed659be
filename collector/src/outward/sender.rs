//! The task of one target: reads a batch, has it delivered, stores how far it has come, and begins again.
//! Promises: the position is stored after the target has taken everything before it, so a crash repeats and never loses;
//! what waits stays within its bound while a delivery hangs, and where the disk can be neither read nor written.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use collector_journal::{Journal, JournalError, Position};
use tokio::sync::watch;

use super::config::Target;
use super::deliver::Delivery;
use super::position::PositionFile;
use super::progress::{Dropped, Health, Progress};
use super::queue;
use super::read::{Batch, Reading};
use super::request::Http;
use crate::clock;
use crate::stores::Stores;

/// How often the journal is looked at: what arrives meanwhile is one batch.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// How often the bound of what waits is looked at while a delivery hangs, or the journal cannot be read.
pub(super) const BOUND_INTERVAL: Duration = Duration::from_secs(5);

/// What the task works with.
pub(super) struct Sender {
    pub(super) target: Arc<Target>,
    pub(super) journal: Journal,
    pub(super) reading: Arc<Mutex<Reading>>,
    pub(super) http: Http,
    pub(super) progress: Arc<Progress>,
    pub(super) file: PositionFile,
    /// Free space that ingest needs.
    pub(super) reserve_bytes: u64,
    pub(super) bound_interval: Duration,
}

/// How the delivery of a batch ended.
enum End {
    Delivered,
    /// The oldest had to go, up to this position.
    Overflow(Position, Dropped),
    Stopping,
}

impl Sender {
    /// Runs until `stop` turns true; what is on its way then is sent again by the next start.
    pub(super) async fn run(self, mut stop: watch::Receiver<bool>) {
        loop {
            let wait = match self.round(&mut stop).await {
                Ok(wait) => wait,
                Err(error) => {
                    self.progress.note_standing(crate::describe(&error), clock::now_ms());
                    self.show_pending();
                    self.bound_interval
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            if *stop.borrow() {
                return;
            }
        }
    }

    /// One batch; how long to wait before the next.
    async fn round(&self, stop: &mut watch::Receiver<bool>) -> Result<Duration, JournalError> {
        if let Some((position, reason)) = self.overflow() {
            self.drop_through(position, reason, 0).await;
        }
        let batch = self.blocking(|reading| reading.next_batch(clock::now_ms())).await?;
        self.progress.note_read(clock::now_ms());
        let Batch { through, level, received_ms, samples, shards } = batch;
        if samples > 0 {
            let done = Arc::new(AtomicU64::new(0));
            let delivery = Delivery {
                target: Arc::clone(&self.target),
                http: self.http.clone(),
                progress: Arc::clone(&self.progress),
                done: Arc::clone(&done),
            };
            match self.deliver(delivery.run(shards), received_ms, stop).await {
                End::Delivered => {}
                End::Stopping => return Ok(Duration::ZERO),
                End::Overflow(position, reason) => {
                    let undone = samples.saturating_sub(done.load(Relaxed));
                    self.drop_through(position.max(through), reason, undone).await;
                    return Ok(Duration::ZERO);
                }
            }
        }
        self.store(through).await;
        self.show_lag(received_ms.filter(|_| !level));
        Ok(if level { LOOK_INTERVAL } else { Duration::ZERO })
    }

    async fn deliver(
        &self,
        delivery: impl Future<Output = ()>,
        received_ms: Option<agent_model::Millis>,
        stop: &mut watch::Receiver<bool>,
    ) -> End {
        let mut delivery = std::pin::pin!(delivery);
        loop {
            tokio::select! {
                () = &mut delivery => return End::Delivered,
                _ = stop.wait_for(|stop| *stop) => return End::Stopping,
                () = tokio::time::sleep(self.bound_interval) => {
                    self.show_lag(received_ms);
                    if let Some((position, reason)) = self.overflow() {
                        return End::Overflow(position, reason);
                    }
                }
            }
        }
    }

    fn overflow(&self) -> Option<(Position, Dropped)> {
        let full = self.progress.health() != Health::Good && self.disk_is_full();
        let stored = self.progress.stored();
        let now_ms = u64::try_from(clock::now_ms()).unwrap_or(0);
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(now_ms);
        queue::overflow(&self.journal, stored, &self.target, full, now)
    }

    /// Near enough to the reserve that nothing is kept for a target that does not take it.
    fn disk_is_full(&self) -> bool {
        let free = Stores::free_bytes(self.journal.directory());
        free.is_some_and(|free| free < self.reserve_bytes.saturating_mul(2))
    }

    /// Gives up everything up to a position; `undone` were in the batch under way.
    async fn drop_through(&self, position: Position, reason: Dropped, undone: u64) {
        let skip =
            move |reading: &mut Reading| (reading.skip_through(position), reading.position());
        let (skipped, through) = self.blocking(skip).await;
        let samples = skipped + undone;
        self.progress.note_dropped(samples, reason);
        let (target, reason) = (&self.target.name, reason.name());
        tracing::error!(target, samples, reason, "the oldest samples that waited are dropped");
        self.store(through).await;
    }

    /// The journal may let go of it at once; a file that cannot be written is tried again with the next round, and a
    /// crash until then repeats what was sent.
    async fn store(&self, position: Position) {
        self.progress.set_stored(position);
        if position <= self.progress.written() {
            return;
        }
        let file = self.file.clone();
        match self.blocking(move |_| file.write(position)).await {
            Ok(()) => self.progress.set_written(position),
            Err(error) => {
                let why = format!("{}: {error}", self.file.path().display());
                self.progress.note_unwritten(&why, clock::now_ms());
            }
        }
    }

    fn show_lag(&self, received_ms: Option<agent_model::Millis>) {
        let seconds = received_ms.map(|at_ms| clock::now_ms().saturating_sub(at_ms) / 1_000);
        self.progress.note_lag(seconds.unwrap_or(0).max(0));
        self.show_pending();
    }

    fn show_pending(&self) {
        let bytes = queue::pending_bytes(&self.journal, self.progress.stored());
        self.progress.note_pending(bytes);
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Reading) -> T + Send + 'static,
    ) -> T {
        let reading = Arc::clone(&self.reading);
        let done = tokio::task::spawn_blocking(move || {
            // One task uses it; the lock only lets it move to another thread and back.
            work(&mut reading.lock().unwrap_or_else(PoisonError::into_inner))
        });
        done.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }
}
