//! `label_replace` and `label_join`.

use agent_model::Labels;

use crate::PromqlError;
use crate::plan::{LabelJoin, LabelReplace};
use crate::track::{Track, join_alike};

/// Where the whole source label matches, the target becomes the replacement with `$1`, `${name}` filled in.
pub(super) fn replace(
    plan: &LabelReplace,
    mut tracks: Vec<Track>,
) -> Result<Vec<Track>, PromqlError> {
    for track in &mut tracks {
        let source = track.labels.get(&plan.source).unwrap_or("").to_owned();
        if let Some(captures) = plan.pattern.captures(&source) {
            let mut value = String::new();
            captures.expand(&plan.replacement, &mut value);
            set(track, &plan.target, value);
        }
    }
    join_alike(tracks)
}

pub(super) fn join(plan: &LabelJoin, mut tracks: Vec<Track>) -> Result<Vec<Track>, PromqlError> {
    for track in &mut tracks {
        let parts = plan.sources.iter().map(|source| track.labels.get(source).unwrap_or(""));
        let value = parts.collect::<Vec<_>>().join(&plan.separator);
        set(track, &plan.target, value);
    }
    join_alike(tracks)
}

/// A name that is given anew stays.
fn set(track: &mut Track, target: &str, value: String) {
    track.labels = track.labels.with(target, value);
    track.drops_name &= target != Labels::NAME;
}
