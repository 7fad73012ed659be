//! `and`, `or`, `unless`: whole series picked by the labels of the other side, step by step.

use std::collections::HashMap;

use agent_model::Labels;

use crate::PromqlError;
use crate::plan::{SetOperator, SetPlan};
use crate::track::{Track, absent, join_alike};

/// At which steps a signature has a value.
type Presence = HashMap<Labels, Vec<bool>>;

pub(crate) fn set(
    plan: &SetPlan,
    left: Vec<Track>,
    right: Vec<Track>,
    steps: usize,
) -> Result<Vec<Track>, PromqlError> {
    match plan.operator {
        SetOperator::And => Ok(kept(plan, left, &presence(plan, &right, steps), true)),
        SetOperator::Unless => Ok(kept(plan, left, &presence(plan, &right, steps), false)),
        SetOperator::Or => {
            let right = kept(plan, right, &presence(plan, &left, steps), false);
            join_alike(left.into_iter().chain(right).collect())
        }
    }
}

fn presence(plan: &SetPlan, tracks: &[Track], steps: usize) -> Presence {
    let mut presence = Presence::new();
    for track in tracks {
        let signature = plan.matching.signature(&track.labels);
        let present = presence.entry(signature).or_insert_with(|| vec![false; steps]);
        for (step, present) in present.iter_mut().enumerate() {
            *present |= track.is_present_at(step);
        }
    }
    presence
}

/// The values at those steps where the other side's presence is as wanted.
fn kept(plan: &SetPlan, mut tracks: Vec<Track>, other: &Presence, wanted: bool) -> Vec<Track> {
    for track in &mut tracks {
        let present = other.get(&plan.matching.signature(&track.labels));
        for (step, value) in track.values.iter_mut().enumerate() {
            if present.is_some_and(|present| present[step]) != wanted {
                *value = absent();
            }
        }
    }
    tracks.retain(|track| !track.is_empty());
    tracks
}
