//! The days on disk: which there are, which are open for reading, which are damaged.
//!
//! A day that cannot be opened because its files are damaged is renamed, so that it stays for inspection and its
//! name is free; a day that cannot be opened for another reason (too many open files) is only missing this time.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use tantivy::directory::error::OpenReadError;
use tantivy::error::DataCorruption;
use tantivy::schema::Schema;
use tantivy::{Index, IndexReader, ReloadPolicy, Searcher, TantivyError};

use crate::document::{WORDS, words_analyzer};
use crate::{Day, EventStoreError};

/// Days open for reading at once: each holds a few mapped files. A month of browsing fits.
const READERS_MAX: usize = 40;

/// Blocks of stored events kept unpacked per open segment.
const BLOCKS_CACHED: usize = 4;

/// A damaged day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    pub day: Day,
    /// Where its files lie now.
    pub directory: PathBuf,
    pub reason: String,
}

pub(crate) struct Days {
    directory: PathBuf,
    schema: Schema,
    known: BTreeMap<Day, Option<OpenDay>>,
    set_aside: Vec<SetAside>,
    uses: u64,
}

#[derive(Clone)]
pub(crate) struct OpenDay {
    pub(crate) index: Index,
    pub(crate) reader: IndexReader,
    last_use: u64,
}

impl Days {
    pub(crate) fn open(directory: &Path, schema: Schema) -> Result<Self, EventStoreError> {
        let failed = |source| EventStoreError::Files {
            operation: "list",
            path: directory.to_owned(),
            source,
        };
        let (mut known, mut set_aside) = (BTreeMap::new(), Vec::new());
        for entry in fs::read_dir(directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if let Ok(day) = name.parse::<Day>() {
                known.insert(day, None);
            } else if let Some(day) =
                name.split_once(DAMAGED).and_then(|(day, _)| day.parse::<Day>().ok())
            {
                let reason = "set aside earlier".to_owned();
                set_aside.push(SetAside { day, directory: entry.path(), reason });
            }
        }
        Ok(Self { directory: directory.to_owned(), schema, known, set_aside, uses: 0 })
    }

    pub(crate) fn newest(&self) -> Option<Day> {
        self.known.last_key_value().map(|(day, _)| *day)
    }

    /// From the newest to the oldest.
    pub(crate) fn newest_first(&self) -> Vec<Day> {
        self.known.keys().rev().copied().collect()
    }

    pub(crate) fn set_aside(&self) -> &[SetAside] {
        &self.set_aside
    }

    pub(crate) fn path(&self, day: Day) -> PathBuf {
        self.directory.join(day.to_string())
    }

    /// `None` when there is no such day, or it had to be set aside just now.
    pub(crate) fn searcher(&mut self, day: Day) -> Result<Option<Searcher>, EventStoreError> {
        Ok(self.open_day(day)?.map(|open| open.reader.searcher()))
    }

    pub(crate) fn open_day(&mut self, day: Day) -> Result<Option<OpenDay>, EventStoreError> {
        self.uses += 1;
        let uses = self.uses;
        let path = self.path(day);
        match self.known.get_mut(&day) {
            None => return Ok(None),
            Some(Some(open)) => {
                open.last_use = uses;
                return Ok(Some(open.clone()));
            }
            Some(None) => {}
        }
        match guarded(|| open_index(&path, &self.schema)) {
            Ok((index, reader)) => {
                let open = OpenDay { index, reader, last_use: uses };
                self.known.insert(day, Some(open.clone()));
                self.close_beyond_bound();
                Ok(Some(open))
            }
            Err(source) if is_damage(&source) => {
                self.put_aside(day, &source)?;
                Ok(None)
            }
            Err(source) => Err(EventStoreError::Index { day, operation: "opened", source }),
        }
    }

    /// Makes the day if there is none, and opens it.
    pub(crate) fn create(&mut self, day: Day) -> Result<OpenDay, EventStoreError> {
        if let Some(open) = self.open_day(day)? {
            return Ok(open);
        }
        let path = self.path(day);
        let files =
            |source| EventStoreError::Files { operation: "make", path: path.clone(), source };
        fs::create_dir_all(&path).map_err(files)?;
        let index = |source| EventStoreError::Index { day, operation: "made", source };
        let settings = tantivy::IndexSettings {
            // A thread of its own would only pay for many writers.
            docstore_compress_dedicated_thread: false,
            ..tantivy::IndexSettings::default()
        };
        Index::builder()
            .schema(self.schema.clone())
            .settings(settings)
            .create_in_dir(&path)
            .map_err(index)?;
        let (index, reader) = open_index(&path, &self.schema).map_err(index)?;
        let open = OpenDay { index, reader, last_use: self.uses };
        self.known.insert(day, Some(open.clone()));
        self.close_beyond_bound();
        Ok(open)
    }

    /// Deletes the days before this one, damaged ones too; returns those that went.
    pub(crate) fn delete_before(&mut self, first: Day) -> Result<Vec<Day>, EventStoreError> {
        let mut deleted = Vec::new();
        let old: Vec<Day> = self.known.range(..first).map(|(day, _)| *day).collect();
        for day in old {
            let path = self.path(day);
            remove(&path)?;
            self.known.remove(&day);
            deleted.push(day);
        }
        for at in (0..self.set_aside.len()).rev() {
            if self.set_aside[at].day < first {
                remove(&self.set_aside[at].directory)?;
                deleted.push(self.set_aside.remove(at).day);
            }
        }
        Ok(deleted)
    }

    fn put_aside(&mut self, day: Day, source: &TantivyError) -> Result<(), EventStoreError> {
        let from = self.path(day);
        let to = (1..)
            .map(|number| self.directory.join(format!("{day}{DAMAGED}{number}")))
            .find(|path| !path.exists())
            .unwrap_or_else(|| from.clone());
        fs::rename(&from, &to).map_err(|source| EventStoreError::Files {
            operation: "set aside",
            path: from.clone(),
            source,
        })?;
        tracing::error!(%day, directory = %to.display(), %source, "a day of events is damaged and set aside");
        self.known.remove(&day);
        self.set_aside.push(SetAside { day, directory: to, reason: source.to_string() });
        Ok(())
    }

    fn close_beyond_bound(&mut self) {
        let open = self.known.values().flatten();
        let mut uses: Vec<u64> = open.map(|open| open.last_use).collect();
        if uses.len() <= READERS_MAX {
            return;
        }
        uses.sort_unstable();
        let keep_from = uses[uses.len() - READERS_MAX];
        for slot in self.known.values_mut() {
            if slot.as_ref().is_some_and(|open| open.last_use < keep_from) {
                *slot = None;
            }
        }
    }
}

/// Between a day and a number in the name of a directory that was set aside.
const DAMAGED: &str = ".damaged-";

fn remove(path: &Path) -> Result<(), EventStoreError> {
    fs::remove_dir_all(path).map_err(|source| EventStoreError::Files {
        operation: "delete",
        path: path.to_owned(),
        source,
    })
}

fn open_index(path: &Path, schema: &Schema) -> tantivy::Result<(Index, IndexReader)> {
    let index = if fs::read_dir(path).is_ok_and(|mut files| files.next().is_none()) {
        // A crash between the directory and its first file.
        Index::create_in_dir(path, schema.clone())?
    } else {
        Index::open_in_dir(path)?
    };
    if index.schema() != *schema {
        return Err(TantivyError::SchemaError("the fields are not those of this format".into()));
    }
    index.tokenizers().register(WORDS, words_analyzer());
    let reader = index
        .reader_builder()
        .reload_policy(ReloadPolicy::Manual)
        .doc_store_cache_num_blocks(BLOCKS_CACHED)
        .try_into()?;
    Ok((index, reader))
}

/// Damaged bytes can make the engine panic; that is the day's failure, not the program's.
pub(crate) fn guarded<T>(engine: impl FnOnce() -> tantivy::Result<T>) -> tantivy::Result<T> {
    let stumbled = || DataCorruption::comment_only("the engine stumbled over its files");
    catch_unwind(AssertUnwindSafe(engine)).unwrap_or_else(|_| Err(stumbled().into()))
}

fn is_damage(error: &TantivyError) -> bool {
    let damaged = |kind: ErrorKind| {
        matches!(kind, ErrorKind::NotFound | ErrorKind::UnexpectedEof | ErrorKind::InvalidData)
    };
    match error {
        TantivyError::OpenReadError(OpenReadError::IoError { io_error, .. })
        | TantivyError::IoError(io_error) => damaged(io_error.kind()),
        TantivyError::OpenReadError(_)
        | TantivyError::DataCorruption(_)
        | TantivyError::IncompatibleIndex(_)
        | TantivyError::SchemaError(_) => true,
        _ => false,
    }
}
