//! The thread that owns the spool. The disk may take its time here while the agent goes on.
//! Commands that wait together are served together and made durable with one sync.

use std::sync::Arc;
use std::thread::JoinHandle;

use agent_model::{Labels, Millis, Schema, SchemaId, Stream};
use tokio::sync::{mpsc, oneshot, watch};

use super::{BatchLimits, Delivery, Position, Spool, SpoolError, SpoolOptions, SpoolStatistics};
use crate::source::{Bookmarks, Bundle};

/// Commands that wait; each caller waits for its answer, so there are a few per collector.
const COMMANDS_MAX: usize = 64;

/// Metrics are made durable this often: a power failure costs so much of them, and the disk gets its rest.
const METRICS_SYNC_MS: Millis = 5_000;

/// One reading of every job.
#[derive(Clone, Debug)]
pub struct MetricsReading {
    pub timestamp_ms: Millis,
    /// Schema and values of each job; the values are as many as the schema has series.
    pub columns: Vec<(SchemaId, Arc<Schema>, Vec<f64>)>,
}

impl MetricsReading {
    /// Every sample of every job.
    pub fn samples(&self) -> impl Iterator<Item = (&Labels, f64)> {
        let columns = self.columns.iter();
        columns.flat_map(|(_, schema, values)| schema.series.iter().zip(values.iter().copied()))
    }
}

enum Command {
    Evidence {
        bundles: Vec<Bundle>,
        now_ms: Millis,
        done: oneshot::Sender<Vec<Bundle>>,
    },
    Metrics(Arc<MetricsReading>),
    Batch {
        collector: usize,
        stream: Stream,
        limits: BatchLimits,
        reply: oneshot::Sender<Vec<Delivery>>,
    },
    Settle {
        collector: usize,
        stream: Stream,
        stored: Vec<Position>,
        refused: Vec<Delivery>,
        now_ms: Millis,
        done: oneshot::Sender<()>,
    },
    OfferSchemas {
        ids: Vec<SchemaId>,
        now_ms: Millis,
        reply: oneshot::Sender<Vec<SchemaId>>,
    },
    Bookmarks(oneshot::Sender<Bookmarks>),
    NameCollector {
        collector: usize,
        name: String,
        another: bool,
        done: oneshot::Sender<()>,
    },
    Statistics(oneshot::Sender<SpoolStatistics>),
}

/// The spool as the rest of the agent sees it; when the last handle is gone, the thread closes it.
#[derive(Clone)]
pub struct SpoolHandle {
    commands: mpsc::Sender<Command>,
    evidence: watch::Receiver<u64>,
    metrics: watch::Receiver<u64>,
}

#[derive(Debug)]
pub struct SpoolThread(JoinHandle<()>);

impl SpoolHandle {
    /// Opens the spool and starts its thread.
    pub fn start(options: SpoolOptions, now_ms: Millis) -> Result<(Self, SpoolThread), SpoolError> {
        let spool = Spool::open(options, now_ms)?;
        let (commands, receiver) = mpsc::channel(COMMANDS_MAX);
        let (evidence_sender, evidence) = watch::channel(0);
        let (metrics_sender, metrics) = watch::channel(0);
        let mut worker = Worker {
            spool,
            evidence: evidence_sender,
            metrics: metrics_sender,
            done: Vec::new(),
            evidence_dirty: false,
            metrics_synced_ms: 0,
            metrics_sync_due: false,
        };
        let thread = std::thread::Builder::new().name("spool".to_owned());
        let thread = thread.spawn(move || worker.serve(receiver)).map_err(SpoolError::Thread)?;
        Ok((Self { commands, evidence, metrics }, SpoolThread(thread)))
    }

    /// Takes evidence in and returns, once the rest is durable, what found no room.
    pub async fn append_evidence(
        &self,
        bundles: Vec<Bundle>,
        now_ms: Millis,
    ) -> Result<Vec<Bundle>, SpoolError> {
        self.ask(|done| Command::Evidence { bundles, now_ms, done }).await
    }

    /// Takes a reading in. A failure is counted and logged by the spool; a reading waits for nobody.
    pub async fn append_metrics(&self, reading: Arc<MetricsReading>) -> Result<(), SpoolError> {
        self.commands.send(Command::Metrics(reading)).await.map_err(|_| SpoolError::Stopped)
    }

    /// The next reports for a collector; empty when there is nothing to send or it cannot be read just now.
    pub async fn batch(
        &self,
        collector: usize,
        stream: Stream,
        limits: BatchLimits,
    ) -> Result<Vec<Delivery>, SpoolError> {
        self.ask(|reply| Command::Batch { collector, stream, limits, reply }).await
    }

    /// A collector's answer; see [`Spool::settle`].
    pub async fn settle(
        &self,
        collector: usize,
        stream: Stream,
        stored: Vec<Position>,
        refused: Vec<Delivery>,
        now_ms: Millis,
    ) -> Result<(), SpoolError> {
        self.ask(|done| Command::Settle { collector, stream, stored, refused, now_ms, done }).await
    }

    /// See [`Spool::offer_schemas`].
    pub async fn offer_schemas(
        &self,
        ids: Vec<SchemaId>,
        now_ms: Millis,
    ) -> Result<Vec<SchemaId>, SpoolError> {
        self.ask(|reply| Command::OfferSchemas { ids, now_ms, reply }).await
    }

    /// Where every source stands.
    pub async fn bookmarks(&self) -> Result<Bookmarks, SpoolError> {
        self.ask(Command::Bookmarks).await
    }

    /// See [`Spool::name_collector`].
    pub async fn name_collector(
        &self,
        collector: usize,
        name: String,
        another: bool,
    ) -> Result<(), SpoolError> {
        self.ask(|done| Command::NameCollector { collector, name, another, done }).await
    }

    pub async fn statistics(&self) -> Result<SpoolStatistics, SpoolError> {
        self.ask(Command::Statistics).await
    }

    /// Changes whenever a stream has something new.
    pub fn news(&self, stream: Stream) -> watch::Receiver<u64> {
        match stream {
            Stream::Evidence => self.evidence.clone(),
            Stream::Metrics => self.metrics.clone(),
        }
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, SpoolError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| SpoolError::Stopped)?;
        answer.await.map_err(|_| SpoolError::Stopped)
    }
}

impl SpoolThread {
    /// Waits until the spool is closed; drop every handle first.
    pub fn join(self) -> Result<(), SpoolError> {
        self.0.join().map_err(|_| SpoolError::Stopped)
    }
}

struct Worker {
    spool: Spool,
    evidence: watch::Sender<u64>,
    metrics: watch::Sender<u64>,
    /// Answers that wait for the sync, each with the evidence that found no room.
    done: Vec<(oneshot::Sender<Vec<Bundle>>, Vec<Bundle>)>,
    evidence_dirty: bool,
    metrics_synced_ms: Millis,
    metrics_sync_due: bool,
}

impl Worker {
    fn serve(&mut self, mut commands: mpsc::Receiver<Command>) {
        while let Some(command) = commands.blocking_recv() {
            self.handle(command);
            for _ in 0..COMMANDS_MAX {
                let Ok(command) = commands.try_recv() else { break };
                self.handle(command);
            }
            self.commit();
        }
        if let Err(error) = self.spool.close() {
            tracing::error!(error = crate::chain(&error), "the spool was not closed cleanly");
        }
    }

    fn handle(&mut self, command: Command) {
        match command {
            Command::Evidence { mut bundles, now_ms, done } => {
                note("taking evidence in", self.spool.append_evidence(&mut bundles, now_ms));
                self.evidence_dirty = true;
                self.done.push((done, bundles));
            }
            Command::Metrics(reading) => {
                note("taking a reading in", self.spool.append_metrics(&reading));
                if reading.timestamp_ms - self.metrics_synced_ms >= METRICS_SYNC_MS {
                    self.metrics_synced_ms = reading.timestamp_ms;
                    self.metrics_sync_due = true;
                }
            }
            Command::Batch { collector, stream, limits, reply } => {
                // What a power loss could still take back must not leave the host: its source would tell it again.
                if stream == Stream::Evidence {
                    self.commit();
                }
                let batch = self.spool.batch(collector, stream, limits);
                answer(reply, note("reading a batch", batch).unwrap_or_default());
            }
            Command::Settle { collector, stream, stored, refused, now_ms, done } => {
                let settled = self.spool.settle(collector, stream, &stored, &refused, now_ms);
                note("noting an acknowledgement", settled);
                answer(done, ());
            }
            Command::OfferSchemas { ids, now_ms, reply } => {
                let gone = self.spool.offer_schemas(&ids, now_ms);
                answer(reply, note("offering schemas", gone).unwrap_or_default());
            }
            Command::Bookmarks(reply) => answer(reply, self.spool.bookmarks()),
            Command::NameCollector { collector, name, another, done } => {
                let named = self.spool.name_collector(collector, &name, another);
                note("naming a collector", named);
                answer(done, ());
            }
            Command::Statistics(reply) => answer(reply, self.spool.statistics()),
        }
    }

    /// Makes the evidence of this round durable, then answers and wakes the senders.
    fn commit(&mut self) {
        if std::mem::take(&mut self.evidence_dirty) {
            note("syncing evidence", self.spool.sync_stream(Stream::Evidence));
        }
        for (done, rest) in self.done.drain(..) {
            answer(done, rest);
        }
        for (sender, stream) in
            [(&self.evidence, Stream::Evidence), (&self.metrics, Stream::Metrics)]
        {
            let appended = self.spool.appended(stream);
            sender.send_if_modified(|before| std::mem::replace(before, appended) != appended);
        }
        if std::mem::take(&mut self.metrics_sync_due) {
            note("syncing metrics", self.spool.sync_stream(Stream::Metrics));
        }
    }
}

fn note<T>(operation: &str, result: Result<T, SpoolError>) -> Option<T> {
    result.map_err(|error| tracing::error!(error = crate::chain(&error), "{operation} failed")).ok()
}

/// Whoever asked may be gone by now, and then needs no answer.
fn answer<T>(reply: oneshot::Sender<T>, value: T) {
    drop(reply.send(value));
}
