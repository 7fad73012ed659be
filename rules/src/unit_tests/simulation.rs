//! Rules as time passes: alerts pend, fire and resolve, recorded series come and end.
//! This is the reference for tests of rules; the product's alerting keeps its own, durable state.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;

use agent_model::{Labels, Millis, Sample, stale_marker};
use rules_promql::{Limits, MemorySource};

use crate::metric_rules::{Finding, Findings, Rule, RuleKind, RuleSet, evaluate};
use crate::templates::External;

pub(super) struct Simulation<'a> {
    pub(super) source: MemorySource,
    rules: Vec<Running<'a>>,
    external: &'a External,
}

struct Running<'a> {
    rule: &'a Rule,
    active: BTreeMap<Labels, Active>,
    /// The series written at the previous step; those that end get a stale marker.
    written: BTreeSet<Labels>,
}

struct Active {
    annotations: Vec<(String, String)>,
    since_ms: Millis,
    firing: bool,
    /// Since when the expression no longer holds, while `keep_firing_for` runs.
    kept_since_ms: Option<Millis>,
}

impl<'a> Simulation<'a> {
    pub(super) fn new(
        rules: &'a RuleSet,
        group_order: &[String],
        source: MemorySource,
        external: &'a External,
    ) -> Self {
        let place = |name: &str| group_order.iter().position(|listed| listed == name);
        let mut groups: Vec<_> = rules.groups.iter().collect();
        // Stable: groups that are not listed come last, in the order of the files.
        groups.sort_by_key(|group| place(&group.name).unwrap_or(usize::MAX));
        let rules = groups.into_iter().flat_map(|group| &group.rules);
        let running = |rule| Running { rule, active: BTreeMap::new(), written: BTreeSet::new() };
        Self { source, rules: rules.map(running).collect(), external }
    }

    /// Evaluates every rule once; returns what failed.
    pub(super) fn step(&mut self, at_ms: Millis) -> Vec<String> {
        let mut failures = Vec::new();
        for running in &mut self.rules {
            let limits = Limits::default();
            let found = evaluate(running.rule, at_ms, &self.source, &limits, self.external);
            let samples = match found {
                Ok(Findings::Alerts(findings)) => running.alerts(findings, at_ms),
                Ok(Findings::Recorded(series)) => {
                    let sample =
                        |one: agent_model::Series| Some((one.labels, *one.samples.first()?));
                    series.into_iter().filter_map(sample).collect()
                }
                Err(error) => {
                    let cause = error.source().map(|cause| format!(": {cause}"));
                    failures.push(format!("{error}{}", cause.unwrap_or_default()));
                    continue;
                }
            };
            running.write(samples, at_ms, &mut self.source);
        }
        failures
    }

    /// Labels and annotations of every firing alert of this name.
    pub(super) fn firing(&self, name: &str) -> Vec<(Labels, Labels)> {
        let rules = self.rules.iter().filter(|one| one.rule.is_alert() && one.rule.name == name);
        let active = rules.flat_map(|running| &running.active);
        let firing = active.filter(|(_, active)| active.firing);
        firing
            .map(|(labels, active)| (labels.clone(), Labels::new(active.annotations.clone())))
            .collect()
    }
}

impl Running<'_> {
    /// Moves the alerts on, and yields the series in which Prometheus shows them.
    fn alerts(&mut self, findings: Vec<Finding>, at_ms: Millis) -> Vec<(Labels, Sample)> {
        let RuleKind::Alert { for_ms, keep_firing_for_ms, .. } = self.rule.kind else {
            return Vec::new();
        };
        let mut found = BTreeSet::new();
        for finding in findings {
            found.insert(finding.labels.clone());
            let active = self.active.entry(finding.labels).or_insert(Active {
                annotations: Vec::new(),
                since_ms: at_ms,
                firing: false,
                kept_since_ms: None,
            });
            active.annotations = finding.annotations;
            active.kept_since_ms = None;
        }
        self.active.retain(|labels, active| {
            if found.contains(labels) {
                return true;
            }
            let since = *active.kept_since_ms.get_or_insert(at_ms);
            active.firing && keep_firing_for_ms > 0 && at_ms - since < keep_firing_for_ms
        });
        let timestamp_ms = at_ms - self.rule.query_offset_ms;
        let mut samples = Vec::new();
        for (labels, active) in &mut self.active {
            if at_ms - active.since_ms >= for_ms {
                active.firing = true;
            }
            let state = if active.firing { "firing" } else { "pending" };
            let shown = labels.with(Labels::NAME, "ALERTS").with("alertstate", state);
            samples.push((shown, Sample { timestamp_ms, value: 1.0 }));
            let value = active.since_ms as f64 / 1000.0;
            let since = labels.with(Labels::NAME, "ALERTS_FOR_STATE");
            samples.push((since, Sample { timestamp_ms, value }));
        }
        samples
    }

    fn write(&mut self, samples: Vec<(Labels, Sample)>, at_ms: Millis, source: &mut MemorySource) {
        let mut written = BTreeSet::new();
        for (labels, sample) in samples {
            source.insert(&labels, sample);
            written.insert(labels);
        }
        for ended in self.written.difference(&written) {
            let timestamp_ms = at_ms - self.rule.query_offset_ms;
            source.insert(ended, Sample { timestamp_ms, value: stale_marker() });
        }
        self.written = written;
    }
}
