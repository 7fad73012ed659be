//! Lets the rule languages and the pages read the metric store.
//!
//! Promises: a matcher on `site`, `unit` or another inventory label is resolved to the hosts it stands for when the series
//! are selected, so a merger of districts changes no stored series; the facts are added to the result's labels.

use std::ops::ControlFlow;
use std::sync::{Arc, PoisonError, RwLock};

use agent_model::{Labels, MatchOp, Matcher, Millis, RolledSeries};
use collector_metric_store::{Deleted, MetricStore, MetricStoreError, MetricStoreStats};
use rules_promql::{SeriesSource, SourceError};

use crate::scope::Scope;

/// Labels that the inventory knows of a host, by host id.
pub type HostLabels = std::collections::HashMap<String, Labels>;

/// The names of labels that come from the inventory and are never stored with a series.
pub const INVENTORY_LABELS: [&str; 2] = ["site", "unit"];

/// A view of the metric store with the inventory's labels; cheap to clone.
#[derive(Clone)]
pub struct Query {
    store: Arc<MetricStore>,
    hosts: Arc<RwLock<Arc<HostLabels>>>,
    /// Added to whatever is asked for.
    scope: Scope,
}

impl Query {
    pub fn new(store: Arc<MetricStore>) -> Self {
        Self { store, hosts: Arc::default(), scope: Scope::default() }
    }

    /// The same, for who sees nothing beyond this scope.
    pub fn within(&self, scope: &Scope) -> Self {
        Self { scope: scope.clone(), ..self.clone() }
    }

    /// Replaces what the inventory knows of the hosts.
    pub fn set_hosts(&self, hosts: HostLabels) {
        *self.hosts.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(hosts);
    }

    /// The store's own figures.
    pub fn store_stats(&self) -> MetricStoreStats {
        self.store.stats()
    }

    /// What the inventory knows of the hosts.
    pub fn hosts(&self) -> Arc<HostLabels> {
        Arc::clone(&self.hosts.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// A host as its own series and their alerts are labelled.
    pub fn labels_of(&self, host: &str) -> Labels {
        let own = Labels::new([("host", host), ("instance", host), ("job", "node")]);
        let hosts = self.hosts();
        hosts.get(host).map_or_else(|| own.clone(), |facts| own.with_all(facts.iter()))
    }

    /// The label sets of matching series with samples in the span, with the inventory's labels.
    pub fn series(
        &self,
        matchers: &[Matcher],
        from_ms: Millis,
        to_ms: Millis,
    ) -> Result<Vec<Labels>, SourceError> {
        let (hosts, selections) = self.resolve(matchers)?;
        let mut found = Vec::new();
        for stored in &selections {
            let series = self.store.series(stored, from_ms, to_ms).map_err(SourceError::new)?;
            found.extend(series.into_iter().map(|labels| with_facts(labels, &hosts)));
        }
        Ok(found)
    }

    /// The selectors as the store is to be asked, see [`Query::delete`].
    pub fn stored(&self, selectors: &[Vec<Matcher>]) -> Result<Vec<Vec<Matcher>>, SourceError> {
        let mut stored = Vec::new();
        for matchers in selectors {
            stored.extend(self.resolve(matchers)?.1);
        }
        Ok(stored)
    }

    /// Deletes what there is in the span of every series that one of the stored selectors picks; on disk when this returns.
    pub fn delete(
        &self,
        stored: &[Vec<Matcher>],
        from_ms: Millis,
        to_ms: Millis,
    ) -> Result<Deleted, MetricStoreError> {
        self.store.delete(stored, from_ms, to_ms)
    }

    /// Takes what was deleted out of the files; returns how many were written anew.
    pub fn clean_deletions(&self) -> Result<u64, MetricStoreError> {
        self.store.clean_deletions()
    }

    /// What the store is to be asked: with matchers that the inventory knows, once for the hosts that they stand for, and
    /// once as they are for series of no host (recorded sums by site, which carry the label themselves).
    fn resolve(
        &self,
        matchers: &[Matcher],
    ) -> Result<(Arc<HostLabels>, Vec<Vec<Matcher>>), SourceError> {
        let hosts = self.hosts();
        let matchers = [matchers, self.scope.matchers()].concat();
        let (inventory, mut stored) = split(&matchers);
        if inventory.is_empty() {
            return Ok((hosts, vec![stored]));
        }
        let of_hosts = host_matcher(&hosts, &inventory)?;
        let some = Matcher::new("host", MatchOp::NotEqual, "").map_err(SourceError::new)?;
        stored.extend([of_hosts, some]);
        let mut of_none = matchers.clone();
        of_none.push(Matcher::equal("host", ""));
        Ok((hosts, vec![stored, of_none]))
    }
}

impl SeriesSource for Query {
    fn for_each(
        &self,
        matchers: &[Matcher],
        from_ms: Millis,
        to_ms: Millis,
        take: &mut dyn FnMut(RolledSeries) -> ControlFlow<()>,
    ) -> Result<(), SourceError> {
        let (hosts, selections) = self.resolve(matchers)?;
        let mut flow = ControlFlow::Continue(());
        for stored in &selections {
            let read = self.store.for_each(stored, from_ms, to_ms, &mut |mut series| {
                series.labels = with_facts(std::mem::take(&mut series.labels), &hosts);
                flow = take(series);
                flow
            });
            read.map_err(SourceError::new)?;
            if flow.is_break() {
                break;
            }
        }
        Ok(())
    }
}

fn with_facts(labels: Labels, hosts: &HostLabels) -> Labels {
    match labels.get("host").and_then(|host| hosts.get(host)) {
        Some(facts) => labels.with_all(facts.iter()),
        None => labels,
    }
}

fn split(matchers: &[Matcher]) -> (Vec<&Matcher>, Vec<Matcher>) {
    let (inventory, stored): (Vec<_>, Vec<_>) =
        matchers.iter().partition(|matcher| INVENTORY_LABELS.contains(&matcher.name.as_str()));
    (inventory, stored.into_iter().cloned().collect())
}

/// The hosts that the matchers stand for, as one matcher on `host`.
fn host_matcher(hosts: &HostLabels, matchers: &[&Matcher]) -> Result<Matcher, SourceError> {
    // A matcher that the absent label satisfies (`site=""`, `site!="x"`) also picks hosts the inventory does not know,
    // so the others are excluded instead.
    let open = matchers.iter().all(|matcher| matcher.matches(""));
    let picked = |labels: &Labels| matchers.iter().all(|matcher| matcher.matches_labels(labels));
    let names = hosts.iter().filter(|(_, labels)| picked(labels) != open);
    // Host ids hold no character with a meaning in a regular expression but the dot.
    let names: Vec<String> = names.map(|(host, _)| host.replace('.', "\\.")).collect();
    let op = if open { MatchOp::MatchesNot } else { MatchOp::Matches };
    // No host at all: an expression that nothing matches (or, open, that excludes nothing).
    let pattern = if names.is_empty() { "[^\\s\\S]".to_owned() } else { names.join("|") };
    Matcher::new("host", op, pattern).map_err(SourceError::new)
}

#[cfg(test)]
mod tests;
