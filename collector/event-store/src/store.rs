//! The store as a whole: opening, appending, committing, retention. Questions are in `search`.
//! Calls block on the disk; from asynchronous code they belong on a blocking thread.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use agent_model::Millis;

use crate::days::Days;
use crate::document::Fields;
use crate::writer::{Writers, merge_day};
use crate::{Appended, Arrived, Day, EventStoreError, SetAside};

/// The form of the indexes and of the events in them. Since 2, events of one time are ordered by their arrival.
const FORMAT: u32 = 2;

/// Days of this form are read and written as they are; an older program must not write to the newer ones.
const FORMAT_BEFORE: u32 = 1;

/// The least memory a writer works with.
const WRITER_BYTES_MIN: usize = 15_000_000;

#[derive(Clone, Debug)]
pub struct EventStoreConfig {
    pub directory: PathBuf,
    /// Memory of the writer before it makes a segment by itself; raised to 15 MB.
    pub writer_bytes: usize,
    /// Days of receipt that are kept, today included.
    pub retention_days: u32,
    /// Events kept in memory between two commits, `UNCOMMITTED_MAX` by default.
    pub uncommitted_max: usize,
}

/// Shared by reference: writing and reading have a lock each.
pub struct EventStore {
    pub(crate) fields: Fields,
    days: Mutex<Days>,
    writing: Mutex<Writing>,
    directory: PathBuf,
    writer_bytes: usize,
    retention_days: u32,
    uncommitted_max: usize,
}

struct Writing {
    writers: Writers,
    position: u64,
    /// Events taken since the indexes were committed: what a failed write is mended with.
    uncommitted: Vec<Arrived>,
    /// A write failed, and the writers that held `uncommitted` are gone.
    broken: bool,
}

/// Events kept in memory between two commits: some seconds of a storm. At the bound the indexes are committed early;
/// the position waits for the caller, and ids make the replay of that harmless.
pub const UNCOMMITTED_MAX: usize = 50_000;

impl EventStoreConfig {
    pub fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            writer_bytes: WRITER_BYTES_MIN,
            retention_days: 366,
            uncommitted_max: UNCOMMITTED_MAX,
        }
    }
}

impl EventStore {
    pub fn open(config: EventStoreConfig) -> Result<Self, EventStoreError> {
        let EventStoreConfig { directory, writer_bytes, retention_days, uncommitted_max } = config;
        fs::create_dir_all(&directory).map_err(files("make", &directory))?;
        check_format(&directory)?;
        let fields = Fields::new();
        let mut days = Days::open(&directory, fields.schema.clone())?;
        let mut position = read_position(&directory)?;
        // The newest day is where a crash does its damage. What the journal still holds of it is appended again.
        if let Some(newest) = days.newest()
            && days.searcher(newest)?.is_none()
        {
            position = 0;
        }
        Ok(Self {
            fields,
            days: Mutex::new(days),
            writing: Mutex::new(Writing {
                writers: Writers::default(),
                position,
                uncommitted: Vec::new(),
                broken: false,
            }),
            directory,
            writer_bytes: writer_bytes.max(WRITER_BYTES_MIN),
            retention_days,
            uncommitted_max,
        })
    }

    /// The journal position up to which every event is on the disk; append from the next one on. 0 before the first
    /// commit, and after the newest day had to be set aside: then append all that the journal holds.
    pub fn position(&self) -> u64 {
        self.writing().position
    }

    /// Takes events in; they are found and durable after `commit`. After an error none of these were taken: give them
    /// again. What was taken before is kept through any number of errors.
    pub fn append(&self, events: &[Arrived]) -> Result<Appended, EventStoreError> {
        let mut writing = self.writing();
        if writing.uncommitted.len() + events.len() > self.uncommitted_max {
            self.commit_indexes(&mut writing)?;
        }
        self.mend(&mut writing)?;
        let appended = self.write(&mut writing, events)?;
        writing.uncommitted.extend_from_slice(events);
        Ok(appended)
    }

    /// Makes everything appended durable and notes the journal position it reaches. After an error nothing is lost: call
    /// it again.
    pub fn commit(&self, position: u64) -> Result<(), EventStoreError> {
        let mut writing = self.writing();
        self.commit_indexes(&mut writing)?;
        // After the events: a crash in between replays some, and their ids are known.
        if position > writing.position {
            write_position(&self.directory, position)?;
            writing.position = position;
        }
        Ok(())
    }

    fn commit_indexes(&self, writing: &mut Writing) -> Result<(), EventStoreError> {
        self.mend(writing)?;
        if let Err(error) = writing.writers.commit() {
            writing.abandon();
            return Err(error);
        }
        writing.uncommitted = Vec::new();
        Ok(())
    }

    /// After a failure: gives new writers what the lost ones held.
    fn mend(&self, writing: &mut Writing) -> Result<(), EventStoreError> {
        if writing.broken {
            let again = std::mem::take(&mut writing.uncommitted);
            let written = self.write(writing, &again);
            writing.uncommitted = again;
            writing.broken = written.is_err();
            written?;
        }
        Ok(())
    }

    fn write(
        &self,
        writing: &mut Writing,
        events: &[Arrived],
    ) -> Result<Appended, EventStoreError> {
        let mut create = |day| self.days().create(day);
        let written = writing.writers.append(&mut create, &self.fields, self.writer_bytes, events);
        if written.is_err() {
            writing.abandon();
        }
        written
    }

    /// Deletes days past their time and merges at most one finished day; returns the days deleted.
    pub fn maintain(&self, now_ms: Millis) -> Result<Vec<Day>, EventStoreError> {
        let today = Day::of(now_ms);
        let first = Day(today.0 - i64::from(self.retention_days) + 1);
        let deleted = self.days().delete_before(first)?;
        // Yesterday may still be written to. No lock is held while a day is merged: that takes seconds.
        let finished = self.days().newest_first().into_iter().filter(|day| day.0 < today.0 - 1);
        for day in finished {
            let open = self.days().open_day(day)?;
            if let Some(open) = open
                && merge_day(&open, day, self.writer_bytes)?
            {
                break;
            }
        }
        Ok(deleted)
    }

    /// Days whose files are damaged.
    pub fn set_aside(&self) -> Vec<SetAside> {
        self.days().set_aside().to_vec()
    }

    /// A panic while a lock was held leaves both in a usable state: days are reopened, writers replayed into.
    pub(crate) fn days(&self) -> MutexGuard<'_, Days> {
        self.days.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn writing(&self) -> MutexGuard<'_, Writing> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writing {
    fn abandon(&mut self) {
        self.writers.abandon();
        self.broken = true;
    }
}

fn files(
    operation: &'static str,
    path: &Path,
) -> impl Fn(std::io::Error) -> EventStoreError + use<> {
    let path = path.to_owned();
    move |source| EventStoreError::Files { operation, path: path.clone(), source }
}

fn check_format(directory: &Path) -> Result<(), EventStoreError> {
    let path = directory.join("format");
    match fs::read_to_string(&path) {
        Ok(found) if found.trim() == FORMAT.to_string() => Ok(()),
        Ok(found) if found.trim() == FORMAT_BEFORE.to_string() => {
            replace(directory, "format", &FORMAT.to_string())
        }
        Ok(found) => Err(EventStoreError::Format {
            path: directory.to_owned(),
            found: found.trim().to_owned(),
            known: FORMAT,
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            replace(directory, "format", &FORMAT.to_string())
        }
        Err(error) => Err(files("read", &path)(error)),
    }
}

fn read_position(directory: &Path) -> Result<u64, EventStoreError> {
    let path = directory.join("position");
    match fs::read_to_string(&path) {
        // Unreadable text only costs a longer replay.
        Ok(text) => Ok(text.trim().parse().unwrap_or(0)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(files("read", &path)(error)),
    }
}

fn write_position(directory: &Path, position: u64) -> Result<(), EventStoreError> {
    replace(directory, "position", &position.to_string())
}

/// Replaces a small file whole: a crash leaves the old or the new one.
fn replace(directory: &Path, name: &str, text: &str) -> Result<(), EventStoreError> {
    let (path, new) = (directory.join(name), directory.join(format!("{name}.new")));
    let write = || {
        let mut file = fs::File::create(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        fs::File::open(directory)?.sync_all()
    };
    write().map_err(files("write", &path))
}

#[cfg(test)]
mod tests;
