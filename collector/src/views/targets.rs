//! What each target of a host reports in now, and which of its series end when it reports others or falls silent.
//! `R` stands for a series: its place in the metric store, or its labels where it is sent on.
//!
//! Promises: a series ends once, right after the last report that had it; a backlog that comes after newer data ends nothing;
//! of a silent target nothing is kept but when it reported last, and that for a week.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

use agent_model::{HostId, Millis, Schema, SchemaId};

use crate::recorded::RECORDED_JOB;

/// How far back PromQL looks for a sample: a series without newer ones ends by itself then.
const LOOKBACK_MS: Millis = 300_000;

/// How long the time of a silent target's last report is kept: what is older is refused, as agents are set at first.
const SILENT_KEPT_MS: Millis = 7 * 86_400_000;

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
    pub(crate) host: HostId,
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
        if before.silent {
            // What it reported has ended already.
            *before = current;
            return None;
        }
        let same = before.columns.iter().map(|(id, _)| id).eq(current.ids());
        let ended = (!same).then(|| {
            let kept: HashSet<&R> = current.series().collect();
            let ended = before.series().filter(|one| !kept.contains(one)).cloned();
            let gone = before.ids().filter(|id| !current.ids().any(|other| other == *id));
            Ended {
                host: host.clone(),
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
        self.current.retain(|(host, (job, instance)), current| {
            let age_ms = now_ms.saturating_sub(current.received_ms);
            // The evaluation ends recorded series by itself; a group may be evaluated once an hour.
            if current.silent || is_recorded(job) {
                return !current.silent || age_ms <= SILENT_KEPT_MS;
            }
            if age_ms > current.silent_after_ms(instance.is_empty(), ticks_ms) {
                found.push(current.fall_silent(host));
            }
            true
        });
        found
    }
}

impl<R> Current<R> {
    fn new(id: SchemaId, series: Arc<[R]>, newest_ms: Millis, received_ms: Millis) -> Self {
        let columns = vec![(id, series)];
        Self { columns, newest_ms, received_ms, spacing_ms: None, silent: false }
    }

    /// Ends, and gives up what it held.
    fn fall_silent(&mut self, host: &HostId) -> Ended<R>
    where
        R: Clone,
    {
        self.silent = true;
        let columns = std::mem::take(&mut self.columns);
        Ended {
            host: host.clone(),
            series: columns.iter().flat_map(|(_, series)| series.iter().cloned()).collect(),
            at_ms: self.newest_ms.saturating_add(1),
            schemas: columns.iter().map(|(id, _)| *id).collect(),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn report(targets: &mut Targets<u32>, at_ms: Millis, series: &Arc<[u32]>) -> Vec<Ended<u32>> {
        let (job, instance) = ("db".to_owned(), "i:1".to_owned());
        let schema = Arc::new(Schema { job, instance, series: Vec::new(), base: Vec::new() });
        let (id, series) = (schema.id(), Arc::clone(series));
        let column = Reported { schema, id, timestamp_ms: at_ms, series };
        targets.note(&HostId::new("dc1-srv01").unwrap(), vec![column], at_ms)
    }

    #[test]
    fn a_silent_target_keeps_no_series_ends_once_and_is_forgotten_after_a_week() {
        let mut targets = Targets::default();
        let series: Arc<[u32]> = Arc::from([1, 2]);
        assert!(report(&mut targets, 0, &series).is_empty());
        assert!(targets.silent(LOOKBACK_MS, 45_000).is_empty());
        let ended = targets.silent(LOOKBACK_MS + 1, 45_000);
        let [Ended { series: ended, at_ms: 1, schemas, .. }] = ended.as_slice() else {
            panic!("{ended:?}")
        };
        assert_eq!((ended.as_slice(), schemas.len()), ([1, 2].as_slice(), 1));
        assert_eq!(Arc::strong_count(&series), 1, "its series are held on to");
        assert!(targets.silent(LOOKBACK_MS + 2, 45_000).is_empty());
        // A backlog from before changes nothing, and what is new begins anew.
        let back_ms = 10 * LOOKBACK_MS;
        assert!(report(&mut targets, -1, &series).is_empty());
        assert!(report(&mut targets, back_ms, &Arc::from([2])).is_empty());
        assert_eq!(targets.silent(back_ms + LOOKBACK_MS + 1, 45_000)[0].series, [2]);
        targets.silent(back_ms + SILENT_KEPT_MS, 45_000);
        assert_eq!(targets.current.len(), 1);
        targets.silent(back_ms + SILENT_KEPT_MS + 1, 45_000);
        assert!(targets.current.is_empty());
    }
}
