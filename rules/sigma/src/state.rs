//! What correlations remember: for each group its recent events, and when it last led to a detection.
//!
//! Everything is of fixed size and bounded; what must give way is the group untouched for longest, and each loss
//! is counted. The same events in the same order always lead to the same state, byte for byte, and no clock is
//! read: times come from the events, and "untouched" is told by the collector's times of receipt.

mod bytes;

use std::collections::{BTreeMap, VecDeque};

use agent_model::{EventId, Millis};

use crate::correlation::Correlation;
use crate::rule::Finding;
use crate::window;

pub use bytes::StateError;

/// Groups that are remembered, over all rules: ten thousand attackers at once, about 10 MB at the worst.
pub const GROUPS_MAX: usize = 10_000;
/// Events that one group remembers; no threshold may ask for more than half of it.
pub const EVENTS_PER_GROUP_MAX: usize = 1_000;
/// Events that all groups together remember; bounds the bytes of one save to about 6 MB.
pub const EVENTS_MAX: usize = 100_000;
/// How much later than its neighbours (from other hosts, through a slow line) an event may come and still count
/// with them: a quarter of an hour. An event of one host comes in order and is never late in this sense.
pub const LATE_MS_MAX: Millis = 15 * 60 * 1000;

/// What could not be kept, and what was held back, since the state was made or restored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CorrelationCounters {
    /// Groups given up because there were [`GROUPS_MAX`] groups or [`EVENTS_MAX`] events.
    pub groups_evicted: u64,
    /// Events given up because their group held as many as it may.
    pub events_evicted: u64,
    /// Events that came more than [`LATE_MS_MAX`] after the window of their group.
    pub events_late: u64,
    /// Times a condition was met while the group's last detection still held.
    pub held_back: u64,
}

/// See the head of this file. `Default` is the empty state.
#[derive(Clone, Debug, Default)]
pub struct CorrelationState {
    groups: BTreeMap<GroupId, Group>,
    /// The groups by their last touch, oldest first.
    touches: BTreeMap<u64, GroupId>,
    /// Counts every entry ever made: the order of arrival, which breaks ties between equal times.
    arrivals: u64,
    events: usize,
    counters: CorrelationCounters,
}

type GroupId = [u8; 16];

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Group {
    entries: VecDeque<Entry>,
    /// Event ids in all entries.
    events: usize,
    fired_ms: Option<Millis>,
    touched: u64,
    /// By the collector's clock: from then on nothing here can matter any more.
    expires_ms: Millis,
}

/// One event, or one finding of a correlation below, in a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) time_ms: Millis,
    arrival: u64,
    pub(crate) slot: u16,
    pub(crate) value: u64,
    /// Oldest first; one, or those of the finding below. Shared with nobody, bounded by `EVENT_IDS_MAX`.
    event_ids: Vec<EventId>,
    event_count: u64,
}

/// Something joins a group.
pub(crate) struct Joining<'a> {
    pub(crate) group: [u8; 16],
    pub(crate) slot: u16,
    pub(crate) value: u64,
    pub(crate) finding: &'a Finding,
    pub(crate) received_ms: Millis,
}

impl CorrelationState {
    pub fn counters(&self) -> CorrelationCounters {
        self.counters
    }

    /// Grows with every change: a state whose revision was saved need not be saved again.
    pub fn revision(&self) -> u64 {
        self.arrivals
    }

    pub fn groups(&self) -> usize {
        self.groups.len()
    }

    /// Events remembered in all groups.
    pub fn events(&self) -> usize {
        self.events
    }

    /// Lets a finding join its group; the answer is what the correlation (the rule `rule`) finds thereby.
    pub(crate) fn join(
        &mut self,
        rule: usize,
        correlation: &Correlation,
        joining: &Joining<'_>,
    ) -> Option<Finding> {
        self.expire(joining.received_ms);
        self.arrivals += 1;
        let arrival = self.arrivals;
        let group = self.groups.entry(joining.group).or_default();
        self.touches.remove(&group.touched);
        self.touches.insert(arrival, joining.group);
        group.touched = arrival;
        let remembered = correlation.timespan_ms + correlation.hold_ms + LATE_MS_MAX;
        group.expires_ms = group.expires_ms.max(joining.received_ms.saturating_add(remembered));

        let before = group.events;
        let found = group.add(rule, correlation, joining, arrival, &mut self.counters);
        self.events = self.events + group.events - before;
        self.make_room();
        found
    }

    /// Forgets groups whose time is over. Looks at the oldest touch only: a group with a long time ahead may
    /// keep others waiting, and the bounds hold all the same.
    fn expire(&mut self, received_ms: Millis) {
        while let Some((_, oldest)) = self.touches.first_key_value()
            && self.groups.get(oldest).is_none_or(|group| group.expires_ms < received_ms)
        {
            self.forget_oldest();
        }
    }

    fn make_room(&mut self) {
        while self.groups.len() > GROUPS_MAX || (self.events > EVENTS_MAX && self.groups.len() > 1)
        {
            self.counters.groups_evicted += 1;
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, oldest)) = self.touches.pop_first()
            && let Some(group) = self.groups.remove(&oldest)
        {
            self.events -= group.events;
        }
    }
}

impl Group {
    fn add(
        &mut self,
        rule: usize,
        correlation: &Correlation,
        joining: &Joining<'_>,
        arrival: u64,
        counters: &mut CorrelationCounters,
    ) -> Option<Finding> {
        let finding = joining.finding;
        let slot = if correlation.slots_matter() { joining.slot } else { 0 };
        if self.knows(finding, slot) {
            return None;
        }
        let entry = Entry {
            time_ms: finding.time_ms,
            arrival,
            slot,
            value: joining.value,
            event_ids: finding.event_ids.clone(),
            event_count: finding.event_count,
        };
        let at = self.entries.partition_point(|known| known.time_ms <= entry.time_ms);
        self.events += entry.event_ids.len();
        self.entries.insert(at, entry);
        let dropped = self.drop_old(correlation, counters);
        // The newcomer itself was among what was dropped: too late to matter.
        let joined = at.checked_sub(dropped)?;
        let met = window::met(correlation, &self.entries, joined)?;
        let end_ms = self.entries[met.last].time_ms;
        if self
            .fired_ms
            .is_some_and(|fired| fired.abs_diff(end_ms) < correlation.hold_ms.unsigned_abs())
        {
            counters.held_back += 1;
            return None;
        }
        self.fired_ms = Some(end_ms);
        let entries = self.entries.range(met.first..=met.last);
        let event_count = entries.clone().map(|entry| entry.event_count).sum();
        let ids = entries.flat_map(|entry| entry.event_ids.iter().copied()).collect();
        let event_ids = Finding::bounded(ids);
        Some(Finding { rule, time_ms: end_ms, event_ids, event_count })
    }

    /// The same event in the same slot: a repeat of something that was counted.
    fn knows(&self, finding: &Finding, slot: u16) -> bool {
        let from = self.entries.partition_point(|entry| entry.time_ms < finding.time_ms);
        self.entries
            .range(from..)
            .take_while(|entry| entry.time_ms == finding.time_ms)
            .any(|entry| entry.slot == slot && entry.event_ids == finding.event_ids)
    }

    /// Drops what no window can reach any more, then what is too much; says how many.
    fn drop_old(&mut self, correlation: &Correlation, counters: &mut CorrelationCounters) -> usize {
        let latest = self.entries.back().map_or(0, |entry| entry.time_ms);
        let reach = latest.saturating_sub(correlation.timespan_ms + LATE_MS_MAX);
        let mut dropped = self.entries.partition_point(|entry| entry.time_ms <= reach);
        let newest_dropped = self.entries.range(..dropped).any(|e| e.arrival == self.touched);
        counters.events_late += u64::from(newest_dropped);
        let excess = (self.entries.len() - dropped).saturating_sub(correlation.events_kept);
        // Where fewer are kept, the rule needs no more, and nothing is lost.
        if correlation.events_kept == EVENTS_PER_GROUP_MAX {
            counters.events_evicted += excess as u64;
        }
        dropped += excess;
        let forgotten = self.entries.drain(..dropped);
        self.events -= forgotten.map(|entry| entry.event_ids.len()).sum::<usize>();
        dropped
    }
}
