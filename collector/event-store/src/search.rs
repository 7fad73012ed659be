//! Questions across days: the newest day first, and no further back than the page needs; totals count every day.
//! A day that cannot be read is named in the answer and never stops it.

use std::collections::HashMap;

use agent_model::{EventId, HostEvent, Millis};
use tantivy::collector::sort_key::SortByStaticFastValue;
use tantivy::collector::{Collector, Count, TopDocs};
use tantivy::query::{BooleanQuery, Query, TermQuery};
use tantivy::schema::IndexRecordOption;
use tantivy::{DocAddress, Searcher, TantivyDocument, Term};

use crate::collect::{Histogram, Values};
use crate::days::guarded;
use crate::document::{AHEAD_MS_MAX, TIE, WHEN};
use crate::{
    Bucket, Cursor, Day, EventPage, EventQuery, EventStore, EventStoreError, QueryError, TopValue,
};

/// Steps of one histogram: more than a wide screen has pixels.
pub const BUCKETS_MAX: u64 = 5_000;

/// Values of one list of top values.
pub const TOP_VALUES_MAX: usize = 100;

/// An event found but not read yet.
struct Found {
    at: Cursor,
    searcher: Searcher,
    address: DocAddress,
    day: Day,
}

impl EventStore {
    /// Events that match, the newest first, by the time they are listed by.
    pub fn search(&self, query: &EventQuery) -> Result<EventPage, EventStoreError> {
        query.check()?;
        let mut page = EventPage::default();
        let mut found: Vec<Found> = Vec::new();
        let matching = query.compile(&self.fields);
        // One more than the page holds tells whether there is a next one.
        let wanted = query.limit + 1;
        self.each_day(query, &mut page.days_missing, |day, searcher| {
            let count = run(searcher, day, &*matching, &Count)?;
            page.total += u64::try_from(count).unwrap_or(u64::MAX);
            let newest_ms = day.end_ms().saturating_add(AHEAD_MS_MAX);
            let complete = found.len() == wanted
                && found.last().is_some_and(|last| last.at.when_ms > newest_ms);
            if count > 0 && !complete {
                found.extend(self.newest(query, &*matching, day, searcher, wanted)?);
                found.sort_by_key(|found| std::cmp::Reverse(found.at));
                found.truncate(wanted);
            }
            Ok(())
        })?;
        if found.len() == wanted {
            found.pop();
            page.next = found.last().map(|last| last.at);
        }
        for found in found {
            page.events.push(self.read(&found)?);
        }
        Ok(page)
    }

    /// One event by its id.
    pub fn get(&self, id: &EventId) -> Result<Option<HostEvent>, EventStoreError> {
        let term = Term::from_field_bytes(self.fields.id, &id.0);
        let query = TermQuery::new(term, IndexRecordOption::Basic);
        let mut event = None;
        let everything = EventQuery::default();
        self.each_day(&everything, &mut Vec::new(), |day, searcher| {
            if event.is_none() {
                let found = self.newest(&everything, &query, day, searcher, 1)?;
                event = found.first().map(|found| self.read(found)).transpose()?;
            }
            Ok(())
        })?;
        Ok(event)
    }

    /// How many events match in each step of the query's time range; the last step may be cut short.
    pub fn histogram(
        &self,
        query: &EventQuery,
        step_ms: Millis,
    ) -> Result<Vec<Bucket>, EventStoreError> {
        query.check()?;
        let (Some(from_ms), Some(to_ms), 1..) = (query.from_ms, query.to_ms, step_ms) else {
            return Err(QueryError::Step.into());
        };
        let steps = from_ms.abs_diff(to_ms) / step_ms.unsigned_abs() + 1;
        if steps > BUCKETS_MAX {
            return Err(QueryError::Steps { steps, max: BUCKETS_MAX }.into());
        }
        let steps = usize::try_from(steps).unwrap_or(usize::MAX);
        let collector = Histogram { start_ms: from_ms, step_ms, steps };
        let mut counts = vec![0_u64; steps];
        let matching = query.compile(&self.fields);
        self.each_day(query, &mut Vec::new(), |day, searcher| {
            let more = run(searcher, day, &*matching, &collector)?;
            counts.iter_mut().zip(more).for_each(|(count, more)| *count += more);
            Ok(())
        })?;
        let starts = (0..).map(|step: Millis| from_ms + step * step_ms);
        Ok(starts.zip(counts).map(|(start_ms, events)| Bucket { start_ms, events }).collect())
    }

    /// The most frequent values among the events that match. `field` is `host`, `class`, `source`, `severity`, or with
    /// a dot before it the name of an event's own field: `.User`.
    pub fn top_values(
        &self,
        query: &EventQuery,
        field: &str,
        limit: usize,
    ) -> Result<Vec<TopValue>, EventStoreError> {
        query.check()?;
        if limit == 0 || limit > TOP_VALUES_MAX {
            return Err(QueryError::TopValues { asked: limit, max: TOP_VALUES_MAX }.into());
        }
        let collector = Values { prefix: format!("{field}=") };
        let mut counts: HashMap<String, u64> = HashMap::new();
        let matching = query.compile(&self.fields);
        self.each_day(query, &mut Vec::new(), |day, searcher| {
            for (value, more) in run(searcher, day, &*matching, &collector)? {
                *counts.entry(value).or_insert(0) += more;
            }
            Ok(())
        })?;
        let mut top: Vec<TopValue> =
            counts.into_iter().map(|(value, events)| TopValue { value, events }).collect();
        top.sort_by(|one, other| (other.events, &one.value).cmp(&(one.events, &other.value)));
        top.truncate(limit);
        Ok(top)
    }

    /// The newest `wanted` matches of a day.
    fn newest(
        &self,
        query: &EventQuery,
        matching: &dyn Query,
        day: Day,
        searcher: &Searcher,
        wanted: usize,
    ) -> Result<Vec<Found>, EventStoreError> {
        let order = (
            SortByStaticFastValue::<i64>::for_field(WHEN),
            SortByStaticFastValue::<u64>::for_field(TIE),
        );
        let collector = TopDocs::with_limit(wanted).order_by(order);
        let top = match query.before {
            None => run(searcher, day, matching, &collector)?,
            Some(before) => {
                let older = before.compile(&self.fields);
                let both = BooleanQuery::intersection(vec![matching.box_clone(), older]);
                run(searcher, day, &both, &collector)?
            }
        };
        let found = top.into_iter().map(|((when_ms, tie), address)| {
            let at = Cursor { when_ms: when_ms.unwrap_or(0), tie: tie.unwrap_or(0) };
            Found { at, searcher: searcher.clone(), address, day }
        });
        Ok(found.collect())
    }

    fn read(&self, found: &Found) -> Result<HostEvent, EventStoreError> {
        let day = found.day;
        let document: TantivyDocument = guarded(|| found.searcher.doc(found.address))
            .map_err(|source| EventStoreError::Index { day, operation: "read", source })?;
        self.fields.event(&document).ok_or(EventStoreError::Damaged { day })
    }

    /// Calls with every day of the query's time, the newest first; days that cannot be read are added to `missing`.
    fn each_day(
        &self,
        query: &EventQuery,
        missing: &mut Vec<Day>,
        mut each: impl FnMut(Day, &Searcher) -> Result<(), EventStoreError>,
    ) -> Result<(), EventStoreError> {
        let days = self.days().newest_first();
        for day in days.into_iter().filter(|day| query.touches(*day)) {
            let searcher = self.days().searcher(day);
            let done = match searcher {
                Ok(Some(searcher)) => each(day, &searcher),
                // Deleted or set aside since the list was made; the latter is named below.
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            };
            if let Err(error) = done {
                tracing::warn!(%day, error = &error as &dyn std::error::Error, "a day of events cannot be read");
                missing.push(day);
            }
        }
        let aside = self.days().set_aside().iter().map(|aside| aside.day).collect::<Vec<_>>();
        missing.extend(aside.into_iter().filter(|day| query.touches(*day)));
        missing.sort_unstable();
        missing.dedup();
        Ok(())
    }
}

fn run<C: Collector>(
    searcher: &Searcher,
    day: Day,
    query: &dyn Query,
    collector: &C,
) -> Result<C::Fruit, EventStoreError> {
    guarded(|| searcher.search(query, collector)).map_err(|source| EventStoreError::Index {
        day,
        operation: "searched",
        source,
    })
}
