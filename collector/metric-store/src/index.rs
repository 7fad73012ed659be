//! The label index: from labels to series and, by postings, from matchers to series.
//!
//! A series is a slot: its labels as symbols, 8 bytes each pair. A slot is used again only after everything has
//! forgotten it; the generation in a [`SeriesRef`] tells the two apart.

use std::hash::BuildHasher;
use std::sync::Arc;

use agent_model::{Labels, Matcher};
use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use roaring::RoaringBitmap;

use crate::cardinality::{Cardinality, Limiter};
use crate::chunk::Decoded;
use crate::names::Renaming;
use crate::symbols::{Symbol, Symbols};

/// Slots at most, whatever the limits say: their labels alone would be 8 GB.
const SLOTS_MAX: u32 = 1 << 26;

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

/// A label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Pair {
    pub(crate) name: Symbol,
    pub(crate) value: Symbol,
}

#[derive(Debug)]
pub(crate) struct Index {
    symbols: Symbols,
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// Slots by their labels.
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// Label name, then value, to the slots that carry the pair.
    postings: HashMap<Symbol, HashMap<Symbol, RoaringBitmap>>,
    all: RoaringBitmap,
    /// Registered since the last sweep: kept even without a sample, which may be on its way.
    fresh: RoaringBitmap,
    /// Not in the catalogue yet.
    unnamed: RoaringBitmap,
    /// Known by roll-ups alone: the limits do not count them, so that what came and went in a year keeps nobody out.
    resting: RoaringBitmap,
    pub(crate) limiter: Limiter,
}

#[derive(Debug, Default)]
struct Slot {
    /// In order of name; empty when the slot is free.
    pairs: Box<[Pair]>,
    generation: u32,
}

impl Index {
    pub(crate) fn new(limiter: Limiter) -> Self {
        Self {
            symbols: Symbols::default(),
            slots: Vec::new(),
            free: Vec::new(),
            table: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            postings: HashMap::new(),
            all: RoaringBitmap::new(),
            fresh: RoaringBitmap::new(),
            unnamed: RoaringBitmap::new(),
            resting: RoaringBitmap::new(),
            limiter,
        }
    }

    pub(crate) fn len(&self) -> u64 {
        self.all.len()
    }

    pub(crate) fn references(&self) -> impl Iterator<Item = SeriesRef> {
        self.all.iter().map(|slot| self.reference(slot))
    }

    pub(crate) fn all(&self) -> &RoaringBitmap {
        &self.all
    }

    pub(crate) fn pairs(&self, slot: u32) -> &[Pair] {
        self.slots.get(slot as usize).map(|slot| &*slot.pairs).unwrap_or_default()
    }

    pub(crate) fn text(&self, symbol: Symbol) -> &Arc<str> {
        self.symbols.text(symbol)
    }

    pub(crate) fn labels(&self, slot: u32) -> Labels {
        let text = |symbol| Arc::clone(self.symbols.text(symbol));
        Labels::sorted(self.pairs(slot).iter().map(|pair| (text(pair.name), text(pair.value))))
    }

    /// By metric, then slot, as a part holds them: what is queried together lies together.
    pub(crate) fn in_order(&self, slots: &RoaringBitmap) -> Vec<u32> {
        let name = self.symbols.get(Labels::NAME);
        let metric = |slot| {
            let named = self.pairs(slot).iter().find(|pair| Some(pair.name) == name);
            named.map(|pair| pair.value)
        };
        let mut order: Vec<_> = slots.iter().map(|slot| (metric(slot), slot)).collect();
        order.sort_unstable();
        order.into_iter().map(|(_, slot)| slot).collect()
    }

    /// The known series of these labels, unless it rests: then it is to be registered. `pairs` is only room to work in.
    pub(crate) fn get(&self, labels: &Labels, pairs: &mut Vec<Pair>) -> Option<SeriesRef> {
        let known = self.known(labels, pairs).filter(|slot| !self.resting.contains(*slot));
        known.map(|slot| self.reference(slot))
    }

    fn known(&self, labels: &Labels, pairs: &mut Vec<Pair>) -> Option<u32> {
        pairs.clear();
        for label in labels.iter() {
            let (name, value) = (self.symbols.get(&label.name)?, self.symbols.get(&label.value)?);
            pairs.push(Pair { name, value });
        }
        self.find(pairs)
    }

    fn reference(&self, slot: u32) -> SeriesRef {
        SeriesRef { slot, generation: self.slots[slot as usize].generation }
    }

    fn find(&self, pairs: &[Pair]) -> Option<u32> {
        let same = |slot: &u32| *self.slots[*slot as usize].pairs == *pairs;
        self.table.find(self.hasher.hash_one(pairs), same).copied()
    }

    /// The known or a new series; [`SeriesRef::REFUSED`] when it is new and over a limit.
    pub(crate) fn register(&mut self, labels: &Labels, pairs: &mut Vec<Pair>) -> SeriesRef {
        let known = self.known(labels, pairs);
        if let Some(known) = known.filter(|slot| !self.resting.contains(*slot)) {
            return self.reference(known);
        }
        if !self.limiter.admits(labels.get(Limiter::HOST).unwrap_or("")) {
            return SeriesRef::REFUSED;
        }
        if let Some(resting) = known {
            self.resting.remove(resting);
            self.fresh.insert(resting);
            self.count(resting, Limiter::added);
            return self.reference(resting);
        }
        let slot = self.free.pop().or_else(|| u32::try_from(self.slots.len()).ok());
        let Some(slot) = slot.filter(|slot| *slot < SLOTS_MAX) else { return SeriesRef::REFUSED };
        let taken = labels.iter().map(|label| Pair {
            name: self.symbols.take(&label.name),
            value: self.symbols.take(&label.value),
        });
        let taken: Box<[Pair]> = taken.collect();
        self.place(slot, taken);
        self.unnamed.insert(slot);
        self.reference(slot)
    }

    /// A series from disk, whatever the limits.
    pub(crate) fn restore(&mut self, slot: u32, pairs: &[Pair], renaming: Renaming) -> Decoded<()> {
        if slot >= SLOTS_MAX {
            return Err("a slot is too large");
        }
        let text = |symbol| &**self.symbols.text(symbol);
        if !pairs.is_sorted_by(|one, next| text(one.name) < text(next.name)) {
            return Err("the labels of a series are not in order");
        }
        let before = [self.all.contains(slot).then_some(slot), self.find(pairs)];
        if before == [Some(slot); 2] {
            return Ok(());
        }
        for other in before.into_iter().flatten() {
            if renaming == Renaming::Damage {
                return Err("a part has another series in a slot than the parts before it");
            }
            self.remove(other);
        }
        for pair in pairs {
            self.symbols.retain(pair.name);
            self.symbols.retain(pair.value);
        }
        self.place(slot, pairs.into());
        Ok(())
    }

    /// After the last [`Index::restore`]: what lies between is free.
    pub(crate) fn restored(&mut self) {
        let end = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        self.free = (0..end).rev().filter(|slot| !self.all.contains(*slot)).collect();
        self.all.optimize();
    }

    /// Symbols for a batch, each used once until [`Index::release_all`].
    pub(crate) fn take_all(&mut self, strings: &[&str]) -> Vec<Symbol> {
        strings.iter().map(|text| self.symbols.take(text)).collect()
    }

    pub(crate) fn release_all(&mut self, symbols: &[Symbol]) {
        symbols.iter().for_each(|symbol| self.symbols.release(*symbol));
    }

    /// Puts a series whose symbols are taken into a slot that is free.
    fn place(&mut self, slot: u32, pairs: Box<[Pair]>) {
        if slot as usize >= self.slots.len() {
            self.slots.resize_with(slot as usize + 1, Slot::default);
        }
        for pair in &pairs {
            let values = self.postings.entry(pair.name).or_default();
            values.entry(pair.value).or_default().insert(slot);
        }
        let host = self.host(&pairs).cloned();
        self.limiter.added(host.as_ref());
        let hash = self.hasher.hash_one(&*pairs);
        self.slots[slot as usize].pairs = pairs;
        let Self { table, slots, hasher, .. } = self;
        table.insert_unique(hash, slot, |slot| hasher.hash_one(&*slots[*slot as usize].pairs));
        self.all.insert(slot);
        self.fresh.insert(slot);
    }

    fn host(&self, pairs: &[Pair]) -> Option<&Arc<str>> {
        let name = self.symbols.get(Limiter::HOST)?;
        let pair = pairs.iter().find(|pair| pair.name == name)?;
        Some(self.symbols.text(pair.value))
    }

    /// Hands out the slots that the catalogue does not name yet; it is told by [`Index::still_unnamed`] if that fails.
    pub(crate) fn take_unnamed(&mut self) -> RoaringBitmap {
        std::mem::take(&mut self.unnamed)
    }

    pub(crate) fn still_unnamed(&mut self, slots: &RoaringBitmap) {
        self.unnamed |= slots;
    }

    /// Forgets every series that has neither samples nor roll-ups and was known at the last sweep already. Returns
    /// their slots.
    pub(crate) fn sweep(
        &mut self,
        with_samples: &RoaringBitmap,
        with_rollups: &RoaringBitmap,
    ) -> RoaringBitmap {
        let active = with_samples | std::mem::take(&mut self.fresh);
        let dead = &self.all - &(&active | with_rollups);
        for slot in &dead {
            self.remove(slot);
            self.free.push(slot);
        }
        self.rest(&active);
        dead
    }

    /// Lets the limits count these and no others.
    pub(crate) fn rest(&mut self, active: &RoaringBitmap) {
        let resting = &self.all - active;
        for slot in &resting - &self.resting {
            self.count(slot, Limiter::removed);
        }
        for slot in &self.resting - &resting {
            self.count(slot, Limiter::added);
        }
        self.resting = resting;
    }

    fn count(&mut self, slot: u32, change: fn(&mut Limiter, Option<&Arc<str>>)) {
        let host = self.host(self.pairs(slot)).cloned();
        change(&mut self.limiter, host.as_ref());
    }

    fn remove(&mut self, slot: u32) {
        let place = &mut self.slots[slot as usize];
        place.generation = place.generation.wrapping_add(1);
        let pairs = std::mem::take(&mut place.pairs);
        let found = self.table.find_entry(self.hasher.hash_one(&*pairs), |other| *other == slot);
        if let Ok(found) = found {
            found.remove();
        }
        for pair in &pairs {
            let Some(values) = self.postings.get_mut(&pair.name) else { continue };
            if let Some(slots) = values.get_mut(&pair.value) {
                slots.remove(slot);
                if slots.is_empty() {
                    values.remove(&pair.value);
                }
            }
            if values.is_empty() {
                self.postings.remove(&pair.name);
            }
        }
        if !self.resting.remove(slot) {
            let host = self.host(&pairs).cloned();
            self.limiter.removed(host.as_ref());
        }
        self.all.remove(slot);
        self.fresh.remove(slot);
        self.unnamed.remove(slot);
        for pair in &pairs {
            self.symbols.release(pair.name);
            self.symbols.release(pair.value);
        }
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
        let values = self.values(&matcher.name);
        let absent_picked = matcher.matches("");
        if matcher.op == agent_model::MatchOp::Equal && !absent_picked {
            let value = self.symbols.get(&matcher.value);
            let slots = values.zip(value).and_then(|(values, value)| values.get(&value));
            return slots.cloned().unwrap_or_default();
        }
        // A matcher that picks the absent label is told by those whose value it does not pick.
        let told = values.into_iter().flatten();
        let told = told.filter(|(value, _)| matcher.matches(self.text(**value)) != absent_picked);
        let mut union = RoaringBitmap::new();
        for (_, slots) in told {
            union |= slots;
        }
        if absent_picked { &self.all - &union } else { union }
    }

    fn values(&self, name: &str) -> Option<&HashMap<Symbol, RoaringBitmap>> {
        self.postings.get(&self.symbols.get(name)?)
    }

    /// Label names of these series, in order.
    pub(crate) fn label_names(&self, slots: &RoaringBitmap) -> Vec<Arc<str>> {
        let carried = |values: &HashMap<Symbol, RoaringBitmap>| {
            values.values().any(|carriers| !carriers.is_disjoint(slots))
        };
        let names = self.postings.iter().filter(|(_, values)| carried(values));
        self.texts(names.map(|(name, _)| *name))
    }

    /// Values of one label of these series, in order.
    pub(crate) fn label_values(&self, name: &str, slots: &RoaringBitmap) -> Vec<Arc<str>> {
        let values = self.values(name).into_iter().flatten();
        let carried = values.filter(|(_, carriers)| !carriers.is_disjoint(slots));
        self.texts(carried.map(|(value, _)| *value))
    }

    fn texts(&self, symbols: impl Iterator<Item = Symbol>) -> Vec<Arc<str>> {
        let mut texts: Vec<_> = symbols.map(|symbol| Arc::clone(self.text(symbol))).collect();
        texts.sort_unstable();
        texts
    }

    pub(crate) fn cardinality(&self, limit: usize) -> Cardinality {
        let names = self.values(Labels::NAME).into_iter().flatten();
        let mut metrics: Vec<_> =
            names.map(|(name, slots)| (Arc::clone(self.text(*name)), slots.len())).collect();
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
