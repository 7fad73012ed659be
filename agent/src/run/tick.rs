//! One tick: every metric source read, each failing alone, and the readings shaped into columns.
//! A new schema is made only when the set of series changes; sets that come back find their old schema.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use agent_model::{Millis, Schema, SchemaId};

use crate::clock::Clock;
use crate::source::{MetricSource, Reading};
use crate::spool::MetricsReading;

/// Sets of series remembered per job: a disk that comes and goes costs one schema, not one each time.
const RECENT_SCHEMAS_MAX: usize = 4;

/// The job of the host's own metrics, and of what is told about the reading itself.
const NODE: &str = "node";

/// The sources, and what was read from them last.
pub(crate) struct Ticker {
    sources: Vec<Box<dyn MetricSource>>,
    jobs: BTreeMap<&'static str, Job>,
    clock: Clock,
}

#[derive(Default)]
struct Job {
    reading: Reading,
    /// Newest first.
    schemas: VecDeque<(SchemaId, Arc<Schema>)>,
}

struct Outcome {
    source: &'static str,
    seconds: f64,
    success: bool,
}

impl Ticker {
    pub(crate) fn new(sources: Vec<Box<dyn MetricSource>>, clock: Clock) -> Self {
        Self { sources, jobs: BTreeMap::new(), clock }
    }

    /// Reads everything; `own` adds the agent's own metrics, and is told how many samples
    /// were ever cut off.
    pub(crate) fn read(&mut self, own: impl FnOnce(&mut Reading, u64)) -> MetricsReading {
        let timestamp_ms = self.clock.now_ms();
        self.jobs.values_mut().for_each(|job| job.reading.begin());
        let mut outcomes = Vec::with_capacity(self.sources.len());
        for source in &mut self.sources {
            let reading = &mut self.jobs.entry(source.job()).or_default().reading;
            outcomes.push(read_one(source.as_mut(), timestamp_ms, reading, self.clock));
        }
        let node = &mut self.jobs.entry(NODE).or_default().reading;
        for outcome in &outcomes {
            let labels = [("collector", outcome.source)];
            node.add("node_scrape_collector_duration_seconds", &labels, outcome.seconds);
            let success = f64::from(u8::from(outcome.success));
            node.add("node_scrape_collector_success", &labels, success);
        }
        let surplus: u64 = self.jobs.values().map(|job| job.reading.surplus()).sum();
        own(&mut self.jobs.entry("agent").or_default().reading, surplus);
        let columns = self.jobs.iter_mut().filter_map(|(name, job)| job.column(name)).collect();
        MetricsReading { timestamp_ms, columns }
    }
}

fn read_one(
    source: &mut dyn MetricSource,
    now_ms: Millis,
    reading: &mut Reading,
    clock: Clock,
) -> Outcome {
    let name = source.name();
    let mark = reading.mark();
    let started = clock.instant();
    let result = catch_unwind(AssertUnwindSafe(|| source.read(now_ms, reading)));
    let seconds = clock.instant().duration_since(started).as_secs_f64();
    let success = match result {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::warn!(source = name, error = crate::chain(&error), "a source failed");
            false
        }
        Err(_) => {
            tracing::error!(source = name, "a source panicked; please report this");
            false
        }
    };
    if !success {
        reading.take_back(mark);
    }
    Outcome { source: name, seconds, success }
}

impl Job {
    fn column(&mut self, name: &str) -> Option<(SchemaId, Arc<Schema>, Vec<f64>)> {
        let changed = self.reading.finish();
        let (series, values) = (self.reading.series(), self.reading.values());
        if series.is_empty() {
            return None;
        }
        if changed || self.schemas.is_empty() {
            match self.schemas.iter().position(|(_, schema)| schema.series == series) {
                Some(at) => self.schemas.rotate_left(at),
                None => {
                    let (series, base) = (series.to_vec(), values.to_vec());
                    let schema = Schema { job: name.to_owned(), series, base };
                    self.schemas.push_front((schema.id(), Arc::new(schema)));
                    self.schemas.truncate(RECENT_SCHEMAS_MAX);
                }
            }
        }
        let (id, schema) = self.schemas.front()?;
        Some((*id, Arc::clone(schema), values.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::SourceError;

    struct Flaky(u32);

    impl MetricSource for Flaky {
        fn name(&self) -> &'static str {
            "flaky"
        }

        fn read(&mut self, _now_ms: Millis, out: &mut Reading) -> Result<(), SourceError> {
            self.0 += 1;
            out.add("half", &[], 1.0);
            match self.0 {
                2 => Err(SourceError::Content { path: "x".into(), reason: "wrong".to_owned() }),
                3 => panic!("a mistake of ours"),
                _ => Ok(()),
            }
        }
    }

    struct Steady;

    impl MetricSource for Steady {
        fn name(&self) -> &'static str {
            "steady"
        }

        fn read(&mut self, _now_ms: Millis, out: &mut Reading) -> Result<(), SourceError> {
            out.add("steady", &[], 2.0);
            Ok(())
        }
    }

    fn shown(reading: &MetricsReading) -> Vec<String> {
        let node = reading.columns.iter().find(|(_, schema, _)| schema.job == "node").unwrap();
        let pairs = node.1.series.iter().zip(&node.2);
        let kept = pairs.filter(|(labels, _)| !labels.metric_name().contains("duration"));
        kept.map(|(labels, value)| format!("{labels} {value}")).collect()
    }

    #[test]
    fn a_source_that_fails_or_panics_fails_alone_and_its_schema_comes_back() {
        let mut ticker = Ticker::new(vec![Box::new(Flaky(0)), Box::new(Steady)], Clock);
        let mut tick = || ticker.read(|own, _| own.add("own", &[], 1.0));
        let (first, second, third, fourth) = (tick(), tick(), tick(), tick());
        let both = [
            "half 1",
            "steady 2",
            "node_scrape_collector_success{collector=\"flaky\"} 1",
            "node_scrape_collector_success{collector=\"steady\"} 1",
        ];
        let one = [
            "steady 2",
            "node_scrape_collector_success{collector=\"flaky\"} 0",
            "node_scrape_collector_success{collector=\"steady\"} 1",
        ];
        assert_eq!(shown(&first), both);
        assert_eq!(shown(&second), one);
        assert_eq!(shown(&third), one);
        assert_eq!(shown(&fourth), both);
        let id =
            |reading: &MetricsReading| reading.columns.iter().map(|it| it.0).collect::<Vec<_>>();
        assert_eq!(id(&first), id(&fourth));
        assert_eq!(id(&second), id(&third));
        assert_ne!(id(&first), id(&second));
    }
}
