//! The spool: what the agent has made and a collector has not yet acknowledged, in plain files of bounded size.
//!
//! Two streams, three logs: metrics; and evidence, whose events and results lie apart because results are dropped
//! last. Promises: what was synced survives `kill -9` and power loss; a report keeps its key and its bytes for ever; a
//! stream has no hole that a gap record does not name; on overflow the least useful goes first; evidence and the place
//! its source has come to are one record, so that no source repeats or skips what the spool has taken.
//! Leaves to others: threads (`thread`), sockets, and when to try again.

mod bookmarks;
mod collectors;
mod content;
mod cursor;
mod deliver;
mod epoch;
mod evidence;
mod format;
mod held;
mod log;
mod overflow;
mod record;
mod schemas;
mod statistics;
mod thread;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use agent_model::{Column, Gap, HostId, Millis, SchemaId, Stream};
use agent_wire::{WireError, encode_report};

use self::bookmarks::Bookmarks;
use self::content::Draft;
use self::cursor::Cursor;
use self::epoch::EpochFile;
use self::log::{Log, Spare};
use self::record::{EVERYBODY, Head};
use self::schemas::Schemas;

pub use collectors::CollectorName;
pub use deliver::{BatchLimits, Delivery};
pub use record::{Kind, Position};
pub use statistics::SpoolStatistics;
pub use thread::{MetricsReading, SpoolHandle, SpoolThread};

/// Segments are small so that dropping one loses little, and so that reading one takes little memory.
const SEGMENT_BYTES_MAX: u64 = 256 << 10;
const SEGMENT_BYTES_MIN: u64 = 16 << 10;

/// One segment of each log that a start takes ahead, and one of gap records.
const SEGMENTS_AHEAD: u64 = 4;

/// By how much a record may grow when its report gets a later number.
const NUMBER_SLACK: u64 = 16;

/// Schemas kept although no report on the disk needs them: a few jobs, each with a few recent sets of series, and some
/// dozens of exporters, each with a few parts. One that found no room is sent once more when it is used again.
const CURRENT_SCHEMAS_MAX: usize = 256;

/// Cursors are written down this often besides the times at which segments go: what a crash loses of them is sent
/// again, and the collector knows it.
const SIDE_FILES_INTERVAL_MS: u64 = 60_000;

/// Gap records that may wait for room; neighbours are joined, so this many are thousands of outages.
const PENDING_GAPS_MAX: usize = 10_000;

/// Takes room on the disk for a file of this many bytes; tests give one that refuses.
pub type Allocate = Box<dyn Fn(&File, u64) -> std::io::Result<()> + Send>;

pub struct SpoolOptions {
    pub directory: PathBuf,
    pub host: HostId,
    pub bytes_max: u64,
    pub collectors: Vec<CollectorName>,
    pub allocate: Allocate,
}

#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    #[error("{operation} {} failed", path.display())]
    Disk {
        operation: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{} was written by a newer agent (format {found}, this one knows {known})", path.display())]
    Newer { path: PathBuf, found: u32, known: u32 },
    #[error("the disk has no room for the spool and nothing less useful is left to drop")]
    Full,
    #[error("a report cannot be put into bytes")]
    Report(#[source] WireError),
    #[error("the spool's thread could not be started")]
    Thread(#[source] std::io::Error),
    #[error("the spool has stopped")]
    Stopped,
}

/// The spool itself; one thread owns it.
pub struct Spool {
    host: HostId,
    /// As configured.
    bytes_max: u64,
    /// What appends may fill; the rest is for what a start takes ahead.
    fill_max: u64,
    allocate: Allocate,
    /// In the order of [`LOGS`].
    logs: [Log; 3],
    spare: Spare,
    cursor_dir: PathBuf,
    cursors: Vec<Cursor>,
    saved_ms: Millis,
    schemas: Schemas,
    /// Those of the last readings, newest last: they stay on the shelf although no report needs them now.
    current_schemas: Vec<SchemaId>,
    bookmarks: Bookmarks,
    epoch: EpochFile,
    next_evidence: u64,
    next_metrics: u64,
    /// Gaps that found no room yet, with the index of the collector they are for.
    pending_gaps: Vec<(usize, Gap)>,
    statistics: SpoolStatistics,
}

/// From the least to the most useful.
const LOGS: [&str; 3] = ["metrics", "events", "results"];

fn log_of(kind: Kind) -> usize {
    match kind {
        Kind::Metrics | Kind::Schemas => 0,
        Kind::Events => 1,
        Kind::Results => 2,
    }
}

/// The logs that make up a stream.
fn logs_of(stream: Stream) -> &'static [usize] {
    match stream {
        Stream::Metrics => &[0],
        Stream::Evidence => &[1, 2],
    }
}

/// Takes room the ordinary way.
pub fn allocate_on_disk(file: &File, bytes: u64) -> std::io::Result<()> {
    let length = i64::try_from(bytes).map_err(std::io::Error::other)?;
    nix::fcntl::posix_fallocate(file, 0, length).map_err(std::io::Error::from)
}

/// Puts the operation and the path beside an error of the disk.
fn disk(operation: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> SpoolError {
    let path = path.to_owned();
    move |source| SpoolError::Disk { operation, path, source }
}

impl Spool {
    /// Opens what an earlier run left, cuts torn tails, names what is lost, and begins a new epoch.
    pub fn open(options: SpoolOptions, now_ms: Millis) -> Result<Self, SpoolError> {
        let SpoolOptions { directory, host, bytes_max, collectors, allocate } = options;
        let cursor_dir = directory.join("cursors");
        fs::create_dir_all(&cursor_dir).map_err(disk("making", &cursor_dir))?;
        format::check(&directory)?;
        let mut bookmarks = Bookmarks::open(directory.join("bookmarks"))?;
        let segment_bytes = (bytes_max / 64).clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX);
        let mut damage = Vec::new();
        let mut open = |index: usize| {
            let (log, holes) =
                Log::open(directory.join(LOGS[index]), segment_bytes, index, &mut bookmarks)?;
            damage.push(holes);
            Ok::<_, SpoolError>(log)
        };
        let logs = [open(0)?, open(1)?, open(2)?];
        let last_epoch = logs.iter().filter_map(|log| log.segments().back());
        let last_epoch = last_epoch.map(|segment| segment.last.epoch).max().unwrap_or(0);
        let last_epoch = last_epoch.max(bookmarks.last_epoch());
        let epoch = EpochFile::begin(&directory, last_epoch, 0, now_ms)?;
        let cursors = collectors.iter().map(|one| collectors::open_cursor(&cursor_dir, one));
        let cursors = cursors.collect::<Result<_, _>>()?;
        let mut spool = Self {
            host,
            bytes_max,
            fill_max: bytes_max.saturating_sub(SEGMENTS_AHEAD * segment_bytes),
            allocate,
            logs,
            spare: Spare::open(directory.join("spare"))?,
            cursor_dir,
            cursors,
            saved_ms: now_ms,
            schemas: Schemas::open(directory.join("schemas"))?,
            bookmarks,
            epoch,
            current_schemas: Vec::new(),
            next_evidence: 1,
            next_metrics: 1,
            pending_gaps: Vec::new(),
            statistics: SpoolStatistics::default(),
        };
        for (at, holes) in damage.into_iter().enumerate() {
            let stream = if at == 0 { Stream::Metrics } else { Stream::Evidence };
            for hole in holes {
                let (first, last) = (hole.after.sequence + 1, hole.before.sequence - 1);
                spool.declare_damage(stream, hole.after.epoch, first, last)?;
            }
        }
        spool.retire()?;
        spool.prepare();
        spool.write_gaps(now_ms);
        spool.sync()?;
        Ok(spool)
    }

    /// Takes room for each log ahead, so that gap records and the first hour of metrics find theirs even when the
    /// disk fills up later. A disk that is full already is no reason not to start.
    fn prepare(&mut self) {
        for (log, kind) in [(2, Kind::Results), (1, Kind::Events), (0, Kind::Metrics)] {
            let position = self.next_position(kind.stream());
            let taken = self.logs[log].rotate(position, 0, &self.allocate, &mut self.spare);
            if let Err(error) = taken {
                self.note_upkeep(&error);
            }
        }
    }

    pub fn epoch(&self) -> u64 {
        self.epoch.epoch
    }

    /// Takes one reading of each job in as one report. A reading that finds no room is counted and gone.
    pub fn append_metrics(&mut self, reading: &MetricsReading) -> Result<(), SpoolError> {
        let now_ms = reading.timestamp_ms;
        let mut report = content::empty(&self.host, Kind::Metrics, now_ms);
        let mut ids = Vec::new();
        for (id, schema, values) in &reading.columns {
            let new = self.schemas.put(*id, schema).unwrap_or_else(|error| {
                self.note_upkeep(&error);
                true
            });
            if new {
                report.schemas.push(schema.as_ref().clone());
            }
            ids.push(*id);
            self.current_schemas.retain(|other| other != id);
            self.current_schemas.push(*id);
            let values = values.clone();
            report.columns.push(Column { schema: *id, timestamp_ms: now_ms, values });
        }
        let kind = if report.schemas.is_empty() { Kind::Metrics } else { Kind::Schemas };
        // New schemas have made the shelf grow.
        let within = self.shed_for(0, 0);
        let surplus = self.current_schemas.len().saturating_sub(CURRENT_SCHEMAS_MAX);
        self.current_schemas.drain(..surplus);
        let draft = Draft::new(report, kind);
        let appended = within.and_then(|()| self.append(draft, EVERYBODY, ids));
        if appended.is_err() {
            self.statistics.failed_appends += 1;
        }
        self.write_gaps(now_ms);
        self.epoch.created(now_ms);
        if now_ms.abs_diff(self.saved_ms) >= SIDE_FILES_INTERVAL_MS {
            self.saved_ms = now_ms;
            self.save();
        }
        self.save_epoch();
        appended.map(drop)
    }

    /// Puts schemas that a collector asks for into reports of their own; returns those that are gone for good.
    pub fn offer_schemas(
        &mut self,
        ids: &[SchemaId],
        now_ms: Millis,
    ) -> Result<Vec<SchemaId>, SpoolError> {
        let mut gone = Vec::new();
        for id in ids {
            let Some(schema) = self.schemas.get(*id) else {
                gone.push(*id);
                continue;
            };
            let mut report = content::empty(&self.host, Kind::Schemas, now_ms);
            report.schemas.push(schema.as_ref().clone());
            self.append(Draft::new(report, Kind::Schemas), EVERYBODY, Vec::new())?;
        }
        Ok(gone)
    }

    /// Makes everything that was appended durable.
    pub fn sync(&mut self) -> Result<(), SpoolError> {
        self.sync_stream(Stream::Evidence).and(self.sync_stream(Stream::Metrics))
    }

    /// The same for one stream.
    pub fn sync_stream(&mut self, stream: Stream) -> Result<(), SpoolError> {
        logs_of(stream).iter().try_for_each(|&log| self.logs[log].sync())
    }

    /// How many reports of a stream this epoch has.
    pub fn appended(&self, stream: Stream) -> u64 {
        self.next_position(stream).sequence - 1
    }

    /// The last thing to call: everything durable, the room that was taken ahead given back.
    pub fn close(&mut self) -> Result<(), SpoolError> {
        self.save();
        self.logs.iter_mut().try_for_each(Log::seal)?;
        self.spare.give_back().map(drop)
    }

    /// Numbers a report, encodes it and writes it, after making room if it must. The number is used only once it
    /// is written, so that a failure leaves no hole.
    fn append(
        &mut self,
        mut draft: Draft,
        audience: u64,
        schemas: Vec<SchemaId>,
    ) -> Result<Position, SpoolError> {
        let log = log_of(draft.kind);
        let stream = draft.kind.stream();
        let (mut head, mut record) = self.encode(&mut draft, audience, &schemas)?;
        if !self.logs[log].fits(record.len() as u64) {
            self.make_room(draft.kind, record.len() as u64 + NUMBER_SLACK, audience)?;
            // Gap records may have taken numbers meanwhile.
            (head, record) = self.encode(&mut draft, audience, &schemas)?;
        }
        self.logs[log].write(&head, &record)?;
        match stream {
            Stream::Evidence => self.next_evidence += 1,
            Stream::Metrics => self.next_metrics += 1,
        }
        self.epoch.created(head.created_ms);
        self.statistics.appended_reports += 1;
        Ok(head.position)
    }

    fn next_position(&self, stream: Stream) -> Position {
        let sequence = match stream {
            Stream::Evidence => self.next_evidence,
            Stream::Metrics => self.next_metrics,
        };
        Position { epoch: self.epoch.epoch, sequence }
    }

    /// The record of a report under the next number of its stream.
    fn encode(
        &self,
        draft: &mut Draft,
        audience: u64,
        schemas: &[SchemaId],
    ) -> Result<(Head, Vec<u8>), SpoolError> {
        let position = self.next_position(draft.kind.stream());
        draft.report.key = position.key(draft.kind.stream());
        let bytes = encode_report(&draft.report, &self.schemas).map_err(SpoolError::Report)?;
        let max = agent_wire::limits::REPORT_BYTES_MAX;
        if bytes.len() > max {
            let what = "bytes of a report";
            return Err(SpoolError::Report(WireError::Limit { what, got: bytes.len(), max }));
        }
        let head = Head {
            kind: draft.kind,
            position,
            created_ms: draft.report.created_ms,
            samples: u32::try_from(draft.report.sample_count()).unwrap_or(u32::MAX),
            events: draft.events,
            audience,
            schemas: schemas.to_vec(),
        };
        let record = record::encode(&head, &draft.marks, &bytes);
        Ok((head, record))
    }

    /// Writes cursors and the epoch's time down; a failure is counted and tried again with the next reading.
    fn save(&mut self) {
        for at in 0..self.cursors.len() {
            if let Err(error) = self.cursors[at].save() {
                self.note_upkeep(&error);
            }
        }
        self.save_epoch();
    }

    /// The same for the epoch's time, which must never lie behind what was made.
    fn save_epoch(&mut self) {
        if let Err(error) = self.epoch.save() {
            self.note_upkeep(&error);
        }
    }

    fn note_upkeep(&mut self, error: &SpoolError) {
        self.statistics.failed_upkeep += 1;
        tracing::warn!(error = crate::chain(error), "the spool could not write a side file");
    }
}

#[cfg(test)]
mod tests;
