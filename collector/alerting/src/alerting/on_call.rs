//! Who is on call, now and in the days to come, and swaps.

use std::collections::BTreeMap;
use std::sync::Arc;

use agent_model::Millis;

use crate::duty::{self, Duty, DutyStretch, NewSwap, RosterStatus, Swap};
use crate::group::flush_due;
use crate::routing::Routing;
use crate::state::State;
use crate::{Alerting, AlertingError};

const MINUTE_MS: Millis = 60_000;

/// The longest outlook: turns are looked at minute by minute.
const OUTLOOK_MAX_MS: Millis = 31 * 86_400_000;

impl Alerting {
    /// Every roster with who is on duty from `now_ms` on, for at most a month.
    pub async fn on_call(
        &self,
        now_ms: Millis,
        outlook_ms: Millis,
    ) -> Result<Vec<RosterStatus>, AlertingError> {
        let (routing, swaps) =
            self.look(now_ms, |state| (state.routing.clone(), open_swaps(state, now_ms))).await?;
        let until_ms = now_ms.saturating_add(outlook_ms.clamp(MINUTE_MS, OUTLOOK_MAX_MS));
        // A month is 44,640 looks at each roster.
        let outlook = move || outlook(&routing, &swaps, now_ms, until_ms);
        tokio::task::spawn_blocking(outlook).await.map_err(|_| AlertingError::Interrupted)
    }

    /// Has somebody stand in. Whoever comes on duty by it is told what goes on.
    pub async fn add_swap(&self, wish: NewSwap, now_ms: Millis) -> Result<Swap, AlertingError> {
        self.change(now_ms, |state, in_flight| {
            let swap = duty::add(state, wish, now_ms)?;
            flush_due(state, in_flight, now_ms);
            Ok(swap)
        })
        .await?
    }

    /// Takes a swap back, or ends one that holds.
    pub async fn remove_swap(&self, id: &str, now_ms: Millis) -> Result<(), AlertingError> {
        self.change(now_ms, |state, in_flight| {
            duty::remove(state, id, now_ms)?;
            flush_due(state, in_flight, now_ms);
            Ok(())
        })
        .await?
    }
}

fn outlook(
    routing: &Routing,
    swaps: &[Swap],
    now_ms: Millis,
    until_ms: Millis,
) -> Vec<RosterStatus> {
    let mut stretches: BTreeMap<Arc<str>, Vec<DutyStretch>> = BTreeMap::new();
    let mut at_ms = now_ms;
    while at_ms < until_ms {
        let next_ms = (at_ms.div_euclid(MINUTE_MS) + 1) * MINUTE_MS;
        for (roster, duty) in routing.duties(at_ms, swaps.iter()) {
            lengthen(stretches.entry(roster).or_default(), duty, at_ms, next_ms);
        }
        at_ms = next_ms;
    }
    let statuses = stretches.into_iter().map(|(roster, stretches)| {
        let of_it = swaps.iter().filter(|swap| swap.roster == roster);
        let people = routing.people.iter().map(|person| Arc::clone(&person.name)).collect();
        RosterStatus { swaps: of_it.cloned().collect(), roster, stretches, people }
    });
    statuses.collect()
}

fn open_swaps(state: &State, now_ms: Millis) -> Vec<Swap> {
    let open = state.swaps.values().filter(|swap| swap.until_ms > now_ms);
    let mut open: Vec<Swap> = open.cloned().collect();
    open.sort_by(|one, other| (one.from_ms, &one.id).cmp(&(other.from_ms, &other.id)));
    open
}

fn lengthen(stretches: &mut Vec<DutyStretch>, duty: Duty, from_ms: Millis, until_ms: Millis) {
    match stretches.last_mut() {
        Some(last) if last.duty == duty => last.until_ms = until_ms,
        _ => stretches.push(DutyStretch { duty, from_ms, until_ms }),
    }
}
