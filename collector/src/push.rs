//! Pushed series: from a decoded request of somebody who is no agent to the journal and the views.
//!
//! Promises: what is acknowledged is on disk; a series carries its owner's labels and speaks for nobody else (`push/owner`);
//! what is not taken is counted by reason and told. The memory of what is decoded or waits for the views is bounded, so a slow
//! disk slows the senders.
//! Leaves to others: HTTP and tokens (`http/remote_write`, `http/otlp`), the bytes of a request (`collector_remote_write`,
//! `collector_otlp`). However a request came, from its decoding on it goes one way.

mod body;
mod catalog;
mod owner;
mod said;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::Duration;

use agent_model::Millis;
use collector_inventory::Inventory;
use collector_journal::{Journal, JournalError};
use collector_metric_store::{MetricStoreError, SeriesRef};
use collector_otlp::{OtlpError, Translated};
use collector_remote_write::{LeftOut, Refusal, Refusals, RemoteWriteError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub use body::Body;
use body::PACKING;
pub use catalog::{Catalog, Known};
pub use owner::{Owner, owner_labels};
use said::Said;

use crate::feed::{Content, Decoded, Feed};
use crate::record::PushRecord;
use crate::self_metrics::PushMetrics;

/// Kibibytes of pushes that are being decoded, stored, or still to be taken by a view: enough for the largest one while it is
/// decoded and packed.
const ROOM_KIBIBYTES: usize = 144 << 10;

/// How long a push waits for room before its sender is told to come back.
const ROOM_TIME_MAX: Duration = Duration::from_secs(5);

/// The names of enrolled hosts are read again when they are older than this.
const ENROLLED_AGE_MAX_MS: Millis = 1_000;

/// One owner's refusals are in the log at most this often; the counters have them all.
const TOLD_INTERVAL_MS: Millis = 60_000;

/// A push on its way to the views.
#[derive(Debug)]
pub struct Pushed {
    pub record: PushRecord,
    /// The place of each series; none after it was read from the journal.
    pub places: Vec<SeriesRef>,
    /// Given back when the last view has it.
    _room: Option<OwnedSemaphorePermit>,
}

/// What was made of a request.
#[derive(Debug, Default)]
pub struct Taken {
    pub samples: u64,
    pub refusals: Refusals,
    pub left_out: LeftOut,
    /// Points of OTLP of which nothing was taken.
    pub points_refused: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum PushError {
    #[error(transparent)]
    Request(#[from] RemoteWriteError),
    #[error(transparent)]
    Otlp(#[from] OtlpError),
    #[error("too much is being stored at once")]
    Busy,
    #[error("the samples cannot be stored")]
    Journal(#[from] JournalError),
    #[error("the series cannot be registered")]
    Store(#[from] MetricStoreError),
    #[error("the enrolled hosts cannot be looked up")]
    Inventory(#[from] collector_inventory::InventoryError),
}

impl PushError {
    /// It may do with more memory.
    fn needs_memory(&self) -> bool {
        match self {
            Self::Request(error) => matches!(error, RemoteWriteError::Memory),
            Self::Otlp(error) => error.needs_memory(),
            _ => false,
        }
    }
}

/// The path of a push into the journal.
pub struct Pushes {
    pub journal: Journal,
    pub feed: Feed,
    pub catalog: Arc<Catalog>,
    pub inventory: Inventory,
    pub future_max_ms: Millis,
    pub past_max_ms: Millis,
    /// Of remote write, and of OTLP.
    pub metrics: PushMetrics,
    pub otlp_metrics: PushMetrics,
    pub state: State,
}

/// What `Pushes` remembers.
pub struct State {
    room: Arc<Semaphore>,
    room_time_max: Duration,
    enrolled_ms: AtomicI64,
    told_ms: AtomicI64,
    said: Said,
}

impl Default for State {
    fn default() -> Self {
        let room = Arc::new(Semaphore::new(ROOM_KIBIBYTES));
        let (enrolled_ms, told_ms) = (AtomicI64::new(i64::MIN), AtomicI64::new(i64::MIN));
        let said = Said::default();
        Self { room, room_time_max: ROOM_TIME_MAX, enrolled_ms, told_ms, said }
    }
}

impl Pushed {
    /// As the journal held it.
    pub fn read_back(record: PushRecord) -> Self {
        Self { record, places: Vec::new(), _room: None }
    }
}

impl Pushes {
    /// Takes a request's body. Resolves when what is taken of it is on disk.
    pub async fn accept(
        self: &Arc<Self>,
        owner: Arc<Owner>,
        body: Body,
        received_ms: Millis,
    ) -> Result<Taken, PushError> {
        self.refresh_enrolled(received_ms).await?;
        let metrics = if body.is_otlp() { &self.otlp_metrics } else { &self.metrics };
        let expected = body.memory_expected()?.min(ROOM_KIBIBYTES << 10);
        let prepared = self.prepared(&owner, &body, received_ms, expected).await;
        let prepared = match prepared {
            Err(error) if error.needs_memory() && expected < ROOM_KIBIBYTES << 10 => {
                self.prepared(&owner, &body, received_ms, ROOM_KIBIBYTES << 10).await
            }
            prepared => prepared,
        };
        drop(body);
        let Prepared { record, places, bytes, taken, mut room } = prepared?;
        if let Some(bytes) = bytes {
            let position = self.journal.append(vec![bytes]).await?;
            self.state.said.note(&record.owner, &record.described);
            shrink(&mut room, record.bytes() + size_of_val(places.as_slice()));
            let pushed = Pushed { record, places, _room: Some(room) };
            let content = Content::Push(Box::new(pushed));
            self.feed.publish(&Arc::new(Decoded { position, content }));
        }
        count(metrics, &taken);
        Ok(taken)
    }

    /// Decodes with so much memory, on a thread that may work.
    async fn prepared(
        self: &Arc<Self>,
        owner: &Arc<Owner>,
        body: &Body,
        received_ms: Millis,
        memory: usize,
    ) -> Result<Prepared, PushError> {
        let room = self.room(memory).await?;
        let (this, owner, body) = (Arc::clone(self), Arc::clone(owner), body.clone());
        let prepare = move || this.prepare(owner, &body, received_ms, room);
        let prepared = tokio::task::spawn_blocking(prepare).await;
        prepared.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }

    async fn room(&self, bytes: usize) -> Result<OwnedSemaphorePermit, PushError> {
        let kibibytes = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.state.room).acquire_many_owned(kibibytes);
        let room = tokio::time::timeout(self.state.room_time_max, room).await;
        room.ok().and_then(Result::ok).ok_or(PushError::Busy)
    }

    async fn refresh_enrolled(&self, now_ms: Millis) -> Result<(), PushError> {
        let before = self.state.enrolled_ms.load(Relaxed);
        if now_ms.saturating_sub(before) < ENROLLED_AGE_MAX_MS {
            return Ok(());
        }
        let hosts = self.inventory.host_names().await?;
        self.catalog.set_enrolled(hosts);
        self.state.enrolled_ms.store(now_ms, Relaxed);
        Ok(())
    }

    /// Decodes and judges a request, and makes its record: work for a processor, not for the reactor.
    fn prepare(
        &self,
        owner: Arc<Owner>,
        body: &Body,
        received_ms: Millis,
        mut room: OwnedSemaphorePermit,
    ) -> Result<Prepared, PushError> {
        let earliest = received_ms.saturating_sub(self.past_max_ms);
        let latest = received_ms.saturating_add(self.future_max_ms);
        let times = earliest..=latest;
        let decoded = body.decode(times.clone(), room.num_permits() << 10)?;
        shrink(&mut room, PACKING * decoded.push.bytes());
        let known = self.catalog.look_up(&owner, &decoded.push, received_ms)?;
        let single = |at: usize, timestamp_ms: Millis| match known[at] {
            Err(refusal) => Some(refusal),
            Ok(_) if !times.contains(&timestamp_ms) => Some(Refusal::Time),
            Ok(_) => None,
        };
        let (with_its_point, points) = decoded.judged(|at, sample| single(at, sample.timestamp_ms));
        let judge = |at: usize, timestamp_ms: Millis| {
            let of_point = with_its_point.get(at).copied().flatten();
            of_point.or_else(|| single(at, timestamp_ms))
        };
        let Translated { mut push, points_refused, .. } = decoded;
        let described = std::mem::take(&mut push.described);
        let (described, undescribed) = self.state.said.news(&owner, described, received_ms);
        push.left_out.metadata += undescribed;
        let all_good = push.series().enumerate().all(|(at, series)| {
            series.samples.iter().all(|sample| judge(at, sample.timestamp_ms).is_none())
        });
        let (push, places): (_, Vec<_>) = if all_good {
            (push, known.iter().copied().flatten().collect())
        } else {
            // The places of series that lose a part of their samples stay; those that lose all go.
            let kept = push.series().enumerate().filter(|(at, series)| {
                series.samples.iter().any(|sample| judge(*at, sample.timestamp_ms).is_none())
            });
            let places = kept.filter_map(|(at, _)| known[at].ok()).collect();
            (push.without(|at, sample| judge(at, sample.timestamp_ms)), places)
        };
        let taken = Taken {
            samples: push.sample_count() as u64,
            refusals: push.refusals.clone(),
            left_out: push.left_out,
            points_refused: points_refused + points,
        };
        self.tell(&owner, &taken, received_ms);
        let record = PushRecord { owner, received_ms, push, described };
        let bytes = if record.is_empty() { None } else { Some(record.encode()?) };
        let packed = bytes.as_ref().map_or(0, bytes::Bytes::len);
        shrink(&mut room, record.bytes() + size_of_val(places.as_slice()) + packed);
        Ok(Prepared { record, places, bytes, taken, room })
    }

    fn tell(&self, owner: &Owner, taken: &Taken, now_ms: Millis) {
        if taken.refusals.samples() == 0 {
            return;
        }
        let before = self.state.told_ms.load(Relaxed);
        if now_ms.saturating_sub(before) < TOLD_INTERVAL_MS {
            return;
        }
        self.state.told_ms.store(now_ms, Relaxed);
        tracing::warn!(token = owner.name, "a push was not taken whole: {}", taken.refusals.text());
    }
}

fn count(metrics: &PushMetrics, taken: &Taken) {
    metrics.samples.inc_by(taken.samples);
    for (refusal, samples) in taken.refusals.iter() {
        metrics.samples_refused.with_label_values(&[refusal.name()]).inc_by(samples);
    }
    let LeftOut { exemplars, metadata, texts_cut } = taken.left_out;
    for (kind, count) in
        [("exemplars", exemplars), ("metadata", metadata), ("texts_cut", texts_cut)]
    {
        metrics.left_out.with_label_values(&[kind]).inc_by(count);
    }
}

struct Prepared {
    record: PushRecord,
    places: Vec<SeriesRef>,
    bytes: Option<bytes::Bytes>,
    taken: Taken,
    room: OwnedSemaphorePermit,
}

/// Gives back what is more than so many bytes.
fn shrink(room: &mut OwnedSemaphorePermit, bytes: usize) {
    let superfluous = room.num_permits().saturating_sub(bytes.div_ceil(1024).max(1));
    drop(room.split(superfluous));
}

#[cfg(test)]
pub(crate) mod tests;
