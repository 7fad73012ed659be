//! Duty: who of a roster is told now, and swaps, by which people change that while the collector runs.
//!
//! Who comes on duty is told what goes on; who went off is told nothing new, and the end of what they were told.
//! Leaves to others: who may make a swap.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use agent_model::Millis;

use crate::AlertingError;
use crate::id::Id;
use crate::limits::SWAPS_MAX;
use crate::routing::Integration;
use crate::state::State;

/// Who is on duty, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duty {
    pub by: DutyBy,
    pub people: BTreeSet<Arc<str>>,
}

/// What says who is on duty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DutyBy {
    Swap,
    Shift,
    Rotation,
    /// Nothing names anybody, so all are told.
    Everybody,
}

/// Somebody stands in for whoever's turn it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swap {
    pub id: String,
    pub roster: Arc<str>,
    pub person: Arc<str>,
    pub from_ms: Millis,
    pub until_ms: Millis,
    pub made_by: String,
    pub made_ms: Millis,
    pub note: String,
}

/// A swap as it is wished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSwap {
    pub roster: String,
    pub person: String,
    pub from_ms: Millis,
    pub until_ms: Millis,
    pub made_by: String,
    pub note: String,
}

/// A time in which the same people are on duty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DutyStretch {
    pub duty: Duty,
    pub from_ms: Millis,
    pub until_ms: Millis,
}

/// A roster as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RosterStatus {
    pub roster: Arc<str>,
    /// One after the other, from now on.
    pub stretches: Vec<DutyStretch>,
    /// That have not ended, the first first.
    pub swaps: Vec<Swap>,
    /// Who can stand in: all that `alerting.yml` names.
    pub people: Vec<Arc<str>>,
}

impl Duty {
    pub(crate) fn of(by: DutyBy, person: Arc<str>) -> Self {
        Self { by, people: BTreeSet::from([person]) }
    }
}

impl DutyBy {
    pub fn name(self) -> &'static str {
        match self {
            Self::Swap => "swap",
            Self::Shift => "shift",
            Self::Rotation => "rotation",
            Self::Everybody => "everybody",
        }
    }
}

impl Swap {
    pub(crate) fn holds(&self, at_ms: Millis) -> bool {
        (self.from_ms..self.until_ms).contains(&at_ms)
    }
}

/// When somebody comes on duty or goes off, every group is looked at again.
pub(crate) fn note_duties(state: &mut State, now_ms: Millis) {
    let duties = state.routing.duties(now_ms, state.swaps.values());
    if duties != state.duties {
        state.duties = duties;
        state.mark_all_groups();
    }
}

/// Whether an integration tells of new things now: all do that belong to nobody's duty.
pub(crate) fn is_on(duties: &BTreeMap<Arc<str>, Duty>, integration: &Integration) -> bool {
    integration.turn.as_ref().is_none_or(|turn| {
        duties.get(&turn.roster).is_none_or(|duty| duty.people.contains(&turn.person))
    })
}

pub(crate) fn add(state: &mut State, wish: NewSwap, now_ms: Millis) -> Result<Swap, AlertingError> {
    let refused = |why: String| Err(AlertingError::SwapRefused(why));
    let rosters = &state.routing.rosters;
    let Some(roster) = rosters.iter().find(|one| one.name.as_ref() == wish.roster) else {
        return refused(format!("there is no roster {:?}", wish.roster));
    };
    let Some(person) = state.routing.reachable(&wish.person) else {
        let who = &wish.person;
        return refused(format!(
            "{who:?} is not among the `people` of alerting.yml who can be reached"
        ));
    };
    if wish.until_ms <= wish.from_ms.max(now_ms) {
        return refused("it would have ended already; give a later end".to_owned());
    }
    state.swaps.retain(|_, swap| swap.until_ms > now_ms);
    if state.swaps.len() >= SWAPS_MAX {
        return refused(format!("there are {SWAPS_MAX} swaps already; take some back"));
    }
    let times = [wish.from_ms, wish.until_ms, now_ms].map(Millis::cast_unsigned);
    let id = Id::default().text(&wish.roster).text(&wish.person).text(&wish.made_by);
    let swap = Swap {
        id: times.into_iter().fold(id, Id::number).hex(6),
        roster: Arc::clone(&roster.name),
        person: Arc::clone(&person.name),
        from_ms: wish.from_ms,
        until_ms: wish.until_ms,
        made_by: wish.made_by,
        made_ms: now_ms,
        note: wish.note,
    };
    state.swaps.insert(swap.id.clone(), swap.clone());
    state.batch.swaps.insert(swap.id.clone());
    Ok(swap)
}

/// Takes a swap back, or ends the one that holds.
pub(crate) fn remove(state: &mut State, id: &str, now_ms: Millis) -> Result<(), AlertingError> {
    let open = state.swaps.get_mut(id).filter(|swap| swap.until_ms > now_ms);
    let swap = open.ok_or_else(|| AlertingError::SwapUnknown(id.to_owned()))?;
    swap.until_ms = now_ms;
    state.batch.swaps.insert(id.to_owned());
    Ok(())
}
