//! What each target of a host reports in now, and which of its series end when it reports others or falls silent.
//! `R` stands for a series: its place in the metric store, or its labels where it is sent on.
//!
//! Promises: a series ends once, right after the last report that had it; a backlog that comes after newer data ends nothing.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

use agent_model::{HostId, Millis, Schema, SchemaId};

use crate::recorded::RECORDED_JOB;

/// How far back PromQL looks for a sample: a series without newer ones ends by itself then.
const LOOKBACK_MS: Millis = 300_000;

/// Job and instance.
type Target = (String, String);

/// Targets of all hosts.
#[derive(Debug)]
pub(crate) struct Targets<R> {
    current: HashMap<(HostId, Target), Current<R>>,
}

/// A column that a target reported.
#[derive(Debug)]
pub(crate) struct Reported<R> {
    pub(crate) schema: Arc<Schema>,
    pub(crate) id: SchemaId,
    pub(crate) timestamp_ms: Millis,
    pub(crate) series: Arc<[R]>,
}

/// Series that have ended, and the time of their stale markers.
#[derive(Debug)]
pub(crate) struct Ended<R> {
    pub(crate) series: Vec<R>,
    pub(crate) at_ms: Millis,
    /// Schemas that their target no longer reports in.
    pub(crate) schemas: Vec<SchemaId>,
}

/// What a target said at one time: several columns when its series are in several schemas.
#[derive(Debug)]
struct Current<R> {
    columns: Vec<(SchemaId, Arc<[R]>)>,
    newest_ms: Millis,
    received_ms: Millis,
    /// Between its last two reports; unknown after the first.
    spacing_ms: Option<Millis>,
    /// A silent target has its stale markers already.
    silent: bool,
}

impl<R> Default for Targets<R> {
    fn default() -> Self {
        Self { current: HashMap::new() }
    }
}

impl<R: Clone + Eq + Hash> Targets<R> {
    /// Notes the columns of a report, in their order: those of one target and one time stand side by side.
    pub(crate) fn note(
        &mut self,
        host: &HostId,
        columns: Vec<Reported<R>>,
        received_ms: Millis,
    ) -> Vec<Ended<R>> {
        let mut moments: Vec<(Target, Current<R>)> = Vec::new();
        for Reported { schema, id, timestamp_ms, series } in columns {
            match moments.last_mut() {
                Some(((job, instance), current))
                    if *job == schema.job
                        && *instance == schema.instance
                        && current.newest_ms == timestamp_ms =>
                {
                    current.columns.push((id, series));
                }
                _ => {
                    let target = (schema.job.clone(), schema.instance.clone());
                    moments.push((target, Current::new(id, series, timestamp_ms, received_ms)));
                }
            }
        }
        let noted = moments.into_iter();
        noted.filter_map(|(target, current)| self.note_current(host, target, current)).collect()
    }

    /// Newer schemas of a target replace the older ones; what only the older ones had has ended.
    fn note_current(
        &mut self,
        host: &HostId,
        target: Target,
        mut current: Current<R>,
    ) -> Option<Ended<R>> {
        let key = (host.clone(), target);
        let Some(before) = self.current.get_mut(&key) else {
            self.current.insert(key, current);
            return None;
        };
        // A backlog arrives after newer data and changes nothing about what is current.
        if current.newest_ms < before.newest_ms {
            return None;
        }
        let spacing_ms = current.newest_ms.saturating_sub(before.newest_ms);
        current.spacing_ms = if spacing_ms > 0 { Some(spacing_ms) } else { before.spacing_ms };
        let same = before.columns.iter().map(|(id, _)| id).eq(current.ids());
        let ended = (!same).then(|| {
            let kept: HashSet<&R> = current.series().collect();
            let ended = before.series().filter(|one| !kept.contains(one)).cloned();
            let gone = before.ids().filter(|id| !current.ids().any(|other| other == *id));
            Ended {
                series: ended.collect(),
                at_ms: before.newest_ms.saturating_add(1),
                schemas: gone.copied().collect(),
            }
        });
        *before = current;
        ended
    }

    /// The series of targets that have fallen silent since the last look; a host reports at least at its ticks.
    pub(crate) fn silent(&mut self, now_ms: Millis, ticks_ms: Millis) -> Vec<Ended<R>> {
        let mut found = Vec::new();
        for ((_, (job, instance)), current) in &mut self.current {
            // The evaluation ends recorded series by itself; a group may be evaluated once an hour.
            if current.silent || is_recorded(job) {
                continue;
            }
            let age = now_ms.saturating_sub(current.received_ms);
            if age > current.silent_after_ms(instance.is_empty(), ticks_ms) {
                current.silent = true;
                found.push(Ended {
                    series: current.series().cloned().collect(),
                    at_ms: current.newest_ms.saturating_add(1),
                    schemas: Vec::new(),
                });
            }
        }
        found
    }
}

impl<R> Current<R> {
    fn new(id: SchemaId, series: Arc<[R]>, newest_ms: Millis, received_ms: Millis) -> Self {
        let columns = vec![(id, series)];
        Self { columns, newest_ms, received_ms, spacing_ms: None, silent: false }
    }

    fn ids(&self) -> impl Iterator<Item = &SchemaId> {
        self.columns.iter().map(|(id, _)| id)
    }

    fn series(&self) -> impl Iterator<Item = &R> {
        self.columns.iter().flat_map(|(_, series)| series.iter())
    }

    /// A target that reports every minute is not silent after three ticks of 15 seconds. Until its spacing is known
    /// it has the time after which its series would end by themselves; the host itself reports at every tick.
    fn silent_after_ms(&self, host_itself: bool, ticks_ms: Millis) -> Millis {
        let unknown_ms = if host_itself { ticks_ms } else { LOOKBACK_MS };
        let spaced_ms = self.spacing_ms.map(|spacing_ms| spacing_ms.saturating_mul(3));
        spaced_ms.unwrap_or(unknown_ms).clamp(ticks_ms, LOOKBACK_MS.max(ticks_ms))
    }
}

/// Whether a job is that of recorded series.
pub(crate) fn is_recorded(job: &str) -> bool {
    job.strip_prefix(RECORDED_JOB).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
