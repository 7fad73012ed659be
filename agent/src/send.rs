//! The way out: one task per collector and stream, from the spool to the collector and its answer back.
//!
//! Promises: evidence never waits behind metrics (each stream has its own request on the shared connection); what is
//! acknowledged is settled at once; what is refused for good is named in a gap; everything else is tried again.

mod backoff;
mod collector;
mod link;
mod refusals;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use agent_model::{Millis, SchemaId, Stream};
use agent_wire::{Acknowledgement, Envelope, ReportOutcome};
use bytes::Bytes;
use hyper::StatusCode;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::identity::AuthorityId;
use crate::spool::{BatchLimits, Delivery, SpoolError, SpoolHandle};

pub use collector::SendError;
pub use link::LinkError;

pub(crate) use backoff::random;
pub(crate) use collector::{Collector, Known};
pub(crate) use link::{Distrust, connect, post};

/// One request's reports, unpacked: a slow line carries it in seconds, and the memory is small.
const EVIDENCE_BATCH_BYTES: usize = 256 << 10;
const METRICS_BATCH_BYTES: usize = 128 << 10;
const BATCH_REPORTS: usize = 500;

/// How often a collector may ask for the same schema before its reports count as refused.
const SCHEMA_OFFERS_MAX: u32 = 3;

/// The wait after an answer that brought nothing on.
const FRUITLESS_WAIT: Duration = Duration::from_secs(1);

/// The type of a body of reports, ours alone.
const REPORTS_TYPE: &str = "application/vnd.haidang.reports";

/// One stream's way to one collector.
pub(crate) struct Lane {
    pub(crate) collector: Arc<Collector>,
    pub(crate) stream: Stream,
    pub(crate) spool: SpoolHandle,
    pub(crate) clock: Clock,
    /// Metrics older than this are backlog, which is sent at a bounded rate.
    pub(crate) backlog_age_ms: Millis,
    pub(crate) backlog_bytes_per_second: u64,
    schema_offers: HashMap<SchemaId, u32>,
    /// Lowered when a collector finds a body too large or cannot read it, until it is one report.
    reports_max: usize,
    /// Until then only fresh metrics go.
    backlog_at: Option<Instant>,
    /// Whose collector the batches are made for; `None` until it is met.
    authority: Option<AuthorityId>,
}

/// What came of a batch.
enum Sent {
    /// Some of it was settled.
    Progress { body_bytes: usize },
    /// The same again, in smaller pieces.
    Smaller,
}

impl Lane {
    pub(crate) fn new(
        collector: Arc<Collector>,
        stream: Stream,
        spool: SpoolHandle,
        clock: Clock,
        interval: Duration,
        backlog_bytes_per_second: u64,
    ) -> Self {
        let interval_ms = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX);
        let authority = collector.known_at_start;
        Self {
            collector,
            stream,
            spool,
            clock,
            backlog_age_ms: interval_ms.saturating_mul(2),
            backlog_bytes_per_second,
            schema_offers: HashMap::new(),
            reports_max: BATCH_REPORTS,
            backlog_at: None,
            authority,
        }
    }

    /// Sends until the agent stops or the spool is gone. What is on its way at that moment is sent again
    /// after the next start, and known by its key.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let served = shutdown.run_until_cancelled(self.serve()).await;
        if let Some(Err(error)) = served {
            tracing::error!(error = crate::chain(&error), "a sender ended before the agent");
        }
    }

    async fn serve(&mut self) -> Result<(), SpoolError> {
        let mut news = self.spool.news(self.stream);
        loop {
            news.borrow_and_update();
            let batch = self.batch().await?;
            if batch.is_empty() {
                self.wait(&mut news).await?;
                continue;
            }
            let open = self.collector.is_open();
            match self.meet().await? {
                Ok(false) if open => {}
                // After a wait something newer may be there, and of the batch something may have been dropped; or it
                // holds what this collector has, or what is meant for another.
                Ok(_) => continue,
                Err(error) => {
                    self.note_failure(&error);
                    continue;
                }
            }
            let is_backlog = self.is_backlog(&batch);
            match self.send(batch).await? {
                Ok(Sent::Progress { body_bytes }) if is_backlog => self.pace(body_bytes),
                Ok(_) => {}
                Err(error) => self.note_failure(&error),
            }
        }
    }

    /// Makes sure who is at the other end before anything is sent: an address may have become another collector's,
    /// and a collector's address may be new. Tells whether the batch must be made anew.
    async fn meet(&mut self) -> Result<Result<bool, SendError>, SpoolError> {
        let authority = match self.collector.authority().await {
            Ok(authority) => authority,
            Err(error) => return Ok(Err(error)),
        };
        let before = self.authority.replace(authority);
        if before == Some(authority) {
            return Ok(Ok(false));
        }
        let (index, another) = (self.collector.index, before.is_some());
        self.spool.name_collector(index, authority.to_string(), another).await?;
        Ok(Ok(true))
    }

    fn note_failure(&self, error: &SendError) {
        tracing::warn!(
            collector = %self.collector.address(),
            stream = self.stream.name(),
            error = crate::chain(error),
            "reports were not delivered; they stay in the spool and go again"
        );
    }

    async fn batch(&self) -> Result<Vec<Delivery>, SpoolError> {
        let held_back = self.backlog_at.is_some_and(|at| at > self.clock.instant());
        let fresh_from = self.clock.now_ms() - self.backlog_age_ms;
        let bytes = match self.stream {
            Stream::Evidence => EVIDENCE_BATCH_BYTES,
            Stream::Metrics => METRICS_BATCH_BYTES,
        };
        let limits = BatchLimits {
            bytes,
            reports: self.reports_max,
            created_from_ms: if held_back { fresh_from } else { Millis::MIN },
        };
        self.spool.batch(self.collector.index, self.stream, limits).await
    }

    async fn wait(&self, news: &mut tokio::sync::watch::Receiver<u64>) -> Result<(), SpoolError> {
        let backlog_at = self.backlog_at.filter(|&at| at > self.clock.instant());
        let backlog_due = async {
            match backlog_at {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = news.changed() => changed.map_err(|_| SpoolError::Stopped),
            () = backlog_due => Ok(()),
        }
    }

    fn is_backlog(&self, batch: &[Delivery]) -> bool {
        let fresh_from = self.clock.now_ms() - self.backlog_age_ms;
        let oldest = batch.iter().map(Delivery::created_ms).min();
        self.stream == Stream::Metrics && oldest.is_some_and(|oldest| oldest < fresh_from)
    }

    /// Old metrics go on only after the time that their bytes may take.
    fn pace(&mut self, body_bytes: usize) {
        let rate = self.backlog_bytes_per_second.max(1);
        let pause_ms = (body_bytes as u64).saturating_mul(1_000) / rate;
        self.backlog_at = Some(self.clock.instant() + Duration::from_millis(pause_ms));
    }

    /// The outer error ends the lane (the spool is gone), the inner one is the collector's or the line's.
    async fn send(&mut self, batch: Vec<Delivery>) -> Result<Result<Sent, SendError>, SpoolError> {
        let sent_ms = self.clock.now_ms();
        let envelope = Envelope {
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            sent_ms,
            reports: batch.iter().map(|delivery| delivery.report.clone()).collect(),
        };
        let body = match agent_wire::encode_envelope(&envelope) {
            Ok(body) => Bytes::from(body),
            Err(source) => {
                let address = self.collector.address().clone();
                return Ok(Err(SendError::Acknowledgement { address, source }));
            }
        };
        drop(envelope);
        let body_bytes = body.len();
        let posted = self.collector.post("/v1/reports", REPORTS_TYPE, body, self.authority);
        let answer = match posted.await {
            Ok(answer) => answer,
            Err(error) => return Ok(Err(error)),
        };
        if answer.status != StatusCode::OK {
            return self.refused(batch, answer.error_text()).await.map(Ok);
        }
        let acknowledgement = match self.read(&answer.body, batch.len()) {
            Ok(acknowledgement) => acknowledgement,
            Err(error) => return Ok(Err(error)),
        };
        self.note_health(sent_ms, acknowledgement.received_ms);
        if !self.settle(batch, acknowledgement).await? {
            // An answer that settles nothing and asks for nothing would come again at once.
            tokio::time::sleep(FRUITLESS_WAIT).await;
        }
        self.reports_max = BATCH_REPORTS;
        Ok(Ok(Sent::Progress { body_bytes }))
    }

    /// The body as a whole was refused: smaller ones find the report that is at fault.
    async fn refused(&mut self, batch: Vec<Delivery>, text: String) -> Result<Sent, SpoolError> {
        if batch.len() > 1 {
            self.reports_max = batch.len() / 2;
            return Ok(Sent::Smaller);
        }
        self.reports_max = BATCH_REPORTS;
        let outcome = ReportOutcome::Refused { reason: text };
        let received_ms = self.clock.now_ms();
        let results = batch.iter().map(|_| outcome.clone()).collect();
        let acknowledgement = Acknowledgement { received_ms, results, schemas_needed: Vec::new() };
        self.settle(batch, acknowledgement).await?;
        Ok(Sent::Progress { body_bytes: 0 })
    }

    fn read(&self, body: &[u8], sent: usize) -> Result<Acknowledgement, SendError> {
        let address = || self.collector.address().clone();
        let acknowledgement = Acknowledgement::decode(body)
            .map_err(|source| SendError::Acknowledgement { address: address(), source })?;
        let got = acknowledgement.results.len();
        if got == sent {
            Ok(acknowledgement)
        } else {
            Err(SendError::Count { address: address(), got, sent })
        }
    }

    /// Notes what became of each report; tells whether that brought anything on.
    async fn settle(
        &mut self,
        batch: Vec<Delivery>,
        acknowledgement: Acknowledgement,
    ) -> Result<bool, SpoolError> {
        let now_ms = self.clock.now_ms();
        let needed = &acknowledgement.schemas_needed;
        let hopeless = self.offer_schemas(needed, now_ms).await?;
        let offered = needed.len() - hopeless.len();
        let (mut stored, mut refused) = (Vec::new(), Vec::new());
        for (delivery, outcome) in batch.into_iter().zip(acknowledgement.results) {
            let reason = match outcome {
                ReportOutcome::Stored | ReportOutcome::Duplicate => {
                    stored.push(delivery.position());
                    continue;
                }
                ReportOutcome::SchemaNeeded => {
                    if !delivery.schemas().iter().any(|id| hopeless.contains(id)) {
                        continue;
                    }
                    "its schema is gone or was offered in vain".to_owned()
                }
                ReportOutcome::Refused { reason } => reason,
            };
            let (collector, position) = (self.collector.address(), delivery.position());
            tracing::error!(%collector, ?position, reason, "a report was refused for good");
            refused.push(delivery);
        }
        if !stored.is_empty() {
            self.schema_offers.clear();
        }
        let count = stored.len() as u64;
        let fruitful = !(stored.is_empty() && refused.is_empty() && offered == 0);
        self.spool.settle(self.collector.index, self.stream, stored, refused, now_ms).await?;
        self.collector.health.sent_reports.fetch_add(count, Ordering::Relaxed);
        Ok(fruitful)
    }

    /// Puts the schemas a collector asks for into reports of their own, so that every report keeps its bytes, by whose
    /// hash the collector knows it. Returns those with which it is no use.
    async fn offer_schemas(
        &mut self,
        needed: &[SchemaId],
        now_ms: Millis,
    ) -> Result<Vec<SchemaId>, SpoolError> {
        let mut hopeless = Vec::new();
        let mut offered = Vec::new();
        for id in needed {
            let offers = self.schema_offers.entry(*id).or_default();
            *offers += 1;
            if *offers > SCHEMA_OFFERS_MAX { hopeless.push(*id) } else { offered.push(*id) }
        }
        if !offered.is_empty() {
            hopeless.extend(self.spool.offer_schemas(offered, now_ms).await?);
        }
        Ok(hopeless)
    }

    fn note_health(&self, sent_ms: Millis, received_ms: Millis) {
        let health = &self.collector.health;
        let now_ms = self.clock.now_ms();
        health.last_acknowledged_ms.store(now_ms, Ordering::Relaxed);
        // Our clock in the middle of the exchange.
        let middle_ms = sent_ms + (now_ms - sent_ms) / 2;
        health.clock_offset_ms.store(received_ms - middle_ms, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
