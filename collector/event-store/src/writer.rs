//! Writing: one writer with a small memory; a second one only around midnight.
//! An event whose id is in its day already, committed or not, is not added again: replay needs no more than that.

use std::collections::{BTreeMap, HashSet};

use agent_model::{EventId, HostEvent};
use tantivy::indexer::{IndexWriterOptions, LogMergePolicy};
use tantivy::schema::IndexRecordOption;
use tantivy::{IndexWriter, Searcher, TantivyError, Term};

use crate::days::OpenDay;
use crate::document::Fields;
use crate::{Day, EventStoreError};

/// An event and its place in the order of arrival.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// No two events have the same, later ones have a larger one, and a replay gives an event the same again:
    /// it orders events of one time, and pages continue by it.
    pub arrival: u64,
    pub event: HostEvent,
}

/// What became of a batch of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    pub new: u64,
    /// Events that were there before.
    pub repeated: u64,
}

#[derive(Default)]
pub(crate) struct Writers {
    open: BTreeMap<Day, DayWriter>,
}

struct DayWriter {
    writer: IndexWriter,
    day: OpenDay,
    committed: Searcher,
    /// Ids added since the last commit.
    pending: HashSet<EventId>,
}

impl Writers {
    pub(crate) fn append(
        &mut self,
        days: &mut impl FnMut(Day) -> Result<OpenDay, EventStoreError>,
        fields: &Fields,
        writer_bytes: usize,
        events: &[Arrived],
    ) -> Result<Appended, EventStoreError> {
        let mut appended = Appended::default();
        for arrived in events {
            let day = Day::of(arrived.event.received_ms);
            let write = |source| EventStoreError::Write { day, source };
            let writer = match self.open.entry(day) {
                std::collections::btree_map::Entry::Occupied(open) => open.into_mut(),
                std::collections::btree_map::Entry::Vacant(slot) => {
                    slot.insert(DayWriter::open(days(day)?, writer_bytes).map_err(write)?)
                }
            };
            if writer.add(fields, arrived).map_err(write)? {
                appended.new += 1;
            } else {
                appended.repeated += 1;
            }
        }
        Ok(appended)
    }

    /// Commits every day, the oldest first, and keeps only the newest writer.
    pub(crate) fn commit(&mut self) -> Result<(), EventStoreError> {
        for (day, writer) in &mut self.open {
            writer.commit().map_err(|source| EventStoreError::Write { day: *day, source })?;
        }
        while self.open.len() > 1 {
            self.open.pop_first();
        }
        Ok(())
    }

    /// Forgets what is not committed.
    pub(crate) fn abandon(&mut self) {
        self.open.clear();
    }
}

impl DayWriter {
    fn open(day: OpenDay, writer_bytes: usize) -> tantivy::Result<Self> {
        let writer: IndexWriter = day.index.writer_with_options(options(writer_bytes))?;
        writer.set_merge_policy(Box::new(LogMergePolicy::default()));
        let committed = day.reader.searcher();
        Ok(Self { writer, day, committed, pending: HashSet::new() })
    }

    fn add(&mut self, fields: &Fields, arrived: &Arrived) -> tantivy::Result<bool> {
        let id = arrived.event.id;
        if self.pending.contains(&id) || contains(&self.committed, fields, &id)? {
            return Ok(false);
        }
        self.writer.add_document(fields.document(arrived))?;
        self.pending.insert(id);
        Ok(true)
    }

    fn commit(&mut self) -> tantivy::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        self.writer.commit()?;
        self.pending.clear();
        self.day.reader.reload()?;
        self.committed = self.day.reader.searcher();
        Ok(())
    }
}

fn options(writer_bytes: usize) -> IndexWriterOptions {
    IndexWriterOptions::builder()
        .num_worker_threads(1)
        .num_merge_threads(1)
        .memory_budget_per_thread(writer_bytes)
        .build()
}

fn contains(searcher: &Searcher, fields: &Fields, id: &EventId) -> tantivy::Result<bool> {
    let term = Term::from_field_bytes(fields.id, &id.0);
    for segment in searcher.segment_readers() {
        let postings = segment.inverted_index(fields.id)?;
        if postings.read_postings(&term, IndexRecordOption::Basic)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Merges a finished day to one segment; `false` when it was one already.
pub(crate) fn merge_day(
    open: &OpenDay,
    day: Day,
    writer_bytes: usize,
) -> Result<bool, EventStoreError> {
    let failed = |source: TantivyError| EventStoreError::Index { day, operation: "merged", source };
    let segments = open.index.searchable_segment_ids().map_err(failed)?;
    if segments.len() < 2 {
        return Ok(false);
    }
    let mut writer: IndexWriter =
        open.index.writer_with_options(options(writer_bytes)).map_err(failed)?;
    writer.merge(&segments).wait().map_err(failed)?;
    writer.wait_merging_threads().map_err(failed)?;
    open.reader.reload().map_err(failed)?;
    Ok(true)
}
