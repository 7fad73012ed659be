//! The evaluation loop: metric rules over the metric store, findings to alerting, recorded series back into the journal.
//!
//! Promises: rules without an interval of their own are evaluated when data arrives, at most five times a second (less often
//! when that takes more than its share of a core), and at least at the configured interval; a rule that fails is counted and
//! changes nothing; the others go on.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use agent_model::{Labels, Millis, Series};
use collector_alerting::{Alerting, RuleObservation};
use rules::{EvaluationError, External, Findings, Rule, RuleGroup, RuleKind, RuleSet};
use rules_promql::Limits;
use tokio::sync::{mpsc, watch};

use crate::clock;
use crate::derived::{Readings, Reporter};
use crate::ingest::Ingest;
use crate::query::Query;
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

/// The job under which recorded series are reported; they do not count as an arrival of data.
pub const RECORDED_JOB: &str = "recorded";

/// Evaluates the metric rules.
pub struct Evaluator {
    pub query: Query,
    pub alerting: Alerting,
    pub ingest: Arc<Ingest>,
    pub metrics: SelfMetrics,
    pub reporter: Reporter,
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
            self.evaluate(&due).await;
            // Together, because all groups share the core.
            let earliest = began + spacing(began.elapsed());
            for scheduled in &mut due {
                scheduled.due = began + scheduled.interval;
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
    async fn take_up(&self, rules: &RuleSet) -> Vec<Scheduled> {
        let ids: BTreeSet<String> = rules.rules().map(id).collect();
        if let Err(error) = self.alerting.retain_rules(&ids, clock::now_ms()).await {
            tracing::error!(error = %crate::describe(&error), "alerts of old rules stay");
        }
        self.metrics.rule_health.retain(&ids);
        let now = clock::instant();
        rules.groups.iter().cloned().map(|group| self.schedule(group, now)).collect()
    }

    fn schedule(&self, group: RuleGroup, now: Instant) -> Scheduled {
        let own =
            group.interval_ms.and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis);
        let interval = own.unwrap_or(self.interval);
        let own_interval = own.is_some();
        Scheduled { group: Arc::new(group), own_interval, interval, due: now, earliest: now }
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
        let mut recorded = Readings::new();
        for (index, took, result) in results {
            let rule = &group.rules[index];
            let error = result.as_ref().err().map(|error| crate::describe(error));
            self.metrics.rule_health.note(id(rule), RuleRun { at_ms, took, error });
            self.take(&group.name, rule, result, at_ms, &mut recorded).await;
        }
        if !recorded.is_empty() {
            let report = self.reporter.report(recorded, at_ms);
            if let Err(error) = self.ingest.store_derived(report, at_ms).await {
                self.reporter.forget_schema();
                tracing::error!(error = %crate::describe(&error), "recorded series are missing");
            }
        }
    }

    async fn take(
        &self,
        group: &str,
        rule: &Rule,
        result: Result<Findings, EvaluationError>,
        at_ms: Millis,
        recorded: &mut Readings,
    ) {
        self.metrics.evaluations.with_label_values(&[group]).inc();
        let failed = |error: &(dyn std::error::Error + 'static)| {
            self.metrics.evaluation_failures.with_label_values(&[group]).inc();
            tracing::error!(group, rule = rule.name, error = %crate::describe(error), "a rule failed");
        };
        match (result, &rule.kind) {
            (Ok(Findings::Alerts(found)), RuleKind::Alert { for_ms, keep_firing_for_ms, .. }) => {
                let findings = found.into_iter().map(|finding| collector_alerting::Finding {
                    labels: finding.labels,
                    annotations: finding.annotations.into_iter().collect(),
                    value: finding.value,
                });
                let observation = RuleObservation {
                    rule_id: id(rule),
                    for_ms: *for_ms,
                    keep_firing_for_ms: *keep_firing_for_ms,
                    findings: findings.collect(),
                    at_ms,
                };
                if let Err(error) = self.alerting.observe_rule(observation).await {
                    failed(&error);
                }
            }
            (Ok(Findings::Recorded(series)), _) => {
                for Series { labels, samples } in series {
                    recorded.extend(samples.last().map(|sample| (complete(labels), sample.value)));
                }
            }
            (Ok(Findings::Alerts(_)), RuleKind::Recording) => {}
            (Err(error), _) => failed(&error),
        }
    }
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
    let rules = group.rules.iter().enumerate();
    let evaluated = rules.map(|(index, rule)| {
        let began = clock::instant();
        let result = rules::evaluate(rule, at_ms, query, &limits, external);
        (index, began.elapsed(), result)
    });
    evaluated.collect()
}

fn id(rule: &Rule) -> String {
    hex::encode(rule.id.0)
}

/// A recorded series keeps its labels, except those that the inventory adds at every select.
fn complete(labels: Labels) -> Labels {
    labels.without(&crate::query::INVENTORY_LABELS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quick_evaluation_follows_soon_and_a_slow_one_leaves_the_core_to_others() {
        let spaced = |took_ms: u64| spacing(Duration::from_millis(took_ms)).as_millis();
        assert_eq!(
            [1, 10, 20, 50, 250, 300, 2_000].map(spaced),
            [200, 200, 400, 1_000, 1_000, 1_200, 8_000]
        );
    }
}
