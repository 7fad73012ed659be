//! What each owner said of metrics lately, so that only what is new goes into the journal: senders say everything every minute,
//! or with every series.
//!
//! Promises: bounded memory (eight bytes for each description); everything is taken as new again once a day and after a start, so
//! that the inventory sees what still holds. Leaves to others: what is kept (`collector_inventory`).

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

use agent_model::{MetricMetadata, Millis};
use collector_inventory::DESCRIBED_MAX;

use super::Owner;

/// How long what was said is not written again.
const AGAIN_MS: Millis = 86_400_000;

/// What one owner may newly say in that time: as much as is kept of it.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a constant of some thousands"
)]
const NEW_MAX: usize = DESCRIBED_MAX as usize;

/// The memory of descriptions; the hash is keyed by chance.
#[derive(Debug, Default)]
pub(super) struct Said {
    hasher: RandomState,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    since_ms: Millis,
    by_owner: HashMap<String, HashSet<u64>>,
}

impl Said {
    /// Those of the descriptions that the owner has not given lately, and how many more it may not give.
    pub(super) fn news(
        &self,
        owner: &Owner,
        described: Vec<MetricMetadata>,
        now_ms: Millis,
    ) -> (Vec<MetricMetadata>, u64) {
        if described.is_empty() {
            return (described, 0);
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if now_ms.saturating_sub(state.since_ms) >= AGAIN_MS {
            *state = State { since_ms: now_ms, ..State::default() };
        }
        let said = state.by_owner.get(&owner.name);
        let room = NEW_MAX.saturating_sub(said.map_or(0, HashSet::len));
        let is_new = |one: &MetricMetadata| {
            said.is_none_or(|said| !said.contains(&self.hasher.hash_one(one)))
        };
        let mut refused = 0;
        let mut news: Vec<_> = described
            .into_iter()
            .filter(is_new)
            .filter(|one| {
                let may = owner.may_describe(&one.metric);
                refused += u64::from(!may);
                may
            })
            .collect();
        refused += news.len().saturating_sub(room) as u64;
        news.truncate(room);
        (news, refused)
    }

    /// They are on disk.
    pub(super) fn note(&self, owner: &Owner, described: &[MetricMetadata]) {
        if described.is_empty() {
            return;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let said = state.by_owner.entry(owner.name.clone()).or_default();
        said.extend(described.iter().map(|one| self.hasher.hash_one(one)));
    }
}

#[cfg(test)]
mod tests {
    use agent_model::{Labels, MetricKind};

    use super::*;

    fn metrics(count: usize) -> Vec<MetricMetadata> {
        let one = |at| MetricMetadata::bounded(&format!("m{at}"), MetricKind::Gauge, "", "");
        (0..count).map(|at| one(at).unwrap().0).collect()
    }

    #[test]
    fn what_was_stored_is_new_again_after_a_day_and_for_another_owner() {
        let owner = |name: &str| Owner { name: name.to_owned(), labels: Labels::empty() };
        let (said, own) = (Said::default(), owner("dc2"));
        let new = |owner: &Owner, now_ms| said.news(owner, metrics(3), now_ms).0.len();
        assert_eq!(new(&own, AGAIN_MS), 3);
        assert_eq!(new(&own, AGAIN_MS), 3, "nothing is stored yet");
        said.note(&own, &metrics(2));
        assert_eq!((new(&own, 2 * AGAIN_MS - 1), new(&owner("dc3"), AGAIN_MS)), (1, 3));
        assert_eq!(new(&own, 2 * AGAIN_MS), 3);
    }

    #[test]
    fn an_owner_has_a_bound_and_does_not_describe_what_is_the_collectors() {
        let (said, owner) = (Said::default(), crate::push::tests::owner());
        let (news, refused) = said.news(&owner, metrics(NEW_MAX + 2), 1);
        assert_eq!((news.len(), refused), (NEW_MAX, 2));
        said.note(&owner, &news);
        assert_eq!(said.news(&owner, metrics(NEW_MAX + 2), 1), (vec![], 2));
        let own = MetricMetadata::bounded("haidang_agent_x", MetricKind::Gauge, "", "").unwrap().0;
        assert_eq!(Said::default().news(&owner, vec![own], 1), (vec![], 1));
    }
}
