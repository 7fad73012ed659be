//! The evaluation loop: metric rules over the metric store, findings to alerting, recorded series back into the journal.
//!
//! Promises: rules without an interval of their own are evaluated when data arrives, at most five times a second (less often
//! when that takes more than its share of a core), and at least at the configured interval; a rule that fails is counted and
//! changes nothing, but that one over its group's `limit` loses its alerts; the others go on; a group that came too late is
//! counted. Rules of a group see what those before recorded.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use agent_model::{Labels, Matcher, Millis, Report, RolledSeries, Sample, Series};
use collector_alerting::{Alerting, RuleObservation};
use rules::{EvaluationError, External, Findings, Rule, RuleGroup, RuleKind, RuleSet};
use rules_promql::{Limits, MemorySource, SeriesSource, SourceError};
use tokio::sync::{mpsc, watch};

use crate::clock;
use crate::ingest::Ingest;
use crate::query::Query;
use crate::recorded::{Recorder, Said, alert_series, stored};
use crate::rule_health::RuleRun;
use crate::rulebook::Rulebook;
use crate::self_metrics::SelfMetrics;

/// Evaluations that follow arrivals are at least this far apart: what a value waits that comes right behind another's evaluation.
const SPACING_MIN: Duration = Duration::from_millis(200);

/// Up to a second apart they take at most a twentieth of one core …
const SPACING_PER_DURATION: u32 = 20;
const SPACING_USUAL_MAX: Duration = Duration::from_secs(1);

/// … and never more than a fourth of one in the long run.
const SPACING_PER_DURATION_MIN: u32 = 4;

/// Groups whose results wait to be taken; the evaluation goes on meanwhile.
const GROUPS_AHEAD: usize = 16;

/// Evaluates the metric rules.
pub struct Evaluator {
    pub query: Query,
    pub alerting: Alerting,
    pub ingest: Arc<Ingest>,
    pub metrics: SelfMetrics,
    pub recorder: Recorder,
    /// What templates are told of this server.
    pub external: Arc<External>,
    /// For groups that set none.
    pub interval: Duration,
    /// Turns when data arrives.
    pub arrived: watch::Receiver<Millis>,
}

/// A group and when it is evaluated next.
struct Scheduled {
    group: Arc<RuleGroup>,
    /// Only at its own interval, not when data arrives.
    own_interval: bool,
    interval: Duration,
    due: Instant,
    earliest: Instant,
    /// When the interval asks for the next evaluation, whether or not data calls for one before.
    promised: Instant,
}

/// Of each rule by its place: how long it took, and what came of it.
type Evaluated = Vec<(usize, Duration, Result<Findings, EvaluationError>)>;

impl Evaluator {
    /// Runs until `stop` turns true.
    pub async fn run(
        mut self,
        mut rules: watch::Receiver<Arc<Rulebook>>,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut groups = Vec::new();
        rules.mark_changed();
        loop {
            if rules.has_changed().unwrap_or(false) {
                let rulebook = Arc::clone(&rules.borrow_and_update());
                groups = self.take_up(&rulebook.metrics).await;
            }
            let began = clock::instant();
            let mut due: Vec<_> =
                groups.iter_mut().filter(|scheduled| scheduled.due <= began).collect();
            due.iter().for_each(|scheduled| self.count_missed(scheduled, began));
            self.evaluate(&due).await;
            // Together, because all groups share the core.
            let earliest = began + spacing(began.elapsed());
            for scheduled in &mut due {
                scheduled.due = began + scheduled.interval;
                scheduled.promised = scheduled.due;
                scheduled.earliest = earliest;
            }
            let next = groups.iter().map(|scheduled| scheduled.due).min();
            let pause = next.map_or(self.interval, |due| due.duration_since(clock::instant()));
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                changed = self.arrived.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    for scheduled in groups.iter_mut().filter(|group| !group.own_interval) {
                        scheduled.due = scheduled.due.min(scheduled.earliest);
                    }
                }
                changed = rules.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    rules.mark_changed();
                }
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// The alerts of rules that are gone resolve; those of rules that stayed go on as they are.
    async fn take_up(&mut self, rules: &RuleSet) -> Vec<Scheduled> {
        let ids: BTreeSet<String> = rules.rules().map(id).collect();
        if let Err(error) = self.alerting.retain_rules(&ids, clock::now_ms()).await {
            tracing::error!(error = %crate::describe(&error), "alerts of old rules stay");
        }
        self.metrics.rule_health.retain(&ids);
        for ends in self.recorder.retain(&rules.groups, clock::now_ms()) {
            self.store(ends).await;
        }
        let now = clock::instant();
        rules.groups.iter().cloned().map(|group| self.schedule(group, now)).collect()
    }

    fn schedule(&self, group: RuleGroup, now: Instant) -> Scheduled {
        let own =
            group.interval_ms.and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis);
        let interval = own.unwrap_or(self.interval);
        let own_interval = own.is_some();
        let group = Arc::new(group);
        Scheduled { group, own_interval, interval, due: now, earliest: now, promised: now }
    }

    fn count_missed(&self, scheduled: &Scheduled, now: Instant) {
        let missed = missed(scheduled.promised, now, scheduled.interval);
        let group = [scheduled.group.name.as_str()];
        self.metrics.rules.iterations.with_label_values(&group).inc_by(missed.saturating_add(1));
        self.metrics.rules.iterations_missed.with_label_values(&group).inc_by(missed);
    }

    /// Evaluates these groups one after the other on a thread that may block, and takes what each finds as it comes.
    async fn evaluate(&mut self, due: &[&mut Scheduled]) {
        let groups: Vec<_> = due.iter().map(|scheduled| Arc::clone(&scheduled.group)).collect();
        if groups.is_empty() {
            return;
        }
        let (sender, mut evaluated) = mpsc::channel(GROUPS_AHEAD);
        let (query, external) = (self.query.clone(), Arc::clone(&self.external));
        let work = tokio::task::spawn_blocking(move || {
            for group in groups {
                let at_ms = clock::now_ms();
                let evaluation =
                    AssertUnwindSafe(|| evaluate_group(&group, at_ms, &query, &external));
                let results = catch_unwind(evaluation).unwrap_or_else(|_| {
                    tracing::error!(group = group.name, "a group of rules broke off");
                    Vec::new()
                });
                // The loop is gone: the collector is stopping.
                if sender.blocking_send((group, at_ms, results)).is_err() {
                    return;
                }
            }
        });
        while let Some((group, at_ms, results)) = evaluated.recv().await {
            self.take_group(&group, at_ms, results).await;
        }
        if let Err(error) = work.await {
            tracing::error!(%error, "the evaluation of rules broke off");
        }
    }

    async fn take_group(&mut self, group: &RuleGroup, at_ms: Millis, results: Evaluated) {
        let mut said = Said::new();
        for (index, took, result) in results {
            let rule = &group.rules[index];
            let error = result.as_ref().err().map(|error| crate::describe(error));
            self.metrics.rule_health.note(id(rule), RuleRun { at_ms, took, error });
            self.take(&group.name, rule, result, at_ms, &mut said).await;
        }
        let default_ms = i64::try_from(self.interval.as_millis()).unwrap_or(i64::MAX);
        let interval_ms = group.interval_ms.unwrap_or(default_ms);
        if let Some(report) = self.recorder.report(group, said, at_ms, interval_ms) {
            self.store(report).await;
        }
    }

    async fn store(&mut self, report: Report) {
        if let Err(error) = self.ingest.store_derived(report, clock::now_ms()).await {
            self.recorder.forget_schemas();
            tracing::error!(error = %crate::describe(&error), "recorded series are missing");
        }
    }

    async fn take(
        &self,
        group: &str,
        rule: &Rule,
        result: Result<Findings, EvaluationError>,
        at_ms: Millis,
        said: &mut Said,
    ) {
        self.metrics.rules.evaluations.with_label_values(&[group]).inc();
        let failed = |error: &(dyn std::error::Error + 'static)| {
            self.metrics.rules.evaluation_failures.with_label_values(&[group]).inc();
            tracing::error!(group, rule = rule.name, error = %crate::describe(error), "a rule failed");
        };
        if let Err(error) = &result {
            failed(error);
        }
        if let Ok(Findings::Recorded(series)) = &result {
            for Series { labels, samples } in series {
                said.extend(samples.last().map(|sample| (stored(labels.clone()), sample.value)));
            }
        }
        if let Some(observation) = observation(rule, result, at_ms) {
            match self.alerting.observe_rule(observation).await {
                Ok(open) => said.extend(alert_series(&open)),
                Err(error) => failed(&error),
            }
        }
    }
}

/// What an evaluation says of a rule's alerts; `None` when they stay as they are.
fn observation(
    rule: &Rule,
    result: Result<Findings, EvaluationError>,
    at_ms: Millis,
) -> Option<RuleObservation> {
    let RuleKind::Alert { for_ms, keep_firing_for_ms, .. } = &rule.kind else { return None };
    let (found, keep_firing_for_ms) = match result {
        Ok(Findings::Alerts(found)) => (found, *keep_firing_for_ms),
        // As in Prometheus (docs, "Limiting alerts and series"): all alerts of the rule are cleared, at once.
        Err(EvaluationError::TooManyResults { .. }) => (Vec::new(), 0),
        Ok(Findings::Recorded(_)) | Err(_) => return None,
    };
    let findings = found.into_iter().map(|finding| collector_alerting::Finding {
        labels: finding.labels,
        annotations: finding.annotations.into_iter().collect(),
        value: finding.value,
    });
    Some(RuleObservation {
        rule_id: id(rule),
        for_ms: *for_ms,
        keep_firing_for_ms,
        findings: findings.collect(),
        at_ms,
    })
}

/// How far apart the beginnings of two evaluations are, when one took so long.
fn spacing(took: Duration) -> Duration {
    let usual = (took * SPACING_PER_DURATION).clamp(SPACING_MIN, SPACING_USUAL_MAX);
    usual.max(took * SPACING_PER_DURATION_MIN)
}

fn evaluate_group(
    group: &RuleGroup,
    at_ms: Millis,
    query: &Query,
    external: &External,
) -> Evaluated {
    let limits = Limits::default();
    let mut source = Fresh { query, recorded: MemorySource::default() };
    let rules = group.rules.iter().enumerate();
    let evaluated = rules.map(|(index, rule)| {
        let began = clock::instant();
        let result = rules::evaluate(rule, at_ms, &source, &limits, external);
        if let Ok(Findings::Recorded(series)) = &result {
            for Series { labels, samples } in series {
                samples.iter().for_each(|sample| source.recorded.insert(labels, *sample));
            }
        }
        (index, began.elapsed(), result)
    });
    evaluated.collect()
}

fn id(rule: &Rule) -> String {
    hex::encode(rule.id.0)
}

/// How many whole intervals went by since an evaluation was promised.
fn missed(promised: Instant, now: Instant, interval: Duration) -> u64 {
    let late_ms = now.saturating_duration_since(promised).as_millis();
    let interval_ms = interval.as_millis().max(1);
    u64::try_from(late_ms / interval_ms).unwrap_or(u64::MAX)
}

/// The store, and what rules of the group that is being evaluated have recorded before: it is on its way to the store.
struct Fresh<'a> {
    query: &'a Query,
    recorded: MemorySource,
}

impl SeriesSource for Fresh<'_> {
    fn for_each(
        &self,
        matchers: &[Matcher],
        from_ms: Millis,
        to_ms: Millis,
        take: &mut dyn FnMut(RolledSeries) -> ControlFlow<()>,
    ) -> Result<(), SourceError> {
        let mut fresh: HashMap<Labels, Vec<Sample>> = HashMap::new();
        self.recorded.for_each(matchers, from_ms, to_ms, &mut |series| {
            fresh.insert(series.labels, series.samples);
            ControlFlow::Continue(())
        })?;
        let mut flow = ControlFlow::Continue(());
        self.query.for_each(matchers, from_ms, to_ms, &mut |mut series| {
            if let Some(samples) = fresh.remove(&series.labels) {
                let last_ms = series.samples.last().map_or(Millis::MIN, |last| last.timestamp_ms);
                let newer = samples.into_iter().filter(|sample| sample.timestamp_ms > last_ms);
                series.samples.extend(newer);
            }
            flow = take(series);
            flow
        })?;
        for (labels, samples) in fresh {
            if flow.is_break() {
                break;
            }
            flow = take(RolledSeries { labels, rollups: Vec::new(), samples });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
