//! Samples in memory, between two cuts: columns as hosts push them, one time for all values, and samples by themselves.
//!
//! Columns of one registration stand together, so that a push copies values and touches no series; a slot knows the
//! column it is. Promises the order of arrival within a series: once a series has a sample by itself, or a column of a
//! later registration, whatever comes for its earlier column is kept by itself as well.

use std::sync::Arc;

use agent_model::Sample;
use hashbrown::HashMap;
use roaring::RoaringBitmap;

use crate::SeriesRef;
use crate::loose::Loose;
use crate::select::TimeRange;

#[derive(Debug, Default)]
pub(crate) struct Memory {
    tables: Vec<Table>,
    /// Tables by the address of their series, which they hold on to.
    by_series: HashMap<usize, u32>,
    /// By slot: its newest column.
    columns: Vec<Option<ColumnRef>>,
    /// By slot, in order of arrival, and later than all of its columns.
    loose: Vec<Loose>,
}

/// Pushes of one registration.
#[derive(Debug)]
struct Table {
    series: Arc<[SeriesRef]>,
    refused: u64,
    times: Vec<i64>,
    /// Push after push, a value for each series.
    values: Vec<f64>,
    /// Earlier columns of the same series, by their place in this table.
    earlier: HashMap<u32, ColumnRef>,
    /// Takes no more: one of its series has later samples elsewhere.
    closed: bool,
}

/// A copy of what a slot has in a range; what is coded is still coded, so that a lock need not be held while it is decoded.
#[derive(Debug)]
pub(crate) struct Copied {
    columns: Vec<Sample>,
    loose: Loose,
}

impl Copied {
    /// Adds the samples within the range that it was copied for, in order of arrival.
    pub(crate) fn read(&self, range: &TimeRange, out: &mut Vec<Sample>) {
        out.extend_from_slice(&self.columns);
        self.loose.read(range, out);
    }

    /// At most so many samples.
    pub(crate) fn len(&self) -> usize {
        self.columns.len() + self.loose.len()
    }

    /// At least so many samples lie in the range that it was copied for.
    pub(crate) fn certain(&self, range: &TimeRange) -> usize {
        self.columns.len() + self.loose.certain(range)
    }
}

#[derive(Clone, Copy, Debug)]
struct ColumnRef {
    /// One more than the table's place, so that an absent one costs nothing.
    table: std::num::NonZeroU32,
    at: u32,
}

impl ColumnRef {
    fn new(table: u32, at: u32) -> Self {
        Self { table: std::num::NonZeroU32::MIN.saturating_add(table), at }
    }

    fn table(self) -> usize {
        self.table.get() as usize - 1
    }
}

impl Memory {
    /// Whether this registration has pushed here already.
    pub(crate) fn knows(&self, series: &Arc<[SeriesRef]>) -> bool {
        self.by_series.contains_key(&address(series))
    }

    /// Takes a push, as many values as series; returns how many were not refused.
    pub(crate) fn append(
        &mut self,
        series: &Arc<[SeriesRef]>,
        timestamp_ms: i64,
        values: &[f64],
    ) -> u64 {
        let place = match self.by_series.get(&address(series)) {
            Some(place) => *place,
            None => self.same_table(series).unwrap_or_else(|| self.add_table(series)),
        };
        let table = &mut self.tables[place as usize];
        let kept = values.len() as u64 - table.refused;
        if !table.closed {
            table.times.push(timestamp_ms);
            table.values.extend_from_slice(values);
            return kept;
        }
        for (series, value) in series.iter().zip(values).filter(|(series, _)| !series.is_refused())
        {
            self.push(series.slot, Sample { timestamp_ms, value: *value });
        }
        kept
    }

    /// A table of just these series, registered before: who registers for every push makes no table of each.
    fn same_table(&self, series: &Arc<[SeriesRef]>) -> Option<u32> {
        let first = series.iter().find(|series| !series.is_refused())?;
        let column = self.columns.get(first.slot as usize).copied().flatten()?;
        let same = self.tables[column.table()].series == *series;
        u32::try_from(column.table()).ok().filter(|_| same)
    }

    fn add_table(&mut self, series: &Arc<[SeriesRef]>) -> u32 {
        let place = u32::try_from(self.tables.len()).unwrap_or(u32::MAX);
        let mut table = Table {
            series: Arc::clone(series),
            refused: 0,
            times: Vec::new(),
            values: Vec::new(),
            earlier: HashMap::new(),
            closed: false,
        };
        for (at, series) in (0u32..).zip(series.iter()) {
            if series.is_refused() {
                table.refused += 1;
                continue;
            }
            let slot = series.slot as usize;
            if slot >= self.columns.len() {
                self.columns.resize(slot + 1, None);
            }
            table.closed |= self.loose.get(slot).is_some_and(|loose| !loose.is_empty());
            if let Some(earlier) = self.columns[slot].replace(ColumnRef::new(place, at)) {
                // The same series twice in one registration: its values stand beside each other.
                if let Some(before) = self.tables.get_mut(earlier.table()) {
                    before.closed = true;
                }
                table.closed |= earlier.table() == place as usize;
                table.earlier.insert(at, earlier);
            }
        }
        self.tables.push(table);
        self.by_series.insert(address(series), place);
        place
    }

    /// Takes one sample.
    pub(crate) fn push(&mut self, slot: u32, sample: Sample) {
        let slot = slot as usize;
        if slot >= self.loose.len() {
            self.loose.resize_with(slot + 1, Loose::default);
        }
        if self.loose[slot].is_empty()
            && let Some(Some(column)) = self.columns.get(slot)
        {
            self.tables[column.table()].closed = true;
        }
        self.loose[slot].push(sample);
    }

    /// Adds the samples of a slot within the range, in order of arrival.
    pub(crate) fn read(&self, slot: u32, range: &TimeRange, out: &mut Vec<Sample>) {
        self.read_columns(slot, range, out);
        if let Some(loose) = self.loose.get(slot as usize) {
            loose.read(range, out);
        }
    }

    /// The same to be read later.
    pub(crate) fn copy(&self, slot: u32, range: &TimeRange) -> Copied {
        let mut columns = Vec::new();
        self.read_columns(slot, range, &mut columns);
        let loose = self.loose.get(slot as usize).map(|loose| loose.copy(range));
        Copied { columns, loose: loose.unwrap_or_default() }
    }

    fn read_columns(&self, slot: u32, range: &TimeRange, out: &mut Vec<Sample>) {
        let newest = self.columns.get(slot as usize).copied().flatten();
        let before =
            |column: &ColumnRef| self.tables[column.table()].earlier.get(&column.at).copied();
        let mut columns: Vec<ColumnRef> = std::iter::successors(newest, before).collect();
        columns.reverse();
        columns.into_iter().for_each(|column| self.read_column(column, range, out));
    }

    fn read_column(&self, column: ColumnRef, range: &TimeRange, out: &mut Vec<Sample>) {
        let table = &self.tables[column.table()];
        let values = table.values.iter().skip(column.at as usize).step_by(table.series.len());
        let samples = table.times.iter().zip(values);
        out.extend(
            samples
                .filter(|(time, _)| range.contains(*time))
                .map(|(time, value)| Sample { timestamp_ms: *time, value: *value }),
        );
    }

    #[cfg(test)]
    pub(crate) fn tables(&self) -> usize {
        self.tables.len()
    }

    /// Whether a slot has samples.
    pub(crate) fn holds(&self, slot: u32) -> bool {
        let slot = slot as usize;
        self.columns.get(slot).is_some_and(Option::is_some)
            || self.loose.get(slot).is_some_and(|loose| !loose.is_empty())
    }

    /// The slots that have samples.
    pub(crate) fn slots(&self) -> RoaringBitmap {
        let columns = (0u32..).zip(&self.columns).filter(|(_, column)| column.is_some());
        let loose = (0u32..).zip(&self.loose).filter(|(_, loose)| !loose.is_empty());
        let mut slots: RoaringBitmap = columns.map(|(slot, _)| slot).collect();
        slots.extend(loose.map(|(slot, _)| slot));
        slots
    }
}

fn address(series: &Arc<[SeriesRef]>) -> usize {
    Arc::as_ptr(series).cast::<SeriesRef>().addr()
}
