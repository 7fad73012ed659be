//! The handle: what the collector calls. Every change goes through one place, [`Alerting::change`]: memory is
//! changed, the change is written in one transaction, and only then does anybody see it. Whatever goes wrong in
//! between throws the memory away; it is read back from disk at the next call. A caller who stops waiting does not
//! stop a write that has begun: the lock is held until it is known whether it took place.

mod acting;
mod ask;
mod linking;
mod on_call;
mod silencing;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex as Locked, MutexGuard, PoisonError};

use agent_model::Millis;
use tokio::sync::{Mutex, Notify, OwnedMutexGuard, broadcast};

use crate::alert::Change;
use crate::detection::{self, DetectionAlert, DetectionsCommitted};
use crate::group::{close_told, flush_due};
use crate::limiter::Limiter;
use crate::limits::{CHANGES_BUFFERED_MAX, PRUNE_EVERY_MS};
use crate::link::Links;
use crate::notify::{Composer, Senders, Sent, senders};
use crate::observe::{OpenAlert, RuleObservation, observe, retain_rules};
use crate::outcomes::Unwritten;
use crate::posted::{self, PostOutcome, PostedAlert};
use crate::routing::Routing;
use crate::silence::SilenceState;
use crate::state::{Batch, State};
use crate::stats::Counters;
use crate::store::Store;
use crate::{AlertingError, deliver, handling};

pub use linking::{LinkOffer, OfferedAlert};

#[derive(Clone, Debug)]
pub struct AlertingConfig {
    /// The database file; its directory must be there.
    pub database: PathBuf,
    /// Where people reach the collector's pages, without a slash at the end; put into notifications.
    pub external_url: String,
    /// Whether people who read messages reach that address, and something there answers links that acknowledge.
    pub answers_links: bool,
}

/// All of alerting; a clone is the same one.
#[derive(Clone)]
pub struct Alerting {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) store: Store,
    external_url: Arc<str>,
    pub(crate) links: Option<Links>,
    memory: Arc<Mutex<Memory>>,
    /// Notifications that are on their way just now.
    in_flight: Locked<BTreeSet<String>>,
    limiter: Locked<Limiter>,
    /// Outlives the senders, which a reload makes anew.
    pub(crate) sent: Arc<Sent>,
    pub(crate) unwritten: Locked<Vec<Unwritten>>,
    changes: broadcast::Sender<Change>,
    pub(crate) wake: Notify,
    pub(crate) counters: Counters,
    /// How often something changed that a list of alerts shows.
    revision: AtomicU64,
    /// When this process opened it: what was due before was not its to do.
    pub(crate) opened_ms: Millis,
}

pub(crate) struct Memory {
    /// `None` while it is being changed, and after a change that failed.
    state: Option<State>,
    routing: Routing,
    senders: Senders,
}

impl Alerting {
    /// Opens the database and takes up where the last process stopped.
    pub async fn open(
        config: AlertingConfig,
        routing: Routing,
        now_ms: Millis,
    ) -> Result<Self, AlertingError> {
        let external_url: Arc<str> = config.external_url.trim_end_matches('/').into();
        let counters = Counters::default();
        let sent = Arc::default();
        let store = Store::open(&config.database).await?;
        let links = match config.answers_links {
            true => Some(Links::new(Arc::clone(&external_url), &store.link_key().await?)),
            false => None,
        };
        let composer = Composer::new(&external_url, links.as_ref(), &counters.composed);
        let (senders, failed) = senders(&routing, &composer, &sent);
        if let Some(failed) = failed {
            let cause = std::error::Error::source(&failed).map(ToString::to_string);
            tracing::error!(%failed, cause, "its attempts fail until that is mended; all others go on");
        }
        let memory = Memory { state: None, routing, senders };
        let (changes, _) = broadcast::channel(CHANGES_BUFFERED_MAX);
        let alerting = Self {
            inner: Arc::new(Inner {
                store,
                external_url,
                links,
                memory: Arc::new(Mutex::new(memory)),
                in_flight: Locked::default(),
                limiter: Locked::default(),
                sent,
                unwritten: Locked::default(),
                changes,
                wake: Notify::new(),
                counters,
                revision: AtomicU64::new(0),
                opened_ms: now_ms,
            }),
        };
        let settle = |state: &mut State, _: &BTreeSet<String>| {
            deliver::drop_undeliverable(state, now_ms);
            close_told(state);
        };
        alerting.change(now_ms, settle).await?;
        Ok(alerting)
    }

    /// Closes the database; a process may also just end.
    pub async fn close(&self) {
        self.inner.store.close().await;
    }

    /// Takes one evaluation of one rule: everything it found true. What it does not name is no longer true. Returns the
    /// alerts that the rule keeps open.
    pub async fn observe_rule(
        &self,
        observation: RuleObservation,
    ) -> Result<Vec<OpenAlert>, AlertingError> {
        // Who is told is for the next tick: the evaluation may be older than a silence that is in force by now.
        self.change(observation.at_ms, |state, _| observe(state, &observation)).await
    }

    /// Says which rules there are: the alerts of any other rule resolve.
    pub async fn retain_rules(
        &self,
        rule_ids: &BTreeSet<String>,
        now_ms: Millis,
    ) -> Result<(), AlertingError> {
        self.change(now_ms, |state, in_flight| {
            retain_rules(state, rule_ids, now_ms);
            flush_due(state, in_flight, now_ms);
        })
        .await
    }

    /// Commits everything that came of the journal up to `position`: detections, their alerts and notifications,
    /// the state of correlations, and the position, in one transaction. A detection that is known by its id has
    /// no effect. A position that was already committed is refused: nothing of the call is taken.
    pub async fn commit_detections(
        &self,
        position: u64,
        correlation_state: &[u8],
        detections: Vec<DetectionAlert>,
        now_ms: Millis,
    ) -> Result<DetectionsCommitted, AlertingError> {
        let memory = self.lock().await;
        let (reached, _) = self.inner.store.progress().await?;
        if position < reached {
            return Err(AlertingError::PositionBehind { position, reached });
        }
        let mut committed = DetectionsCommitted::default();
        let mut fresh = BTreeMap::new();
        for detection in detections {
            let known = fresh.contains_key(&detection.id)
                || self.inner.store.knows_detection(detection.id).await?;
            if known {
                committed.repeated += 1;
            } else {
                committed.new += 1;
                fresh.insert(detection.id, detection);
            }
        }
        let correlation_state = correlation_state.to_vec();
        self.change_locked(memory, None, now_ms, |state, in_flight| {
            let mut fresh: Vec<DetectionAlert> = fresh.into_values().collect();
            fresh.sort_by_key(|detection| detection.time_ms);
            for detection in fresh {
                detection::detect(state, detection, now_ms);
            }
            state.batch.progress = Some((position, correlation_state));
            flush_due(state, in_flight, now_ms);
        })
        .await?;
        Ok(committed)
    }

    /// Takes what another program posts: the valid alerts, and says what is wrong with the others.
    pub async fn post_alerts(
        &self,
        posts: &[PostedAlert],
        now_ms: Millis,
    ) -> Result<PostOutcome, AlertingError> {
        self.change(now_ms, |state, in_flight| {
            let outcome = posted::post(state, posts, now_ms);
            if !state.batch.is_empty() {
                flush_due(state, in_flight, now_ms);
            }
            outcome
        })
        .await
    }

    /// The last committed journal position (0 at the beginning) and the correlations' state there.
    pub async fn detections_position(&self) -> Result<(u64, Option<Vec<u8>>), AlertingError> {
        // Behind any write that is under way.
        let _memory = self.lock().await;
        self.inner.store.progress().await
    }

    /// Does what is due at `now_ms`: ends holds and silences, tells groups. Returns when there is something to do
    /// next. Sends nothing itself: see [`Alerting::run`] and [`Alerting::deliver_due`].
    pub async fn tick(&self, now_ms: Millis) -> Result<Option<Millis>, AlertingError> {
        let next = self.change(now_ms, |state, in_flight| {
            detection::end_holds(state, now_ms);
            handling::end_acknowledgements(state, now_ms);
            flush_due(state, in_flight, now_ms);
            state.silences.retain(|_, silence| silence.state(now_ms) != SilenceState::Expired);
            state.checkpoint(now_ms);
            if state.pruned_ms.is_none_or(|last| now_ms - last >= PRUNE_EVERY_MS) {
                state.pruned_ms = Some(now_ms);
                state.batch.prune_at = Some(now_ms);
            }
            deliver::next_due(state, now_ms)
        });
        let next = next.await?;
        let room = self.limiter().next_room_ms().filter(|at_ms| *at_ms > now_ms);
        Ok(next.into_iter().chain(room).min())
    }

    /// Takes a new routing, whole or (when a receiver cannot be set up) not at all.
    pub async fn reload(&self, routing: Routing, now_ms: Millis) -> Result<(), AlertingError> {
        let Inner { external_url, links, counters, sent, .. } = self.inner.as_ref();
        let composer = Composer::new(external_url, links.as_ref(), &counters.composed);
        let (senders, failed) = senders(&routing, &composer, sent);
        if let Some(failed) = failed {
            return Err(failed);
        }
        let memory = self.lock().await;
        self.change_locked(memory, Some(senders), now_ms, |state, in_flight| {
            state.routing = routing;
            state.regroup(now_ms);
            deliver::drop_undeliverable(state, now_ms);
            flush_due(state, in_flight, now_ms);
            close_told(state);
        })
        .await
    }

    /// Writes something small and waits until it is on disk: whoever reports a success may say that all is well.
    pub async fn prove_writable(&self, now_ms: Millis) -> Result<(), AlertingError> {
        self.change(now_ms, |state, _| state.batch.beat = Some(now_ms)).await
    }

    /// Grows with every change of an alert or a silence, so that who keeps a list knows when it is old.
    pub fn revision(&self) -> u64 {
        self.inner.revision.load(Ordering::Acquire)
    }

    /// Every change of an alert from now on. A subscriber that is too slow is told how many it missed.
    pub fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.inner.changes.subscribe()
    }

    pub(crate) async fn change<T>(
        &self,
        now_ms: Millis,
        change: impl FnOnce(&mut State, &BTreeSet<String>) -> T,
    ) -> Result<T, AlertingError> {
        self.change_locked(self.lock().await, None, now_ms, change).await
    }

    pub(crate) async fn lock(&self) -> OwnedMutexGuard<Memory> {
        Arc::clone(&self.inner.memory).lock_owned().await
    }

    pub(crate) async fn change_locked<T>(
        &self,
        mut memory: OwnedMutexGuard<Memory>,
        senders: Option<Senders>,
        now_ms: Millis,
        change: impl FnOnce(&mut State, &BTreeSet<String>) -> T,
    ) -> Result<T, AlertingError> {
        let mut state = self.taken(&mut memory, now_ms).await?;
        let answer = change(&mut state, &self.in_flight());
        let batch = state.batch.take();
        if batch.is_empty() && senders.is_none() {
            memory.state = Some(state);
            self.inner.counters.add(batch.counted);
            return Ok(answer);
        }
        // A task of its own: a transaction that its caller leaves half way may or may not be committed.
        let write = self.clone().write(memory, senders, state, batch);
        tokio::spawn(write).await.map_err(|_| AlertingError::Interrupted)??;
        Ok(answer)
    }

    async fn write(
        self,
        mut memory: OwnedMutexGuard<Memory>,
        senders: Option<Senders>,
        state: State,
        batch: Batch,
    ) -> Result<(), AlertingError> {
        self.inner.store.commit(&state, &batch).await?;
        memory.routing = state.routing.clone();
        memory.senders = senders.unwrap_or_else(|| Arc::clone(&memory.senders));
        memory.state = Some(state);
        drop(memory);
        self.inner.counters.add(batch.counted);
        if !(batch.changes.is_empty() && batch.silences.is_empty()) {
            self.inner.revision.fetch_add(1, Ordering::Release);
        }
        if !(batch.outbox.is_empty() && batch.changes.is_empty() && batch.silences.is_empty()) {
            self.inner.wake.notify_one();
        }
        for change in batch.changes {
            // Nobody listens: nothing is missed, pages read the state when they open.
            self.inner.changes.send(change).ok();
        }
        Ok(())
    }

    /// The state to work on; whoever takes it puts it back when all went well.
    async fn taken(&self, memory: &mut Memory, now_ms: Millis) -> Result<State, AlertingError> {
        match memory.state.take() {
            Some(state) => Ok(state),
            None => {
                let mut state = self.inner.store.load(memory.routing.clone(), now_ms).await?;
                posted::forgive_absence(&mut state, now_ms);
                Ok(state)
            }
        }
    }

    /// Reads without changing.
    pub(crate) async fn look<T>(
        &self,
        now_ms: Millis,
        look: impl FnOnce(&State) -> T,
    ) -> Result<T, AlertingError> {
        let mut memory = self.inner.memory.lock().await;
        let state = self.taken(&mut memory, now_ms).await?;
        let answer = look(&state);
        memory.state = Some(state);
        Ok(answer)
    }

    pub(crate) async fn senders(&self) -> Senders {
        self.inner.memory.lock().await.senders.clone()
    }

    pub(crate) fn limiter(&self) -> MutexGuard<'_, Limiter> {
        self.inner.limiter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn in_flight(&self) -> BTreeSet<String> {
        self.inner.in_flight.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_in_flight(&self, id: &str, is_in_flight: bool) {
        let mut ids = self.inner.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        if is_in_flight {
            ids.insert(id.to_owned());
        } else {
            ids.remove(id);
        }
    }
}
