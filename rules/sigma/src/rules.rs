//! The loaded rules, and the one thing they do: say what an event, after all that came before it, gives away.

use std::collections::{BTreeMap, VecDeque};

use agent_model::HostEvent;
use rsigma_eval::Engine;
use rsigma_parser::SigmaRule;

use crate::detection::Detection;
use crate::logsource::Scope;
use crate::rule::{Finding, Rule};
use crate::state::{CorrelationState, Joining};
use crate::view::EventView;

/// A set of rules, made by [`SigmaRules::load`]. `Default` holds none.
#[derive(Default)]
pub struct SigmaRules {
    pub(crate) rules: Vec<Rule>,
    pub(crate) engines: Vec<ScopedEngine>,
}

/// The rules of one `logsource`, compiled together.
pub(crate) struct ScopedEngine {
    scope: Scope,
    /// Its rules' ids are their indexes in `SigmaRules::rules`.
    engine: Engine,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SigmaStats {
    pub detection_rules: usize,
    pub correlation_rules: usize,
    /// Rules about systems that we have no agent for: loaded, never asked.
    pub unreachable_rules: usize,
}

impl SigmaRules {
    /// What this event gives away. Call it once for each event, in the order of the journal; `state` must be
    /// saved together with what is returned. An event from the future counts as of its receipt: one host's
    /// wrong clock must not age what the others did.
    pub fn evaluate(&self, event: &HostEvent, state: &mut CorrelationState) -> Vec<Detection> {
        let view = EventView(event);
        let time_ms = event.event.time_ms.min(event.received_ms);
        let matched = self.matching(&view);
        let mut findings: VecDeque<Finding> =
            matched.into_iter().map(|rule| Finding::single(rule, time_ms, event.id)).collect();
        let mut detections = Vec::new();
        // Ends: correlations only feed correlations further up, which `load` has made sure of.
        while let Some(finding) = findings.pop_front() {
            let rule = &self.rules[finding.rule];
            if rule.emits {
                detections.push(rule.detection(&finding, &view));
            }
            findings.extend(rule.feeds.iter().filter_map(|feed| {
                let correlation = self.rules[feed.rule].correlation.as_ref()?;
                let joining = Joining {
                    group: correlation.group(feed.slot, &view),
                    slot: feed.slot,
                    value: correlation.value(&view)?,
                    finding: &finding,
                    received_ms: event.received_ms,
                };
                state.join(feed.rule, correlation, &joining)
            }));
        }
        detections
    }

    /// The rules that match the event by itself, in the order in which they were loaded.
    fn matching(&self, view: &EventView<'_>) -> Vec<usize> {
        let mut matching = Vec::new();
        for scoped in self.engines.iter().filter(|scoped| scoped.scope.covers(view.0)) {
            let results = scoped.engine.evaluate(view);
            matching.extend(results.iter().filter_map(|result| {
                result.header.rule_id.as_deref().and_then(|id| id.parse::<usize>().ok())
            }));
        }
        matching.sort_unstable();
        matching.dedup();
        matching
    }

    pub fn stats(&self) -> SigmaStats {
        let correlations = self.rules.iter().filter(|rule| rule.correlation.is_some()).count();
        let unreachable = self.engines.iter().filter(|scoped| !scoped.scope.reachable());
        SigmaStats {
            detection_rules: self.rules.len() - correlations,
            correlation_rules: correlations,
            unreachable_rules: unreachable.map(|scoped| scoped.engine.rule_count()).sum(),
        }
    }

    /// The names under which the rules that speak raise alerts, in the order of loading.
    pub fn alert_names(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().filter(|rule| rule.emits).map(|rule| rule.meta.alert_name.as_str())
    }
}

/// Compiles rules, grouped by their logsource. Answers with the engines and, for each rule that cannot be compiled,
/// its index and why.
pub(crate) fn compile(rules: Vec<(usize, SigmaRule)>) -> (Vec<ScopedEngine>, Vec<(usize, String)>) {
    let mut scopes: BTreeMap<Scope, Vec<(usize, SigmaRule)>> = BTreeMap::new();
    for (index, mut rule) in rules {
        rule.id = Some(index.to_string());
        scopes.entry(Scope::new(&rule.logsource)).or_default().push((index, rule));
    }
    let mut problems = Vec::new();
    let mut engines = Vec::new();
    for (scope, rules) in scopes {
        let mut engine = Engine::new();
        for (at, error) in engine.add_rules(rules.iter().map(|(_, rule)| rule)) {
            problems.push((rules[at].0, error.to_string()));
        }
        engines.push(ScopedEngine { scope, engine });
    }
    (engines, problems)
}
