//! Rosters: who of some people is on duty, by hand-made shifts and by rotations. Pure; swaps come from outside.
//!
//! What is more particular counts: a swap, else a shift, else the last rotation that has begun and holds. Where none of them
//! names anybody, everybody of the roster is on duty: an alert is told too widely rather than to nobody.

use std::collections::BTreeSet;
use std::sync::Arc;

use agent_model::Millis;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::{Routing, TimeInterval};
use crate::duty::{Duty, DutyBy, Swap};

/// Somebody who can be on duty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) name: Arc<str>,
    /// By which the person is reached.
    pub(crate) receiver: Arc<str>,
    /// Whether that receiver has a way at all.
    pub(crate) is_reachable: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Roster {
    pub(crate) name: Arc<str>,
    pub(crate) zone: TimeZone,
    pub(crate) shifts: Vec<Shift>,
    pub(crate) rotations: Vec<Rotation>,
}

/// Somebody's turn that was written down by itself.
#[derive(Clone, Debug)]
pub(crate) struct Shift {
    pub(crate) person: Arc<str>,
    pub(crate) from_ms: Millis,
    pub(crate) until_ms: Millis,
}

/// People who take turns.
#[derive(Clone, Debug)]
pub(crate) struct Rotation {
    pub(crate) people: Vec<Arc<str>>,
    /// When the first of them begins, by the clock on the wall.
    pub(crate) starts: DateTime,
    pub(crate) every_ms: Millis,
    /// Time intervals, one of which must hold; empty for always.
    pub(crate) during: Vec<Arc<str>>,
}

impl Roster {
    /// All who are named in it.
    pub(crate) fn people(&self) -> BTreeSet<Arc<str>> {
        let turns = self.rotations.iter().flat_map(|rotation| &rotation.people);
        self.shifts.iter().map(|shift| &shift.person).chain(turns).cloned().collect()
    }

    fn on_duty<'a>(
        &self,
        at_ms: Millis,
        intervals: &[TimeInterval],
        swaps: impl Iterator<Item = &'a Swap>,
    ) -> Duty {
        let of_us = swaps.filter(|swap| swap.roster == self.name && swap.holds(at_ms));
        if let Some(swap) = of_us.max_by_key(|swap| swap.made_ms) {
            return Duty::of(DutyBy::Swap, Arc::clone(&swap.person));
        }
        let holds = |shift: &&Shift| (shift.from_ms..shift.until_ms).contains(&at_ms);
        if let Some(shift) = self.shifts.iter().rev().find(holds) {
            return Duty::of(DutyBy::Shift, Arc::clone(&shift.person));
        }
        let here = Timestamp::from_millisecond(at_ms).unwrap_or(Timestamp::MIN);
        let here = here.to_zoned(self.zone.clone()).datetime();
        let turn = self.rotations.iter().rev().find_map(|rotation| {
            let named = |name: &Arc<str>| intervals.iter().find(|one| one.name == *name);
            let mut during = rotation.during.iter().filter_map(named);
            let holds = rotation.during.is_empty() || during.any(|one| one.holds(at_ms));
            holds.then(|| rotation.person_at(here)).flatten()
        });
        turn.map_or_else(
            || Duty { by: DutyBy::Everybody, people: self.people() },
            |person| Duty::of(DutyBy::Rotation, Arc::clone(person)),
        )
    }
}

impl Rotation {
    /// Turns change by the clock on the wall, also where it is moved twice a year.
    fn person_at(&self, here: DateTime) -> Option<&Arc<str>> {
        let since = here.duration_since(self.starts).as_millis();
        if since < 0 || self.every_ms <= 0 || self.people.is_empty() {
            return None;
        }
        let turn = since / i128::from(self.every_ms);
        let count = i128::try_from(self.people.len()).ok()?;
        self.people.get(usize::try_from(turn % count).ok()?)
    }
}

impl Routing {
    /// Somebody who can be told something.
    pub(crate) fn reachable(&self, person: &str) -> Option<&Person> {
        self.people.iter().find(|known| known.name.as_ref() == person && known.is_reachable)
    }

    /// Who is on duty in each roster.
    pub(crate) fn duties<'a>(
        &self,
        at_ms: Millis,
        swaps: impl Iterator<Item = &'a Swap> + Clone,
    ) -> std::collections::BTreeMap<Arc<str>, Duty> {
        // Who has left the file, or lost the last way to be reached, stands in for nobody any more.
        let reachable = |swap: &&Swap| self.reachable(&swap.person).is_some();
        let swaps = swaps.filter(reachable);
        let duty = |roster: &Roster| {
            (Arc::clone(&roster.name), roster.on_duty(at_ms, &self.intervals, swaps.clone()))
        };
        self.rosters.iter().map(duty).collect()
    }
}
