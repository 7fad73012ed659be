//! `count_values`: one series per distinct value, its label the value, its value how often it occurs.

use std::collections::HashMap;

use agent_model::Labels;

use super::Group;
use crate::PromqlError;
use crate::evaluate::Evaluation;
use crate::number::to_text;
use crate::track::{Track, absent, is_present};

pub(super) fn count_values(
    evaluation: &Evaluation,
    label: &str,
    tracks: &[Track],
    groups: &[Group],
    steps: usize,
) -> Result<Vec<Track>, PromqlError> {
    // The value may overwrite a label that told groups apart, so all groups write to the same series.
    let mut places: HashMap<Labels, usize> = HashMap::new();
    let mut counted: Vec<Track> = Vec::new();
    for group in groups {
        for member in &group.members {
            for (step, value) in tracks[*member].values.iter().enumerate() {
                if !is_present(*value) {
                    continue;
                }
                let labels = group.labels.with(label, to_text(*value));
                let place = match places.get(&labels) {
                    Some(place) => *place,
                    None => {
                        evaluation.spend(steps)?;
                        places.insert(labels.clone(), counted.len());
                        counted.push(Track::new(labels, vec![absent(); steps]));
                        counted.len() - 1
                    }
                };
                let count = &mut counted[place].values[step];
                *count = if is_present(*count) { *count + 1.0 } else { 1.0 };
            }
        }
    }
    Ok(counted)
}
