//! One tick: every metric source read, each failing alone, and the readings shaped into columns.
//! A new schema is made only when the set of series changes; sets that come back find their old schema.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use agent_model::{Labels, Schema, SchemaId};

use super::round::{Outcome, Reader, Slot};
use crate::clock::Clock;
use crate::source::{MetricSource, Reading};
use crate::spool::MetricsReading;

/// Sets of series remembered per job: a disk that comes and goes costs one schema, not one each time.
const RECENT_SCHEMAS_MAX: usize = 4;

/// Series of one job: twice what a source may have, and far below what a report may carry. A source that does not fit
/// behind those before it is left out.
const JOB_SERIES_MAX: usize = 40_000;

/// The job of the host's own metrics, and of what is told about the reading itself.
const NODE: &str = "node";

/// The job of what the agent tells about itself.
const AGENT: &str = "agent";

/// The sources, and what was read from them last.
pub(crate) struct Ticker {
    /// In their order; without those that hang.
    slots: Vec<Slot>,
    reader: Reader,
    jobs: BTreeMap<&'static str, Job>,
    /// What the sources' readings say of themselves.
    outcomes: Reading,
    own: Reading,
    /// Samples beyond the bounds, since the start.
    surplus: u64,
    clock: Clock,
}

#[derive(Default)]
struct Job {
    /// Newest first.
    schemas: VecDeque<(SchemaId, Arc<Schema>)>,
    /// Which sources the newest one is of, in their order.
    sources: Vec<usize>,
}

/// The readings of one job in one tick.
#[derive(Default)]
struct Parts<'a> {
    readings: Vec<&'a Reading>,
    sources: Vec<usize>,
    changed: bool,
    series: usize,
}

impl<'a> Parts<'a> {
    /// Adds a reading, or says how many samples found no room.
    fn add(&mut self, reading: &'a Reading, changed: bool) -> u64 {
        self.changed |= changed;
        let count = reading.values().len();
        if self.series + count > JOB_SERIES_MAX {
            self.changed = true;
            return count as u64;
        }
        self.series += count;
        self.readings.push(reading);
        0
    }
}

impl Ticker {
    pub(crate) fn new(sources: Vec<Box<dyn MetricSource>>, clock: Clock) -> Self {
        let slots = sources.into_iter().enumerate();
        Self {
            slots: slots.map(|(index, source)| Slot::new(index, source)).collect(),
            reader: Reader::new(clock),
            jobs: BTreeMap::new(),
            outcomes: Reading::new(),
            own: Reading::new(),
            surplus: 0,
            clock,
        }
    }

    /// Reads everything; `own` adds the agent's own metrics, and is told how many samples
    /// were ever cut off.
    pub(crate) async fn read(&mut self, own: impl FnOnce(&mut Reading, u64)) -> MetricsReading {
        let timestamp_ms = self.clock.now_ms();
        let mut slots = VecDeque::from(std::mem::take(&mut self.slots));
        slots.extend(self.reader.returned());
        self.slots = self.reader.read(slots, timestamp_ms).await;
        self.tell_outcomes();
        self.surplus += self.slots.iter_mut().map(|slot| slot.reading.take_surplus()).sum::<u64>();
        self.own.begin();
        own(&mut self.own, self.surplus);
        MetricsReading { timestamp_ms, columns: self.columns() }
    }

    /// `node_scrape_collector_*`, for those that hang too.
    fn tell_outcomes(&mut self) {
        let now = self.clock.instant();
        let read = self.slots.iter().map(|slot| (slot.index, slot.source.name(), slot.outcome));
        let hanging = self.reader.hanging.iter().map(|hanging| {
            let seconds = now.saturating_duration_since(hanging.since).as_secs_f64();
            (hanging.index, hanging.name, Outcome { seconds, ..Outcome::default() })
        });
        let mut outcomes: Vec<_> = read.chain(hanging).collect();
        outcomes.sort_by_key(|(index, ..)| *index);
        self.outcomes.begin();
        for (_, name, outcome) in outcomes {
            let labels = [("collector", name)];
            let success = f64::from(u8::from(outcome.success));
            self.outcomes.add("node_scrape_collector_duration_seconds", &labels, outcome.seconds);
            self.outcomes.add("node_scrape_collector_success", &labels, success);
        }
    }

    fn columns(&mut self) -> Vec<(SchemaId, Arc<Schema>, Vec<f64>)> {
        let told = [(NODE, self.outcomes.finish()), (AGENT, self.own.finish())];
        let mut jobs: BTreeMap<&'static str, Parts> = BTreeMap::new();
        for slot in &self.slots {
            let parts = jobs.entry(slot.source.job()).or_default();
            parts.sources.push(slot.index);
            self.surplus += parts.add(&slot.reading, slot.outcome.changed);
        }
        for ((job, changed), reading) in told.into_iter().zip([&self.outcomes, &self.own]) {
            self.surplus += jobs.entry(job).or_default().add(reading, changed);
        }
        let columns = jobs
            .into_iter()
            .filter_map(|(name, parts)| self.jobs.entry(name).or_default().column(name, &parts));
        columns.collect()
    }
}

impl Job {
    fn column(&mut self, name: &str, parts: &Parts) -> Option<(SchemaId, Arc<Schema>, Vec<f64>)> {
        let values: Vec<f64> =
            parts.readings.iter().flat_map(|reading| reading.values().iter().copied()).collect();
        if values.is_empty() {
            return None;
        }
        let series = || parts.readings.iter().flat_map(|reading| reading.series());
        if parts.changed || self.sources != parts.sources || self.schemas.is_empty() {
            let same = |schema: &Schema| schema.series.iter().eq(series());
            match self.schemas.iter().position(|(_, schema)| same(schema)) {
                Some(at) => self.schemas.rotate_left(at),
                None => {
                    let (series, base): (Vec<Labels>, _) =
                        (series().cloned().collect(), values.clone());
                    let schema =
                        Schema { job: name.to_owned(), instance: String::new(), series, base };
                    self.schemas.push_front((schema.id(), Arc::new(schema)));
                    self.schemas.truncate(RECENT_SCHEMAS_MAX);
                }
            }
            self.sources.clone_from(&parts.sources);
        }
        let (id, schema) = self.schemas.front()?;
        Some((*id, Arc::clone(schema), values))
    }
}

#[cfg(test)]
mod tests;
