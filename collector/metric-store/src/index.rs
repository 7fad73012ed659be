//! The label index: from labels to series and, by postings, from matchers to series.
//! Strings are shared between all series. A series' slot is used again only after everything has forgotten it; the
//! generation in a [`SeriesRef`] tells the two apart.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use agent_model::{Labels, Matcher};
use roaring::RoaringBitmap;

use crate::cardinality::{Cardinality, Limiter};

/// Names a series in this process until the store forgets it; 8 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SeriesRef {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

impl SeriesRef {
    /// Stands for a series that the limits refused: its samples are dropped and counted.
    pub(crate) const REFUSED: Self = Self { slot: u32::MAX, generation: u32::MAX };

    pub fn is_refused(self) -> bool {
        self == Self::REFUSED
    }
}

#[derive(Debug)]
pub(crate) struct Index {
    slots: Vec<Slot>,
    free: Vec<u32>,
    refs: HashMap<Labels, SeriesRef>,
    strings: HashSet<Arc<str>>,
    /// Label name, then value, to the slots that carry the pair.
    postings: BTreeMap<Arc<str>, BTreeMap<Arc<str>, RoaringBitmap>>,
    all: RoaringBitmap,
    /// Registered since the last sweep: kept even without a sample, which may be on its way.
    fresh: RoaringBitmap,
    pub(crate) limiter: Limiter,
}

#[derive(Debug, Default)]
struct Slot {
    labels: Labels,
    generation: u32,
}

impl Index {
    pub(crate) fn new(limiter: Limiter) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            refs: HashMap::new(),
            strings: HashSet::new(),
            postings: BTreeMap::new(),
            all: RoaringBitmap::new(),
            fresh: RoaringBitmap::new(),
            limiter,
        }
    }

    pub(crate) fn len(&self) -> u64 {
        self.all.len()
    }

    pub(crate) fn series(&self) -> impl Iterator<Item = SeriesRef> {
        self.refs.values().copied()
    }

    pub(crate) fn get(&self, labels: &Labels) -> Option<SeriesRef> {
        self.refs.get(labels).copied()
    }

    pub(crate) fn labels(&self, slot: u32) -> Labels {
        self.slots.get(slot as usize).map(|slot| slot.labels.clone()).unwrap_or_default()
    }

    /// The known or a new series; [`SeriesRef::REFUSED`] when it is new and over a limit.
    pub(crate) fn register(&mut self, labels: &Labels) -> SeriesRef {
        match self.get(labels) {
            Some(known) => known,
            None if self.limiter.admits(labels) => self.insert(labels),
            None => SeriesRef::REFUSED,
        }
    }

    /// The known or a new series, whatever the limits: it has samples on disk.
    pub(crate) fn restore(&mut self, labels: &Labels) -> SeriesRef {
        self.get(labels).unwrap_or_else(|| self.insert(labels))
    }

    fn insert(&mut self, labels: &Labels) -> SeriesRef {
        let labels = Labels::new(labels.iter().map(|label| {
            (share(&mut self.strings, &label.name), share(&mut self.strings, &label.value))
        }));
        let slot = self.free.pop().or_else(|| u32::try_from(self.slots.len()).ok());
        let Some(slot) = slot.filter(|slot| *slot != u32::MAX) else { return SeriesRef::REFUSED };
        if slot as usize == self.slots.len() {
            self.slots.push(Slot::default());
        }
        let place = &mut self.slots[slot as usize];
        place.labels = labels.clone();
        let known = SeriesRef { slot, generation: place.generation };
        for label in labels.iter() {
            let values = self.postings.entry(Arc::clone(&label.name)).or_default();
            values.entry(Arc::clone(&label.value)).or_default().insert(slot);
        }
        self.all.insert(slot);
        self.fresh.insert(slot);
        self.limiter.added(&labels);
        self.refs.insert(labels, known);
        known
    }

    /// Forgets every series that is not in `live` and was known at the last sweep already. Returns their slots.
    pub(crate) fn sweep(&mut self, live: &RoaringBitmap) -> RoaringBitmap {
        let fresh = std::mem::take(&mut self.fresh);
        let dead = &self.all - &(live | &fresh);
        for slot in &dead {
            self.remove(slot);
        }
        if !dead.is_empty() {
            self.strings.retain(|string| Arc::strong_count(string) > 1);
        }
        dead
    }

    fn remove(&mut self, slot: u32) {
        let place = &mut self.slots[slot as usize];
        let labels = std::mem::take(&mut place.labels);
        place.generation = place.generation.wrapping_add(1);
        for label in labels.iter() {
            let Some(values) = self.postings.get_mut(&label.name) else { continue };
            if let Some(slots) = values.get_mut(&label.value) {
                slots.remove(slot);
                if slots.is_empty() {
                    values.remove(&label.value);
                }
            }
            if values.is_empty() {
                self.postings.remove(&label.name);
            }
        }
        self.all.remove(slot);
        self.refs.remove(&labels);
        self.limiter.removed(&labels);
        self.free.push(slot);
    }

    /// The slots of the series that every matcher picks.
    pub(crate) fn matching(&self, matchers: &[Matcher]) -> RoaringBitmap {
        let mut picked: Option<RoaringBitmap> = None;
        for matcher in matchers {
            let of_one = self.matching_one(matcher);
            picked = Some(match picked {
                Some(picked) => picked & of_one,
                None => of_one,
            });
            if picked.as_ref().is_some_and(RoaringBitmap::is_empty) {
                break;
            }
        }
        picked.unwrap_or_else(|| self.all.clone())
    }

    fn matching_one(&self, matcher: &Matcher) -> RoaringBitmap {
        let values = self.postings.get(matcher.name.as_str());
        let absent_picked = matcher.matches("");
        if matcher.op == agent_model::MatchOp::Equal && !absent_picked {
            return values
                .and_then(|values| values.get(matcher.value.as_str()))
                .cloned()
                .unwrap_or_default();
        }
        // A matcher that picks the absent label is told by those whose value it does not pick.
        let told = values.into_iter().flatten();
        let told = told.filter(|(value, _)| matcher.matches(value) != absent_picked);
        let mut union = RoaringBitmap::new();
        for (_, slots) in told {
            union |= slots;
        }
        if absent_picked { &self.all - &union } else { union }
    }

    /// Label names of these series, in order.
    pub(crate) fn label_names(&self, slots: &RoaringBitmap) -> Vec<Arc<str>> {
        let carried = |values: &BTreeMap<Arc<str>, RoaringBitmap>| {
            values.values().any(|carriers| !carriers.is_disjoint(slots))
        };
        let names = self.postings.iter().filter(|(_, values)| carried(values));
        names.map(|(name, _)| Arc::clone(name)).collect()
    }

    /// Values of one label of these series, in order.
    pub(crate) fn label_values(&self, name: &str, slots: &RoaringBitmap) -> Vec<Arc<str>> {
        let values = self.postings.get(name).into_iter().flatten();
        let carried = values.filter(|(_, carriers)| !carriers.is_disjoint(slots));
        carried.map(|(value, _)| Arc::clone(value)).collect()
    }

    pub(crate) fn cardinality(&self, limit: usize) -> Cardinality {
        let names = self.postings.get(Labels::NAME).into_iter().flatten();
        let mut metrics: Vec<_> =
            names.map(|(name, slots)| (Arc::clone(name), slots.len())).collect();
        metrics.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
        metrics.truncate(limit);
        Cardinality {
            series: self.len(),
            refused: self.limiter.refused,
            hosts: self.limiter.hosts(limit),
            metrics,
        }
    }
}

fn share(strings: &mut HashSet<Arc<str>>, text: &str) -> Arc<str> {
    if let Some(known) = strings.get(text) {
        return Arc::clone(known);
    }
    let shared: Arc<str> = Arc::from(text);
    strings.insert(Arc::clone(&shared));
    shared
}
