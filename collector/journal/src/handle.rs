//! The journal as its owner holds it: open, append, read, release.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::recover::{self, Recovered, Recovery};
use crate::shared::{SegmentInfo, Shared};
use crate::stats::Counters;
use crate::writer::{Append, Writer};
use crate::{JournalError, JournalReader, JournalStats, Position, record, segment};

/// Appends that wait for the writer; beyond it, callers wait for room. Their bytes are bounded apart.
const QUEUE_APPENDS_MAX: usize = 4096;

#[derive(Clone, Debug)]
pub struct JournalConfig {
    pub directory: PathBuf,
    /// A new segment is begun beyond this; what is released is released in these units.
    pub segment_bytes_max: u64,
    /// One record; a longer one is refused.
    pub record_bytes_max: usize,
    /// Bytes of appends that wait for the disk; beyond it, callers wait.
    pub queue_bytes_max: u32,
    /// Free bytes of the file system that appends leave alone, for alerts, outbox and retention.
    pub free_reserve_bytes: u64,
    /// Bytes of all segments; beyond it appends are refused until old ones are released.
    pub bytes_max: u64,
    /// The furthest position that any view has stored: none at or below it is handed out again, even when a damaged
    /// disk lost the journal's end.
    pub seen: Position,
    /// A clock that only goes forward, from any start: measures syncs.
    pub clock: fn() -> Duration,
}

impl JournalConfig {
    pub fn new(directory: impl Into<PathBuf>, clock: fn() -> Duration) -> Self {
        Self {
            directory: directory.into(),
            segment_bytes_max: 64 << 20,
            record_bytes_max: 32 << 20,
            queue_bytes_max: 64 << 20,
            free_reserve_bytes: 1 << 30,
            bytes_max: 4 << 30,
            seen: Position(0),
            clock,
        }
    }
}

/// Clones share one journal. The last one dropped lets the writer finish what waits, then unlocks the directory.
#[derive(Clone, Debug)]
pub struct Journal(pub(crate) Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) shared: Arc<Shared>,
    queue: Option<mpsc::Sender<Append>>,
    room: Arc<Semaphore>,
    config: JournalConfig,
    recovery: Recovery,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Unlocked when closed, which is after the writer has ended.
    _lock: File,
}

impl Journal {
    /// Opens or creates the journal, cutting a torn tail; see [`Journal::recovery`] for what was found.
    pub fn open(config: JournalConfig) -> Result<Self, JournalError> {
        let directory = &config.directory;
        create_directory(directory)?;
        let lock = lock(directory)?;
        let Recovered { segments, durable, active, recovery } =
            recover::recover(directory, config.seen)?;
        let counters = Counters::default();
        counters.torn_bytes.store(recovery.torn_bytes, Relaxed);
        let shared = Arc::new(Shared::new(segments, durable, counters));
        let writer = Writer {
            directory: directory.clone(),
            segment_bytes_max: config.segment_bytes_max,
            free_reserve_bytes: config.free_reserve_bytes,
            bytes_max: config.bytes_max,
            clock: config.clock,
            shared: Arc::clone(&shared),
            active,
            durable,
            buffer: Vec::new(),
        };
        let (sender, receiver) = mpsc::channel(QUEUE_APPENDS_MAX);
        let thread = std::thread::Builder::new()
            .name("journal-writer".to_owned())
            .spawn(move || writer.run(receiver))
            .map_err(JournalError::io("start the writer of", directory))?;
        Ok(Self(Arc::new(Inner {
            shared,
            queue: Some(sender),
            room: Arc::new(Semaphore::new(config.queue_bytes_max as usize)),
            config,
            recovery,
            thread: Mutex::new(Some(thread)),
            _lock: lock,
        })))
    }

    /// Resolves with the position of the last record once all of them are on disk. On an error none of them counts.
    /// The records stay together and in order. Dropped before it resolves, they may be kept or not.
    pub async fn append(&self, records: Vec<Bytes>) -> Result<Position, JournalError> {
        if records.is_empty() {
            return Ok(self.durable());
        }
        let max = self.0.config.record_bytes_max;
        if let Some(bytes) = records.iter().map(Bytes::len).find(|bytes| *bytes > max) {
            return Err(JournalError::RecordTooLarge { bytes, max });
        }
        let bytes: usize = records.iter().map(|payload| record::disk_bytes(payload.len())).sum();
        // An append larger than the whole room waits until it is alone.
        let wanted = u32::try_from(bytes).unwrap_or(u32::MAX).min(self.0.config.queue_bytes_max);
        let room = Arc::clone(&self.0.room).acquire_many_owned(wanted).await;
        let room = room.map_err(|_| JournalError::Closed)?;
        let (answer, answered) = oneshot::channel();
        let queue = self.0.queue.as_ref().ok_or(JournalError::Closed)?;
        let append = Append { records, bytes, answer, room };
        queue.send(append).await.map_err(|_| JournalError::Closed)?;
        answered.await.map_err(|_| JournalError::Closed)?
    }

    /// Reads from this position on; see [`JournalReader::next`].
    pub fn read(&self, from: Position) -> JournalReader {
        JournalReader::new(Arc::clone(&self.0.shared), from)
    }

    /// The last record that is on disk; 0 when there is none.
    pub fn durable(&self) -> Position {
        self.0.shared.state().durable
    }

    /// The first record that can be read; `durable() + 1` when there is none.
    pub fn first(&self) -> Position {
        let state = self.0.shared.state();
        state.segments.first().map_or(state.durable.next(), |segment| segment.first)
    }

    /// Where its segments lie: it may be a file system of its own.
    pub fn directory(&self) -> &Path {
        &self.0.config.directory
    }

    /// Bytes on disk.
    pub fn bytes(&self) -> u64 {
        self.0.shared.state().bytes()
    }

    /// The segments, oldest first: what can be released, and how much that frees.
    pub fn segments(&self) -> Vec<SegmentInfo> {
        self.0.shared.state().infos()
    }

    /// When the oldest segment was last written; `None` when there is no segment.
    pub fn oldest(&self) -> Result<Option<SystemTime>, JournalError> {
        let path = self.0.shared.state().segments.first().map(|segment| segment.path.clone());
        let Some(path) = path else { return Ok(None) };
        let modified = std::fs::metadata(&path).and_then(|metadata| metadata.modified());
        modified.map(Some).map_err(JournalError::io("look at the journal segment", &path))
    }

    /// Records up to and including `position` may go: deletes the segments that hold nothing newer. The newest segment
    /// always stays.
    pub fn release(&self, position: Position) -> Result<(), JournalError> {
        loop {
            let oldest = {
                let mut state = self.0.shared.state();
                if state.segments.len() < 2 || state.last_of(0) > position {
                    return Ok(());
                }
                state.segments.remove(0)
            };
            let removed = std::fs::remove_file(&oldest.path);
            // One that somebody else deleted must not keep all the later ones.
            if let Err(error) = removed
                && error.kind() != io::ErrorKind::NotFound
            {
                let path = oldest.path.clone();
                self.0.shared.state().segments.insert(0, oldest);
                return Err(JournalError::io("release the journal segment", &path)(error));
            }
        }
    }

    /// What opening found.
    pub fn recovery(&self) -> &Recovery {
        &self.0.recovery
    }

    pub fn stats(&self) -> JournalStats {
        self.0.shared.stats()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.queue = None;
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the journal's writer had panicked");
        }
    }
}

fn create_directory(directory: &Path) -> Result<(), JournalError> {
    std::fs::create_dir_all(directory)
        .map_err(JournalError::io("create the journal directory", directory))?;
    // The entry of the directory itself must survive a crash as well.
    match directory.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => segment::sync_directory(parent),
        None => Ok(()),
    }
}

fn lock(directory: &Path) -> Result<File, JournalError> {
    let path = directory.join("lock");
    let file = File::options().write(true).create(true).truncate(false).open(&path);
    let file = file.map_err(JournalError::io("create the lock file", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(JournalError::Locked { path: directory.into() }),
        Err(TryLockError::Error(error)) => Err(JournalError::io("lock", &path)(error)),
    }
}
