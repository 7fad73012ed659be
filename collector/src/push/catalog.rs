//! The series that were pushed lately, by the bytes in which their labels came: a known one costs a hash and a look-up.
//!
//! Promises: bounded memory; what the store has forgotten, or a host that was enrolled meanwhile, is looked at anew.
//! The hash has 128 bits and a secret seed, and each owner has a table of its own: a collision that somebody finds
//! nevertheless mixes up that owner's series only.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, PoisonError, RwLock};

use agent_model::{Labels, Millis};
use collector_metric_store::{MetricStore, MetricStoreError, SeriesRef};
use collector_remote_write::{Push, Refusal};
use twox_hash::XxHash3_128;

use super::Owner;

/// Series kept in one generation; there are two, of 32 bytes for each series and some room.
const SERIES_KEPT_MAX: usize = 1_000_000;

/// New series whose labels are in memory by themselves at once: there they take up to twenty times their bytes.
const REGISTERED_AT_ONCE: usize = 1_000;

/// How long a generation is filled: what was not pushed during the last one or two no longer counts.
const GENERATION_MS: Millis = 3_600_000;

/// What is known of a series: its place in the store, or why it has none.
pub type Known = Result<SeriesRef, Refusal>;

/// Series of one owner by the hash of their labels.
type Table = HashMap<u128, Known, BuildHasherDefault<Itself>>;

/// The memory of pushed series.
pub struct Catalog {
    store: Arc<MetricStore>,
    seed: u64,
    series_kept_max: usize,
    /// Series of one owner at once: a runaway exporter stops at its own wall.
    owner_series_max: usize,
    state: RwLock<State>,
}

#[derive(Default)]
struct State {
    young: Generation,
    /// Dropped whole when the young one is full or has had its time. What is found here is not copied to the young one,
    /// so no series is in both.
    old: Generation,
    turned_ms: Millis,
    /// The hosts that no other may speak for.
    enrolled: Arc<HashSet<String>>,
}

#[derive(Default)]
struct Generation {
    by_owner: HashMap<Labels, Table>,
    series: usize,
}

impl Generation {
    fn get(&self, owner: &Owner, hash: u128) -> Option<Known> {
        self.by_owner.get(&owner.labels)?.get(&hash).copied()
    }

    fn series_of(&self, owner: &Owner) -> usize {
        self.by_owner.get(&owner.labels).map_or(0, Table::len)
    }
}

impl Catalog {
    /// `seed` is secret and new at each start.
    pub fn new(store: Arc<MetricStore>, seed: u64, owner_series_max: usize) -> Self {
        let (series_kept_max, state) = (SERIES_KEPT_MAX, RwLock::default());
        Self { store, seed, series_kept_max, owner_series_max, state }
    }

    /// What is known of each series of a push; new ones are registered with the store.
    pub fn look_up(
        &self,
        owner: &Owner,
        push: &Push,
        now_ms: Millis,
    ) -> Result<Vec<Known>, MetricStoreError> {
        let mut known = Vec::with_capacity(push.series_count());
        let mut missing = Vec::new();
        let (enrolled, room) = {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            for (at, series) in push.series().enumerate() {
                let hash = XxHash3_128::oneshot_with_seed(self.seed, series.labels);
                let found = state.young.get(owner, hash).or_else(|| state.old.get(owner, hash));
                if found.is_none() {
                    missing.push((at, hash, series.labels));
                }
                known.push(found.unwrap_or(Err(Refusal::TooManySeries)));
            }
            let series = state.young.series_of(owner) + state.old.series_of(owner);
            (Arc::clone(&state.enrolled), self.owner_series_max.saturating_sub(series))
        };
        missing.truncate(room);
        for some in missing.chunks(REGISTERED_AT_ONCE) {
            let named = some.iter().map(|(_, _, run)| owner.series(run, &enrolled));
            let new = self.register(named.collect())?;
            for ((at, ..), new) in some.iter().zip(&new) {
                known[*at] = *new;
            }
            let hashes = some.iter().map(|(_, hash, _)| *hash);
            self.keep(owner, hashes.zip(new), &enrolled, now_ms);
        }
        Ok(known)
    }

    /// The places of series that were taken before, whatever would be said of them now.
    pub fn stored(
        &self,
        owner: &Owner,
        push: &Push,
        now_ms: Millis,
    ) -> Result<Vec<SeriesRef>, MetricStoreError> {
        let known = self.look_up(owner, push, now_ms)?;
        let refused = push.series().zip(&known).filter(|(_, known)| known.is_err());
        let labels: Vec<Labels> = refused
            .map(|(series, _)| collector_remote_write::labels(series.labels).unwrap_or_default())
            .map(|labels| owner.own(&labels))
            .collect();
        let registered = self.store.series_refs(&labels)?;
        let mut others = registered.iter().copied();
        Ok(known.into_iter().filter_map(|known| known.ok().or_else(|| others.next())).collect())
    }

    /// To be called when the store has forgotten a series.
    pub fn forget(&self) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        (state.young, state.old) = (Generation::default(), Generation::default());
    }

    /// Nobody else may speak for these hosts from now on.
    pub fn set_enrolled(&self, hosts: HashSet<String>) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if *state.enrolled != hosts {
            *state = State { enrolled: Arc::new(hosts), ..State::default() };
        }
    }

    fn register(
        &self,
        named: Vec<Result<Labels, Refusal>>,
    ) -> Result<Vec<Known>, MetricStoreError> {
        let labels: Vec<Labels> = named.iter().flatten().cloned().collect();
        let registered = self.store.series_refs(&labels)?;
        let mut places = registered.iter().copied();
        let known = named.into_iter().map(|named| {
            named?;
            let place = places.next().filter(|place| !place.is_refused());
            place.ok_or(Refusal::TooManySeries)
        });
        Ok(known.collect())
    }

    fn keep(
        &self,
        owner: &Owner,
        new: impl Iterator<Item = (u128, Known)>,
        enrolled: &Arc<HashSet<String>>,
        now_ms: Millis,
    ) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        // Another host was enrolled since these were judged.
        if !Arc::ptr_eq(&state.enrolled, enrolled) {
            return;
        }
        if now_ms.saturating_sub(state.turned_ms) >= GENERATION_MS {
            (state.old, state.turned_ms) = (std::mem::take(&mut state.young), now_ms);
        }
        for (hash, known) in new {
            // A series that found no room may find it later.
            if known == Err(Refusal::TooManySeries) {
                continue;
            }
            if state.young.series >= self.series_kept_max {
                state.old = std::mem::take(&mut state.young);
            }
            if !state.young.by_owner.contains_key(&owner.labels) {
                state.young.by_owner.insert(owner.labels.clone(), Table::default());
            }
            let table = state.young.by_owner.get_mut(&owner.labels);
            if table.is_some_and(|table| table.insert(hash, known).is_none()) {
                state.young.series += 1;
            }
        }
    }
}

/// The keys are hashes already.
#[derive(Default)]
struct Itself(u64);

impl Hasher for Itself {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 ^= u64::from_le_bytes(word);
        }
    }

    fn write_u128(&mut self, hash: u128) {
        let bytes = hash.to_le_bytes();
        self.write(&bytes);
    }
}

#[cfg(test)]
mod tests {
    use collector_metric_store::MetricStoreConfig;

    use super::*;
    use crate::push::tests::{owner, push};

    fn catalog(directory: &std::path::Path, kept: usize, of_owner: usize) -> Catalog {
        let config = MetricStoreConfig { host_series_max: 3, ..MetricStoreConfig::new(directory) };
        let store = Arc::new(MetricStore::open(config).unwrap());
        Catalog { series_kept_max: kept, ..Catalog::new(store, 7, of_owner) }
    }

    #[test]
    fn a_series_keeps_its_place_and_one_that_the_store_refuses_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let catalog = catalog(directory.path(), 2, 10);
        let all = push(&["a", "b", "c", "d"]);
        let first = catalog.look_up(&owner(), &all, 0).unwrap();
        assert!(first[..3].iter().all(Result::is_ok));
        assert_eq!(first[3], Err(Refusal::TooManySeries));
        // Two generations of two: whatever was dropped comes back to its place.
        assert_eq!(catalog.look_up(&owner(), &all, 0).unwrap(), first);
        let state = catalog.state.read().unwrap();
        assert!(state.young.series <= 2 && state.old.series <= 2);
    }

    #[test]
    fn an_owner_has_its_own_wall_and_series_that_ended_make_room_after_their_time() {
        let directory = tempfile::tempdir().unwrap();
        let catalog = catalog(directory.path(), 10, 2);
        let taken = |names: &[&str], now_ms| -> Vec<bool> {
            let known = catalog.look_up(&owner(), &push(names), now_ms).unwrap();
            known.iter().map(Result::is_ok).collect()
        };
        assert_eq!(taken(&["a", "b"], 1), [true, true]);
        assert_eq!(taken(&["b", "c"], 2), [true, false]);
        // Another owner is not concerned.
        let other = Owner { labels: Labels::new([("origin", "x")]), ..owner() };
        assert!(catalog.look_up(&other, &push(&["a"]), 2).unwrap()[0].is_ok());
        let named = |name| crate::push::tests::push_of_host(name, "dc2-srv01");
        for turn in [1, 2] {
            let at_ms = turn * GENERATION_MS + 3;
            assert!(catalog.look_up(&other, &named("m"), at_ms).unwrap()[0].is_ok());
            catalog.look_up(&other, &named("n"), at_ms + 1).unwrap();
        }
        // Nobody remembers `a`, so there is room for another one.
        assert_eq!(taken(&["b", "a"], 2 * GENERATION_MS + 5), [true, true]);
        assert_eq!(taken(&["c"], 2 * GENERATION_MS + 5), [false]);
    }

    #[test]
    fn a_host_that_is_enrolled_takes_its_name_back_from_whoever_used_it() {
        let directory = tempfile::tempdir().unwrap();
        let catalog = catalog(directory.path(), 10, 10);
        let named = crate::push::tests::push_of_host("m", "dc1-srv01");
        assert!(catalog.look_up(&owner(), &named, 0).unwrap()[0].is_ok());
        catalog.set_enrolled(HashSet::from(["dc1-srv01".to_owned()]));
        assert_eq!(catalog.look_up(&owner(), &named, 0).unwrap(), [Err(Refusal::Owner)]);
        // What the journal holds was taken before, and comes back.
        assert!(!catalog.stored(&owner(), &named, 0).unwrap()[0].is_refused());
    }
}
