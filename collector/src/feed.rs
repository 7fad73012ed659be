//! From the journal to the views: each stored record is decoded once and handed to every view.
//!
//! Promises: a view sees every record after its position, once and in order. The channel is only the quick way: a view
//! that misses a record (its channel was full, or two requests finished out of order) reads the journal until it is level again.
//! Leaves to others: what a view does with a record, and where it keeps its position.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use agent_model::Report;
use agent_wire::RawReport;
use bytes::Bytes;
use collector_journal::{Journal, JournalError, JournalReader, Position};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc::{self, error::TryRecvError};

use crate::push::Pushed;
use crate::record::{Entry, Record, RecordError};
use crate::schemas::Schemas;

/// Records waiting for one view; beyond it the view catches up from the journal.
pub const VIEW_RECORDS_MAX: usize = 1_024;

/// Records handed to a view at once: one transaction or one commit of its store.
const BATCH_RECORDS_MAX: usize = 256;

/// Bytes of records read from the journal at once, before they are unpacked; the last one may reach over.
const BATCH_BYTES_MAX: usize = 4 << 20;

/// How long a journal that cannot be read is left alone before the next try.
const READ_AGAIN_INTERVAL: Duration = Duration::from_secs(2);

/// How often a view looks at the journal although nobody called it.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Records that came before their turn: requests end in another order than that of the journal.
const EARLY_RECORDS_MAX: usize = 64;

/// How long the one whose turn it is is waited for, before it is read from the journal.
const TURN_TIME_MAX: Duration = Duration::from_millis(20);

/// A record of the journal, decoded.
#[derive(Debug)]
pub struct Decoded {
    pub position: Position,
    pub content: Content,
}

/// What a record holds.
#[derive(Debug)]
pub enum Content {
    Report(Box<Reported>),
    Push(Box<Pushed>),
}

/// A report, and the record that it came in.
#[derive(Debug)]
pub struct Reported {
    /// Its `report` bytes are those of `report`.
    pub record: Record,
    pub report: Report,
    /// SHA-256 of the report's bytes.
    pub hash: [u8; 32],
}

impl Decoded {
    pub fn reported(&self) -> Option<&Reported> {
        match &self.content {
            Content::Report(reported) => Some(reported),
            Content::Push(_) => None,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    #[error("the journal cannot be read")]
    Journal(#[from] JournalError),
    #[error("record {position} of the journal cannot be understood")]
    Record {
        position: Position,
        #[source]
        source: RecordError,
    },
    #[error("the report in record {position} of the journal cannot be decoded")]
    Report {
        position: Position,
        #[source]
        source: agent_wire::WireError,
    },
}

/// Hands records to views.
#[derive(Clone, Debug, Default)]
pub struct Feed {
    views: Vec<mpsc::Sender<Arc<Decoded>>>,
}

/// A view's end of the feed.
#[derive(Debug)]
pub struct Follower {
    receiver: mpsc::Receiver<Arc<Decoded>>,
    journal: Journal,
    schemas: Schemas,
    /// The next record it needs.
    next: Position,
    /// What came before its turn.
    early: BTreeMap<Position, Arc<Decoded>>,
    /// The journal is known to have more: it is read on without waiting for news.
    behind: bool,
}

impl Feed {
    /// Adds a view that has stored everything up to `position`.
    pub fn follow(&mut self, journal: Journal, schemas: Schemas, position: Position) -> Follower {
        let (sender, receiver) = mpsc::channel(VIEW_RECORDS_MAX);
        self.views.push(sender);
        let next = Position(position.0.saturating_add(1)).max(journal.first());
        Follower { receiver, journal, schemas, next, early: BTreeMap::new(), behind: true }
    }

    /// Tells every view. A full channel is no loss: its view reads the journal.
    pub fn publish(&self, decoded: &Arc<Decoded>) {
        for view in &self.views {
            drop(view.try_send(Arc::clone(decoded)));
        }
    }
}

impl Follower {
    /// The next records in order and without a hole; none of them after `LOOK_INTERVAL` without news, so that a view can
    /// do what time asks of it. `None` when the collector is stopping.
    pub async fn next_batch(&mut self) -> Result<Option<Vec<Arc<Decoded>>>, FeedError> {
        let mut batch = Vec::new();
        self.take_early(&mut batch);
        if !batch.is_empty() {
            return Ok(Some(batch));
        }
        if self.behind {
            return self.catch_up().await;
        }
        loop {
            let wait = if self.early.is_empty() { LOOK_INTERVAL } else { TURN_TIME_MAX };
            let received = tokio::time::timeout(wait, self.receiver.recv()).await;
            let waited = received.is_err();
            match received {
                Ok(None) => return Ok(None),
                Ok(Some(first)) => self.take(first, &mut batch),
                Err(_) => {}
            }
            while batch.len() < BATCH_RECORDS_MAX
                && let Ok(more) = self.receiver.try_recv()
            {
                self.take(more, &mut batch);
            }
            if !batch.is_empty() {
                return Ok(Some(batch));
            }
            if waited || self.early.len() >= EARLY_RECORDS_MAX {
                break;
            }
        }
        if self.journal.durable() >= self.next {
            batch = self.read_journal().await?;
        }
        Ok(Some(batch))
    }

    /// As [`Follower::next_batch`], at once: what has come already, or else what the journal has.
    async fn catch_up(&mut self) -> Result<Option<Vec<Arc<Decoded>>>, FeedError> {
        let mut batch = Vec::new();
        while batch.len() < BATCH_RECORDS_MAX {
            match self.receiver.try_recv() {
                Ok(decoded) => self.take(decoded, &mut batch),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) if batch.is_empty() => return Ok(None),
                Err(TryRecvError::Disconnected) => break,
            }
        }
        if batch.is_empty() {
            batch = self.read_journal().await?;
        }
        Ok(Some(batch))
    }

    /// The position of the record before the next one: what the view has been given.
    pub fn position(&self) -> Position {
        Position(self.next.0.saturating_sub(1))
    }

    /// Keeps a record if it is the next one, and those that waited for it. An older one was already read; a newer one
    /// waits for its turn, and what finds no place is in the journal too.
    fn take(&mut self, decoded: Arc<Decoded>, batch: &mut Vec<Arc<Decoded>>) {
        if decoded.position > self.next {
            if self.early.len() < EARLY_RECORDS_MAX {
                self.early.insert(decoded.position, decoded);
            }
            return;
        }
        if decoded.position == self.next {
            self.next = Position(self.next.0 + 1);
            batch.push(decoded);
            self.take_early(batch);
        }
    }

    fn take_early(&mut self, batch: &mut Vec<Arc<Decoded>>) {
        while let Some(decoded) = self.early.remove(&self.next) {
            self.next = Position(self.next.0 + 1);
            batch.push(decoded);
        }
    }

    async fn read_journal(&mut self) -> Result<Vec<Arc<Decoded>>, FeedError> {
        let (journal, schemas, from) = (self.journal.clone(), self.schemas.clone(), self.next);
        let read = tokio::task::spawn_blocking(move || read(&journal, &schemas, from)).await;
        let read = read.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
        let (batch, next, more) = match read {
            Err(FeedError::Journal(error)) if error.retryable() => {
                self.wait_for_the_disk(&error).await;
                return Ok(Vec::new());
            }
            read => read?,
        };
        (self.next, self.behind) = (next, more);
        self.early = self.early.split_off(&next);
        Ok(batch)
    }

    /// A disk that is away may come back: the view stands still until then, the journal keeps what it needs, and its lag
    /// shows. Only what the disk has lost for good is stepped over, and that is the journal's to say.
    async fn wait_for_the_disk(&mut self, error: &JournalError) {
        tracing::error!(from = %self.next, error = %crate::describe(error),
            "a view cannot read the journal; trying again");
        self.behind = true;
        tokio::time::sleep(READ_AGAIN_INTERVAL).await;
    }
}

/// The next records, the position after them, and whether a bound kept more back. Records that a damaged disk lost are stepped over, loudly: the journal
/// names them once, and what lies behind them is still good.
fn read(
    journal: &Journal,
    schemas: &Schemas,
    from: Position,
) -> Result<(Vec<Arc<Decoded>>, Position, bool), FeedError> {
    let mut reader = journal.read(from);
    let (mut batch, mut next, mut read) = (Vec::new(), from, 0);
    while batch.len() < BATCH_RECORDS_MAX && read < BATCH_BYTES_MAX {
        let (position, bytes) = match next_good(&mut reader, &mut next) {
            Ok(Some(record)) => record,
            Ok(None) => return Ok((batch, next, false)),
            // What was read is good; the next call begins with what failed.
            Err(_) if !batch.is_empty() => break,
            Err(error) => return Err(error.into()),
        };
        next = Position(position.0 + 1);
        read += bytes.len();
        batch.push(Arc::new(decode(position, bytes, schemas)?));
    }
    Ok((batch, next, true))
}

/// The next readable record; a run of lost ones moves `next` behind it.
pub fn next_good(
    reader: &mut JournalReader,
    next: &mut Position,
) -> Result<Option<(Position, Bytes)>, JournalError> {
    loop {
        match reader.next() {
            Err(JournalError::Gap { first, last, cause }) => {
                tracing::error!(%first, %last, %cause, "records of the journal are lost");
                *next = Position(last.0 + 1).max(*next);
            }
            other => return other,
        }
    }
}

/// Decodes one record, noting the schemas it brought.
pub fn decode(position: Position, bytes: Bytes, schemas: &Schemas) -> Result<Decoded, FeedError> {
    let entry = Entry::decode(bytes).map_err(|source| FeedError::Record { position, source })?;
    let record = match entry {
        Entry::Report(record) => record,
        Entry::Push(record) => {
            let content = Content::Push(Box::new(Pushed::read_back(*record)));
            return Ok(Decoded { position, content });
        }
    };
    let wrong = |source| FeedError::Report { position, source };
    let raw = RawReport::decode(record.report.clone()).map_err(wrong)?;
    schemas.add(&record.host, raw.schemas(), &raw.used_schemas());
    let report = raw.into_report(schemas).map_err(wrong)?;
    let hash = Sha256::digest(&record.report).into();
    let content = Content::Report(Box::new(Reported { record, report, hash }));
    Ok(Decoded { position, content })
}

#[cfg(test)]
mod tests;
