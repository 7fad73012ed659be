//! A series of a result while it is worked on: its labels and one value per step.
//! An absent value is the stale marker: a stale sample is never a result, and no arithmetic can make this NaN.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use agent_model::{Labels, is_stale, stale_marker};

use crate::PromqlError;

#[derive(Clone, Debug)]
pub(crate) struct Track {
    pub(crate) labels: Labels,
    /// One per step; [`absent`] where the series has no value.
    pub(crate) values: Vec<f64>,
    /// The name is no longer that of the values, and goes.
    pub(crate) drops_name: bool,
}

/// "No value at this step".
pub(crate) fn absent() -> f64 {
    stale_marker()
}

pub(crate) fn is_present(value: f64) -> bool {
    !is_stale(value)
}

impl Track {
    pub(crate) fn new(labels: Labels, values: Vec<f64>) -> Self {
        Self { labels, values, drops_name: false }
    }

    pub(crate) fn is_present_at(&self, step: usize) -> bool {
        is_present(self.values[step])
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.values.iter().any(|value| is_present(*value))
    }

    /// Replaces every value that is there.
    pub(crate) fn map(&mut self, change: impl Fn(f64) -> f64) {
        for value in &mut self.values {
            if is_present(*value) {
                *value = change(*value);
            }
        }
    }
}

/// In the order of their labels, which a source does not promise: that of unsorted results, and of ties of `topk`.
pub(crate) fn sort(tracks: &mut [Track]) {
    tracks.sort_unstable_by(|one, other| one.labels.cmp(&other.labels));
}

/// What a function or operator made of these is no longer the metric that they name.
pub(crate) fn drop_names(mut tracks: Vec<Track>) -> Vec<Track> {
    for track in &mut tracks {
        track.drops_name = true;
    }
    tracks
}

/// Takes the names away that are to be dropped; series that become alike are joined, or refused where both have a
/// value at one step.
pub(crate) fn without_dropped_names(mut tracks: Vec<Track>) -> Result<Vec<Track>, PromqlError> {
    if !tracks.iter().any(|track| track.drops_name) {
        return Ok(tracks);
    }
    let first_name = tracks.first().map(|track| track.labels.metric_name().to_owned());
    // Series of one name differ in another label, so nothing can coincide; this is nearly always so.
    let alike = |track: &Track| {
        track.drops_name && Some(track.labels.metric_name()) == first_name.as_deref()
    };
    let one_name = tracks.iter().all(alike);
    for track in tracks.iter_mut().filter(|track| track.drops_name) {
        track.drops_name = false;
        if !track.labels.metric_name().is_empty() {
            track.labels = track.labels.without_metric_name();
        }
    }
    if one_name { Ok(tracks) } else { join_alike(tracks) }
}

/// Joins series with the same labels. Two values at one step are an error, as in Prometheus.
pub(crate) fn join_alike(tracks: Vec<Track>) -> Result<Vec<Track>, PromqlError> {
    let mut places: HashMap<Labels, usize> = HashMap::with_capacity(tracks.len());
    let mut joined: Vec<Track> = Vec::with_capacity(tracks.len());
    for track in tracks {
        match places.entry(track.labels.clone()) {
            Entry::Vacant(place) => {
                place.insert(joined.len());
                joined.push(track);
            }
            Entry::Occupied(place) => {
                let kept = &mut joined[*place.get()];
                for (value, added) in kept.values.iter_mut().zip(track.values) {
                    match (is_present(*value), is_present(added)) {
                        (true, true) => return Err(PromqlError::SameLabels(kept.labels.clone())),
                        (false, true) => *value = added,
                        _ => {}
                    }
                }
            }
        }
    }
    Ok(joined)
}
